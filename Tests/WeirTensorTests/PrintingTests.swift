import Testing

@testable import WeirTensor

@Suite("Printing of tensors")
struct PrintingTests {
    @Test("a tensor prints its shape, its dtype and its elements in nested brackets")
    func small() throws {
        #expect("\(Tensor(Float(3)))" == "<Tensor shape=[] dtype=float 3.0>")
        #expect("\(Tensor([1, 2, 3] as [Int32]))" == "<Tensor shape=[3] dtype=int32 [1, 2, 3]>")
        #expect("\(Tensor([1, 2, 3, 4] as [Int64], ofShape: [2, 2]))" == "<Tensor shape=[2,2] dtype=int64\n[[1, 2],\n [3, 4]]>")
        #expect("\(Tensor([true, false]))" == "<Tensor shape=[2] dtype=bool [true, false]>")
        #expect("\(Tensor([ByteString("a\"b")]))" == #"<Tensor shape=[1] dtype=string ["a\"b"]>"#)
    }

    @Test("matrices of a tensor of rank 3 are apart by an empty line")
    func rankThree() throws {
        let tensor = Tensor([Int32](1...4), ofShape: [2, 1, 2])
        #expect(tensor.elementText(hasLines: true) == "[[[1, 2]],\n\n [[3, 4]]]")
        #expect(tensor.elementText(hasLines: false) == "[[[1, 2]], [[3, 4]]]")
    }

    @Test("of a large tensor the first and last three elements of each dimension are shown")
    func large() throws {
        #expect("\(Tensor([Int32](0..<1000)))" == "<Tensor shape=[1000] dtype=int32 [0, 1, 2, ..., 997, 998, 999]>")
        #expect("\(Tensor([Int32](0..<100)))".hasSuffix(" 98, 99]>"))
        let matrix = Tensor([Int32](0..<200), ofShape: [100, 2])
        #expect(matrix.elementText(hasLines: false) == "[[0, 1], [2, 3], [4, 5], ..., [194, 195], [196, 197], [198, 199]]")
    }

    @Test("a tensor without elements, and one of many dimensions, have a short text")
    func bounded() throws {
        #expect("\(try Tensor(.float32, [1 << 40, 0]))" == "<Tensor shape=[1099511627776,0] dtype=float []>")
        let deep = Tensor([UInt8](repeating: 1, count: 1 << 16), ofShape: Shape([Int](repeating: 2, count: 16)))
        #expect(deep.elementText(hasLines: false).count < 20_000)
        #expect(deep.elementText(hasLines: false).contains("..."))
        #expect("\(Tensor(ByteString([UInt8](repeating: 97, count: 10_000))))".count < 200)
    }

    @Test("a summary has TensorFlow's form, which error messages use")
    func summary() {
        #expect(Tensor([1, 2, 3, 4] as [Int32]).summary(3) == "1 2 3...")
        #expect(Tensor([true]).summary(3) == "1")
    }
}
