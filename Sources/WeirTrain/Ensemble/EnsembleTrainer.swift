import WeirCluster
import WeirGraph
public import WeirTensor
import WeirWire

/// Trains the members of an ensemble at the same time, each on rows and on a server of its own, and combines them.
///
/// One fold of the rows is held out. The others are divided into equal parts, each with its share of each class: one for each member
/// and, for stacking, one to which the combination is fitted, because members are too sure of rows on which they were trained.
///
/// ```swift
/// let members = [try EnsembleMember("small", small), try EnsembleMember("large", large)]
/// let report = try await EnsembleTrainer(members, table: .iris(), directory: "ensemble").run()
/// ```
public struct EnsembleTrainer: Sendable {
    /// Receives the events of the trainings, with the number of the member. It may be called from several threads at once.
    public typealias OnEvent = @Sendable (_ member: Int, TrainingEvent) -> Void
    private let members: [EnsembleMember]
    private let table: Table
    private let directory: String
    private let methods: [EnsembleMethod]
    private let served: EnsembleMethod
    private let servers: [SweepServer]
    private let onEvent: OnEvent

    /// The number of parts of the rows, of which one is held out.
    public var foldCount = 5
    /// The seed of the parts and the batches.
    public var seed = 1
    /// Where the model is written, as a SavedModel; nil means the folder `model` in the trainer's folder.
    public var modelDirectory: String?
    /// The devices of this process, or of each server; a member takes the first.
    public var devices = ["/cpu:0"]

    /// - Parameters:
    ///   - table: the rows.
    ///   - directory: the folder for checkpoints and the model; it is created if needed. Servers need the same file system.
    ///   - methods: the combinations to evaluate.
    ///   - served: the combination that the written model computes: the average, or stacking.
    ///   - servers: where members are trained, one at a time on each; empty trains all in this process at the same time.
    public init(
        _ members: [EnsembleMember], table: Table, directory: String, methods: [EnsembleMethod] = EnsembleMethod.allCases,
        served: EnsembleMethod = .average, servers: [SweepServer] = [], onEvent: @escaping OnEvent = { _, _ in }
    ) {
        self.members = members
        self.table = table
        self.directory = directory
        self.methods = methods
        self.served = served
        self.servers = servers.isEmpty ? members.indices.map { .slot($0) } : servers
        self.onEvent = onEvent
    }

    /// Trains, combines, evaluates on the held-out rows, and writes the model.
    /// - Throws: `invalidArgument` without members, when there are too few rows, or a vote is to be served; the error of a member's
    ///   training, which ends the others; the error of a file that cannot be written, of a folder before anything is trained.
    public func run() async throws(Status) -> EnsembleReport {
        try prepare()
        let seed = UInt64(bitPattern: Int64(seed))
        let (train, test) = table.fold(0, of: foldCount, seed: seed)
        let parts = (0..<partCount).map { train.fold($0, of: partCount, seed: seed &+ 1).test }
        // The same for all members, so that one model can take rows as they are.
        let moments = train.moments
        let trained: [TrainedMember]
        do {
            trained = try await trainAll(parts.prefix(members.count).map { $0.standardized(moments) }, test.standardized(moments))
        } catch {
            throw Status(error)
        }
        var ensemble = Ensemble(columns: ModelColumns(table), members: trained.map(\.member), moments: moments)
        if isStacked, let unseen = parts.last {
            ensemble.stacking = try Stacking(try await ensemble.memberProbabilities(of: unseen), labels: unseen.labels.map(Int.init))
        }
        return try await report(ensemble, trained, parts.map(\.rowCount), test)
    }

    private var isStacked: Bool { methods.contains(.stacking) || served == .stacking }

    /// The number of parts of the rows to train on.
    private var partCount: Int { members.count + (isStacked ? 1 : 0) }

    /// The number of rows of a member's part, the smallest: what a batch has at most.
    /// - Parameter isStacked: whether another part is for fitting the combination.
    package static func partRowCount(of table: Table, folds: Int, members: Int, isStacked: Bool) -> Int {
        TrainingData.table(table).trainingRowCount(of: folds) / max(1, members + (isStacked ? 1 : 0))
    }

    /// Checks what is asked for, makes the folders, and checks that files can be made in them. Nothing is trained.
    /// - Throws: as `run`.
    package func prepare() throws(Status) {
        try check()
        for index in members.indices { try checkpoint(index).prepareFolder() }
        try ServableModel.check(destination: destination)
    }

    /// Where the model is written.
    private var destination: String { modelDirectory ?? FileSystem.join(directory, "model") }
    private func checkpoint(_ member: Int) -> TrainingCheckpoint { TrainingCheckpoint(FileSystem.join(directory, "member\(member + 1)/model")) }

