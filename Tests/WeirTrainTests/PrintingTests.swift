import Testing
import WeirGraph
import WeirOps
import WeirTensor
import WeirTrain

@Suite("Printing of variables")
struct PrintingTests {
    @Test("a variable prints its name, shape and dtype")
    func variable() {
        let b = GraphBuilder(registry: .standard)
        let w = b.nameScope("dense") { b.variable("w") { b.constant(Tensor([1, 2] as [Float])) } }
        #expect("\(w)" == "<Variable 'dense/w' shape=[2] dtype=float>")
    }
}
