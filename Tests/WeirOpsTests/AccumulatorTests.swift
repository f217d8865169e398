import Testing
import WeirDevice
import WeirGraph
import WeirTensor

@testable import WeirStateOps
import WeirOps

@Suite struct DenseAccumulatorTests {
    @Test(arguments: [true, false])
    func `what workers send is summed, and taken as mean or sum`(takesMean: Bool) throws {
        let s = try TinySession()
        let a = s.builder.conditionalAccumulator(.float32, .unknown, sharedName: "q", takesMean: takesMean)
        func apply(_ step: Int64, _ values: [Float]) throws {
            try s.run(a.applyGradient(s.feed(values), localStep: s.feed(step)))
        }
        try apply(0, [1, 2, 3])
        try apply(0, [1, 2, 5])
        try apply(1, [1, 2, 4])
        try apply(-1, [9, 9, 9])
        #expect(try s.run(a.accumulatedCount()) == Tensor(Int32(3)))
        let taken = try s.run(a.takeGradient(s.feed(Int32(2)), .float32)).floats
        #expect(taken == (takesMean ? [1, 2, 4] : [3, 6, 12]))
        #expect(try s.run(a.accumulatedCount()) == Tensor(Int32(0)))
        // The next step has begun: what belongs to the last is dropped, and counted.
        try apply(0, [7])
        #expect(try s.run(a.accumulatedCount()) == Tensor(Int32(0)))
        let accumulator = try s.resources.lookup(GradientAccumulator.self, name: "q")
        #expect(accumulator.droppedCount == 2)
        #expect(accumulator.globalStep == 1)
        try s.run(a.setGlobalStep(s.feed(Int64(5))))
        try apply(4, [7])
        try apply(5, [7])
        #expect(try s.run(a.takeGradient(s.feed(Int32(1)), .float32)).floats == [7])
        #expect(accumulator.droppedCount == 3)
    }

    @Test func `the sum is not the first worker's tensor`() throws {
        let s = try TinySession()
        let a = s.builder.conditionalAccumulator(.float64, [2], takesMean: false)
        let first = Tensor([1, 2] as [Double])
        for value in [first, Tensor([10, 20] as [Double]), Tensor([100, 200] as [Double])] {
            try s.run(a.applyGradient(s.feed(value), localStep: s.feed(Int64(0))))
        }
        #expect(try s.run(a.takeGradient(s.feed(Int32(3)), .float64)) == Tensor([111, 222] as [Double]))
        #expect(first == Tensor([1, 2] as [Double]))
    }

    @Test func `taking waits for enough gradients`() throws {
        let s = try TinySession()
        let a = s.builder.conditionalAccumulator(.float32, .unknown)
        let apply = a.applyGradient(s.feed([2] as [Float]), localStep: s.feed(Int64(9)))
        let two = try s.start(a.takeGradient(s.feed(Int32(2)), .float32).operation)
        let one = try s.start(a.takeGradient(s.feed(Int32(1)), .float32).operation)
        try s.run(apply)
        // Who came first is served first.
        #expect(!two.isDone && !one.isDone)
        try s.run(apply)
        #expect(try two.wait()[0].tensor?.floats == [2])
        #expect(!one.isDone)
        try s.run(apply)
        #expect(try one.wait()[0].tensor?.floats == [2])
    }

    @Test func `a step that is cancelled waits no longer, nor does one whose accumulator is gone`() throws {
        let s = try TinySession()
        let a = s.builder.conditionalAccumulator(.float32, .unknown)
        let take = a.takeGradient(s.feed(Int32(1)), .float32)
        let gone = try s.start(take.operation)
        s.resources.clearAll()
        #expect(try failure { _ = try gone.wait() } == .cancelled("TakeGrad operation was cancelled"))
        let waiting = try s.start(take.operation)
        s.cancellation.cancel()
        #expect(try failure { _ = try waiting.wait() } == .cancelled("TakeGrad operation was cancelled"))
        #expect(try failure { try s.run(take) } == .cancelled("TakeGrad operation was cancelled"))
    }

