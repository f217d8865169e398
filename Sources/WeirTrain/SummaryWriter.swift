import Synchronization
import WeirTensor
import WeirWire

/// Writes scalars to an event file for TensorBoard. The file is created in `directory`.
public final class SummaryWriter: Sendable {
    private struct Guarded: @unchecked Sendable {  // the file is used only under the lock
        var file: EventFile?
    }
    private let guarded: Mutex<Guarded>

    /// Creates the event file, and the directory if needed.
    /// - Throws: the status of the system's error.
    public init(directory: String) throws {
        guarded = Mutex(Guarded(file: try EventFile(in: directory)))
    }

    /// Adds a point to a curve. Errors of the write are ignored.
    public func scalar(_ tag: String, _ value: Double, step: Int) {
        let event = Event(step: Int64(step), .summary(Summary([.init(tag, .scalar(Float(value)))])))
        guarded.withLock { state in try? state.file?.append(event) }
    }

    /// Writes the buffered events and closes the file.
    /// - Throws: the status of the system's error.
    public func close() throws {
        try guarded.withLock { (state: inout Guarded) throws in
            try state.file?.close()
            state.file = nil
        }
    }
}
