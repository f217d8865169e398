import Testing
import WeirTensor
import WeirWire

@Suite("NumPy files")
struct NumpyFileTests {
    /// A file of format version 1 with this header.
    private func file(_ header: String, _ data: [UInt8]) -> [UInt8] {
        let count = header.utf8.count
        return hex("93 4e 55 4d 50 59 01 00") + [UInt8(count & 255), UInt8(count >> 8)] + Array(header.utf8) + data
    }

    /// A header as NumPy writes it: filled with blanks to 118 bytes.
    private func numpy(_ header: String) -> String {
        header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    }

    @Test("what NumPy saves is read, and written byte for byte as it was")
    func matchesTensorFlow() throws {
        let cases: [(String, String, Tensor)] = [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                "00 00 80 3f 00 00 00 40 00 00 40 40 00 00 80 40 00 00 a0 40 00 00 c0 40",
                Tensor([Float(1), 2, 3, 4, 5, 6], ofShape: [2, 3])
            ),
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", "07 00 00 00 00 00 00 00", Tensor(Int64(7))),
            ("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "01 00", Tensor([true, false])),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }", "", Tensor([UInt8](), ofShape: [0, 3])),
        ]
        for (header, data, tensor) in cases {
            let bytes = file(numpy(header), hex(data))
            #expect(try NumpyFile.tensor(from: bytes) == tensor)
            #expect(try NumpyFile.bytes(of: tensor) == bytes)
        }
    }

    @Test("an array of every type that NumPy has comes back as it went, through a file")
    func roundTrip() throws {
        let directory = try TemporaryDirectory()
        for dtype in DTypeSet.numeric.types + [.bool] where dtype != .bfloat16 {
            let tensor = try Tensor.zeros(dtype, [2, 1, 3])
            let path = directory("\(dtype).npy")
            try NumpyFile.write(tensor, to: path)
            #expect(try NumpyFile.tensor(contentsOf: path) == tensor)
        }
        #expect(status { try NumpyFile.bytes(of: Tensor("text")) }?.code == .invalidArgument)
        #expect(status { try NumpyFile.tensor(contentsOf: directory("none.npy")) }?.code == .notFound)
    }

    @Test("arrays in Fortran's order become row-major")
    func fortran() throws {
        // numpy.arange(6, dtype='<i2').reshape(1, 2, 3) and its copies in order F.
        let header = "{'descr': '<i2', 'fortran_order': True, 'shape': (1, 2, 3), }"
        let expected = Tensor([Int16(0), 1, 2, 3, 4, 5], ofShape: [1, 2, 3])
        #expect(try NumpyFile.tensor(from: file(header, [0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5, 0])) == expected)
        let vector = "{'descr': '|u1', 'fortran_order': True, 'shape': (3,), }"
        #expect(try NumpyFile.tensor(from: file(vector, [7, 8, 9])) == Tensor([UInt8(7), 8, 9]))
        let empty = "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 0), }"
        #expect(try NumpyFile.tensor(from: file(empty, [])).shape == [3, 0])
    }

    @Test("the later format versions, and headers written by others, are read")
    func otherHeaders() throws {
        let header = "{\"shape\":(1,),\"fortran_order\":False,\"descr\":\"<i2\"}"
        #expect(try NumpyFile.tensor(from: file(header, [5, 0])) == Tensor([Int16(5)]))
        let long = hex("93 4e 55 4d 50 59 03 00") + [UInt8(header.utf8.count), 0, 0, 0] + Array(header.utf8) + [5, 0]
        #expect(try NumpyFile.tensor(from: long) == Tensor([Int16(5)]))
    }

    @Test("what is no such array is an invalid argument that says what was expected")
    func malformed() throws {
        for (header, data) in [
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", [0, 0, 0, 0]),
            ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }", [0, 0, 0, 0]), ("{'descr': '<f4', 'shape': (1,), }", [0, 0, 0, 0]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", [0, 0, 0, 0]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }", [0]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", []),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }", []),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (), }", []),
            ("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (), }", []),
            ("{'descr': '<f4', 'fortran_order': False}", [0, 0, 0, 0]), ("{'descr': '<f4'", []), ("", []),
            ("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", [2]),
        ] as [(String, [UInt8])] {
            #expect(status { try NumpyFile.tensor(from: file(header, data)) }?.code == .invalidArgument, "\(header)")
        }
        let good = file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", [0, 0, 128, 63])
        for bytes in damaged(good) { _ = status { try NumpyFile.tensor(from: bytes) } }
        for count in 0..<good.count {
            #expect(status { try NumpyFile.tensor(from: Array(good.prefix(count))) }?.code == .invalidArgument)
        }
    }
}
