import Testing
import WeirDevice
import WeirGraph
import WeirTensor

@testable import WeirStateOps
@testable import WeirArrayOps
import WeirOps

/// A session with one variable, reached by reference or by handle.
private struct OneVariable {
    let session: TinySession
    let variable: Output
    let isReference: Bool

    init(_ value: Tensor, reference: Bool, threads: Int = 1) throws {
        session = try TinySession(threads: threads)
        isReference = reference
        variable =
            reference
            ? session.builder.refVariable(value.dtype, .unknown)
            : session.builder.variableHandle(value.dtype, .unknown)
        let fed = session.feed(value)
        try session.run(reference ? variable.assign(fed).operation : variable.assignVariable(fed))
    }

    /// Runs an op on the variable and gives its value after that.
    func after(_ op: String, _ inputs: [Tensor], _ attributes: Attributes = [:]) throws -> Tensor {
        let inputs = [variable] + inputs.map { session.feed($0) }
        try session.run(session.add(isReference ? op : "Resource\(op)", inputs, attributes))
        return try session.run(isReference ? variable : variable.readVariable(variable.dtype(in: session)))
    }
}

extension Output {
    fileprivate func dtype(in session: TinySession) -> DType {
        session.builder.handleShape(endpoint)?.dtype ?? .float32
    }
}

@Suite struct ScatterRowsTests {
    private static let start = Tensor([1, 2, 3, 4, 5, 6] as [Float], ofShape: [3, 2])
    private static let indices = Tensor([2, 0] as [Int32])
    private static let updates = Tensor([10, 20, 2, 4] as [Float], ofShape: [2, 2])

    @Test(
        arguments: [
            ("ScatterUpdate", [2, 4, 3, 4, 10, 20]), ("ScatterAdd", [3, 6, 3, 4, 15, 26]),
            ("ScatterSub", [-1, -2, 3, 4, -5, -14]), ("ScatterMul", [2, 8, 3, 4, 50, 120]),
            ("ScatterDiv", [0.5, 0.5, 3, 4, 0.5, 0.3]), ("ScatterMin", [1, 2, 3, 4, 5, 6]),
            ("ScatterMax", [2, 4, 3, 4, 10, 20]),
        ] as [(String, [Float])], [true, false])
    func `rows change and others stay`(expected: (op: String, values: [Float]), reference: Bool) throws {
        let v = try OneVariable(Self.start, reference: reference)
        #expect(try v.after(expected.op, [Self.indices, Self.updates]).floats == expected.values)
    }

    @Test(arguments: [true, false])
    func `a scalar goes to every element, doubled rows are changed twice`(reference: Bool) throws {
        let v = try OneVariable(Self.start, reference: reference)
        let twice = Tensor([1, 1, 0] as [Int64])
        #expect(try v.after("ScatterAdd", [twice, Tensor(Float(1))]).floats == [2, 3, 5, 6, 5, 6])
    }

