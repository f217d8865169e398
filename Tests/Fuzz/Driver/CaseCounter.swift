import Glibc

/// A page that a fuzzing process and the one that watches it share: it outlives whatever ends the former.
///
/// Plain words: each is written by one side and only looked at by the other, which may see it a moment late.
struct CaseCounter: @unchecked Sendable {
    private static let byteCount = 4096
    private let words: UnsafeMutablePointer<Int>
    let descriptor: Int32

    /// A page of its own.
    init() throws {
        var path = Array("\(FuzzFiles.temporary)/weir-fuzz-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        guard descriptor >= 0, unlink(path) == 0, ftruncate(descriptor, Int(CaseCounter.byteCount)) == 0 else {
            throw FuzzFailure("no file for the counter: \(String(cString: strerror(errno)))")
        }
        words = try CaseCounter.map(descriptor)
    }
    /// The page behind an inherited descriptor.
    init(inherited descriptor: Int32) throws {
        self.descriptor = descriptor
        words = try CaseCounter.map(descriptor)
    }
    private static func map(_ descriptor: Int32) throws -> UnsafeMutablePointer<Int> {
        let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let mapped, mapped != MAP_FAILED else { throw FuzzFailure("cannot map the counter: \(String(cString: strerror(errno)))") }
        return mapped.assumingMemoryBound(to: Int.self)
    }

    /// The newest case that was begun; -1 before the first.
    var begun: Int {
        get { words[0] }
        nonmutating set { words[0] = newValue }
    }
    /// The oldest case that may still be under way: where requests overlap, there are several.
    var oldest: Int {
        get { words[1] }
        nonmutating set { words[1] = newValue }
    }
    /// How many cases were done.
    var done: Int {
        get { words[2] }
        nonmutating set { words[2] = newValue }
    }
    /// How many of them did something, rather than being refused at once: a fuzzer whose every case is refused finds nothing.
    var accepted: Int {
        get { words[3] }
        nonmutating set { words[3] = newValue }
    }
    /// Changes whenever the process does something, for those whose cases take long by design.
    var beat: Int {
        get { words[4] }
        nonmutating set { words[4] = newValue }
    }
    func close() {
        munmap(words, CaseCounter.byteCount)
        Glibc.close(descriptor)
    }
}
