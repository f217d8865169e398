import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

/// Ten updates of a table whose loss is quadratic, and what TensorFlow's kernels, or Keras's optimizers, make of the same numbers in
/// double precision (TensorFlow 2.21, Keras 3.15).
struct OptimizerCase: Sendable, CustomTestStringConvertible {
    let optimizer: any Optimizer
    /// The table after ten updates by dense gradients.
    let dense: [Double]
    /// The same by gradients of rows 3 and 1.
    let sparse: [Double]
    let testDescription: String

    init(_ name: String, _ optimizer: any Optimizer, dense: [Double], sparse: [Double]) {
        (self.optimizer, self.dense, self.sparse, testDescription) = (optimizer, dense, sparse, name)
    }

    static let start = [0.5, -1, 2, 0.25, -0.75, 1.5, 0.1, -0.3]
    static let goal = [0.2, 0.4, -0.5, 1, 0.3, -0.2, 0.05, 0.6]
    static let weights = [1, 0.5, 2, 0.25, 0.75, 1.5, 0.4, 3]

    /// A table with the gradients of `weights * (table - goal)² / 2`, in all rows or in rows 3 and 1.
    static func table(_ builder: GraphBuilder, _ dtype: DType, isSparse: Bool) -> (table: Variable, gradient: VariableGradient) {
        func constant(_ values: [Double], _ shape: Shape) -> Output { builder.constant(Tensor(values, ofShape: shape)).cast(to: dtype) }
        let table = builder.variable("table") { constant(start, [4, 2]) }
        guard isSparse else { return (table, VariableGradient(table, .dense((table.value - constant(goal, [4, 2])) * constant(weights, [4, 2])))) }
        let indices = builder.constant(Tensor([3, 1] as [Int64]))
        func picked(_ values: [Double]) -> Output { constant([6, 7, 2, 3].map { values[$0] }, [2, 2]) }
        let rows = (table.handle.gatherVariable(indices, dtype) - picked(goal)) * picked(weights)
        return (table, VariableGradient(table, .sparse(indices: indices, rows: rows)))
    }

    /// The table after some updates.
    static func run(_ optimizer: any Optimizer, _ dtype: DType, isSparse: Bool, times: Int = 10) async throws -> [Double] {
        let builder = GraphBuilder()
        let (table, gradient) = OptimizerCase.table(builder, dtype, isSparse: isSparse)
        let step = builder.globalStep()
        let update = builder.apply(optimizer, [gradient], globalStep: step)
        let result = table.read().cast(to: .float64)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        for _ in 0..<times { try await session.run(update.operation) }
        #expect(try await session.run(step.value) == Tensor(Int64(times)))
        return try await session.run(result).array(of: Double.self)
    }

    static func isClose(_ found: [Double], _ expected: [Double], _ limit: Double = 1e-6) -> Bool {
        found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) <= limit * max(1, abs($1)) }
    }
}

