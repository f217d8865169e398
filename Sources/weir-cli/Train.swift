import ArgumentParser
import Glibc
import Weir

struct Train: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a network on a cluster or in this process.",
        discussion: """
            Draws a progress bar on a terminal and plain lines on a pipe; --json prints one object a line. Event files for \
            TensorBoard and a picture of the loss are left in --out.
            """)

    @Option(help: "The network: dnn, dense layers.") var model = "dnn"
    @Option(help: "iris, or a CSV file: a header row, numeric columns, the last column the label.") var data = "iris"
    @Option(help: ArgumentHelp("local:ps=1,worker=2 starts one; JSON or @FILE names one that runs.", valueName: "CLUSTER")) var cluster: String?
    @Option(help: "sync, async, in-graph, layers, pipeline, pipelines or single.") var strategy = "single"
    @OptionGroup var stageOptions: StageOptions
    @Option(parsing: .unconditional, help: "With a cluster that runs: be just this worker's client.") var task: Int?
    @Option(parsing: .unconditional, help: "Random seed: initial weights, batches, held-out rows.") var seed = 1
    @Option(parsing: .unconditional, help: "Updates of the variables.") var steps = 200
    @Option(parsing: .unconditional, help: "Rows a worker takes for one gradient.") var batch = 32
    @Option(help: "sgd, momentum, adagrad, adam or rmsprop.") var optimizer = "momentum"
    @Option(parsing: .unconditional, help: "Learning rate.") var learningRate = 0.01
    @Option(help: "Units of each hidden layer.") var hidden = "10,20,20,20,10"
    @Option(parsing: .unconditional, help: "Sync: gradients to wait for before an update; the other workers are backups.") var required: Int?
    @Option(help: "How variables are spread over parameter servers: roundrobin or bytes.") var balance = "roundrobin"
    @Option(parsing: .unconditional, help: "Parts that the rows are cut into; each is held out in turn, to test on.") var folds = 5
    @Option(help: "Where event files and the loss curve go.") var out = "weir-run"
    @Flag(help: "Print one JSON object a line.") var json = false

    func validate() throws {
        try require("--task", task, in: OptionRange.task)
        try require("--steps", steps, in: OptionRange.steps)
        try require("--batch", batch, in: 1...1_000_000)
        try require("--folds", folds, in: 2...1_000)
        try require("--learning-rate", learningRate, in: 0...1e6)
        try require("--required", required, in: 1...OptionRange.task.upperBound)
    }

    func run() async throws {
        var options = try trainingOptions()
        var local: LocalCluster?
        var spec = ClusterSpec()
        if let cluster {
            guard strategy != "single" else {
                throw Status.invalidArgument(
                    "--cluster needs --strategy sync, async, in-graph, layers, pipeline or pipelines; found --strategy single, which trains in this process")
            }
            if cluster.hasPrefix("local:") {
                let started = try LocalCluster(String(cluster.dropFirst(6)))
                local = started
                spec = started.spec
            } else {
                spec = try ClusterSpec(option: cluster)
            }
        } else if try stageOptions.strategy(strategy) != nil {
            try stageOptions.setLocalDevices(of: &options, strategy)
        } else if strategy != "single" {
            throw Status.invalidArgument("Strategy '\(strategy)' needs --cluster, such as local:ps=1,worker=2")
        }
        let reporter = try TrainingReporter(json: json, stepCount: steps, foldCount: folds, directory: out)
        let validation = CrossValidation(options, cluster: spec) { reporter.event($0) }
        let cleanup = local
        // Ctrl-C ends the training and the local servers.
        let end = try TerminationRequest()
        let training = Task { try await validation.run(asWorker: task) }
        let watch = Task {
            await end.wait()
            training.cancel()
        }
        let result = await training.result
        let isCancelled = training.isCancelled
        watch.cancel()
        cleanup?.end()
        switch result {
        case .success(let report): try reporter.finish(report)
        case .failure(let error):
            reporter.abandon()
            if isCancelled { throw Status.cancelled("Training was cancelled by a signal") }
            throw Status(error)
        }
    }

    private func trainingOptions() throws -> TrainingOptions {
        guard model == "dnn" else { throw Status.invalidArgument("--model must be dnn, found '\(model)'") }
        let units = try hidden.split(separator: ",").map { field in
            guard let units = Int(field), (1...1_000_000).contains(units) else {
                throw Status.invalidArgument("--hidden must be numbers of units such as 10,20,10; found '\(field)'")
            }
            return units
        }
        let table: Table
        if data == "iris" {
            table = try Table.iris()
        } else {
            table = try Table(csvFile: data)
        }
        let network = DenseNetwork(inputCount: table.featureCount, hidden: units, classCount: table.classes.count, seed: seed)
        var options = try TrainingOptions(
            network, table: table, strategy: namedStrategy(), optimizer: namedOptimizer(), stepCount: steps, batchSize: batch, seed: seed)
        options.foldCount = folds
        switch balance {
        case "roundrobin": options.balance = .roundRobin
        case "bytes": options.balance = .bytes
        default: throw Status.invalidArgument("--balance must be roundrobin or bytes, found '\(balance)'")
        }
        return options
    }

    private func namedStrategy() throws -> any Strategy {
        if let staged = try stageOptions.strategy(strategy) { return staged }
        return switch strategy {
        case "single": SingleDevice()
        case "in-graph": InGraphReplication()
        case "async": AsynchronousReplicas()
        case "sync": SynchronousReplicas(required: required)
        default: throw Status.invalidArgument("--strategy must be one of sync, async, in-graph, layers, pipeline, pipelines, single, found '\(strategy)'")
        }
    }

    private func namedOptimizer() throws -> any Optimizer {
        switch optimizer {
        case "sgd": GradientDescent(learningRate: learningRate)
        case "momentum": Momentum(learningRate: learningRate)
        case "adagrad": Adagrad(learningRate: learningRate)
        case "adam": Adam(learningRate: learningRate)
        case "rmsprop": RMSProp(learningRate: learningRate)
        default: throw Status.invalidArgument("--optimizer must be sgd, momentum, adagrad, adam or rmsprop, found '\(optimizer)'")
        }
    }
}
