import Testing
import WeirTensor

/// Numbers, texts and arrays as tensors, and parts of tensors.
@Suite("Literals and parts of tensors") struct TensorConvertibleTests {
    private func failure(_ value: any TensorConvertible, _ dtype: DType?) -> Status? {
        do throws(Status) { _ = try value.tensor(dtype) } catch { return error }
        return nil
    }

    @Test("an array of numbers has the wanted type, or the type of its literals")
    func numbers() throws {
        let rows = [[1, 2, 3], [4, 5, 6]]
        #expect(try rows.tensor() == Tensor([1, 2, 3, 4, 5, 6] as [Int32], ofShape: [2, 3]))
        #expect(try rows.tensor(.float32) == Tensor([1, 2, 3, 4, 5, 6] as [Float], ofShape: [2, 3]))
        #expect(try [0.5, 2].tensor() == Tensor([0.5, 2] as [Float]))
        #expect(try 7.tensor(.uint8) == Tensor(UInt8(7)))
        #expect(try 2.5.tensor(.float64) == Tensor(2.5))
        #expect(try [[true], [false]].tensor() == Tensor([true, false], ofShape: [2, 1]))
        #expect(try ["a", "bc"].tensor() == Tensor(["a", "bc"].map { ByteString($0) }))
        #expect(try [[Int]]().tensor(.int64).shape == [0])
    }

    @Test("a value that is not of the type is refused, and the message says which")
    func otherTypes() {
        #expect(failure(300, .uint8)?.message == "Expected values of uint8, found 300")
        #expect(failure([1, 2.5], .int32)?.message == "Expected values of int32, found 1.0")
        #expect(failure("x", .float32)?.message == "Expected values of float, found \"x\"")
        #expect(failure(Tensor(Float(1)), .int32)?.message == "Expected a tensor of int32, found one of float")
        #expect(failure(1, .resource)?.code == .invalidArgument)
    }

    @Test("rows of different lengths are refused, with the position")
    func ragged() {
        #expect(failure([[1, 2], [3]], nil)?.message == "Expected an array of 2 at [1], found one of 1")
        #expect(failure([[], [3]] as [[Int]], nil)?.message == "Expected an array of 0 at [1], found one of 1")
    }

    @Test("indices give parts, and those outside are errors")
    func parts() throws {
        let matrix = Tensor([1, 2, 3, 4, 5, 6] as [Float], ofShape: [2, 3])
        #expect(try matrix[1] == Tensor([4, 5, 6] as [Float]))
        #expect(try matrix[1, 2].scalar(of: Float.self) == 6)
        #expect(try matrix[] == matrix)
        let texts = Tensor(["a", "b"].map { ByteString($0) })
        #expect(try texts[1].scalar(of: ByteString.self) == ByteString("b"))
        #expect(throws: Status.outOfRange("Index 3 of dimension 1 is not in 0..<3; the tensor has shape [2,3]")) { try matrix[0, 3] }
        #expect(throws: Status.self) { try matrix[-1] }
        #expect(throws: Status.self) { try matrix[0, 0, 0] }
    }
}
