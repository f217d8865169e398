import Glibc
import Testing
import WeirTensor

@testable import WeirWire

@Suite struct FileSystemTests {
    @Test("patterns match within a directory level, also hidden names, and sorted by bytes")
    func matching() throws {
        let directory = try TemporaryDirectory()
        for path in ["a/x.txt", "a/y.txt", "a/.hid", "b/c/z.txt", "a/we[ird"] {
            try FileSystem.createDirectory(FileSystem.directory(of: directory(path)))
            try directory.write(path, [])
        }
        func names(_ pattern: String) -> [String] {
            FileSystem.matching(directory(pattern)).map { String($0.dropFirst(directory.path.count + 1)) }
        }
        #expect(names("*") == ["a", "b"])
        #expect(names("*/*") == ["a/.hid", "a/we[ird", "a/x.txt", "a/y.txt", "b/c"])
        #expect(names("a/[!x].txt") == ["a/y.txt"])
        #expect(names("*/c/*") == ["b/c/z.txt"])
        #expect(names("a/we\\[ird") == ["a/we[ird"])
        #expect(names("a/x.txt") == ["a/x.txt"])
        #expect(names("a/") == ["a/"])
        #expect(names("/a/*.txt") == ["/a/x.txt", "/a/y.txt"])
        #expect(names("nope") == [])
        #expect(FileSystem.matching("") == [])
    }

    @Test("directories above a path are made; a file in their place is an error")
    func createDirectory() throws {
        let directory = try TemporaryDirectory()
        try FileSystem.createDirectory(directory("a/b/c"))
        try FileSystem.createDirectory(directory("a/b/c"))
        #expect(FileSystem.isDirectory(directory("a/b/c")))
        try directory.write("file", [])
        #expect(code { try FileSystem.createDirectory(directory("file/x")) } == .alreadyExists)
    }

    @Test("a file dropped before it is committed leaves the old one as it was")
    func atomic() throws {
        let directory = try TemporaryDirectory()
        try directory.write("f", [1])
        do {
            let file = try AtomicFile(directory("f"))
            try file.append([2, 3])
            #expect(try directory.names.count == 2)
        }
        #expect(try directory.names == ["f"])
        #expect(try directory.read("f") == [1])
        try directory.write("f", [UInt8](repeating: 4, count: 1_000_000))
        #expect(try directory.read("f").count == 1_000_000)
        #expect(try directory.names == ["f"])
    }

    @Test("reading what is not there, or not a file, says so")
    func errors() throws {
        #expect(throws: Status.notFound("/no/such; No such file or directory")) { try InputFile("/no/such") }
        #expect(code { _ = try InputFile.contents(of: "/tmp") } == .failedPrecondition)
        #expect(try !InputFile.contents(of: "/proc/self/status").isEmpty)
        #expect(code { _ = try InputFile.contents(of: "/dev/zero") } == .resourceExhausted)
        // Nobody writes into it.
        let directory = try TemporaryDirectory()
        #expect(mkfifo(directory("pipe"), 0o600) == 0)
        #expect(code { _ = try InputFile.contents(of: directory("pipe")) } != nil)
    }
}