    @Test func `what does not fit is refused`() throws {
        let s = try TinySession()
        let a = s.builder.conditionalAccumulator(.float32, [2])
        func apply(_ gradient: Tensor, _ step: Tensor = Tensor(Int64(0))) throws -> String {
            try failure { try s.run(a.applyGradient(s.feed(gradient), localStep: s.feed(step))) }.message
        }
        #expect(try apply(Tensor([1, 2, 3] as [Float])) == "Shape mismatch: expected [2], got [3]")
        #expect(
            try apply(Tensor([1, 2] as [Float]), Tensor([0] as [Int64]))
                == "Argument local_step must be scalar, but had bad shape [1]")
        #expect(try apply(Tensor([1, 2] as [Double])).contains("takes gradients of type float"))
        #expect(
            try failure { try s.run(a.takeGradient(s.feed(Int32(0)), .float32)) }.message
                == "Argument num_required must be positive, but was 0")
        #expect(try failure { try s.run(a.takeGradient(s.feed(Int32(1)), .float64)) }.code == .invalidArgument)
        let unknown = s.builder.conditionalAccumulator(.float32, .unknown)
        try s.run(unknown.applyGradient(s.feed([1, 2, 3] as [Float]), localStep: s.feed(Int64(0))))
        let other = unknown.applyGradient(s.feed([1] as [Float]), localStep: s.feed(Int64(0)))
        #expect(try failure { try s.run(other) }.message == "Shape mismatch: expected [3], got [1]")
    }

    @Test func `old ops hold accumulators by two strings`() throws {
        let s = try TinySession()
        let attributes: Attributes = ["dtype": .type(.float16), "shape": .shape(.unknown), "shared_name": "q"]
        let a = s.add("ConditionalAccumulator", [], attributes)[0]
        #expect(try s.run(a) == Tensor(["localhost", "q"] as [ByteString]))
        let gradient = s.feed([1, 4] as [Float16])
        try s.run(s.add("AccumulatorApplyGradient", [a, s.feed(Int64(0)), gradient]))
        try s.run(s.add("AccumulatorApplyGradient", [a, s.feed(Int64(0)), s.feed([2, 6] as [Float16])]))
        #expect(try s.run(s.add("AccumulatorNumAccumulated", [a])[0]) == Tensor(Int32(2)))
        let take = s.add("AccumulatorTakeGradient", [a, s.feed(Int32(2))], ["dtype": .type(.float16)])[0]
        #expect(try s.run(take) == Tensor([1.5, 5] as [Float16]))
        try s.run(s.add("AccumulatorSetGlobalStep", [a, s.feed(Int64(4))]))
        #expect(try s.resources.lookup(GradientAccumulator.self, name: "q").globalStep == 4)
    }

    @Test func `workers may send at the same time`() throws {
        let s = try TinySession()
        let accumulator = GradientAccumulator(
            name: "q", dtype: .float32, shape: .unknown, isSparse: false, takesMean: false)
        let pool = try ComputePool(threadCount: 4)
        pool.parallelFor(200, grain: 1) { range in
            for _ in range {
                try? accumulator.apply(.dense(Tensor([1, 2] as [Float])), localStep: 0, pool)
            }
        }
        let pending = TinySession.Pending()
        accumulator.take(200, pool, s.cancellation) { pending.finish($0) }
        #expect(try pending.wait()[0].tensor?.floats == [200, 400])
    }
}

@Suite struct SparseAccumulatorTests {
    private struct Rows {
        var indices: [Int64]
        var values: Tensor
        var shape: [Int64]?
        init(_ indices: [Int64], _ values: [Float], _ width: Int = 2, shape: [Int64]? = nil) {
            self.indices = indices
            self.values = Tensor(values, ofShape: [values.count / width, width])
            self.shape = shape
        }
    }

    private func taken(_ shape: PartialShape, _ gradients: [Rows], reduction: String = "MEAN") throws -> [Tensor?] {
        let s = try TinySession()
        let a = s.add(
            "SparseConditionalAccumulator", [],
            ["dtype": .type(.float32), "shape": .shape(shape), "reduction_type": .string(reduction)])[0]
        for gradient in gradients {
            let inputs = [
                a, s.feed(Int64(0)), s.feed(gradient.indices), s.feed(gradient.values), s.feed(gradient.shape ?? []),
            ]
            try s.run(
                s.add("SparseAccumulatorApplyGradient", inputs, ["has_known_shape": .bool(gradient.shape != nil)]))
        }
        let take = s.add("SparseAccumulatorTakeGradient", [a, s.feed(Int32(1))], ["dtype": .type(.float32)])
        return try s.run(take.outputs)
    }

