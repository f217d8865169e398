import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// Makes a kernel for an activation. A protocol, so that the kernel is specialised for the activation's type.
protocol ActivationKernelMaker {
    func kernel<A: Activation>(_ activation: A) -> Kernel
}

/// The ops fused after a product or convolution: the attribute `fused_ops`, in order.
struct FusedEpilogue: Sendable {
    private enum Step: Sendable {
        /// Adds the next argument, a vector, along the channels.
        case biasAdd
        /// Adds the next argument, a tensor of the output's shape.
        case add
        /// Normalizes with the next four arguments: scale, offset, mean, variance.
        case batchNorm
        case activation(any Activation)
    }
    private var steps: [Step] = []
    private let epsilon: Float
    /// The number of arguments that all steps take together.
    private(set) var argumentCount = 0

    /// - Throws: `unimplemented` for an unknown fused op, `invalidArgument` when there is no fused op.
    init(_ request: KernelRequest) throws {
        epsilon = try request.float("epsilon")
        for name in try request.strings("fused_ops").map(\.description) {
            switch name {
            case "BiasAdd": append(.biasAdd, 1)
            case "Add": append(.add, 1)
            case "FusedBatchNorm": append(.batchNorm, 4)
            case "Relu": append(.activation(ReluFunction()), 0)
            case "Relu6": append(.activation(Relu6Function()), 0)
            case "Elu": append(.activation(EluFunction()), 0)
            case "LeakyRelu": append(.activation(LeakyReluFunction(alpha: try request.float("leakyrelu_alpha"))), 0)
            case "Tanh": append(.activation(TanhFunction()), 0)
            case "Sigmoid": append(.activation(SigmoidFunction()), 0)
            case "GeluApproximate": append(.activation(ApproximateGeluFunction()), 0)
            case "GeluExact": append(.activation(GeluFunction()), 0)
            default: throw Status.unimplemented("\(request.op.name) node '\(request.name)': fusion is not implemented: [\(name)]")
            }
        }
        guard !steps.isEmpty else {
            throw Status.invalidArgument("Fused \(request.op.name) must have at least one fused op.")
        }
    }

    /// Whether the only step is the addition of a tensor.
    var isSum: Bool { if steps.count == 1, case .add = steps[0] { true } else { false } }
    /// Returns the kernel that `maker` makes for a bias with an optional activation, specialised for the activations that the
    /// fusion pass produces. Returns nil for other steps or activations.
    @inline(__always)
    func afterBias(_ maker: some ActivationKernelMaker) -> Kernel? {
        guard case .biasAdd = steps[0] else { return nil }
        if steps.count == 1 { return maker.kernel(IdentityFunction()) }
        guard steps.count == 2, case .activation(let function) = steps[1] else { return nil }
        switch function {
        case let function as ReluFunction: return maker.kernel(function)
        case let function as Relu6Function: return maker.kernel(function)
        case let function as EluFunction: return maker.kernel(function)
        case let function as LeakyReluFunction: return maker.kernel(function)
        case let function as TanhFunction: return maker.kernel(function)
        case let function as SigmoidFunction: return maker.kernel(function)
        default: return nil
        }
    }

    private mutating func append(_ step: Step, _ arguments: Int) {
        steps.append(step)
        argumentCount += arguments
    }

    /// The steps in CUDA C++.
    var cuda: CUDAEpilogue {
        var made = CUDAEpilogue()
        for step in steps {
            switch step {
            case .biasAdd: made.statements += "    x = x + widen(\(made.tensor())[channel]);\n"
            case .add: made.statements += "    x = x + widen(\(made.tensor())[place]);\n"
            case .batchNorm:
                let (scale, offset, mean, variance) = (made.tensor(), made.tensor(), made.tensor(), made.tensor())
                made.statements += "    x = (x - widen(\(mean)[channel])) * (widen(\(scale)[channel]) "
                made.statements += "/ sqrt(widen(\(variance)[channel]) + (C)\(Double(epsilon).cudaLiteral))) + widen(\(offset)[channel]);\n"
            case .activation(let function): made.statements += "    x = \(function.cuda);\n"
            }
        }
        return made
    }
    /// What cuBLASLt calls the steps, where the channels are the columns; nil if it has no name for them.
    var library: CUDAProductShape.Epilogue? {
        guard case .biasAdd = steps[0] else { return nil }
        if steps.count == 1 { return .bias }
        guard steps.count == 2, case .activation(let function) = steps[1], function is ReluFunction else { return nil }
        return .biasAndRelu
    }
    /// Checks the arguments' shapes.
    func check(_ arguments: [Tensor], _ output: Shape, channelsFirst: Bool) throws -> ChannelLayout {
        guard arguments.count >= argumentCount else {
            throw Status.invalidArgument("The fused ops take \(argumentCount) arguments, found \(arguments.count)")
        }
        let layout = try ChannelLayout(output, channelsFirst: channelsFirst)
        var rest = arguments[...]
        for step in steps {
            switch step {
            case .biasAdd: try checkVector(rest.removeFirst(), layout, "bias")
            case .batchNorm: for name in ["scale", "offset", "mean", "variance"] { try checkVector(rest.removeFirst(), layout, name) }
            case .add:
                let addend = rest.removeFirst()
                guard addend.shape == output else { throw Status.invalidArgument("Fused Add needs shape \(output), found \(addend.shape)") }
            case .activation: break
            }
        }
        return layout
    }

