public import WeirTensor

/// What an op's gradient function sees: the node, its inputs and outputs, and what flows back into the outputs.
public struct GradientContext {
    public let builder: GraphBuilder
    public let node: Node
    public let inputs: [Output]
    public let outputs: [Output]
    /// The gradients of the outputs; nil where none flows.
    public let gradients: [Output?]

    public var attributes: Attributes { node.attributes }
    /// The gradient of output `index`, zeros where none flows.
    public func gradient(_ index: Int = 0) -> Output {
        gradients[index] ?? op("ZerosLike", outputs[index])
    }
    /// Adds a node of any op and gives its first output.
    public func op(_ name: String, _ inputs: Output..., attributes: Attributes = [:]) -> Output {
        builder.add(name, inputs, attributes: attributes)[0]
    }
    /// Adds a node of any op and gives all outputs.
    public func ops(_ name: String, _ inputs: [Output], attributes: Attributes = [:]) -> [Output] {
        let operation = builder.add(name, inputs, attributes: attributes)
        // Of one that failed to build there are stand-ins, so that building can go on to `graph()`.
        return builder.failure == nil ? operation.outputs : (0..<max(64, inputs.count + 1)).map { operation[$0] }
    }
    /// A constant.
    public func constant(_ value: Tensor) -> Output { builder.constant(value) }
    public func constant(_ values: [Int]) -> Output { builder.constant(Tensor(values.map { Int32($0) })) }
    /// A scalar of the type of `like`.
    public func scalar(_ value: Double, like: Output) -> Output { builder.scalar(value, like.dtype) }
    /// The shape of an output, as a constant where it is known.
    public func shape(_ output: Output) -> Output {
        if let known = output.shape.known { return constant(known.dimensions) }
        return op("Shape", output)
    }
    /// Sums a gradient down to the shape of the operand that was broadcast.
    public func unbroadcast(_ gradient: Output, to operand: Output, other: Output) -> Output {
        if let a = operand.shape.known, let b = gradient.shape.known, a == b { return gradient }
        let axes = builder.add("BroadcastGradientArgs", [shape(operand), shape(other)])[0]
        return op("Reshape", op("Sum", gradient, axes), shape(operand))
    }
}

extension GraphBuilder {
    /// A constant node.
    public func constant(_ value: Tensor, name: String? = nil) -> Output {
        add("Const", name: name ?? "Const", attributes: ["value": .tensor(value), "dtype": .type(value.dtype)])[0]
    }
    /// A scalar constant of a given type.
    public func scalar(_ value: Double, _ dtype: DType, name: String? = nil) -> Output {
        let tensor: Tensor
        switch dtype {
        case .float64: tensor = Tensor(value)
        case .float16: tensor = Tensor(Float16(value))
        case .bfloat16: tensor = Tensor(BFloat16(Float(value)))
        case .complex64: tensor = Tensor(Complex64(Float(value)))
        case .complex128: tensor = Tensor(Complex128(value))
        case .int8: tensor = Tensor(Int8(value))
        case .int16: tensor = Tensor(Int16(value))
        case .int32: tensor = Tensor(Int32(value))
        case .int64: tensor = Tensor(Int64(value))
        case .uint8: tensor = Tensor(UInt8(value))
        case .uint16: tensor = Tensor(UInt16(value))
        case .uint32: tensor = Tensor(UInt32(value))
        case .uint64: tensor = Tensor(UInt64(value))
        case .bool: tensor = Tensor(value != 0)
        default: tensor = Tensor(Float(value))
        }
        return constant(tensor, name: name)
    }

    /// The gradients of the sum of `outputs` with respect to `inputs`: nil where an input does not matter.
    ///
    /// Reverse accumulation over the graph between them. Gradient nodes are put on the device of the node they belong
    /// to, under the name scope `gradients`.
    /// - Parameter initial: what flows into each output; ones where nil.
    public func gradients(of outputs: [Output], with inputs: [Output], initial: [Output?] = []) -> [Output?] {
        nameScope("gradients") { GradientWalk(self).run(outputs, inputs, initial) }
    }
}

/// The reverse walk: nodes between the outputs and inputs, each visited when all that flows into it is known.
struct GradientWalk {
    let builder: GraphBuilder
    init(_ builder: GraphBuilder) { self.builder = builder }

