public import WeirTensor

/// The input of an op's gradient function: the node, its inputs and outputs, and the gradients of the outputs.
public struct GradientContext {
    /// The builder to which the gradient function adds nodes.
    public let builder: GraphBuilder
    /// The node whose gradient is built.
    public let node: Node
    /// The node's inputs.
    public let inputs: [Output]
    /// The node's outputs.
    public let outputs: [Output]
    /// The gradients of the outputs; nil where there is none.
    public let gradients: [Output?]

    /// The node's attributes.
    public var attributes: Attributes { node.attributes }
    /// The gradient of output `index`; zeros if there is none. Records an error if the node has no such output.
    public func gradient(_ index: Int = 0) -> Output {
        guard gradients.indices.contains(index), outputs.indices.contains(index) else {
            builder.record(.invalidArgument("Gradient of node '\(node.name)': it has \(outputs.count) outputs, found index \(index)"))
            return builder.substitute()
        }
        return gradients[index] ?? op("ZerosLike", outputs[index])
    }
    /// Adds a node of any op and returns its first output.
    public func op(_ name: String, _ inputs: Output..., attributes: Attributes = [:]) -> Output {
        builder.add(name, inputs, attributes: attributes)[0]
    }
    /// Adds a node of any op and returns all outputs.
    public func ops(_ name: String, _ inputs: [Output], attributes: Attributes = [:]) -> [Output] {
        let operation = builder.add(name, inputs, attributes: attributes)
        // After an error, returns substitutes, so that the program can go on to `graph()`, which throws.
        return builder.failure == nil ? operation.outputs : (0..<max(64, inputs.count + 1)).map { operation[$0] }
    }
    /// Adds a constant.
    public func constant(_ value: Tensor) -> Output { builder.constant(value) }
    /// Adds an `int32` vector. Records an error if a value is out of range.
    public func constant(_ values: [Int]) -> Output {
        let narrow = values.compactMap { Int32(exactly: $0) }
        if narrow.count < values.count { builder.record(.invalidArgument("Expected values of int32, found \(values)")) }
        return builder.constant(Tensor(narrow))
    }
    /// Adds a scalar constant of the element type of `like`.
    public func scalar(_ value: Double, like: Output) -> Output { builder.scalar(value, like.dtype) }
    /// The shape of an output as an `int32` vector: a constant if the shape is known, otherwise a `Shape` node.
    public func shape(_ output: Output) -> Output {
        if let known = output.shape.known { return constant(known.dimensions) }
        return op("Shape", output)
    }
    /// Sums a gradient over the axes along which `operand` was broadcast against `other`. The result has the shape of
    /// `operand`.
    public func unbroadcast(_ gradient: Output, to operand: Output, other: Output) -> Output {
        if let a = operand.shape.known, let b = gradient.shape.known, a == b { return gradient }
        let axes = builder.add("BroadcastGradientArgs", [shape(operand), shape(other)])[0]
        return op("Reshape", op("Sum", gradient, axes), shape(operand))
    }
}