    /// Applies the steps to `output`. The arguments must have the same element type.
    func apply<E: FloatingElement>(
        _ output: Tensor, _ arguments: [Tensor], channelsFirst: Bool, _ type: E.Type, _ pool: ComputePool
    ) throws {
        let layout = try check(arguments, output.shape, channelsFirst: channelsFirst)
        defer { keepAlive((output, arguments)) }
        let values = output.mutableElements(E.self)
        var next = 0
        for step in steps {
            switch step {
            case .biasAdd:
                let bias = arguments[next]
                next += 1
                affine(values, layout, nil, bias.elements(E.self), pool)
            case .batchNorm:
                let (scale, shift) = try factors(Array(arguments[next..<next + 4]), layout, E.self)
                next += 4
                defer { keepAlive((scale, shift)) }
                affine(values, layout, UnsafeBufferPointer(scale.mutableElements(E.self)), shift.elements(E.self), pool)
            case .add:
                let addend = arguments[next]
                next += 1
                let terms = addend.elements(E.self)
                for index in 0..<values.count { values[index] = E.plus(values[index], terms[index]) }
            case .activation(let function):
                apply(function, values, pool)
            }
        }
    }

    private func apply<E: FloatingElement>(_ function: some Activation, _ values: UnsafeMutableBufferPointer<E>, _ pool: ComputePool) {
        pool.parallelFor(values.count, grain: function.grain) { function.apply(UnsafeBufferPointer(values), values, $0) }
    }

    private func checkVector(_ tensor: Tensor, _ layout: ChannelLayout, _ what: String) throws {
        guard tensor.rank == 1 else { throw Status.invalidArgument("\(what) must be 1-dimensional: \(tensor.shape)") }
        guard tensor.dimension(0) == layout.channels else {
            throw Status.invalidArgument("\(what) depth must be equal to output depth \(layout.channels), found \(tensor.shape)")
        }
    }

    /// Returns a batch normalization with given moments as a scale and a shift for each channel.
    private func factors<E: FloatingElement>(
        _ arguments: [Tensor], _ layout: ChannelLayout, _ type: E.Type
    ) throws -> (scale: Tensor, shift: Tensor) {
        let (scale, shift) = (try Tensor(E.dtype, Shape(layout.channels)), try Tensor(E.dtype, Shape(layout.channels)))
        defer { keepAlive((scale, shift, arguments)) }
        let (factor, summand) = (scale.mutableElements(E.self), shift.mutableElements(E.self))
        let given = arguments.map { $0.elements(E.self) }
        for channel in 0..<layout.channels {
            let deviation = (given[3][channel].number + Double(epsilon)).squareRoot()
            factor[channel] = E(number: given[0][channel].number / deviation)
            summand[channel] = E(number: given[1][channel].number - given[2][channel].number * given[0][channel].number / deviation)
        }
        return (scale, shift)
    }

    /// Computes `value · scale + shift` in place, with one scale and shift per channel. A nil scale is 1.
    private func affine<E: FloatingElement>(
        _ values: UnsafeMutableBufferPointer<E>, _ layout: ChannelLayout, _ scale: UnsafeBufferPointer<E>?,
        _ shift: UnsafeBufferPointer<E>, _ pool: ComputePool
    ) {
        guard values.count > 0 else { return }
        if layout.inner > 1 {
            for row in 0..<layout.outer * layout.channels {
                let (factor, summand) = (scale?[row % layout.channels] ?? .one, shift[row % layout.channels])
                for index in row * layout.inner..<(row + 1) * layout.inner { values[index] = E.plus(E.times(values[index], factor), summand) }
            }
            return
        }
        let width = layout.channels
        pool.parallelFor(layout.outer, grain: max(1, (1 << 16) / width)) { rows in
            let part = values.start + rows.lowerBound * width
            guard let scale else { return addRepeated(UnsafePointer(part), shift.start, width, part, rows.count * width) }
            for row in 0..<rows.count {
                let target = part + row * width
                for channel in 0..<width { target[channel] = E.plus(E.times(target[channel], scale[channel]), shift[channel]) }
            }
        }
    }
}