    func run(_ outputs: [Output], _ inputs: [Output], _ initial: [Output?]) -> [Output?] {
        let between = nodesBetween(outputs, inputs)
        var pending = [NodeID: Int]()
        for id in between {
            for source in Set(builder.node(id).inputs.map(\.node)) where between.contains(source) { pending[source, default: 0] += 1 }
        }
        var flowing: [Endpoint: [Output]] = [:]
        for (index, output) in outputs.enumerated() {
            let seed = (initial.indices.contains(index) ? initial[index] : nil) ?? ones(like: output)
            flowing[output.endpoint, default: []].append(seed)
        }
        var ready = between.filter { pending[$0, default: 0] == 0 }.sorted()
        var sums: [Endpoint: Output] = [:]
        while let id = ready.popLast() {
            let node = builder.node(id)
            let gradients = node.outputTypes.indices.map { index -> Output? in
                let endpoint = Endpoint(id, index)
                let sum = flowing[endpoint].flatMap { add($0) }
                sums[endpoint] = sum
                return sum
            }
            if gradients.contains(where: { $0 != nil }), !inputs.contains(where: { $0.endpoint.node == id && node.inputs.isEmpty }) {
                for (index, gradient) in backward(node, id, gradients).enumerated() {
                    if let gradient { flowing[node.inputs[index], default: []].append(gradient) }
                }
            }
            for source in Set(node.inputs.map(\.node)) where between.contains(source) {
                pending[source]! -= 1
                if pending[source] == 0 { ready.append(source) }
            }
        }
        return inputs.map { sums[$0.endpoint] ?? flowing[$0.endpoint].flatMap { add($0) } }
    }

    private func backward(_ node: Node, _ id: NodeID, _ gradients: [Output?]) -> [Output?] {
        let none = [Output?](repeating: nil, count: node.inputs.count)
        guard let gradient = node.op.gradient else {
            if !node.op.hasNoGradient, node.outputTypes.contains(where: { $0.dtype.isFloating || $0.dtype.isComplex }), !node.inputs.isEmpty {
                builder.record(.notFound("No gradient defined for operation '\(node.name)' (op type: \(node.op.name))"))
            }
            return none
        }
        let context = GradientContext(
            builder: builder, node: node, inputs: node.inputs.map { Output(builder, $0) },
            outputs: node.outputTypes.indices.map { Output(builder, Endpoint(id, $0)) }, gradients: gradients)
        do {
            let results = try builder.colocate(with: Operation(builder, id)) {
                try builder.nameScope(String(node.name.split(separator: "/").last ?? "") + "_grad") { try gradient(context) }
            }
            guard results.count == node.inputs.count else {
                throw Status.internalError("gradient of \(node.op.name) gave \(results.count) for \(node.inputs.count) inputs")
            }
            return results
        } catch {
            builder.record(Status(error))
            return none
        }
    }

    private func nodesBetween(_ outputs: [Output], _ inputs: [Output]) -> Set<NodeID> {
        let targets = Set(inputs.map(\.endpoint.node))
        var reaches: [NodeID: Bool] = [:]
        // Depth first from the outputs; a node counts when some input of its leads to a target.
        func visit(_ start: NodeID) {
            var stack: [(NodeID, Bool)] = [(start, false)]
            while let (id, expanded) = stack.popLast() {
                if expanded {
                    let leads = builder.node(id).inputs.contains { reaches[$0.node] == true }
                    reaches[id] = targets.contains(id) || leads
                } else if reaches[id] == nil {
                    reaches[id] = targets.contains(id)
                    stack.append((id, true))
                    for input in builder.node(id).inputs where reaches[input.node] == nil { stack.append((input.node, false)) }
                }
            }
        }
        for output in outputs { visit(output.endpoint.node) }
        return Set(reaches.filter(\.value).keys)
    }

    private func add(_ parts: [Output]) -> Output? {
        parts.count <= 1 ? parts.first : builder.add("AddN", parts)[0]
    }
    private func ones(like output: Output) -> Output {
        if let shape = output.shape.known, shape.rank == 0 { return builder.scalar(1, output.dtype, name: "grad_ys") }
        return builder.add("OnesLike", [output], name: "grad_ys")[0]
    }
}
