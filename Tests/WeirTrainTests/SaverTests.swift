import Foundation
import Testing
import Weir

/// A directory of a test's own, removed with all it holds when the test is done.
final class FileSystemScratch {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    init() { try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    /// The names in it, sorted.
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }
}

@Suite("Saver")
struct SaverTests {
    private let builder = GraphBuilder()

    @Test("variables are restored in another session, which has not initialized them", arguments: [false, true])
    func roundTrip(_ onServer: Bool) async throws {
        let scratch = FileSystemScratch()
        let weights = builder.variable("layer/weights", initial: [[1, 2], [3, 4]], .float32)
        let steps = builder.variable("steps", initial: 0, .int64)
        let count = steps.assignAdd(builder.constant(1, .int64))
        let saver = Saver(builder)
        let server = onServer ? try await Server.createLocal() : nil
        let target = server.map { Session.Target.server($0) } ?? .inProcess
        let isolated = SessionConfiguration(isolatesState: true)

        let first = try await Session(builder.graph(), target: target, configuration: isolated)
        try await first.run(builder.initializer)
        for _ in 0..<3 { try await first.run(count) }
        let path = try await saver.save(first, to: "\(scratch.path)/model", globalStep: steps)
        #expect(path == "\(scratch.path)/model-3")
        #expect(try Saver.latestCheckpoint(in: scratch.path) == path)

        let second = try await Session(builder.graph(), target: target, configuration: isolated)
        try await saver.restore(second, from: path)
        #expect(try await second.run([weights.value, steps.value]) == [Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]), Tensor(3 as Int64)])
        await server?.stop()
    }

    @Test("the newest checkpoints are kept, and the state file lists them as TensorFlow does")
    func keeping() async throws {
        let scratch = FileSystemScratch()
        _ = builder.variable("v", initial: 1.0)
        let saver = Saver(builder, maxToKeep: 2)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        #expect(try Saver.latestCheckpoint(in: scratch.path) == nil)
        for step in [1, 2, 10, 2] { try await saver.save(session, to: "\(scratch.path)/model", globalStep: step) }
        #expect(
            scratch.names == ["checkpoint", "model-10.data-00000-of-00001", "model-10.index", "model-2.data-00000-of-00001", "model-2.index"])
        #expect(
            try scratch.text("checkpoint") == """
                model_checkpoint_path: "\(scratch.path)/model-2"
                all_model_checkpoint_paths: "\(scratch.path)/model-10"
                all_model_checkpoint_paths: "\(scratch.path)/model-2"

                """)
        try await saver.save(session, to: "\(scratch.path)/model")
        #expect(try Saver.latestCheckpoint(in: scratch.path) == "\(scratch.path)/model")
    }

    @Test("the nodes have the names that TensorFlow's SaverDef refers to")
    func names() throws {
        let v = builder.variable("v", initial: 1.0)
        _ = Saver(builder, [v])
        _ = Saver(builder, [v])
        let graph = try builder.graph()
        for name in ["save/Const", "save/SaveV2", "save/control_dependency", "save/RestoreV2", "save/restore_all", "save_1/restore_all"] {
            #expect(graph.node(named: name) != nil)
        }
    }

    @Test("a checkpoint that lacks a variable, or has it in another shape, is refused", arguments: [false, true])
    func otherNetwork(_ lacks: Bool) async throws {
        let scratch = FileSystemScratch()
        _ = builder.variable("v", initial: [1.0, 2])
        let saver = Saver(builder)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        let path = try await saver.save(session, to: "\(scratch.path)/model")

        let other = GraphBuilder()
        _ = other.variable(lacks ? "w" : "v", initial: [1.0, 2, 3])
        let otherSaver = Saver(other)
        let otherSession = try await Session(other.graph())
        let error = await #expect(throws: Status.self) { try await otherSaver.restore(otherSession, from: path) }
        #expect(error?.code == (lacks ? .notFound : .invalidArgument))
        #expect(error?.message.contains(lacks ? "'w'" : "'v' is float [3], the checkpoint has float [2]") == true)
        let none = await #expect(throws: Status.self) { try await saver.restore(session, from: "\(scratch.path)/none") }
        #expect(none?.code == .notFound)
    }

    @Test("a saver without variables, or that keeps nothing, is an error of the builder", arguments: [false, true])
    func mistakes(_ keepsNothing: Bool) {
        if keepsNothing { _ = builder.variable("v", initial: 1.0) }
        _ = Saver(builder, maxToKeep: keepsNothing ? 0 : 5)
        #expect(builder.failure?.code == .invalidArgument && builder.failure?.message.hasPrefix("Saver: expected") == true)
    }
}
