import Glibc
package import WeirTensor

/// Writes an event file for TensorBoard and Weir's dashboard.
///
/// `init` creates the file and writes its version event. Readers see the events up to the last flush. Not thread-safe.
package final class EventFile {
    package static let version = "brain.Event:2"

    private let records: RecordWriter

    /// - Parameters:
    ///   - directory: created if it does not exist. TensorBoard shows a directory as a run.
    ///   - suffix: appended to the file's name, to distinguish files with different purposes.
    package init(in directory: String, suffix: String = "") throws(Status) {
        try FileSystem.createDirectory(directory)
        let seconds = String(Int(Event.now))
        let padding = String(repeating: "0", count: max(0, 10 - seconds.count))
        let name = "events.out.tfevents.\(padding)\(seconds).\(EventFile.hostName)"
        records = try EventFile.create(FileSystem.join(directory, name), suffix)
        try append(Event(.fileVersion(EventFile.version), writer: "weir"))
        try flush()
    }

    /// Writes events through an existing writer. Does not write the version event.
    package init(_ records: RecordWriter) { self.records = records }

    package var path: String { records.path }

    package func append(_ event: Event) throws(Status) { try records.append(try event.encoded()) }

    /// Writes all events to the system, so that readers see them.
    package func flush() throws(Status) { try records.flush() }
    package func close() throws(Status) { try records.close() }

    /// Creates a new file, also when this machine created another in the same second.
    private static func create(_ base: String, _ suffix: String) throws(Status) -> RecordWriter {
        var path = base + suffix
        for attempt in 1...1000 {
            do { return try RecordWriter(path, .create) } catch {
                guard error.code == .alreadyExists else { throw error }
                path = "\(base).\(attempt)\(suffix)"
            }
        }
        throw .alreadyExists("\(base) and a thousand more names of event files are taken")
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Reads an event file, also one that is still being written; see `RecordReader`.
package final class EventFileReader {
    private let records: RecordReader

    /// - Parameter offset: where an earlier reader of the same file stopped, in bytes.
    package init(_ path: String, from offset: Int = 0) throws(Status) {
        records = try RecordReader(path, from: offset)
    }

    /// The offset of the next event in the file.
    package var offset: Int { records.offset }

    /// Returns the next event, or nil at the end of the file.
    /// - Throws: `dataLoss` when the file is damaged, or ends within an event that is still being written.
    package func next() throws(Status) -> Event? {
        guard let record = try records.next() else { return nil }
        return try Event(record)
    }
}
