import Testing
import WeirGraph
import WeirTensor

@testable import WeirControlOps
import WeirOps

private func number(_ value: Float) -> Tensor { Tensor([value]) }

private func array(
    _ count: Int = 3, shape: PartialShape = .unknown, isDynamic: Bool = false, clears: Bool = true,
    identical: Bool = false, isGradient: Bool = false
) -> TensorArrayState {
    TensorArrayState(
        name: "ta", dtype: .float32, count: count, elementShape: shape, isDynamic: isDynamic, clearsAfterRead: clears,
        hasIdenticalShapes: identical, isGradient: isGradient)
}

private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return Status(error).code == .invalidArgument ? Status(error).message : "\(error)" }
    return "no error"
}

@Suite struct TensorArrayTests {
    @Test func `An element is written once and read once`() throws {
        var array = array()
        try array.write(0, number(1))
        #expect(
            message { try array.write(0, number(2)) }
                == "TensorArray ta: Could not write to TensorArray index 0 because it has already been written to.")
        #expect(try array.read(0) == number(1))
        #expect(
            message { _ = try array.read(0) }
                == "TensorArray ta: Could not read index 0 twice because it was cleared after a previous read "
                + "(perhaps try setting clear_after_read = false?).")
        #expect(
            message { try array.write(0, number(2)) }
                == "TensorArray ta: Could not write to TensorArray index 0 because it has already been read.")
    }

    @Test func `Elements that are not cleared are read again`() throws {
        var array = array(clears: false)
        try array.write(1, number(4))
        for _ in 0..<2 { #expect(try array.read(1) == number(4)) }
    }

    @Test func `Indices stay within the size unless the array grows`() throws {
        var fixed = array()
        #expect(
            message { try fixed.write(3, number(1)) }
                == "TensorArray ta: Tried to write to index 3 but array is not resizeable and size is: 3")
        #expect(message { _ = try fixed.read(3) } == "Tried to read from index 3 but array size is: 3")
        #expect(message { _ = try fixed.read(-1) } == "Tried to read from index -1 but array size is: 3")
        var growing = array(0, isDynamic: true)
        try growing.write(4, number(1))
        #expect(growing.count == 5)
        #expect(message { try growing.write(-1, number(1)) }.hasPrefix("TensorArray ta: Tried to write to index -1"))
        growing.fixSize()
        #expect(message { try growing.write(5, number(1)) }.hasPrefix("TensorArray ta: Tried to write to index 5"))
    }

    @Test func `A far index takes no memory worth speaking of`() {
        var array = array(0, isDynamic: true)
        #expect(throws: Status.self) { try array.write(Int(Int32.max), number(1)) }
        #expect(array.count == 0)
    }

    @Test func `What was never written is zeros when the shape is known`() throws {
        var known = array(shape: [2])
        #expect(try known.read(2) == Tensor([Float](repeating: 0, count: 2)))
        var unknown = array()
        #expect(
            message { _ = try unknown.read(1) }
                .hasPrefix(
                    "TensorArray ta: Could not read from TensorArray index 1.  Furthermore, the element shape is not "
                        + "fully defined: <unknown>."
                ))
        var identical = array(identical: true)
        try identical.write(0, number(1))
        #expect(try identical.read(1) == number(0))
    }

    @Test func `Types and shapes must fit`() throws {
        var array = array(shape: [nil])
        #expect(
            message { try array.write(0, Tensor([Int32(1)])) }.contains(
                "the value dtype is int32 but TensorArray dtype is float."))
        #expect(
            message { try array.write(0, Tensor(Float(1))) }
                .contains(
                    "the value shape is [] which is incompatible with the TensorArray's inferred element shape: [?]"))
        var identical = self.identicalWritten
        #expect(message { try identical.write(1, Tensor([Float(1), 2])) }.contains("inferred element shape: [1]"))
        #expect(
            message { try array.refine([nil, nil]) }
                == "PartialTensorShape: Incompatible shapes during merge: [?] vs. [?,?]")
    }
    private var identicalWritten: TensorArrayState {
        var array = array(identical: true)
        try? array.write(0, number(1))
        return array
    }

    @Test func `A gradient array adds what is written again and knows the forward array's shapes`() throws {
        var forward = array()
        try forward.write(0, number(7))
        try forward.write(2, Tensor([Float(1), 2]))
        _ = try forward.read(0)
        var gradient = array(isGradient: true)
        try gradient.adoptShapes(of: forward)
        let first = number(1)
        for value in [first, number(2), number(3)] { try gradient.write(0, value) }
        #expect(first == number(1), "what was written is not changed")
        #expect(
            message { try gradient.write(2, number(1)) }
                == "TensorArray ta: Could not aggregate to TensorArray index 2 because the existing shape is [2] but "
                + "the "
                + "new input shape is [1].")
        #expect(try gradient.read(0) == number(6))
        #expect(try gradient.read(2) == Tensor([Float(0), 0]))
        #expect(message { _ = try gradient.read(1) }.contains("is not fully defined"))
        var longer = array(isGradient: true)
        try longer.adoptShapes(of: forward, prepending: [2, 3])
        #expect(try longer.read(0).shape == [2, 3, 1])
    }

    @Test func `A closed array refuses everything`() throws {
        var array = array()
        array.close()
        let expected = "TensorArray ta has already been closed."
        #expect(message { try array.write(0, number(1)) } == expected)
        #expect(message { _ = try array.read(0) } == expected)
        #expect(message { _ = try array.packedCount() } == expected)
        #expect(message { try array.mark(1) } == expected)
    }
}

