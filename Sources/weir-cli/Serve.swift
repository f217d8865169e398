import ArgumentParser
import Glibc
import ServiceLifecycle
import Weir

/// The option that describes the cluster, for every command that needs one.
struct ClusterArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The cluster: JSON such as {\"ps\":[\"host:port\"],\"worker\":[…]}, or @FILE; TF_CONFIG when not given.", valueName: "JSON|@FILE"))
    var cluster: String?

    func spec() throws -> ServerDefinition.Source {
        if let cluster { return .cluster(try ClusterSpec(option: cluster)) }
        return .environment
    }
}

extension ClusterSpec {
    /// Parses the value of `--cluster`.
    /// - Throws: `ValidationError` for a malformed text; the error of a file, with the option.
    init(option text: String) throws {
        guard text.hasPrefix("@") else {
            self = try usage { try ClusterSpec(argument: text) }
            return
        }
        do throws(Status) {
            try self.init(argument: text)
        } catch {
            throw Status(error.code, "--cluster @\(error.message)")
        }
    }

    /// The cluster of `local:JOBS`, such as `ps=1,worker=2`, with addresses of this machine that are free now.
    /// - Throws: `ValidationError` for a malformed text; `resourceExhausted` when there are not enough free ports.
    init(localJobs text: String) throws { self = try usage { try ClusterSpec.onLoopback(text) } }
}

extension ServerOptions.TensorTransport {
    /// Parses the value of `--protocol`.
    /// - Throws: `ValidationError` when there is no such way.
    init(option text: String) throws {
        guard let found = Self(rawValue: text) else { throw ValidationError("--protocol must be links, tcp or grpc, found '\(text)'") }
        self = found
    }
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a server: one task of a cluster, with a master and a worker service.",
        discussion: "It listens at its own entry's port. SIGTERM lets running steps end, for five seconds at most, then exits.")

    @OptionGroup var cluster: ClusterArguments
    @Option(help: "This server's job.") var job: String?
    @Option(parsing: .unconditional, help: "This server's task in the job.") var task: Int?
    @Option(parsing: .unconditional, help: "Listen here instead of at the port of its own entry; 0 takes any free one.") var port: Int?
    @Option(help: "How Weir tasks move tensors among themselves: links (shared memory on one host, else TCP), tcp, or grpc.") var `protocol` = "links"
    @Option(parsing: .unconditional, help: "CPU devices.") var cpus = 1
    @Option(parsing: .unconditional, help: "Simulated GPUs.") var simulateGpus = 0
    @OptionGroup var gpus: GPUArguments
    @Option(help: ArgumentHelp("Memory that the process takes at most: 512MB, 4GB; else what the machine has. At least 64MB.", valueName: "SIZE"))
    var memoryLimit: ByteCount?
    @Flag(help: "Let nodes go to another device of their task when theirs has no kernel for them.") var allowSoftPlacement = false
    @Flag(help: "End when standard input ends: for servers started by another program.") var untilInputEnds = false

    func validate() throws {
        try require("--task", task, in: OptionRange.task)
        try require("--port", port, in: OptionRange.port)
        if let memoryLimit, memoryLimit.value < MemoryLimit.minimum {
            throw ValidationError("--memory-limit must be at least \(MemoryLimit.minimum >> 20)MB, found \(memoryLimit.value) bytes")
        }
        try require("--cpus", cpus, in: OptionRange.cpus)
        try require("--simulate-gpus", simulateGpus, in: OptionRange.simulatedGPUs)
        _ = try ServerOptions.TensorTransport(option: self.protocol)
    }

    func run() async throws {
        let source = try cluster.spec()
        let definition = try usage { try ServerDefinition(source, job: job, task: task, port: port) }
        if let memoryLimit { try MemoryLimit.set(memoryLimit.value) }
        var options = ServerOptions()
        options.runtime.cpuCount = cpus
        options.runtime.simulatedGPUCount = simulateGpus
        options.runtime.gpus = try gpus.options()
        options.defaults.allowsSoftPlacement = allowSoftPlacement
        options.tensorTransport = try ServerOptions.TensorTransport(option: self.protocol)
        let server = try await Server(definition, options: options)
        let end = try TerminationRequest(input: untilInputEnds ? STDIN_FILENO : nil)
        Terminal.line("serving \(server.target) as \(server.task)")
        let services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: server), .init(service: end, successTerminationBehavior: .gracefullyShutdownGroup),
        ]
        try await ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: options.logger)).run()
    }
}
