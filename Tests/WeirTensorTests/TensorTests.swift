import Testing

@testable import WeirTensor

@Suite("Tensors")
struct TensorTests {
    @Test("reshaping and taking rows shares memory")
    func views() throws {
        let tensor = Tensor([1, 2, 3, 4, 5, 6] as [Float], ofShape: [3, 2])
        let rows = tensor.rows(1..<3)
        #expect(try rows.array(of: Float.self) == [3, 4, 5, 6])
        #expect(try tensor.row(2).array(of: Float.self) == [5, 6])
        #expect(tensor.reshaped([6]).sharesMemory(with: tensor))
    }

    @Test("a view of a view keeps the memory alive, and neither counts as the only owner")
    func ownership() throws {
        var tensor = Tensor([Float](repeating: 1, count: 1000))
        let isAloneAtFirst = tensor.isUniquelyReferenced()
        var view = tensor.rows(10..<20).reshaped([2, 5])
        let isAloneWithView = tensor.isUniquelyReferenced()
        let viewIsAlone = view.isUniquelyReferenced()
        #expect(isAloneAtFirst && !isAloneWithView && !viewIsAlone)
        tensor = Tensor(Float(0))
        #expect(try view.array(of: Float.self) == [Float](repeating: 1, count: 10))
        view = tensor
    }

    @Test("string tensors hold bytes of any kind and give them back")
    func strings() throws {
        let tensor = Tensor([ByteString([0, 255, 10]), "weir"], ofShape: [2])
        let copy = try tensor.copied()
        #expect(copy == tensor)
        #expect(try copy.array(of: ByteString.self)[0].bytes == [0, 255, 10])
    }

    @Test("a shape from outside that overflows or is negative is refused")
    func shapes() {
        #expect(throws: Status.self) { try Shape(validating: [1 << 40, 1 << 40]) }
        #expect(throws: Status.self) { try Shape(validating: [-1]) }
        #expect(throws: Status.self) { try Tensor(.float64, [1 << 60 - 1]) }
        #expect(throws: Status.self) { try Tensor(.float64, [1 << 60]) }
        #expect(throws: Status.self) { try Shape(validating: [Int](repeating: 1, count: 255)) }
        #expect(throws: Never.self) { try Shape(validating: [Int](repeating: 1, count: 254)) }
    }

    @Test(
        "the dimensions beside a 0 must be countable as well",
        arguments: [
            [0, 1 << 40, 1 << 40], [1 << 40, 0, 1 << 40], [1 << 62, 0], [0, -1], [3, -1, 0],
        ])
    func emptyShapes(_ dimensions: [Int]) {
        #expect(throws: Status.self) { try Shape(validating: dimensions) }
        // Of our own making it does not trap, and no tensor has it, nor any memory.
        let derived = Shape(dimensions)
        #expect(derived.elementCount == Shape.impossibleElementCount)
        #expect(throws: Status.self) { try derived.validated() }
        for dtype in DType.allCases { #expect(throws: Status.self) { try Tensor(dtype, derived) } }
    }

    @Test("a tensor without elements may have as many rows as can be counted, and every part of its shape can be")
    func emptyRows() throws {
        let tensor = try Tensor(.float64, [1 << 60, 0])
        #expect(tensor.elementCount == 0 && tensor.shape.count(..<1) == 1 << 60 && tensor.shape.removing(1).elementCount == 1 << 60)
        #expect(throws: Status.self) { try Tensor(.bool, tensor.shape.removing(1)) }
        let wide = try Shape(validating: [1 << 20, 0, 1 << 20, 1 << 20])
        #expect(wide.elementCount == 0 && wide.removing(1).elementCount == 1 << 60)
        #expect(throws: Status.self) { try wide.inserting(2, at: 0).validated() }
        #expect(try Shape(matrix: 0, 1 << 60).elementCount == 0)
        #expect(throws: Status.self) { try Shape(matrix: 0, 1 << 61) }
    }

    @Test(
        "shapes derived from others that come out too large are no tensor's",
        arguments: [
            Shape([1 << 40]) + Shape([1 << 40]), Shape(1 << 40, 2).inserting(1 << 30, at: 0), Shape(1 << 61), Shape(-1), Shape(1 << 40, 1 << 40),
            Shape([Int](repeating: 1, count: 300)),
        ])
    func derivedShapes(_ shape: Shape) {
        #expect(throws: Status.self) { try shape.validated() }
        #expect(throws: Status.self) { try Tensor(.int8, shape) }
    }

    @Test("shapes of more than six dimensions are as good as others")
    func manyDimensions() {
        let shape = Shape(1, 2, 3, 4, 5, 6, 7, 8)
        #expect(shape.elementCount == 40320 && shape[7] == 8 && shape.strides[0] == 40320)
        #expect(shape == Shape(shape.dimensions) && shape.removing(0) == Shape(2, 3, 4, 5, 6, 7, 8))
    }

    @Test("bfloat16 rounds to nearest even and keeps NaN")
    func bfloat16() {
        #expect(BFloat16(1.0).bits == 0x3F80)
        #expect(BFloat16(Float(bitPattern: 0x3F80_8000)).bits == 0x3F80)
        #expect(BFloat16(Float(bitPattern: 0x3F81_8000)).bits == 0x3F82)
        #expect(BFloat16(.nan).float.isNaN)
    }
}
