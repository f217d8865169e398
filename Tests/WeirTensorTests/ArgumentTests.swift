import Testing
import WeirTensor

/// Arguments that no tensor can have: a status, or a result that says so, and never a trap.
@Suite("Arguments of tensors")
struct ArgumentTests {
    private func code(_ body: () throws -> Void) -> Status.Code? {
        do { try body() } catch { return Status(error).code }
        return nil
    }

    @Test("values that do not fill the shape are refused", arguments: [[2, 3], [5], [], [0], [-1], [1 << 40, 1 << 40]])
    func shape(_ dimensions: [Int]) {
        #expect(code { _ = try Tensor([1, 2, 3, 4] as [Float], shape: Shape(dimensions)) } == .invalidArgument)
    }

    @Test("values that fill the shape are the tensor's elements")
    func values() throws {
        let tensor = try Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
        #expect(try tensor[1].array(of: Float.self) == [3, 4])
        #expect(try tensor.withElements(of: Float.self) { $0.reduce(0, +) } == 10)
        let made = try Tensor(.int64, [2])
        try made.withMutableElements(of: Int64.self) {
            $0[0] = 7; $0[1] = 8
        }
        #expect(try made.array(of: Int64.self) == [7, 8])
    }

    @Test("elements of another type are refused, for reading and for writing")
    func elements() throws {
        let tensor = Tensor([1, 2] as [Float])
        #expect(code { _ = try tensor.withElements(of: Int32.self) { $0.count } } == .invalidArgument)
        #expect(code { _ = try tensor.withElements(of: ByteString.self) { $0.count } } == .invalidArgument)
        #expect(code { try tensor.withMutableElements(of: Double.self) { $0[0] = 1 } } == .invalidArgument)
    }

    @Test("a summary of no elements, or of fewer, is empty")
    func summaries() {
        #expect(Tensor([1, 2] as [Int32]).summary(-1) == "...")
        #expect(Tensor([Int32]()).summary(3) == "")
    }

    @Test("a negative number of dimensions to drop drops none")
    func dropping() {
        #expect(Shape(2, 3).dropFirst(-1) == Shape(2, 3))
        #expect(Shape(2, 3).dropFirst(5) == Shape.scalar)
        #expect(PartialShape([2, nil]).dropFirst(-2) == [2, nil])
        #expect(PartialShape([2, nil]).dropLast(.min) == [2, nil])
    }

    @Test("a rank that no tensor has is not known", arguments: [-1, 255, Int.max, Int.min])
    func ranks(_ rank: Int) { #expect(PartialShape.ofRank(rank) == .unknown) }

    @Test("blocks of impossible sizes are refused, and do not count as used", arguments: [-1, Int.max, Int.min, 1 << 56])
    func blocks(_ byteCount: Int) {
        #expect(code { _ = try HostAllocator.shared.allocate(byteCount) } == .resourceExhausted)
        let counting = CountingAllocator(name: "test", limit: .max)
        #expect(code { _ = try counting.allocate(byteCount) } == .resourceExhausted)
        #expect(counting.bytesInUse == 0)
    }

    @Test("a variant of a user's type may say any extent")
    func extents() {
        struct Vast: VariantValue {
            static let typeName = "Vast"
            var extent: VariantSize {
                var extent = VariantSize()
                (extent.depth, extent.tensorCount) = (.max, .max)
                return extent
            }
        }
        let tensor = Tensor([Variant(Vast()), Variant(Vast())])
        #expect(code { try VariantSize(of: [tensor, tensor]).check() } == .resourceExhausted)
    }
}