@Suite struct TensorListTests {
    private func list(_ values: [Float?], shape: PartialShape = .unknown) -> TensorList {
        TensorList(elementDType: .float32, elementShape: shape, elements: values.map { $0.map(number) })
    }

    @Test func `Lists are sums element by element, missing ones being zeros`() throws {
        let sum = try addTensorLists(list([1, nil, 3, nil]), list([10, 20, nil, nil]))
        #expect(sum.elements == [number(11), number(20), number(3), nil])
        #expect(throws: Status.self) { try addTensorLists(list([1]), list([1, 2])) }
        #expect(throws: Status.self) { try addTensorLists(list([1], shape: [1]), list([1], shape: [2])) }
    }

    @Test func `Zeros like a list have its shapes`() throws {
        let zeros = try TensorList(try Variant(list([5, nil], shape: [nil])).zerosLike())
        #expect(zeros.elements == [number(0), nil] && zeros.elementShape == [nil])
        let outer = TensorList(elementDType: .variant, elementShape: .scalar, elements: [Tensor(try Variant(list([2])))])
        let inner = try TensorList(
            scalar: try #require(try TensorList(try Variant(outer).zerosLike()).elements[0]))
        #expect(inner.elements == [number(0)])
    }

    @Test func `A list survives the wire`() throws {
        for shape in [PartialShape.unknown, .scalar, [1], [nil], [3], [nil, 0, 1 << 40]] {
            // Elements are vectors of one number; of other shapes there is none.
            var original = list(shape.isCompatible(with: number(1).shape) ? [1, nil, 2, nil] : [nil, nil], shape: shape)
            original.maximumCount = 9
            let (metadata, tensors) = try #require(original.encoded)
            let copy = try TensorList(
                Variant(OpaqueVariant(name: TensorList.typeName, metadata: metadata, tensors: tensors)))
            #expect(copy.elements == original.elements && copy.elementShape == shape)
            #expect(copy.maximumCount == 9 && copy.elementDType == .float32)
        }
    }

    @Test func `The metadata is TensorFlow's`() throws {
        // One missing element (1), float, no limit, shape [?, 2].
        let encoded = try #require(list([1, nil], shape: [nil, 2]).encoded)
        let minusOne: [UInt8] = [UInt8](repeating: 0xFF, count: 9) + [1]
        #expect(encoded.metadata == [1, 1, 1] + minusOne + [0x12, 11, 0x08] + minusOne + [0x12, 2, 0x08, 2])
    }

    @Test func `A list whose elements are of another shape than it says is refused`() throws {
        let (metadata, tensors) = try #require(list([1, nil, 2], shape: [4]).encoded)
        let opaque = OpaqueVariant(name: TensorList.typeName, metadata: metadata, tensors: tensors)
        #expect(throws: Status.self) { _ = try TensorList(Variant(opaque)) }
    }

    @Test func `Malformed metadata is refused`() throws {
        let four = Tensor([1, 2, 3, 4] as [Float])
        let encoded = try #require(TensorList(elementDType: .float32, elementShape: [4], elements: [four, nil, four]).encoded)
        for length in 0..<encoded.metadata.count - 4 {
            let cut = OpaqueVariant(
                name: TensorList.typeName, metadata: Array(encoded.metadata.prefix(length)), tensors: encoded.tensors)
            #expect(throws: Status.self) { _ = try TensorList(Variant(cut)) }
        }
        for position in encoded.metadata.indices {
            var bytes = encoded.metadata
            bytes[position] = 0xFF
            // Whatever comes of it, it comes back.
            _ = try? TensorList(
                Variant(OpaqueVariant(name: TensorList.typeName, metadata: bytes, tensors: encoded.tensors)))
        }
        #expect(throws: Status.self) { _ = try TensorList(Variant()) }
    }
}
