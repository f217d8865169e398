import Testing

@testable import WeirTensor

@Suite("Names that are near")
struct NearestNamesTests {
    private let names = ["loss/Mean", "loss/Const", "logits", "MatMul", "BatchMatMul", "Matmul_1"]

    @Test("a component of a path comes before a name with other letters")
    func components() {
        #expect("loss".nearest(among: names) == ["loss/Const", "loss/Mean"])
        #expect("matmul".nearest(among: names) == ["MatMul"])
        #expect("model/mean".nearest(among: names) == ["loss/Mean"])
    }

    @Test("a few wrong letters are a mistake, many are not, and no more names are told than asked for")
    func letters() {
        #expect("logit".nearest(among: names) == ["logits"])
        #expect("completely".nearest(among: names).isEmpty && "".nearest(among: names).isEmpty)
        #expect("loss".nearest(among: names, limit: 1) == ["loss/Const"])
    }
}
