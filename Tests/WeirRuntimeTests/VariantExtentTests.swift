import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Lists in lists, which are dropped, copied and sent one in the other.
@Suite("Variants in variants", .timeLimit(.minutes(1)))
struct VariantExtentTests {
    /// The length of the last of `depth` lists, each of which holds the one before as often as `copies` says.
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

    @Test("lists may lie in lists as deep as they can be sent, and no deeper")
    func depth() throws {
        #expect(try length(depth: 32, copies: 1) == 1)
        #expect(failure(depth: 34, copies: 1)?.code == .resourceExhausted)
    }

    @Test("a list that holds another twice, which holds another twice, comes to an end before its elements are too many to go through")
    func width() throws {
        #expect(try length(depth: 20, copies: 2) == 2)
        #expect(failure(depth: 30, copies: 2)?.code == .resourceExhausted)
    }

    @Test("what lies in a variant is counted")
    func counting() {
        let tensor = Tensor(Variant(OpaqueVariant(name: "x", metadata: [], tensors: [Tensor(Float(1)), Tensor(Float(2))])))
        let outer = VariantExtent(of: [tensor, tensor, Tensor(Int32(0)), Tensor(Variant())])
        #expect(outer.depth == 1 && outer.tensorCount == 8)
    }
}