    @Test func `integers, complex numbers, strings and short floats scatter too`() throws {
        let ints = try OneVariable(Tensor([7, 8] as [Int32]), reference: true)
        #expect(
            try ints.after("ScatterDiv", [Tensor([1] as [Int32]), Tensor([3] as [Int32])])
                == Tensor([7, 2] as [Int32]))
        #expect(
            try failure { _ = try ints.after("ScatterDiv", [Tensor([1] as [Int32]), Tensor([0] as [Int32])]) }
                == .invalidArgument("Integer division by zero"))
        let complex = try OneVariable(Tensor([Complex64(1, 1)]), reference: false)
        #expect(
            try complex.after("ScatterMul", [Tensor([0] as [Int32]), Tensor([Complex64(0, 1)])])
                == Tensor([Complex64(-1, 1)]))
        let text = try OneVariable(Tensor(["a", "b"] as [ByteString]), reference: true)
        #expect(
            try text.after("ScatterUpdate", [Tensor([1] as [Int32]), Tensor(["c"] as [ByteString])])
                == Tensor(["a", "c"] as [ByteString]))
        let short = try OneVariable(Tensor([BFloat16(1)]), reference: false)
        #expect(
            try short.after("ScatterMax", [Tensor([0] as [Int32]), Tensor([BFloat16(2)])]) == Tensor([BFloat16(2)]))
    }

    @Test func `what was read before stays as it was`() throws {
        let v = try OneVariable(Self.start, reference: false)
        let before = try v.session.run(v.variable.readVariable())
        _ = try v.after("ScatterUpdate", [Self.indices, Self.updates])
        #expect(before == Self.start)
    }

    @Test(
        arguments: [
            (true, [2], [0, 5], "indices[1] = 5 is not in [0, 3)"),
            (false, [2, 2], [0, 1, -1, 1], "indices[1,0] = -1 is not in [0, 3)"),
        ] as [(Bool, Shape, [Int32], String)])
    func `indices outside are refused`(reference: Bool, shape: Shape, indices: [Int32], message: String) throws {
        let v = try OneVariable(Tensor([1, 1, 1] as [Float]), reference: reference)
        let updates = Tensor([Float](repeating: 2, count: shape.elementCount), ofShape: shape)
        let status = try failure { _ = try v.after("ScatterAdd", [Tensor(indices, ofShape: shape), updates]) }
        #expect(status == .invalidArgument(message))
    }

    @Test func `shapes that do not belong together are refused`() throws {
        let two = Tensor([0, 1] as [Int32]), three = Tensor([1, 2, 3] as [Float])
        let reference = try OneVariable(three, reference: true)
        #expect(
            try failure { _ = try reference.after("ScatterAdd", [two, three]) }.message
                == "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got "
                + "updates.shape [3], indices.shape [2], params.shape [3]")
        let handle = try OneVariable(three, reference: false)
        #expect(
            try failure { _ = try handle.after("ScatterAdd", [two, three]) }.message
                == "The shape of indices ([2]) must be a prefix of the shape of updates ([3])")
        let scalar = try OneVariable(Tensor(Float(1)), reference: true)
        #expect(
            try failure { _ = try scalar.after("ScatterAdd", [two, Tensor(Float(1))]) }.message
                == "params must be at least 1-D, got shape []")
        // No rows, of as many elements as can be.
        let huge = try OneVariable(.zeros(.float32, Shape(0, 1 << 30, 1 << 30)), reference: true)
        #expect(
            try failure { _ = try huge.after("ScatterAdd", [Tensor([0] as [Int32]), Tensor(Float(1))]) }.message
                == "indices[0] = 0 is not in [0, 0)")
    }

    @Test func `threads give what one gives`() throws {
        let (rows, width, count) = (1000, 64, 5000)
        var number = SystemRandomNumberGenerator()
        let indices = Tensor((0..<count).map { _ in Int32.random(in: 0..<Int32(rows), using: &number) })
        let updates = Tensor(
            (0..<count * width).map { _ in Float.random(in: -1...1, using: &number) }, ofShape: [count, width])
        let start = try Tensor.zeros(.float32, [rows, width])
        let one = try OneVariable(start, reference: true).after("ScatterAdd", [indices, updates])
        let many = try OneVariable(start, reference: true, threads: 4).after("ScatterAdd", [indices, updates])
        #expect(one == many)
    }
}

