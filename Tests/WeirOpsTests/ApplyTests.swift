import Testing
import WeirDevice
import WeirGraph
import WeirTensor

import WeirKernels
import WeirOps
@testable import WeirStateOps

/// One application of an optimizer: what the variable and its slots are after it.
struct UpdateCase: Sendable, CustomTestStringConvertible {
    let op: String
    /// The hyperparameters that are not the usual ones.
    let scalars: [String: Double]
    let flags: [String: Bool]
    let expected: [[Double]]

    init(_ op: String, _ scalars: [String: Double], _ flags: [String: Bool], _ expected: [[Double]]) {
        (self.op, self.scalars, self.flags, self.expected) = (op, scalars, flags, expected)
    }
    var testDescription: String { "\(op) \(scalars) \(flags)" }

    static let variable: [Double] = [1, -2, 0.5, 3, 0.25, -0.75]
    static let slots: [[Double]] = [
        [0.5, 0.4, 0.3, 0.2, 0.1, 0.6], [0.9, 1.1, 0.7, 0.8, 1.3, 1.2], [1.4, 1.6, 2, 2.2, 1.8, 2.4],
    ]
    static let rows: [[Double]] = [[0.3, -0.6, 0.9], [-1.2, 0.05, 2]]
    static let usual: [String: Double] = [
        "lr": 0.1, "alpha": 0.25, "rho": 0.8, "momentum": 0.9, "epsilon": 0.01, "l1": 0.02, "l2": 0.03,
        "l2_shrinkage": 0.04, "lr_power": -0.5, "beta": 0.7, "beta1": 0.6, "beta2": 0.95, "beta1_power": 0.36,
        "beta2_power": 0.9025, "logbase": 1.5, "sign_decay": 0.5, "global_step": 3,
    ]

    /// The variable and its slots after the op has run.
    /// - Parameter reference: whether they are references; such an op has another name.
    func run<E: FloatingElement>(_ type: E.Type, reference: Bool) throws -> [[Double]] {
        let s = try TinySession()
        let name = reference ? String(op.dropFirst("Resource".count)) : op
        let schema = try #require(s.builder.registry[name]).schema
        func tensor(_ values: [Double], _ shape: Shape) -> Output {
            s.feed(Tensor(values.map { E(number: $0) }, ofShape: shape))
        }
        var variables: [Output] = []
        var inputs: [Output] = []
        for argument in schema.inputs {
            if argument.isReference || argument.type == .fixed(.resource) {
                let start = variables.isEmpty ? UpdateCase.variable : UpdateCase.slots[variables.count - 1]
                let value = tensor(start, [2, 3])
                let variable =
                    reference
                    ? s.builder.refVariable(E.dtype, .unknown) : s.builder.variableHandle(E.dtype, .unknown)
                try s.run(reference ? variable.assign(value).operation : variable.assignVariable(value))
                variables.append(variable)
                inputs.append(variable)
            } else if argument.name == "grad" || argument.name == "delta" {
                let picked = op.contains("Sparse") ? [1, 0, 1] : [0, 1]
                inputs.append(tensor(picked.flatMap { UpdateCase.rows[$0] }, [picked.count, 3]))
            } else if argument.name == "indices" {
                inputs.append(s.feed([1, 0, 1] as [Int32]))
            } else {
                let value = try #require(scalars[argument.name] ?? UpdateCase.usual[argument.name])
                inputs.append(argument.name == "global_step" ? s.feed(Int64(value)) : tensor([value], .scalar))
            }
        }
        try s.run(s.add(name, inputs, Attributes(flags.mapValues { .bool($0) })))
        return try variables.map { variable in
            try s.run(reference ? variable : variable.readVariable(E.dtype)).array(of: E.self).map(\.number)
        }
    }

    func isClose(_ found: [[Double]], _ tolerance: Double) -> Bool {
        func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= tolerance * max(1, abs(b)) }
        return found.count == expected.count && zip(found, expected).allSatisfy { zip($0, $1).allSatisfy(isClose) }
    }
}

@Suite struct ApplyTests {
    @Test(arguments: UpdateCase.all)
    func `an update is TensorFlow's`(update: UpdateCase) throws {
        let found = try update.run(Double.self, reference: false)
        #expect(update.isClose(found, 1e-10), "\(found)")
    }

    @Test(arguments: UpdateCase.all)
    func `a reference is updated as a handle is`(update: UpdateCase) throws {
        let name = String(update.op.dropFirst("Resource".count))
        guard trainingOps.contains(where: { $0.name == name }) else { return }
        #expect(update.isClose(try update.run(Double.self, reference: true), 1e-10))
    }