    @Test func `rows are summed by their index, and divided by how many gradients had them`() throws {
        let gradients = [Rows([0, 2], [1, 2, 3, 4]), Rows([0, 1], [10, 20, 30, 40])]
        #expect(
            try taken([nil, 2], gradients) == [
                Tensor([0, 1, 2] as [Int64]), Tensor([5.5, 11, 30, 40, 3, 4] as [Float], ofShape: [3, 2]),
                Tensor([-1, 2] as [Int64]),
            ])
        #expect(
            try taken([4, 2], gradients, reduction: "SUM") == [
                Tensor([0, 1, 2] as [Int64]), Tensor([11, 22, 30, 40, 3, 4] as [Float], ofShape: [3, 2]),
                Tensor([4, 2] as [Int64]),
            ])
    }

    @Test func `rows that do not ascend are kept as TensorFlow keeps them`() throws {
        let unsorted = try taken([4, 2], [Rows([2, 0], [1, 2, 3, 4]), Rows([0, 1], [10, 20, 30, 40])])
        #expect(unsorted[0] == Tensor([0, 1, 2, 0] as [Int64]))
        #expect(unsorted[1]?.floats == [10, 20, 30, 40, 1, 2, 3, 4])
        let doubled = try taken(
            .unknown, [Rows([1, 1], [1, 2, 3, 4]), Rows([1, 1, 2], [10, 20, 30, 40, 1, 1])], reduction: "SUM")
        #expect(doubled[0] == Tensor([1, 1, 2] as [Int64]))
        #expect(doubled[1]?.floats == [11, 22, 33, 44, 1, 1])
        let nothing = try taken([nil, 2], [Rows([], []), Rows([0, 1], [10, 20, 30, 40])])
        #expect(nothing[1]?.floats == [10, 20, 30, 40])
    }

    @Test func `equal indices are added in place, never to a worker's tensor`() throws {
        let first = Rows([0, 1], [1, 2, 3, 4])
        let sum = try taken([2, 2], [first, Rows([0, 1], [1, 1, 1, 1]), Rows([0, 1], [1, 2, 2, 1])])
        #expect(sum[1]?.floats == [1, 5.0 / 3, 2, 2])
        #expect(first.values.floats == [1, 2, 3, 4])
    }

    @Test func `what does not fit is refused`() throws {
        func message(_ shape: PartialShape, _ gradients: Rows...) throws -> String {
            try failure { _ = try taken(shape, gradients) }.message
        }
        #expect(
            try message([3, 2], Rows([3], [1, 2]))
                == "Shape mismatch: index of slice 0 exceeded limits of shape; index is 3 exceeded 3")
        #expect(
            try message([3, 2], Rows([1], [1, 2, 3, 4])) == "Expected 1 non-empty input values, got 2")
        #expect(
            try message([3, 2], Rows([1], [1, 2, 3], 3)) == "Shape mismatch: expected values dim 1 to be 2, got 3")
        #expect(
            try message(.unknown, Rows([1], [1, 2, 3], 3), Rows([1], [1, 2]))
                == "Shape mismatch: expected values dim 1 to be 3, got 2")
        #expect(
            try message([3, 2], Rows([1], [1, 2], shape: [4, 2]))
                == "Shape mismatch: expected shape dim 0 to be 3, got 4")
        #expect(
            try message([3, 2], Rows([1], [1, 2], shape: [4]))
                == "Shape mismatch: expected shape rank at least 2, got 1")
        var flat = Rows([1], [1, 2])
        flat.values = Tensor([1] as [Float])
        #expect(try message([3, 2], flat) == "Shape mismatch: expected values rank at least 2, got 1")
        #expect(
            try message(.unknown, Rows([1], [1, 2, 3], 3), flat) == "Shape mismatch: expected values rank 2, got 1")
        flat.values = Tensor(Float(1))
        #expect(try message(.unknown, flat) == "Values cannot be 0-dimensional.")
    }
}

/// Floating-point addition is not associative: these sums would differ with the order in which gradients arrive.
@Suite struct AccumulatorOrderTests {
    /// Gradients of three numbers, whose sums have as many last bits as there are orders.
    private static let dense: [[Float]] = [
        [1e8, 0.1, -3], [1.25, 1e-8, 0.7], [-1e8, 3.3, 1e7], [0.3, -0.1, 7e-9], [7, 0.2, -1e7],
    ]

