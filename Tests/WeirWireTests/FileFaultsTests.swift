import Testing
import WeirTensor

@testable import WeirWire

/// What a crash leaves of checkpoints, at each byte that is written and each file that is renamed.
@Suite struct FileFaultsTests {
    /// Saves a checkpoint as a training does.
    private func save(_ value: Float, _ name: String, in directory: String, keeping names: [String], removing old: String? = nil) throws {
        var writer = try BundleWriter("\(directory)/\(name)")
        try writer.add("w", Tensor([value, value]))
        try writer.add("text", Tensor("of \(name)"))
        try writer.finish()
        try CheckpointState(latest: name, all: names).write(in: directory)
        if let old { try BundleFiles.remove("\(directory)/\(old)") }
    }

    /// Nothing waits for the disk.
    private func withoutDisk(_ body: () throws -> Void) throws {
        try FileFaults.$current.withValue(FileFaults(after: .max), operation: body)
    }

    @Test("after a crash at any change of a file, the latest checkpoint is complete, and is the old one or the new one")
    func everyChange() throws {
        func prepared() throws -> TemporaryDirectory {
            let directory = try TemporaryDirectory()
            try withoutDisk {
                try save(1, "m-1", in: directory.path, keeping: ["m-1"])
                try save(2, "m-2", in: directory.path, keeping: ["m-1", "m-2"])
            }
            return directory
        }
        func saveThird(_ directory: TemporaryDirectory) throws {
            try save(3, "m-3", in: directory.path, keeping: ["m-2", "m-3"], removing: "m-1")
        }
        let whole = FileFaults(after: .max)
        let complete = try prepared()
        try FileFaults.$current.withValue(whole) { try saveThird(complete) }
        let count = Int.max - whole.left
        #expect(count > 200)
        #expect(try complete.names == ["checkpoint", "m-2.data-00000-of-00001", "m-2.index", "m-3.data-00000-of-00001", "m-3.index"])

        var found: Set<Float> = []
        for limit in 0..<count {
            let directory = try prepared()
            #expect(throws: Status.self) { try FileFaults.$current.withValue(FileFaults(after: limit)) { try saveThird(directory) } }
            let latest = try #require(try CheckpointState.latestCheckpoint(in: directory.path), "after \(limit) of \(count) changes")
            let reader = try BundleReader(latest)
            try reader.verify()
            let value = try reader.tensor("w").elements(Float.self)[0]
            #expect(latest.hasSuffix("m-\(Int(value))"))
            found.insert(value)
        }
        #expect(found == [2, 3])
    }

    @Test("a checkpoint that is saved again under its name is the old one, gone, or the new one, never a mixture")
    func sameName() throws {
        let whole = FileFaults(after: .max)
        let complete = try TemporaryDirectory()
        try FileFaults.$current.withValue(whole) { try save(1, "m", in: complete.path, keeping: ["m"]) }
        let count = Int.max - whole.left
        // The second save has as many changes, and the removal of the first index with the sync after it.
        for limit in 0..<count + 2 {
            let directory = try TemporaryDirectory()
            try withoutDisk { try save(1, "m", in: directory.path, keeping: ["m"]) }
            #expect(throws: Status.self) {
                try FileFaults.$current.withValue(FileFaults(after: limit)) { try save(2, "m", in: directory.path, keeping: ["m"]) }
            }
            guard let latest = try CheckpointState.latestCheckpoint(in: directory.path) else { continue }
            try BundleReader(latest).verify()
        }
    }

    @Test("a folder appears with all its files or not at all, and leaves what was there")
    func folders() throws {
        func write(_ text: String, to path: String) throws {
            let folder = try AtomicFolder(path) { $0.contains("a") }
            for name in ["a", "b"] { try AtomicFile.write(Array(text.utf8), to: "\(folder.path)/\(name)", durably: true) }
            try folder.commit()
        }
        let whole = FileFaults(after: .max)
        let complete = try TemporaryDirectory()
        try write("old", to: complete("f"))
        try FileFaults.$current.withValue(whole) { try write("new", to: complete("f")) }
        #expect(try complete.names == ["f"])
        #expect(try complete.read("f/b") == Array("new".utf8))
        for limit in 0..<Int.max - whole.left {
            let directory = try TemporaryDirectory()
            try withoutDisk { try write("old", to: directory("f")) }
            try? FileFaults.$current.withValue(FileFaults(after: limit)) { try write("new", to: directory("f")) }
            // Between two renames the old folder is beside.
            guard FileSystem.exists(directory("f")) else {
                #expect(try directory.names.contains { $0.hasSuffix(".old") })
                continue
            }
            #expect(try directory.read("f/a") == directory.read("f/b"))
        }
        let error = #expect(throws: Status.self) { try write("new", to: complete("f/a")) }
        #expect(error?.code == .alreadyExists)
    }
}
