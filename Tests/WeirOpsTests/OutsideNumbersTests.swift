import Testing
import WeirGraph
import WeirKernels
import WeirOps
import WeirRuntime
import WeirTensor

/// Attributes, shapes and values that a client may send, and that no tensor can have.
@Suite("Numbers from outside")
struct OutsideNumbersTests {
    private let b = GraphBuilder(registry: .standard)

    private func code(_ body: () throws -> Void) -> Status.Code? {
        do { try body() } catch { return Status(error).code }
        return nil
    }

    @Test(arguments: [.max, .min, 1 << 31, -1] as [Int])
    func `ResourceGather refuses a number of batch dimensions that no shape has`(batch: Int) {
        let variable = b.variableHandle(.float32, [2, 3])
        _ = b.add(
            "ResourceGather", [variable, b.constant(Tensor([0] as [Int32]))],
            attributes: ["dtype": .type(.float32), "batch_dims": .int(batch)])
        #expect(code { _ = try b.graph() } == .invalidArgument)
    }

    @Test(arguments: ["Pad", "MirrorPad", "MirrorPadGrad", "Slice", "Transpose"])
    func `A rank is not taken from a vector that is too long for a shape`(op: String) {
        let huge = 1 << 60
        let isMatrix = op != "Slice" && op != "Transpose"
        let numbers = b.placeholder(.int32, shape: isMatrix ? PartialShape([huge, 2]) : PartialShape([huge]))
        let inputs = [b.placeholder(.float32), numbers] + (op == "Slice" ? [numbers] : [])
        _ = b.add(op, inputs, attributes: op.hasPrefix("Mirror") ? ["mode": "REFLECT"] : [:])
        #expect(code { _ = try b.graph() } == .invalidArgument)
    }

    @Test func `A tensor array whose elements have too many rows together is not concatenated`() throws {
        var array = b.tensorArray(size: b.constant(Tensor(Int32(8))), dtype: .float32)
        let rows = b.placeholder(.float32, name: "rows")
        for index in 0..<8 { array = array.write(b.constant(Tensor(Int32(index))), rows) }
        let whole = array.concat()
        let session = try DirectSession(b.graph(), registry: .standard)
        func run(_ rows: Tensor) throws -> Tensor { try session.run(feeds: [("rows:0", rows)], fetches: [whole.name])[0] }
        #expect(code { _ = try run(Tensor([Float](), ofShape: Shape(1 << 60, 0))) } == .invalidArgument)
        #expect(try run(Tensor([Float](), ofShape: Shape(1 << 50, 0))).shape == Shape(1 << 53, 0))
    }

    @Test func `A number that does not fit in an int32 is an error of the graph and no other number`() {
        let far = 1 << 32
        typealias Build = (_ b: GraphBuilder, _ x: Output, _ index: Output) -> Void
        func number(_ b: GraphBuilder, _ value: Float) -> Output { b.constant(Tensor(value)) }
        let builds: [String: Build] = [
            "concatenated": { b, x, _ in _ = b.concatenated([x, x], axis: far) },
            "expandedDimension": { _, x, _ in _ = x.expandedDimension(at: far) },
            "gathered": { _, x, index in _ = x.gathered(indices: index, axis: far) },
            "split": { _, x, _ in _ = x.split(into: 1, axis: far) },
            "split by sizes": { _, x, _ in _ = x.split(sizes: [1], axis: far) },
            "oneHot": { _, _, index in _ = index.oneHot(depth: far) },
            "topK": { b, _, _ in _ = b.placeholder(.float32).topK(far) },
            "range": { b, _, _ in _ = b.range(0, far) },
            "linSpace": { b, _, _ in _ = b.linSpace(number(b, 0), number(b, 1), count: far) },
            "sum": { b, _, _ in _ = b.placeholder(.float32).sum(axes: [far]) },
            "argMax": { b, _, _ in _ = b.placeholder(.float32).argMax(axis: far) },
            "cumulativeSum": { b, _, _ in _ = b.placeholder(.float32).cumulativeSum(axis: far) },
            "unsortedSegmentSum": { _, x, index in _ = x.unsortedSegmentSum(index, count: far) },
        ]
        for (name, build) in builds {
            let b = GraphBuilder(registry: .standard)
            build(b, b.constant(Tensor([1] as [Float])), b.constant(Tensor([0] as [Int32])))
            let failure = #expect(throws: Status.self, "\(name)") { try b.graph() }
            #expect(failure?.message.contains("must fit in an int32, found 4294967296") == true, "\(name)")
        }
    }

    @Test func `A double becomes the nearest integer of its type`() {
        #expect(UInt64(number: 1.5e19) == 15_000_000_000_000_000_000)
        #expect(UInt64(number: .infinity) == .max && UInt64(number: 0x1p64) == .max && UInt64(number: -1) == 0)
        #expect(Int64(number: 0x1p63) == .max && Int64(number: -0x1p63) == .min && Int64(number: -1e300) == .min)
        #expect(Int64(number: 9.21e18) == 9_210_000_000_000_000_000)
        #expect(Int8(number: 127.9) == 127 && Int8(number: -200) == -128 && Int8(number: -3.7) == -3)
        #expect(UInt8(number: 255.5) == 255 && UInt8(number: .nan) == 0)
    }
}