extension GraphBuilder {
    /// Adds a constant node (`Const`): a tensor, or a literal such as `[[1, 2], [3, 4]]` or `0.5`.
    ///
    /// Records an error if the rows of the value have different shapes or the type cannot hold it.
    /// - Parameter dtype: the element type; when nil, that of a tensor, and for literals `int32`, `float32`, `bool` or `string`.
    public func constant(
        _ value: any TensorConvertible, _ dtype: DType? = nil, name: String? = nil, file: StaticString = #fileID, line: UInt = #line
    ) -> Output {
        do throws(Status) {
            let tensor = try value.tensor(dtype)
            let attributes: Attributes = ["value": .tensor(tensor), "dtype": .type(tensor.dtype)]
            return add("Const", name: name ?? "Const", attributes: attributes, file: file, line: line)[0]
        } catch {
            record(Status(error.code, "Const: \(error.message) (built at \(file):\(line))"))
            return substitute(dtype ?? .float32)
        }
    }
    /// Adds a scalar constant of the given type. For an integer type the value is rounded toward zero. Records an error if the
    /// type cannot hold the value, or is not a type of numbers or Booleans.
    public func scalar(_ value: Double, _ dtype: DType, name: String? = nil, file: StaticString = #fileID, line: UInt = #line) -> Output {
        func integer<E: TensorElement & FixedWidthInteger>(_ type: E.Type) -> Tensor? {
            E(exactly: value.rounded(.towardZero)).map { Tensor($0) }
        }
        let tensor: Tensor? =
            switch dtype {
            case .float32: Tensor(Float(value))
            case .float64: Tensor(value)
            case .float16: Tensor(Float16(value))
            case .bfloat16: Tensor(BFloat16(Float(value)))
            case .complex64: Tensor(Complex64(Float(value)))
            case .complex128: Tensor(Complex128(value))
            case .int8: integer(Int8.self)
            case .int16: integer(Int16.self)
            case .int32: integer(Int32.self)
            case .int64: integer(Int64.self)
            case .uint8: integer(UInt8.self)
            case .uint16: integer(UInt16.self)
            case .uint32: integer(UInt32.self)
            case .uint64: integer(UInt64.self)
            case .bool: Tensor(value != 0)
            case .string, .resource, .variant, .qint8, .quint8, .qint16, .quint16, .qint32: nil
            }
        guard let tensor else {
            record(.invalidArgument("Expected a value of \(dtype), found \(value) (built at \(file):\(line))"))
            return substitute(dtype)
        }
        return constant(tensor, name: name)
    }

    /// The gradients of the sum of `outputs` with respect to `inputs`; nil where an input has no influence. TensorFlow's
    /// `gradients`.
    ///
    /// Reverse-mode differentiation. Gradient nodes are colocated with the nodes that they differentiate, in the name scope
    /// `gradients`.
    /// - Parameter initial: the gradient of each output (TensorFlow's `grad_ys`); ones where nil.
    public func gradients(of outputs: [Output], with inputs: [Output], initial: [Output?] = []) -> [Output?] {
        for output in outputs + inputs + initial.compactMap({ $0 }) {
            if let status = missing(output, "gradients") {
                record(status)
                return [Output?](repeating: nil, count: inputs.count)
            }
        }
        return nameScope("gradients") { GradientTraversal(self).run(outputs, inputs, initial) }
    }
}

/// The reverse traversal of the nodes between outputs and inputs. A node is visited after all nodes that use its outputs.
struct GradientTraversal {
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
                let sum = flowing[endpoint].flatMap { add($0, flowingTo: id) }
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
        return inputs.map { input in sums[input.endpoint] ?? flowing[input.endpoint].flatMap { add($0, flowingTo: input.endpoint.node) } }
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
        // Depth first from the outputs. A node counts if it is a target or one of its inputs leads to a target.
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

    /// Sums the gradients of an output of node `id`. If all were computed on one device, they are summed there, so that only the
    /// sum is sent; otherwise they are summed where the output was computed, which needs the sum.
    private func add(_ parts: [Output], flowingTo id: NodeID) -> Output? {
        guard let first = parts.first, parts.count > 1 else { return parts.first }
        let devices = Set(parts.map { requestedDevice($0.endpoint.node) })
        func sum() -> Output { builder.add("AddN", parts)[0] }
        if devices.count == 1 { return devices == [""] ? sum() : builder.colocate(with: first.operation, sum) }
        return builder.colocate(with: Operation(builder, id), sum)
    }
    /// The device that is asked for a node, or else for the first node of its colocation group; empty if there is none.
    private func requestedDevice(_ id: NodeID) -> String {
        var node = builder.node(id)
        // A group's name can be any node's name, so that a chain of groups may not end.
        for _ in 0..<100 {
            guard node.requestedDevice.isEmpty, let group = node.attributes.strings("_class")?.first?.description, group.hasPrefix("loc:@"),
                let other = builder.node(named: String(group.dropFirst(5))), other.name != node.name
            else { break }
            node = other
        }
        return node.requestedDevice
    }
    private func ones(like output: Output) -> Output {
        if let shape = output.shape.known, shape.rank == 0 { return builder.scalar(1, output.dtype, name: "grad_ys") }
        return builder.add("OnesLike", [output], name: "grad_ys")[0]
    }
}