extension OptimizerCase {
    static let all = [
        OptimizerCase(
            "sgd", GradientDescent(learningRate: 0.1),
            dense: [0.304603532, -0.438231715, -0.231564544, 0.417752784, -0.181511458, 0.134686487, 0.0832416318, 0.574577228],
            sparse: [0.5, -1, -0.231564544, 0.417752784, -0.75, 1.5, 0.0832416318, 0.574577228]),
        OptimizerCase(
            "momentum", Momentum(learningRate: 0.1, momentum: 0.8),
            dense: [0.101308853, 0.465543165, -0.562128128, 0.73803655, 0.567601258, -0.607811692, 0.0542813777, 0.329148094],
            sparse: [0.5, -1, -0.562128128, 0.73803655, -0.75, 1.5, 0.0542813777, 0.329148094]),
        OptimizerCase(
            "nesterov", Momentum(learningRate: 0.1, momentum: 0.8, nesterov: true),
            dense: [0.142613531, 0.430506549, -0.493558071, 0.756331895, 0.473286886, -0.373747168, 0.054322579, 0.547131924],
            sparse: [0.5, -1, -0.493558071, 0.756331895, -0.75, 1.5, 0.054322579, 0.547131924]),
        OptimizerCase(
            "adagrad", Adagrad(learningRate: 0.1),
            dense: [0.23882312, -0.553719851, 1.51885739, 0.562462393, -0.314251135, 1.03042327, 0.0630414355, 0.137986219],
            sparse: [0.5, -1, 1.51885739, 0.562462393, -0.75, 1.5, 0.0630414355, 0.137986219]),
        OptimizerCase(
            "adagradDA", AdagradDualAveraging(learningRate: 0.1, l1: 0.01, l2: 0.02),
            dense: [0.134570492, 0.198955808, -0.205219994, 0.26298666, 0.187032877, -0.13636497, 0.013267055, 0.293635941],
            sparse: [0.5, -1, -0.205219994, 0.26298666, -0.75, 1.5, 0.013267055, 0.293635941]),
        OptimizerCase(
            "adadelta", Adadelta(learningRate: 1, rho: 0.9, epsilon: 1e-4),
            dense: [0.275039496, -0.687721676, 1.67644443, 0.537324822, -0.445931901, 1.18303252, 0.0503997344, -0.00122134699],
            sparse: [0.5, -1, 1.67644443, 0.537324822, -0.75, 1.5, 0.0503997344, -0.00122134699]),
        OptimizerCase(
            "adam", Adam(learningRate: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6),
            dense: [0.183379729, -0.059498147, 1.02640635, 1.07563826, 0.155045386, 0.544577224, 0.0590786696, 0.575435223],
            sparse: [0.5, -1, 1.02640635, 1.07563826, -0.75, 1.5, 0.0590786696, 0.575435223]),
        OptimizerCase(
            "amsgrad", Adam(learningRate: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, amsgrad: true),
            dense: [0.182120414, -0.0599429971, 1.02640635, 1.06550105, 0.150951646, 0.544577224, 0.0578542611, 0.56826393],
            sparse: [0.5, -1, 1.02640635, 1.06550105, -0.75, 1.5, 0.0578542611, 0.56826393]),
        OptimizerCase(
            "adamax", Adamax(learningRate: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6),
            dense: [0.144635695, -0.0197774916, 0.919331197, 1.0262316, 0.14670609, 0.472832042, 0.0503230189, 0.544609919],
            sparse: [0.5, -1, 0.919331197, 1.0262316, -0.75, 1.5, 0.0503230189, 0.544609919]),
        OptimizerCase(
            "rmsprop", RMSProp(learningRate: 0.1, decay: 0.8, momentum: 0.5, epsilon: 1e-4),
            dense: [0.18923696, 0.111929974, 0.0482315911, 0.697857082, 0.246733571, -0.0909547704, 0.0592076144, 0.607987986],
            sparse: [0.5, -1, 0.0482315911, 0.697857082, -0.75, 1.5, 0.0592076144, 0.607987986]),
        OptimizerCase(
            "centered", RMSProp(learningRate: 0.1, decay: 0.8, momentum: 0.5, epsilon: 1e-2, centered: true),
            dense: [0.189059964, 0.201370237, -0.394296068, 0.699636316, 0.28668909, -0.233825025, 0.0596543511, 0.593653463],
            sparse: [0.5, -1, -0.394296068, 0.699636316, -0.75, 1.5, 0.0596543511, 0.593653463]),
        OptimizerCase(
            "ftrl", Ftrl(learningRate: 0.1, power: -0.6, l1: 0.01, l2: 0.02),
            dense: [0.190086838, -0.255738096, 1.6111007, 0.434144215, -0.135178951, 1.02552556, 0.0360483077, 0.0597078643],
            sparse: [0.5, -1, 1.6111007, 0.434144215, -0.75, 1.5, 0.0360483077, 0.0597078643]),
        OptimizerCase(
            "ftrlShrinkage", Ftrl(learningRate: 0.1, power: -0.6, l1: 0.01, l2: 0.02, l2Shrinkage: 0.03),
            dense: [0.18021577, -0.232963047, 1.60387335, 0.40615227, -0.121618623, 1.01400161, 0.0331758094, 0.0606893359],
            sparse: [0.5, -1, 1.60387335, 0.40615227, -0.75, 1.5, 0.0331758094, 0.0606893359]),
        OptimizerCase(
            "proximalSGD", ProximalGradientDescent(learningRate: 0.1, l1: 0.01, l2: 0.02),
            dense: [0.293499912, -0.420061152, -0.232012689, 0.402712037, -0.169126636, 0.124880198, 0.0734614159, 0.568076183],
            sparse: [0.5, -1, -0.232012689, 0.402712037, -0.75, 1.5, 0.0734614159, 0.568076183]),
        OptimizerCase(
            "proximalAdagrad", ProximalAdagrad(learningRate: 0.1, l1: 0.01, l2: 0.02),
            dense: [0.224070179, -0.536892178, 1.51437846, 0.529956017, -0.30237068, 1.02364834, 0.042430212, 0.138306433],
            sparse: [0.5, -1, 1.51437846, 0.529956017, -0.75, 1.5, 0.042430212, 0.138306433]),
        OptimizerCase(
            "adamw", AdamW(learningRate: 0.1, weightDecay: 0.05, beta1: 0.8, beta2: 0.95, epsilon: 1e-6),
            dense: [0.185291993, -0.0355049602, 0.953471605, 1.05186471, 0.166560429, 0.496925062, 0.059067313, 0.568939339],
            sparse: [0.5, -1, 0.953471605, 1.05186471, -0.75, 1.5, 0.059067313, 0.568939339]),
        OptimizerCase(
            "nadam", Nadam(learningRate: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6),
            dense: [0.181822478, -0.188528368, 1.13841229, 0.938277402, 0.0176160653, 0.667361144, 0.0526097267, 0.435756508],
            sparse: [0.5, -1, 1.13841229, 0.938277402, -0.75, 1.5, 0.0526097267, 0.435756508]),
        OptimizerCase(
            "lamb", LAMB(learningRate: 0.1, beta1: 0.8, beta2: 0.95, epsilon: 1e-6),
            dense: [0.172815937, -0.122042472, 1.09511417, 1.03500652, 0.0993689095, 0.609950238, 0.0513999913, 0.525491418],
            sparse: [0.5, -1, 0.131379636, 1.23048679, -0.75, 1.5, 0.0681258025, 0.917835332]),
        OptimizerCase(
            "lion", Lion(learningRate: 0.03, beta1: 0.8, beta2: 0.95),
            dense: [0.2, -0.7, 1.7, 0.55, -0.45, 1.2, 0.04, 0],
            sparse: [0.5, -1, 1.7, 0.55, -0.75, 1.5, 0.04, 0]),
    ]
}