@Suite struct ScatterSlicesTests {
    @Test(arguments: [true, false])
    func `slices are picked by several indices`(reference: Bool) throws {
        let v = try OneVariable(.zeros(.float32, [2, 3]), reference: reference)
        let places = Tensor([0, 1, 1, 2, 0, 1] as [Int32], ofShape: [3, 2])
        let values = Tensor([1, 2, 4] as [Float])
        #expect(try v.after("ScatterNdAdd", [places, values]).floats == [0, 5, 0, 0, 0, 2])
        #expect(try v.after("ScatterNdSub", [places, values]).floats == [0, 0, 0, 0, 0, 0])
        #expect(try v.after("ScatterNdMax", [places, values]).floats == [0, 4, 0, 0, 0, 2])
        let rows = Tensor([1] as [Int64], ofShape: [1, 1])
        let row = Tensor([7, 8, 9] as [Float], ofShape: [1, 3])
        #expect(try v.after("ScatterNdUpdate", [rows, row]).floats == [0, 4, 0, 7, 8, 9])
        #expect(try v.after("ScatterNdMin", [rows, row]).floats == [0, 4, 0, 7, 8, 9])
    }

    @Test(
        arguments: [
            ([3], [5], [1, 1], [1], "indices[0] = [5] does not index into shape [3]"),
            ([3, 3], [0, 1, 1, 7], [2, 2], [2], "indices[1] = [1, 7] does not index into shape [3,3]"),
            (
                [3], [0, 1], [2, 1], [1],
                "Dimensions [0,1) of indices[shape=[2,1]] = 2 must match dimensions [0,1) of updates[shape=[1]] = 1"
            ),
            (
                [3, 3], [0, 1], [2, 1], [2],
                "Dimensions [1,2) of input[shape=[3,3]] must match dimensions [1,1) of updates[shape=[2]]"
            ),
            (
                [3], [0, 0, 1, 1], [2, 2], [2],
                "Dimensions [2,1) of input[shape=[3]] must match dimensions [1,1) of updates[shape=[2]]"
            ),
            ([0, 1], [0], [1, 1], [1, 1], "Indices and updates specified for empty output.  indices shape: [1,1]"),
        ] as [([Int], [Int32], [Int], [Int], String)])
    func `what does not fit is refused`(
        variable: [Int], indices: [Int32], shape: [Int], updates: [Int], message: String
    ) throws {
        let v = try OneVariable(.zeros(.float32, Shape(variable)), reference: true)
        let status = try failure {
            _ = try v.after(
                "ScatterNdAdd", [Tensor(indices, ofShape: Shape(shape)), .zeros(.float32, Shape(updates))])
        }
        #expect(status == .invalidArgument(message))
    }

    @Test func `bad indices may be left out`() throws {
        let v = try OneVariable(.zeros(.float32, [3]), reference: true)
        let indices = Tensor([0, 7] as [Int32], ofShape: [2, 1]), updates = Tensor([1, 2] as [Float])
        let value = try v.after("ScatterNdUpdate", [indices, updates], ["bad_indices_policy": "IGNORE"])
        #expect(value.floats == [1, 0, 0])
        #expect(
            try failure { _ = try v.after("ScatterNdUpdate", [indices, updates], ["bad_indices_policy": "FOO"]) }
                == .invalidArgument("Unknown bad indices handling attribute: FOO"))
    }
}

@Suite struct StridedSliceAssignTests {
    private func assigned(
        _ bounds: ([Int32], [Int32], [Int32]), _ value: Tensor, _ masks: Attributes = [:], reference: Bool = true,
        shape: Shape = [3, 4]
    ) throws -> [Float] {
        let v = try OneVariable(.zeros(.float32, shape), reference: reference)
        let inputs = [Tensor(bounds.0), Tensor(bounds.1), Tensor(bounds.2), value]
        return try v.after("StridedSliceAssign", inputs, masks).floats
    }

