import Synchronization
public import WeirTensor
import WeirWire

/// Writes scalars, histograms, images, texts, a graph, hyper-parameters and traces to an event file for TensorBoard. The file is
/// created in `directory`, which TensorBoard shows as a run.
///
/// ```swift
/// let writer = try SummaryWriter(directory: "logs/first")
/// try writer.scalar("loss", 0.3, step: 1)
/// try writer.histogram("weights", weights, step: 1)
/// try writer.close()
/// ```
/// Events are buffered, so a full disk may show only in a later call or in `close`. Every call that writes throws the status of the
/// system's error; later calls throw it again, because readers cannot read past a damaged event. After `close` they throw
/// `failedPrecondition`.
public final class SummaryWriter: Sendable {
    private struct Guarded: @unchecked Sendable {  // the file is used only under the lock
        var file: EventFile?
        /// The first failed write. The file may end within a record, so nothing is appended after it.
        var failure: Status?

        /// - Throws: the first failure; `failedPrecondition` when the file is closed.
        func open() throws(Status) -> EventFile {
            if let failure { throw failure }
            guard let file else { throw .failedPrecondition("The event file is closed") }
            return file
        }
    }
    private let guarded: Mutex<Guarded>

    /// Creates the event file, and the directory if needed.
    /// - Throws: the status of the system's error.
    public init(directory: String) throws(Status) {
        guarded = Mutex(Guarded(file: try EventFile(in: directory)))
    }

    /// Appends to an existing file, which may be a device, without a version event.
    init(appendingTo path: String) throws(Status) {
        guarded = Mutex(Guarded(file: EventFile(try RecordWriter(path, .append))))
    }

    /// Adds a point to a curve.
    public func scalar(_ tag: String, _ value: Double, step: Int) throws(Status) {
        try append(Summary.Value(tag, .scalar(Float(value))), step: step)
    }

    /// Adds one value at a step.
    func append(_ value: Summary.Value, step: Int) throws(Status) {
        try append(Event(step: Int64(step), .summary(Summary([value]))))
    }

    /// Adds an event.
    func append(_ event: Event) throws(Status) {
        try use { (file) throws(Status) in try file.append(event) }
    }

    /// Writes the buffered events to the system, so that readers see them.
    /// - Throws: as `scalar`.
    public func flush() throws(Status) {
        try use { (file) throws(Status) in try file.flush() }
    }

    /// Writes the buffered events and closes the file. A second call does nothing.
    /// - Throws: the first failure of a write, or the status of the system's error.
    public func close() throws(Status) {
        let closed = guarded.withLock { state -> Result<Void, Status> in
            guard let file = state.file else { return .success(()) }
            state.file = nil
            let closed = Result { () throws(Status) in try file.close() }
            return state.failure.map { .failure($0) } ?? closed
        }
        try closed.get()
    }

    /// Calls `body` with the open file, and keeps its first failure.
    private func use(_ body: (EventFile) throws(Status) -> Void) throws(Status) {
        let result = guarded.withLock { state -> Result<Void, Status> in
            let result = Result { () throws(Status) in try body(try state.open()) }
            if case .failure(let status) = result, state.file != nil, state.failure == nil { state.failure = status }
            return result
        }
        try result.get()
    }
}