    @Test(arguments: UpdateCase.all)
    func `shorter floats come near it`(update: UpdateCase) throws {
        #expect(update.isClose(try update.run(Float.self, reference: false), 1e-5))
        #expect(update.isClose(try update.run(Float16.self, reference: false), 2e-2))
        #expect(update.isClose(try update.run(BFloat16.self, reference: false), 0.15))
    }

    @Test func `large variables are updated by several threads, block by block`() throws {
        let count = 140_003
        let pool = try ComputePool(threadCount: 4)
        var h = HyperParameters<Float>()
        (h.lr, h.rho, h.momentum, h.epsilon, h.beta1, h.beta2) = (0.1, 0.8, 0.9, 0.01, 0.6, 0.95)
        func compare<R: UpdateRule>(_ rule: R.Type) {
            // Squares in the second slot, larger than the mean in the first.
            let slots = (0...R.slotCount).map { slot -> Tensor in
                let least: Float = slot == 2 ? 4 : 0.06
                return Tensor((0..<count).map { index -> Float in least + Float((index + slot) % 97) / 50 })
            }
            let gradient = Tensor((0..<count).map { Float($0 % 13) / 7 - 1 })
            var expected = slots.map(\.floats)
            var prepared = h
            R.prepare(&prepared)
            for (index, g) in gradient.floats.enumerated() {
                func part(_ slot: Int) -> Float { slot < expected.count ? expected[slot][index] : 0 }
                var x = UpdateState(v: part(0), a: part(1), b: part(2), c: part(3))
                R.update(&x, g, prepared)
                for (slot, value) in zip(expected.indices, [x.v, x.a, x.b, x.c]) { expected[slot][index] = value }
            }
            UpdateLoop<R, Float>(slots, gradient, h).runDense(count, pool)
            for (slot, tensor) in slots.enumerated() {
                #expect(zip(tensor.floats, expected[slot]).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) })
            }
        }
        compare(Momentum.self)
        compare(Adam.self)
        compare(CenteredRMSProp.self)
    }

    @Test func `rows that come twice are updated twice by whichever thread has them`() throws {
        let (rows, width) = (500, 64)
        var h = HyperParameters<Float>()
        h.alpha = 1
        let indices = (0..<4000).map { $0 * 37 % 123 }
        let gradient = Tensor([Float](repeating: 1, count: indices.count * width), ofShape: [indices.count, width])
        let variable = try Tensor.zeros(.float32, [rows, width])
        let pool = try ComputePool(threadCount: 4)
        UpdateLoop<GradientDescent, Float>([variable], gradient, h).runSparse(indices, width: width, pool)
        var counts = [Float](repeating: 0, count: rows)
        for index in indices { counts[index] -= 1 }
        #expect(variable.floats == counts.flatMap { [Float](repeating: $0, count: width) })
    }

    @Test func `an update does not show in what was read before`() throws {
        let s = try TinySession()
        let v = s.builder.variableHandle(.float32, .unknown)
        try s.run(v.assignVariable(s.feed([1, 2] as [Float])))
        let before = try s.run(v.readVariable())
        try s.run(v.applyGradientDescent(rate: s.feed(Float(1)), gradient: s.feed([1, 1] as [Float])))
        #expect(before.floats == [1, 2])
        #expect(try s.run(v.readVariable()).floats == [0, 1])
    }

    @Test func `a variable that is its own slot does no harm`() throws {
        let s = try TinySession()
        let v = s.builder.refVariable(.float32, .unknown)
        try s.run(v.assign(s.feed([1, 2] as [Float])))
        try s.run(
            v.applyMomentum(
                slot: v, rate: s.feed(Float(0)), gradient: s.feed([1, 1] as [Float]), momentum: s.feed(Float(0))))
        #expect(try s.run(v).elementCount == 2)
    }
}

@Suite struct ApplyErrorTests {
    private let s: TinySession
    init() throws { s = try TinySession() }

    private func variable(_ shape: Shape, assigned: Bool = true) throws -> Output {
        let v = s.builder.variableHandle(.float32, .unknown)
        if assigned { try s.run(v.assignVariable(s.feed(Tensor.zeros(.float32, shape)))) }
        return v
    }
    private func zeros(_ shape: Shape) throws -> Output { s.feed(try Tensor.zeros(.float32, shape)) }
    private func message(_ operation: Operation) throws -> String { try failure { try s.run(operation) }.message }