    @Test(arguments: [true, false])
    func `a value takes the place of a slice`(reference: Bool) throws {
        let value = Tensor([1, 2, 3, 4] as [Float], ofShape: [2, 2])
        #expect(
            try assigned(([0, 1], [2, 3], [1, 1]), value, reference: reference)
                == [0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0])
    }

    @Test func `values are broadcast, dimensions go and come`() throws {
        let two = Tensor([7, 8] as [Float])
        #expect(try assigned(([0, 1], [2, 3], [1, 1]), two) == [0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0, 0])
        #expect(
            try assigned(([0, 1], [2, 3], [1, 1]), Tensor(Float(7))) == [0, 7, 7, 0, 0, 7, 7, 0, 0, 0, 0, 0])
        #expect(
            try assigned(([0, 1], [2, 3], [1, 1]), two, ["shrink_axis_mask": 1])
                == [0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        let new = Tensor([7, 8] as [Float], ofShape: [1, 1, 2])
        #expect(
            try assigned(([0, 0, 1], [2, 2, 3], [1, 1, 1]), new, ["new_axis_mask": 1])
                == [0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0, 0])
        let rows = Tensor((1...8).map(Float.init), ofShape: [2, 4])
        #expect(try assigned(([2], [0], [-1]), rows) == [0, 0, 0, 0, 5, 6, 7, 8, 1, 2, 3, 4])
        #expect(try assigned(([2], [1], [1]), rows) == [Float](repeating: 0, count: 12))
        #expect(
            try assigned(([0, -1], [0, 0], [1, 1]), Tensor(Float(9)), ["ellipsis_mask": 1, "shrink_axis_mask": 2])
                == [0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9])
        #expect(
            try assigned(([0, 3], [0, 0], [2, -2]), Tensor(Float(9)), ["begin_mask": 3, "end_mask": 3])
                == [0, 9, 0, 9, 0, 0, 0, 0, 0, 9, 0, 9])
        #expect(
            try assigned(([1], [9], [.max]), Tensor(Float(9)), shape: [3]) == [0, 9, 0])
        #expect(
            try assigned(([1], [-9], [.min]), Tensor(Float(9)), shape: [3]) == [0, 9, 0])
    }

    @Test(
        arguments: [
            ([0, 0], [2, 3], [1, 1], 0, "Cannot broadcast input shape [2] into final shape [2,3]"),
            ([5], [6], [1], 1, "slice index 5 of dimension 0 out of bounds."),
            ([0, 0, 0], [1, 1, 1], [1, 1, 1], 0, "Index out of range using input dim 2; input has only 2 dims"),
            ([0], [1], [0], 0, "strides[0] must be non-zero"),
            ([0], [1], [-1], 1, "only stride 1 allowed on non-range indexing."),
            (
                [0, 0], [1], [1], 0,
                "Expected begin, end, and strides to be 1D equal size tensors, "
                    + "but got shapes [2], [1], and [1] instead."
            ),
        ] as [([Int32], [Int32], [Int32], Int, String)])
    func `slices that are none are refused`(
        begin: [Int32], end: [Int32], strides: [Int32], shrink: Int, message: String
    ) throws {
        let status = try failure {
            _ = try assigned(
                (begin, end, strides), Tensor([1, 2] as [Float]), ["shrink_axis_mask": .int(shrink)])
        }
        #expect(status == .invalidArgument(message))
    }
}

@Suite struct VariableGatherTests {
    private func gathered(
        _ op: String, _ value: Tensor, _ indices: Tensor, _ attributes: Attributes = [:], threads: Int = 1
    ) throws -> Tensor {
        let s = try TinySession(threads: threads)
        let v = s.builder.variableHandle(value.dtype, .unknown)
        try s.run(v.assignVariable(s.feed(value)))
        var all = attributes
        all["dtype"] = .type(value.dtype)
        return try s.run(s.add(op, [v, s.feed(indices)], all)[0])
    }
    private let table = Tensor((0..<6).map(Float.init), ofShape: [2, 3])

