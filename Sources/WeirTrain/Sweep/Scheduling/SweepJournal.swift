import WeirTensor
import WeirWire

/// The file from which an interrupted sweep goes on: the specification, then one record a line, each on the disk before what it tells
/// has consequences. Not thread-safe.
///
/// A line that does not end was being written when the process or the machine stopped. It is not used, and is removed before the next
/// record is written.
final class SweepJournal {
    static let fileName = "sweep.jsonl"
    static let version = 1
    private static let format = "weir-sweep"

    private let file: OutputFile
    private let lock: FolderLock

    /// Opens the journal of a folder, and creates both if needed.
    /// - Returns: the journal, and the state that it holds.
    /// - Throws: `failedPrecondition` when the folder has another sweep, or a process works in it; `dataLoss` with the line when the
    ///   journal is damaged; the error of a file that cannot be read or written.
    static func open(_ specification: SweepSpecification, in directory: String) throws(Status) -> (journal: SweepJournal, progress: SweepProgress) {
        try FileSystem.createDirectory(directory)
        let lock = try FolderLock(directory)
        let path = FileSystem.join(directory, fileName)
        let bytes = FileSystem.exists(path) ? try InputFile.contents(of: path) : []
        let (progress, count) = try replay(bytes, specification, path)
        if count < bytes.count { try AtomicFile.write(Array(bytes[..<count]), to: path) }
        let journal = SweepJournal(try OutputFile(path, .append), lock)
        if count == 0 { try journal.write([header(specification)]) }
        return (journal, progress)
    }

    private init(_ file: OutputFile, _ lock: FolderLock) {
        self.file = file
        self.lock = lock
    }

    /// Writes records, and waits until they are on the disk.
    func append(_ records: [SweepRecord]) throws(Status) {
        if !records.isEmpty { try write(records.map(\.json)) }
    }

    private func write(_ lines: [JSONValue]) throws(Status) {
        for line in lines { try file.append(Array("\(line)\n".utf8)) }
        try file.sync()
    }

    private static func header(_ specification: SweepSpecification) -> JSONValue {
        JSONValue(members: ["format": .text(format), "version": .integer(version), "specification": specification.json])
    }

    /// The state after the records of a journal. Trials that ran at its end are interrupted.
    /// - Parameter path: names the journal in errors.
    /// - Returns: the state, and the number of bytes that hold whole lines.
    static func replay(
        _ bytes: [UInt8], _ specification: SweepSpecification, _ path: String
    ) throws(Status) -> (progress: SweepProgress, byteCount: Int) {
        var progress = SweepProgress(specification)
        var (number, start) = (0, 0)
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            number += 1
            let line = Array(bytes[start..<end])
            do throws(Status) {
                let value = try JSONValue(parsing: line)
                if number == 1 { try check(value, specification) } else { _ = try progress.apply(try SweepRecord(value)) }
            } catch {
                let isRefused = error.code == .failedPrecondition
                throw Status(isRefused ? .failedPrecondition : .dataLoss, "\(path), line \(number): \(error.message)")
            }
            start = end + 1
        }
        progress.interruptAll()
        return (progress, start)
    }

    private static func check(_ header: JSONValue, _ specification: SweepSpecification) throws(Status) {
        guard header["format"] == .text(format), let found = header["version"] else {
            throw .dataLoss("expected the journal of a sweep, found \(header.summary)")
        }
        guard found == .integer(version) else { throw .failedPrecondition("expected version \(version) of the journal, found \(found.summary)") }
        guard let old = header["specification"] else { throw .dataLoss("expected the specification of the sweep, found nothing") }
        let new = specification.json
        guard old != new else { return }
        let reader = try JSONObjectReader(new)
        let key = reader.members.map(\.key).first { old[$0] != new[$0] } ?? "trials"
        throw .failedPrecondition(
            "the folder has a sweep of another specification: '\(key)' is \(text(old[key])), and is \(text(new[key])) now; "
                + "expected the same specification or another folder")
    }

    private static func text(_ value: JSONValue?) -> String {
        guard let text = value?.description else { return "not there" }
        return text.count <= 120 ? text : "\(text.prefix(120))…"
    }
}