    /// The outcomes of all orders of arrival, each once.
    private func outcomes<G>(_ gradients: [G], _ take: ([G]) throws -> [Tensor]) rethrows -> [[Tensor]] {
        var found: [[Tensor]] = []
        func visit(_ chosen: [G], _ left: [G]) throws {
            if left.isEmpty {
                let outcome = try take(chosen)
                if !found.contains(outcome) { found.append(outcome) }
            }
            for index in left.indices {
                var others = left
                try visit(chosen + [others.remove(at: index)], others)
            }
        }
        try visit([], gradients)
        return found
    }

    private func take(_ gradients: [Gradient], isSparse: Bool, takesMean: Bool, waits: Bool) throws -> [Tensor] {
        let s = try TinySession()
        let pool = try ComputePool(threadCount: 1)
        let accumulator = GradientAccumulator(name: "q", dtype: .float32, shape: .unknown, isSparse: isSparse, takesMean: takesMean)
        let pending = TinySession.Pending()
        func take() { accumulator.take(gradients.count, pool, s.cancellation) { pending.finish($0) } }
        if waits { take() }
        for gradient in gradients { try accumulator.apply(gradient, localStep: 0, pool) }
        if !waits { take() }
        return try pending.wait().compactMap(\.tensor)
    }

    @Test(arguments: [true, false], [true, false])
    func `a dense sum does not depend on the order of arrival`(takesMean: Bool, waits: Bool) throws {
        let inOrder = outcomes(Self.dense) { order in
            [Tensor((0..<3).map { column in order.dropFirst().reduce(order[0][column]) { $0 + $1[column] } })]
        }
        #expect(inOrder.count > 10, "These numbers show nothing")
        let found = try outcomes(Self.dense) { order in
            try take(order.map { .dense(Tensor($0)) }, isSparse: false, takesMean: takesMean, waits: waits)
        }
        #expect(found.count == 1)
        let sums = takesMean ? inOrder.map { [Tensor(($0[0].floats).map { $0 / 5 })] } : inOrder
        #expect(sums.contains(found[0]))
    }

    @Test(arguments: [true, false])
    func `a sparse sum does not depend on the order of arrival`(takesMean: Bool) throws {
        let rows: [([Int64], [Float])] = [
            ([0, 2], [1e8, 0.1]), ([0, 1], [1.25, 1e-8]), ([0, 2], [-1e8, 3.3]), ([0, 1, 2], [0.3, -0.1, 7e-9]), ([0, 2], [7, 0.2]),
        ]
        let found = try outcomes(rows) { order in
            let gradients = order.map { indices, values in
                Gradient.sparse(indices: Tensor(indices), values: Tensor(values, ofShape: [values.count, 1]), shape: nil)
            }
            return try take(gradients, isSparse: true, takesMean: takesMean, waits: false)
        }
        #expect(found.count == 1)
        #expect(found[0][0] == Tensor([0, 1, 2] as [Int64]))
        let sum = found[0][1].floats
        #expect(abs(sum[1] * (takesMean ? 2 : 1) + 0.1) < 1e-6)
        #expect(abs(sum[2] * (takesMean ? 4 : 1) - 3.6) < 1e-5)
    }

    @Test(arguments: [true, false])
    func `more gradients than are held are folded, none is lost`(takesMean: Bool) throws {
        let numbers = (0..<HeldGradients().limit + 1).map { Float($0 % 5) * 1e6 + Float($0) / 3 }
        func taken(_ numbers: [Float]) throws -> Float {
            let gradients = numbers.map { Gradient.dense(Tensor([$0])) }
            return try take(gradients, isSparse: false, takesMean: takesMean, waits: false)[0].floats[0]
        }
        #expect(try taken(numbers) == taken(numbers.reversed()))
        let many = numbers + numbers + numbers.map { -$0 } + [3]
        #expect(abs(try taken(many) - numbers.reduce(3, +) / (takesMean ? Float(many.count) : 1)) < 30)
        let whole = (1...200).map { Float($0) }
        #expect(try taken(whole) == (takesMean ? 100.5 : 20_100))
    }

    @Test func `what is held is bounded in bytes, too`() throws {
        let pool = try ComputePool(threadCount: 1)
        var gradients = HeldGradients(byteLimit: 20)
        for (number, held) in [12, 0, 12, 0].enumerated() {
            try gradients.add(.dense(Tensor([1, 2, Float(number)])), isLast: false, pool)
            #expect(gradients.heldByteCount == held && gradients.count == number + 1)
        }
        try gradients.add(.dense(Tensor([1, 2, 4] as [Float])), isLast: true, pool)
        #expect(try gradients.result(mean: false, rows: nil, pool)[0].floats == [5, 10, 10])
    }
}
