import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Limits on nested lists, because drop, copy and send recurse through them.
@Suite("Nested variants", .timeLimit(.minutes(1)))
struct VariantExtentTests {
    /// The length of the outermost of `depth` nested lists, each holding `copies` copies of the one before.
    private func length(depth: Int, copies: Int) throws -> Int32 {
        let b = GraphBuilder(registry: .standard)
        func empty() -> Output {
            b.add("EmptyTensorList", [b.constant(Tensor(Int32(-1))), b.constant(Tensor(Int32(-1)))], attributes: ["element_dtype": .type(.variant)])[0]
        }
        var inner = empty()
        for _ in 0..<depth {
            var outer = empty()
            for _ in 0..<copies { outer = b.add("TensorListPushBack", [outer, inner], attributes: ["element_dtype": .type(.variant)])[0] }
            inner = outer
        }
        let length = b.add("TensorListLength", [inner])[0]
        return try DirectSession(b.graph(), registry: .standard).run(fetches: [length.name])[0].scalar(of: Int32.self)
    }
    private func failure(depth: Int, copies: Int) -> Status? {
        do { _ = try length(depth: depth, copies: copies) } catch { return Status(error) }
        return nil
    }

    @Test("lists may be nested as deep as a message allows, and no deeper")
    func depth() throws {
        #expect(try length(depth: 32, copies: 1) == 1)
        #expect(failure(depth: 34, copies: 1)?.code == .resourceExhausted)
    }

    @Test("doubling nested lists is rejected before their tensors are too many to walk")
    func width() throws {
        #expect(try length(depth: 20, copies: 2) == 2)
        #expect(failure(depth: 30, copies: 2)?.code == .resourceExhausted)
    }

    @Test("tensors inside a variant are counted")
    func counting() {
        let tensor = Tensor(Variant(OpaqueVariant(name: "x", metadata: [], tensors: [Tensor(Float(1)), Tensor(Float(2))])))
        let outer = VariantSize(of: [tensor, tensor, Tensor(Int32(0)), Tensor(Variant())])
        #expect(outer.depth == 1 && outer.tensorCount == 8)
    }
}