    @Test func `shapes must agree`() throws {
        let (two, three) = (try variable([2]), try variable([3]))
        #expect(
            try message(two.applyGradientDescent(rate: zeros([]), gradient: zeros([3])))
                == "var and delta do not have the same shape[2] [3]")
        #expect(
            try message(two.applyGradientDescent(rate: zeros([1]), gradient: zeros([2])))
                == "alpha is not a scalar: [1]")
        #expect(
            try message(two.applyMomentum(slot: three, rate: zeros([]), gradient: zeros([2]), momentum: zeros([])))
                == "var and accum do not have the same shape[2] [3]")
        let scalar = try zeros([])
        #expect(
            try message(
                two.applyFtrl(
                    square: two, linear: two, gradient: zeros([2]), rate: scalar, l1: zeros([1]), l2: scalar,
                    power: scalar)) == "l1 regularization strength is not a scalar: [1]")
        #expect(
            try message(
                two.applyAdam(
                    mean: two, square: three, powers: (scalar, scalar), rate: scalar, betas: (scalar, scalar),
                    epsilon: scalar, gradient: zeros([2]))) == "var and v do not have the same shape[2] [3]")
    }

    @Test func `a variable that is not there is not found`() throws {
        _ = try variable([1])
        let none = try variable([2], assigned: false)
        let status = try failure {
            try s.run(none.applyGradientDescent(rate: zeros([]), gradient: zeros([2])))
        }
        #expect(status.code == .notFound)
        let empty = s.builder.refVariable(.float32, [2], name: "v")
        #expect(
            try failure { try s.run(empty.applyGradientDescent(rate: zeros([]), gradient: zeros([2]))) }
                == .failedPrecondition("Attempting to use uninitialized value v"))
    }

    private func sparse(_ shape: Shape, _ gradient: Shape, _ indices: Tensor) throws -> String {
        let (v, a) = (try variable(shape), try variable(shape))
        let inputs = [v, a, try zeros([]), try zeros(gradient), s.feed(indices)]
        return try message(s.add("ResourceSparseApplyAdagrad", inputs))
    }

    @Test func `rows must be there and fit`() throws {
        let zero = Tensor([0] as [Int32])
        #expect(
            try sparse([2], [2], Tensor([0, 2] as [Int32])) == "Index 2 at offset 1 in indices is out of range")
        #expect(
            try sparse([2], [2], zero) == "grad must be the same size as indices in the first dimension.")
        #expect(try sparse([2], [2], Tensor([0] as [Int32], ofShape: [1, 1])) == "indices must be one-dimensional")
        #expect(try sparse([2, 3], [1, 2], zero) == "var and grad must match in dimension 1")
        #expect(try sparse([], [1], zero) == "var must be at least 1 dimensional")
        #expect(try sparse([2, 3], [1], zero) == "grad must have the same number of dimensions as var")
        #expect(try sparse([2, 0], [1, 0], zero) == "Inner dimension should be greater than zero.")
        // Dimensions of which only the product with zero is a number.
        let huge = Shape(0, 1 << 30, 1 << 30)
        #expect(try sparse(huge, Shape(1, 1 << 30, 0), zero) == "var and grad must match in dimension 2")
        let v = try variable(huge)
        try s.run(s.add("ResourceSparseApplyAdagrad", [v, v, zeros([]), zeros(huge), s.feed([Int32]())]))
    }

    @Test func `FTRL by rows wants sensible regularization`() throws {
        func ftrl(
            lr: Float = 1, l1: Float = 1, l2: Float = 1, shrinkage: Float = 0, power: Float = -0.5,
            multiply: Bool = false
        ) throws -> String {
            let v = try (0..<3).map { _ in try variable([2]) }
            let rows = [try zeros([1]), s.feed([0] as [Int32])]
            let inputs = v + rows + [lr, l1, l2, shrinkage, power].map { s.feed($0) }
            let flags: Attributes = ["multiply_linear_by_lr": .bool(multiply)]
            return try message(s.add("ResourceSparseApplyFtrlV2", inputs, flags))
        }
        let rate = "lr is not a positive scalar (or zero if multiply_linear_by_lr is set): []"
        #expect(try ftrl(lr: -1) == rate)
        #expect(try ftrl(lr: 0) == rate)
        #expect(try ftrl(lr: .nan) == rate)
        #expect(try ftrl(l1: -1) == "l1 regularization strength is not a non-negative scalar: []")
        #expect(try ftrl(l2: -1) == "l2 regularization strength is not a non-negative scalar: []")
        #expect(
            try ftrl(shrinkage: -1) == "l2 shrinkage regularization strength is not a non-negative scalar: []")
        #expect(try ftrl(power: 1) == "lr_power is not a non-positive scalar: []")
    }
}
