import Testing
import WeirOps
import WeirTensor

@testable import WeirGraph

/// Values known while building, in graphs that somebody else made.
@Suite("Values known while building", .timeLimit(.minutes(1)))
struct KnownValueTests {
    private let b = GraphBuilder(registry: .standard)
    private func constant(_ value: Int64) -> Output { b.constant(Tensor(value)) }
    private func value(_ output: Output) -> [Int]? { try? b.constant(output.endpoint)?.integers() }

    @Test(
        "ranges whose ends are as far apart as can be, and steps as long as can be",
        arguments: [
            (Int64.min, Int64.max, Int64(1), nil), (.max, .min, -1, nil), (0, 5, .max, [0]), (5, 0, .min, [5]), (1, 7, 3, [1, 4]), (7, 1, -3, [7, 4]),
            (3, 3, 1, []), (0, 3, 0, nil), (.max - 1, .max, 2, [Int(Int64.max) - 1]),
        ] as [(Int64, Int64, Int64, [Int]?)])
    func ranges(_ start: Int64, _ limit: Int64, _ step: Int64, _ expected: [Int]?) {
        #expect(value(b.add("Range", [constant(start), constant(limit), constant(step)])[0]) == expected)
    }

    @Test(
        "quotients are rounded down, and one that is no integer is not known",
        arguments: [
            (Int64(7), Int64(2), 3), (-7, 2, -4), (7, -2, -4), (-7, -2, 3), (8, 2, 4), (.min, -1, nil), (1, 0, nil), (Int64(1) << 62 + 1, 1, 1 << 62 + 1),
        ] as [(Int64, Int64, Int?)])
    func quotients(_ x: Int64, _ y: Int64, _ expected: Int?) {
        #expect(value(b.add("FloorDiv", [constant(x), constant(y)])[0]) == expected.map { [$0] })
    }

    @Test("sums and products wrap as they do in the step")
    func wrapping() {
        #expect(value(b.add("AddV2", [constant(.max), constant(1)])[0]) == [Int(Int64.min)])
        #expect(value(b.add("Mul", [constant(.max), constant(2)])[0]) == [-2])
        #expect(value(b.add("Prod", [b.constant(Tensor([Int64.max, 2])), b.constant(Tensor([Int32(0)]))])[0]) == [-2])
    }

    @Test("integers that are not as many as their shape has are not a value")
    func wrongCount() {
        let odd = OpDefinition("Odd", "() -> (y: int32)").knownValue { _ in .integers([1, 2], [3]) }
        let b = GraphBuilder(registry: OpRegistry.standard.adding(odd))
        #expect(b.constant(b.add("Odd")[0].endpoint) == nil)
    }

    @Test("a value that is used twice by each of many nodes is computed once")
    func sharedInputs() {
        var output = constant(0)
        for _ in 0..<18 { output = b.add("AddV2", [output, output])[0] }
        #expect(value(output) == [0])
        var deep = constant(1)
        for _ in 0..<500 { deep = b.add("Maximum", [deep, deep])[0] }
        _ = b.add("Fill", [b.add("Reshape", [deep, b.constant(Tensor([Int32(1)]))])[0], b.scalar(0, .float32)])
    }

    @Test("joining a vector with itself over and over does not fill the memory")
    func doubling() {
        var output = b.constant(Tensor([Int64](repeating: 1, count: 64)))
        for _ in 0..<60 {
            output = b.add("ConcatV2", [output, output, b.constant(Tensor(Int32(0)))])[0]
            _ = b.constant(output.endpoint)
        }
        #expect(value(output) == nil)
    }

    @Test("a constant of another type than its node says is not read as that type")
    func wrongType() throws {
        let wrong = b.add("Const", attributes: ["dtype": .type(.int64), "value": .tensor(Tensor(Int8(1)))])[0]
        #expect(value(wrong) == nil)
        _ = b.add("Range", [wrong, constant(3), constant(1)])
    }

    @Test("of a shape with one open dimension the others are known, through what front ends compute with it")
    func partly() throws {
        let x = b.add("Placeholder", attributes: ["dtype": .type(.float32), "shape": .shape([nil, 4, 6])])[0]
        let shape = b.add("Shape", [x], attributes: ["out_type": .type(.int32)])[0]
        func integers(_ values: Int32...) -> Output { b.constant(Tensor(values)) }
        func slice(_ begin: Int32, _ end: Int32, _ step: Int32 = 1, _ masks: Attributes = [:]) -> Output {
            b.add("StridedSlice", [shape, integers(begin), integers(end), integers(step)], attributes: masks)[0]
        }
        func partial(_ output: Output) -> PartialShape { b.add("Reshape", [x, output])[0].shape }
        let batch = slice(0, 1, 1, ["shrink_axis_mask": 1])
        #expect(partial(b.add("Pack", [batch, b.scalar(24, .int32)])[0]) == [nil, 24])
        #expect(partial(b.add("ConcatV2", [slice(0, 1), integers(24), b.constant(Tensor(Int32(0)))])[0]) == [nil, 24])
        #expect(value(slice(1, 3)) == [4, 6])
        #expect(value(slice(0, 0, -1, ["begin_mask": 1])) == [6, 4])
        #expect(value(slice(-1, 0, 1, ["shrink_axis_mask": 1])) == [6])
        #expect(value(shape) == nil && value(batch) == nil)
        // Once the open dimension is known, all of it is.
        b.refineShape(of: x, [2, 4, 6])
        #expect(value(shape) == [2, 4, 6] && value(batch) == [2])
        #expect(b.failure == nil)
    }

    @Test(
        "slices of any begin, end and step",
        arguments: [
            (Int64.min, Int64.max, Int64.max, [4]), (.max, .min, .min, [6]), (-1, .min, -1, [6, 5, 4]), (1, .max, 1, [5, 6]), (.max, .max, 1, []),
        ] as [(Int64, Int64, Int64, [Int])])
    func slices(_ begin: Int64, _ end: Int64, _ step: Int64, _ expected: [Int]) {
        let vector = b.constant(Tensor([Int64(4), 5, 6]))
        let bounds = [begin, end, step].map { b.constant(Tensor([$0])) }
        #expect(value(b.add("StridedSlice", [vector] + bounds)[0]) == expected)
    }

    @Test("a product over no axes is what it is of")
    func productOverNothing() {
        let product = b.add("Prod", [b.constant(Tensor([Int64(2), 3])), b.constant(Tensor([Int32]()))])[0]
        #expect(value(product) != [6])
    }

    @Test("what becomes known later is found then")
    func later() {
        let x = b.add("Placeholder", attributes: ["dtype": .type(.float32), "shape": .shape(.unknown)])[0]
        let shape = b.add("Shape", [x], attributes: ["out_type": .type(.int32)])[0]
        #expect(value(shape) == nil)
        b.refineShape(of: x, [2, 3])
        #expect(value(shape) == [2, 3])
    }
}