    @Test func `rows are gathered, for each batch its own`() throws {
        #expect(
            try gathered("ResourceGather", table, Tensor([1, 0, 1] as [Int32]))
                == Tensor([3, 4, 5, 0, 1, 2, 3, 4, 5] as [Float], ofShape: [3, 3]))
        let batched = try gathered(
            "ResourceGather", table, Tensor([0, 2, 1, 1] as [Int64], ofShape: [2, 2]), ["batch_dims": 1])
        #expect(batched == Tensor([0, 2, 4, 4] as [Float], ofShape: [2, 2]))
        let words = Tensor(["a", "b", "c"] as [ByteString])
        #expect(try gathered("ResourceGather", words, Tensor(Int32(2))) == Tensor("c" as ByteString))
        #expect(
            try gathered("ResourceGather", Tensor([true, false]), Tensor([1, 0] as [Int32]))
                == Tensor([false, true]))
    }

    @Test func `slices are gathered by several indices`() throws {
        #expect(
            try gathered("ResourceGatherNd", table, Tensor([1, 2, 0, 1] as [Int32], ofShape: [2, 2]))
                == Tensor([5, 1] as [Float]))
        #expect(
            try gathered("ResourceGatherNd", table, Tensor([1] as [Int32]))
                == Tensor([3, 4, 5] as [Float]))
        #expect(
            try gathered("ResourceGatherNd", table, Tensor([Int32](), ofShape: [2, 0])).shape == [2, 2, 3])
    }

    @Test func `indices outside and shapes that do not fit are refused`() throws {
        func message(
            _ op: String, _ value: Tensor, _ indices: Tensor, _ attributes: Attributes = [:]
        ) throws -> String {
            try failure { _ = try gathered(op, value, indices, attributes) }.message
        }
        let three = Tensor([1, 1, 1] as [Float])
        #expect(
            try message("ResourceGather", three, Tensor([0, 4] as [Int32], ofShape: [1, 2]))
                == "indices[0,1] = 4 is not in [0, 3)")
        #expect(
            try message("ResourceGather", Tensor(Float(1)), Tensor([0] as [Int32]))
                == "params must be at least 1 dimensional")
        #expect(
            try message("ResourceGatherNd", three, Tensor([0, 4] as [Int32], ofShape: [2, 1]))
                == "indices[1] = [4] does not index into param shape [3], node name: ResourceGatherNd")
        #expect(
            try message("ResourceGatherNd", three, Tensor([0, 1] as [Int32], ofShape: [1, 2]))
                == "index innermost dimension length must be <= params rank; saw: 2 vs. 1")
        #expect(
            try message("ResourceGatherNd", three, Tensor(Int32(0))) == "indices must be at least a vector")
        #expect(
            try message("ResourceGather", table, Tensor([0] as [Int32]), ["batch_dims": -1]).contains("batch_dims is negative (-1)"))
        for batch in [2, 5] {
            #expect(
                try message("ResourceGather", table, Tensor([0] as [Int32]), ["batch_dims": .int(batch)])
                    .contains("must agree"))
        }
        // Slices of nothing: their number alone must not take memory.
        let nothing = try Tensor.zeros(.float32, [0, 2])
        let many = Tensor([Int32](), ofShape: [1 << 50, 0])
        #expect(try gathered("ResourceGatherNd", nothing, many).shape == [1 << 50, 0, 2])
        #expect(throws: Status.self) { try gathered("ResourceGatherNd", table, many) }
    }

    @Test func `large tables are gathered by several threads`() throws {
        let (rows, width) = (4000, 100)
        let value = Tensor((0..<rows * width).map(Float.init), ofShape: [rows, width])
        let picks = (0..<9000).map { Int32($0 * 7 % rows) }
        let output = try gathered("ResourceGather", value, Tensor(picks), threads: 4).floats
        for (position, row) in picks.enumerated() {
            let start = position * width
            #expect(output[start] == Float(Int(row) * width))
            #expect(output[start + width - 1] == output[start] + Float(width - 1))
        }
        let flat = Tensor((0..<300_000).map { Int64($0) })
        let back = (0..<300_000).map { Int32(299_999 - $0) }
        #expect(
            try gathered("ResourceGather", flat, Tensor(back), threads: 4).integers64
                == back.map { Int64($0) })
    }
}