@Suite("Optimizers")
struct OptimizerTests {
    @Test("ten dense updates are TensorFlow's, in single and in double precision", arguments: OptimizerCase.all)
    func dense(_ one: OptimizerCase) async throws {
        for dtype in [DType.float64, .float32] {
            let found = try await OptimizerCase.run(one.optimizer, dtype, isSparse: false)
            #expect(OptimizerCase.isClose(found, one.dense), "\(dtype): \(found)")
        }
    }

    @Test("ten updates of rows are TensorFlow's; weight decay of rows is of these rows", arguments: OptimizerCase.all)
    func sparse(_ one: OptimizerCase) async throws {
        for dtype in [DType.float64, .float32] {
            let found = try await OptimizerCase.run(one.optimizer, dtype, isSparse: true)
            #expect(OptimizerCase.isClose(found, one.sparse), "\(dtype): \(found)")
        }
    }

    @Test("LAMB's weight decay is a part of the step that is scaled")
    func layerwiseDecay() async throws {
        // One update by the formula: the averages, corrected, are the gradient and its square.
        let gradient = zip(zip(OptimizerCase.start, OptimizerCase.goal), OptimizerCase.weights).map { ($0.0 - $0.1) * $1 }
        let direction = zip(gradient, OptimizerCase.start).map { $0 / (abs($0) + 1e-6) + 0.1 * $1 }
        func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let ratio = norm(OptimizerCase.start) / norm(direction)
        let expected = zip(OptimizerCase.start, direction).map { $0 - 0.01 * ratio * $1 }
        let found = try await OptimizerCase.run(LAMB(learningRate: 0.01, epsilon: 1e-6, weightDecay: 0.1), .float64, isSparse: false, times: 1)
        #expect(OptimizerCase.isClose(found, expected, 1e-9), "\(found), expected \(expected)")
    }

    @Test("decay leaves out the variables that it is told to")
    func chosenDecay() async throws {
        let plain = GradientDescent(learningRate: 0.1)
        let (none, all) = (plain.decayed(0.5) { $0 != "table" }, plain.decayed(0.5))
        let expected = try await OptimizerCase.run(plain, .float64, isSparse: false, times: 1)
        #expect(try await OptimizerCase.run(none, .float64, isSparse: false, times: 1) == expected)
        let decayed = zip(expected, OptimizerCase.start).map { $0 - 0.05 * $1 }
        #expect(OptimizerCase.isClose(try await OptimizerCase.run(all, .float64, isSparse: false, times: 1), decayed, 1e-12))
    }

    @Test("a constant rate adds nothing to the graph, a schedule computes the rate once")
    func rates() throws {
        func nodes(_ rate: LearningRate) throws -> [Node] {
            let builder = GraphBuilder()
            let variables = (0..<3).map { number in builder.variable("v\(number)", initial: [1.0, 2]) }
            _ = builder.apply(GradientDescent(learningRate: rate), variables.map { ($0, $0.value) }, globalStep: builder.globalStep())
            return try builder.graph().nodes
        }
        let constant = try nodes(0.1), scheduled = try nodes(LearningRate(ExponentialDecay(0.1, steps: 10, decayRate: 0.5)))
        #expect(!constant.contains { $0.name.hasPrefix("learning_rate") })
        #expect(scheduled.count { $0.name.hasPrefix("learning_rate") && $0.op.variableUse == .read } == 1)
        #expect(scheduled.count { $0.name.hasPrefix("learning_rate") && $0.name.firstRange(of: "Pow") != nil } == 1)
    }
}
