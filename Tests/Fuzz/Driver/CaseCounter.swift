import Glibc

/// A memory page that a child process and its watcher share, so that the counts survive a crash of the child.
///
/// The fields are not atomic: each has one writer, and the other process may read it a moment late.
struct CaseCounter: @unchecked Sendable {
    private static let byteCount = 4096
    private let words: UnsafeMutablePointer<Int>
    let descriptor: Int32

    /// Creates a page.
    init() throws {
        var path = Array("\(FuzzFiles.temporary)/weir-fuzz-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        guard descriptor >= 0, unlink(path) == 0, ftruncate(descriptor, Int(CaseCounter.byteCount)) == 0 else {
            throw FuzzFailure("no file for the counter: \(String(cString: strerror(errno)))")
        }
        words = try CaseCounter.map(descriptor)
    }
    /// Maps the page of an inherited descriptor.
    init(inherited descriptor: Int32) throws {
        self.descriptor = descriptor
        words = try CaseCounter.map(descriptor)
    }
    private static func map(_ descriptor: Int32) throws -> UnsafeMutablePointer<Int> {
        let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let mapped, mapped != MAP_FAILED else { throw FuzzFailure("cannot map the counter: \(String(cString: strerror(errno)))") }
        return mapped.assumingMemoryBound(to: Int.self)
    }

    /// The number of the last case that started; -1 before the first.
    var begun: Int {
        get { words[0] }
        nonmutating set { words[0] = newValue }
    }
    /// The oldest case that may still run; several run at once if requests overlap.
    var oldest: Int {
        get { words[1] }
        nonmutating set { words[1] = newValue }
    }
    /// The number of finished cases.
    var done: Int {
        get { words[2] }
        nonmutating set { words[2] = newValue }
    }
    /// The number of cases that passed the first check. A fuzzer whose cases are all rejected finds nothing.
    var accepted: Int {
        get { words[3] }
        nonmutating set { words[3] = newValue }
    }
    /// Changes at each sign of progress, for kinds with long cases.
    var beat: Int {
        get { words[4] }
        nonmutating set { words[4] = newValue }
    }
    func close() {
        munmap(words, CaseCounter.byteCount)
        Glibc.close(descriptor)
    }
}
