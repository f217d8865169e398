import Testing
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

@Suite("Lists of tensors")
struct TensorListPiecesTests {
    @Test("pieces of different lengths are not stacked, whatever the list says of them", arguments: ["TensorListGather", "TensorListStack"])
    func pieces(_ op: String) throws {
        let b = GraphBuilder(registry: .standard)
        let rows = b.constant(Tensor((0..<12).map(Float.init), ofShape: [4, 3]))
        let lengths = b.placeholder(.int64, shape: [nil], name: "lengths")
        let list = b.add("TensorListSplit", [rows, b.constant(Tensor([1, 3] as [Int32])), lengths])[0]
        let shape = b.constant(Tensor(Int32(-1)))
        let inputs = op == "TensorListGather" ? [list, b.constant(Tensor([1, 0] as [Int32])), shape] : [list, shape]
        let result = b.add(op, inputs, attributes: ["element_dtype": .type(.float32)])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        func run(_ lengths: [Int64]) throws -> Tensor { try session.run(feeds: [("lengths:0", Tensor(lengths))], fetches: [result.name])[0] }
        let even = try run([1, 1, 1, 1])
        #expect(try even.array(of: Float.self).prefix(3) == (op == "TensorListGather" ? [3, 4, 5] : [0, 1, 2]))
        for uneven in [[3, 1], [1, 3], [0, 4], [2, 0, 2]] as [[Int64]] {
            #expect { try run(uneven) } throws: { Status($0).code == .invalidArgument }
        }
    }
}