    /// Checks what is asked for.
    /// - Throws: `invalidArgument`, as `run`.
    package func check() throws(Status) {
        guard !members.isEmpty else { throw .invalidArgument("An ensemble needs at least one member, found none") }
        guard served != .vote else { throw .invalidArgument("A vote gives classes, not probabilities, so it is not served; expected average or stacking") }
        guard foldCount >= 2 else { throw .invalidArgument("An ensemble needs at least 2 folds, of which one is held out; found \(foldCount)") }
        guard foldCount <= table.rowCount else { throw .invalidArgument("\(foldCount) folds need as many rows, found \(table.rowCount)") }
        let rowCount = EnsembleTrainer.partRowCount(of: table, folds: foldCount, members: members.count, isStacked: isStacked)
        guard rowCount > 0 else {
            throw .invalidArgument("\(partCount) parts of the training rows, and the held-out rows, must have rows; the table has \(table.rowCount)")
        }
        for member in members where member.batchSize > rowCount {
            throw .invalidArgument(
                "The batch size of member '\(member.name)' must be at most \(rowCount), the number of rows of a member's part; found \(member.batchSize)")
        }
        var seen: Set<SweepServer> = []
        for server in servers where !seen.insert(server).inserted { throw .invalidArgument("servers: expected each server once, found \(server) again") }
    }

    // MARK: Training

    private struct TrainedMember: Sendable {
        let member: Ensemble.Member
        let server: SweepServer
        let seconds: Double
    }

    /// Trains all members. Each server takes the next member when it has trained one.
    private func trainAll(_ parts: [Table], _ test: Table) async throws -> [TrainedMember] {
        try await withThrowingTaskGroup(of: (Int, TrainedMember).self) { group in
            var waiting = Array(members.indices)[...]
            func start(on server: SweepServer) {
                guard let index = waiting.popFirst() else { return }
                let rows = parts[index]
                group.addTask { (index, try await train(index, on: server, rows, test)) }
            }
            for server in servers { start(on: server) }
            var all: [(Int, TrainedMember)] = []
            while let (index, trained) = try await group.next() {
                all.append((index, trained))
                start(on: trained.server)
            }
            return all.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func train(_ index: Int, on server: SweepServer, _ rows: Table, _ test: Table) async throws -> TrainedMember {
        let member = members[index]
        var options = TrainingOptions(
            member.model, table: rows, strategy: SingleDevice(), optimizer: member.optimizer, stepCount: member.stepCount, batchSize: member.batchSize,
            seed: seed &+ index)
        options.devices = devices
        options.tracedSteps = []
        let checkpoint = checkpoint(index)
        options.checkpoint = checkpoint
        let (placed, cluster) = try await options.placed(on: server)
        let trainer = Trainer(placed, train: rows, test: test, cluster: cluster) { [onEvent] event in
            onEvent(index, event)
        }
        let report = try await trainer.run()
        // One device makes the number of updates that it is asked for.
        let reader = try BundleReader("\(checkpoint.prefix)-\(member.stepCount)")
        var values: [String: Tensor] = [:]
        for variable in member.model.parameters + member.model.otherVariables { values[variable.name] = try reader.tensor(ByteString(variable.name)) }
        return TrainedMember(
            member: Ensemble.Member(name: member.name, model: member.model, values: values), server: server, seconds: report.seconds)
    }

    // MARK: Evaluation

    /// How far the probabilities of the saved model, of type `float32`, may be from those that are combined here.
    private static let tolerance = 1e-5

    private func report(_ ensemble: Ensemble, _ trained: [TrainedMember], _ rowCounts: [Int], _ test: Table) async throws(Status) -> EnsembleReport {
        let predictions = try await ensemble.memberProbabilities(of: test)
        func accuracy(_ classes: [Int]) -> Double {
            Double(zip(classes, test.labels).count { $0 == Int($1) }) / Double(test.rowCount)
        }
        var combinations: [EnsembleReport.Score] = []
        for method in methods {
            let classes = try ensemble.classes(predictions, by: method)
            combinations.append(.init(name: method.rawValue, accuracy: accuracy(classes), trainedRowCount: nil, server: nil, seconds: nil))
        }
        let path = destination
        try ensemble.servable(served).write(to: path)
        let combined = try ensemble.probabilities(predictions, by: served)
        let read = try await EnsembleTrainer.probabilities(of: test, path)
        let difference = zip(read.values, combined.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
        guard difference <= EnsembleTrainer.tolerance else {
            throw .internalError("The model \(path) gives probabilities that differ by \(difference) from those of the combination")
        }
        return EnsembleReport(
            ensemble: ensemble,
            members: zip(trained, zip(predictions, rowCounts)).map { trained, found in
                .init(
                    name: trained.member.name, accuracy: accuracy(found.0.classes), trainedRowCount: found.1, server: trained.server,
                    seconds: trained.seconds)
            },
            combinations: combinations, testRowCount: test.rowCount, model: path, served: served, servedDifference: difference)
    }

    /// The combined probabilities that the written model gives to rows.
    private static func probabilities(of table: Table, _ path: String) async throws(Status) -> ClassProbabilities {
        let model = try SavedModel(contentsOf: path)
        let session = try await model.session()
        let found = try await model.predict(["features": table.featureTensor], in: session)
        try await session.close()
        guard let probabilities = found["probabilities"] else { throw .internalError("\(path): its signature has no output 'probabilities'") }
        return try ClassProbabilities(probabilities)
    }
}
