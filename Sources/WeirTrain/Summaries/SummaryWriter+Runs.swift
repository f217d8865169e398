public import WeirCluster
public import WeirGraph
public import WeirTensor
import WeirWire

extension SummaryWriter {
    /// Adds the graph, which TensorBoard draws. A run has one.
    /// - Throws: `invalidArgument` when the graph has more than 2 GiB or cannot be serialized; as `scalar`.
    public func graph(_ graph: Graph) throws(Status) { try self.graph(graph.definition) }

    /// Adds the graph, which TensorBoard draws. A run has one.
    /// - Throws: `invalidArgument` when the graph has more than 2 GiB or cannot be serialized; as `scalar`.
    public func graph(_ graph: GraphDefinition) throws(Status) { try append(Event(.graph(try graph.serialized()))) }

    /// Adds what was recorded of a traced step: when each node ran. TensorBoard shows it with the graph, under the tag.
    ///
    /// ```swift
    /// let reply = try await session.run(fetches: ["loss:0"], options: RunOptions(traces: true))
    /// if let metadata = reply.metadata { try writer.runMetadata(metadata, tag: "step 3", step: 3) }
    /// ```
    /// - Throws: `invalidArgument` when it cannot be serialized; as `scalar`.
    public func runMetadata(_ metadata: RunMetadata, tag: String, step: Int) throws(Status) {
        try append(Event(step: Int64(step), .runMetadata(tag: tag, try metadata.serialized())))
    }

    /// Adds the hyper-parameters of the run, for TensorBoard's table of runs. The run's end is recorded with `end`.
    /// - Parameters:
    ///   - parameters: the values by name.
    ///   - metrics: the tags of scalars that the table shows.
    ///   - group: runs of one group are one row of the table, with the mean of their metrics; nil makes each run a row.
    public func hyperparameters(_ parameters: [String: HyperparameterValue], metrics: [String] = [], group: String? = nil) throws(Status) {
        let now = Event.now
        var experiment = WireWriter()
        experiment.field(3, now)
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) {
            experiment.message(4) { info in
                info.field(1, name)
                info.field(4, value.kind)
            }
        }
        for tag in metrics {
            experiment.message(5) { info in info.message(1) { $0.field(2, tag) } }
        }
        try appendHyperparameters("_hparams_/experiment", 2, experiment.bytes)
        var start = WireWriter()
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) {
            start.message(1) { entry in
                entry.field(1, name)
                entry.message(2) { value.write(to: &$0) }
            }
        }
        start.field(4, group ?? "")
        start.field(5, now)
        try appendHyperparameters("_hparams_/session_start_info", 3, start.bytes)
    }

    /// Records that the run whose hyper-parameters were added has ended.
    public func end(succeeded: Bool = true) throws(Status) {
        var end = WireWriter()
        end.field(1, Int64(succeeded ? 1 : 2))
        end.field(2, Event.now)
        try appendHyperparameters("_hparams_/session_end_info", 4, end.bytes)
    }

    /// Adds a message of the plugin `hparams`, which is in the metadata of a value without meaning.
    private func appendHyperparameters(_ tag: String, _ field: Int, _ message: [UInt8]) throws(Status) {
        var content = WireWriter()
        content.always(field, message)
        let metadata = Summary.Metadata(plugin: "hparams", pluginContent: content.bytes, dataClass: 2)
        try append(Summary.Value(tag, .tensor(Tensor([Float(0)])), metadata: metadata), step: 0)
    }
}

/// The value of a hyper-parameter.
public enum HyperparameterValue: Hashable, Sendable {
    /// A number.
    case number(Double)
    /// A text.
    case text(String)
    /// Yes or no.
    case flag(Bool)

    /// TensorBoard's `DataType`.
    fileprivate var kind: Int64 {
        switch self {
        case .text: 1
        case .flag: 2
        case .number: 3
        }
    }

    /// Encodes the value as `google.protobuf.Value`. Members of its oneof are written even when they are zero or empty.
    fileprivate func write(to writer: inout WireWriter) {
        switch self {
        case .number(let value): writer.always(2, value)
        case .text(let value): writer.always(3, value.utf8)
        case .flag(let value): writer.always(4, Int64(value ? 1 : 0))
        }
    }
}

extension HyperparameterValue: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral {
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// A number.
    public init(integerLiteral value: Int) { self = .number(Double(value)) }
    /// A text.
    public init(stringLiteral value: String) { self = .text(value) }
    /// Yes or no.
    public init(booleanLiteral value: Bool) { self = .flag(value) }
}
