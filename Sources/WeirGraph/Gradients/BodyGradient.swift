import WeirTensor

/// The gradient of a function's body, in two parts. The forward part is the body, which also returns the values that the
/// backward part needs. The backward part is a function from the results' gradients and these values to the arguments'
/// gradients.
///
/// Values of the forward part are captured, not computed again, so that random numbers and variables have the same values in
/// the backward part. Only constants are computed again.
struct BodyGradient {
    let body: FunctionBuilder
    /// The body's arguments.
    let arguments: [Output]
    /// The body's results, each from an Identity node of its own.
    let results: [Output]
    /// Stateful nodes, which run even if no result depends on them.
    let keeping: [NodeID]
    /// The gradients of the results, as arguments of the backward part; nil where there is none.
    private(set) var seeds: [Output?]
    /// The gradients of the arguments; nil where there is none.
    private(set) var gradients: [Output?] = []
    /// The outputs of the forward part that the backward part needs, in order.
    private(set) var captured: [Endpoint] = []
    /// The arguments that the backward part needs and can get from the caller.
    private(set) var usedArguments: [Int] = []

    /// Inlines the function into a graph of its own.
    ///
    /// - Parameter inputs: the arguments' types, and what is known of their shapes and of their handles' variables.
    /// - Throws: `notFound` when the library has no such function; the errors of inlining.
    init(
        _ reference: FunctionReference, in outer: GraphBuilder,
        inputs: [(dtype: DType, shape: PartialShape, handle: (dtype: DType, shape: PartialShape)?)]
    ) throws(Status) {
        guard let function = outer.library[reference.name] else {
            throw .notFound("Function \(reference.name) is not defined: its gradient cannot be built")
        }
        let body = FunctionBuilder(in: outer)
        let arguments = inputs.map { body.argument($0.dtype, $0.shape, handle: $0.handle) }
        let first = body.builder.nodeCount
        let outputs = try body.builder.inline(function, arguments, attributes: Attributes(reference.attributes))
        let inlined = first..<body.builder.nodeCount
        // Each result gets a node of its own. Replacing the input of this node replaces the result.
        results = outputs.map { output in
            let identity = body.builder.add("Identity", [output])[0]
            body.builder.refineShape(of: identity, output.shape)
            return identity
        }
        keeping = inlined.filter { body.builder.node($0).op.isStateful }
        self.body = body
        self.arguments = arguments
        seeds = [Output?](repeating: nil, count: results.count)
        if let failure = body.builder.failure { throw failure }
    }

    /// The argument that a result forwards unchanged; nil if the body computes the result.
    func forwardedArgument(_ result: Int) -> Int? {
        var endpoint = results[result].endpoint
        while true {
            if let index = arguments.firstIndex(where: { $0.endpoint == endpoint }) { return index }
            let node = body.builder.node(endpoint.node)
            guard node.op.passThrough == .identity, node.controlInputs.isEmpty, let input = node.inputs.first else {
                return nil
            }
            endpoint = input
        }
    }

    /// The arguments that the chosen results may depend on through edges that carry gradients.
    func arguments(reachedFrom chosen: Set<Int>) -> Set<Int> {
        let numbers = Dictionary(uniqueKeysWithValues: arguments.enumerated().map { ($1.endpoint, $0) })
        var reached = Set<Int>()
        var seen = Set<Endpoint>()
        var stack = chosen.map { results[$0].endpoint }
        while let endpoint = stack.popLast() {
            guard seen.insert(endpoint).inserted, ControlFlow.mayCarryGradient(body.builder.portType(endpoint).dtype)
            else { continue }
            if let number = numbers[endpoint] {
                reached.insert(number)
                continue
            }
            let node = body.builder.node(endpoint.node)
            if !node.op.hasNoGradient { stack += node.inputs }
        }
        return reached
    }

    /// Builds the backward part.
    ///
    /// - Parameters:
    ///   - flowing: type and shape of each result's gradient; nil where there is none.
    ///   - wanted: the arguments whose gradients are needed.
    /// - Throws: the first error made while building.
    mutating func differentiate(_ flowing: [(dtype: DType, shape: PartialShape)?], wanted: [Int]) throws(Status) {
        seeds = flowing.map { port in port.map { body.argument($0.dtype, $0.shape) } }
        let chosen = results.indices.filter { seeds[$0] != nil }
        let found = ControlFlow.$depth.withValue(ControlFlow.depth + 1) {
            body.builder.gradients(
                of: chosen.map { results[$0] }, with: wanted.map { arguments[$0] }, initial: chosen.map { seeds[$0] })
        }
        if let failure = body.builder.failure { throw failure }
        gradients = [Output?](repeating: nil, count: arguments.count)
        for (index, gradient) in zip(wanted, found) { gradients[index] = gradient }
    }

    /// Finds the values of the forward part that the backward part needs.
    ///
    /// - Parameters:
    ///   - outputs: the results of the backward part.
    ///   - isAvailableToBackward: whether the backward part can get an argument from the caller.
    mutating func findCaptures(for outputs: [Output], isAvailableToBackward: (Int) -> Bool) {
        let builder = body.builder
        let superseded = ControlFlow.superseded(in: builder)
        let forward = builder.ancestorsOf(
            results.map(\.endpoint.node) + keeping.filter { !superseded.contains($0) })
        let numbers = Dictionary(uniqueKeysWithValues: arguments.enumerated().map { ($1.endpoint, $0) })
        let ends = Set(seeds.compactMap { $0?.endpoint })
        var isCaptured = Set<Endpoint>()
        var used = Set<Int>()
        var order: [Endpoint] = []
        var seen = Set<NodeID>()
        var stack = outputs.reversed().map(\.endpoint)
        func capture(_ endpoint: Endpoint) { if isCaptured.insert(endpoint).inserted { order.append(endpoint) } }
        while let endpoint = stack.popLast() {
            if ends.contains(endpoint) { continue }
            if let number = numbers[endpoint] {
                if isAvailableToBackward(number) { used.insert(number) } else { capture(endpoint) }
                continue
            }
            let node = builder.node(endpoint.node)
            if forward.contains(endpoint.node) {
                // The backward part creates constants and variable handles again.
                guard node.role == .constant || isHandle(endpoint, node) else {
                    capture(endpoint)
                    continue
                }
            } else if node.op.readsOnlyShapes,
                node.inputs.contains(where: { input in
                    forward.contains(input.node) && numbers[input].map(isAvailableToBackward) != true
                })
            {
                // Captures the shape instead of the tensor, because it is smaller.
                capture(endpoint)
                continue
            }
            if seen.insert(endpoint.node).inserted { stack += node.inputs }
        }
        captured = order
        usedArguments = used.sorted()
    }
    /// Whether the node creates a variable's handle or forwards a handle.
    private func isHandle(_ endpoint: Endpoint, _ node: Node) -> Bool {
        guard body.builder.portType(endpoint).dtype == .resource else { return false }
        return node.op.passThrough == .identity || node.inputs.isEmpty && body.builder.handleShape(endpoint) != nil
    }

    /// The stateful nodes that no other node supersedes.
    var kept: [NodeID] {
        let superseded = ControlFlow.superseded(in: body.builder)
        return keeping.filter { !superseded.contains($0) }
    }

    /// The forward part with more results.
    /// - Parameter arguments: all arguments of the function.
    func forward(named base: String, arguments: [Output], results: [Output]) throws(Status) -> FunctionDefinition {
        try body.function(named: base, arguments: arguments, results: results, keeping: kept)
    }
    /// The backward part: a function from the seeds, the captured values and the used arguments to `results`.
    func back(named base: String, results: [Output]) throws(Status) -> FunctionDefinition {
        try body.function(
            named: base,
            arguments: seeds.compactMap { $0 } + captured.map { Output(body.builder, $0) }
                + usedArguments.map { arguments[$0] },
            results: results)
    }
}

extension ControlFlow {
    /// The nesting depth of the functions whose gradient is being built.
    @TaskLocal static var depth = 0
    private static let maximumDepth = 40

    /// Limits the nesting depth.
    /// - Throws: `resourceExhausted` when functions are nested too deeply, for example because they call each other without
    ///   end.
    static func checkNestingDepth() throws(Status) {
        guard depth < maximumDepth else {
            throw .resourceExhausted("Gradients of functions nested more than \(maximumDepth) deep are not built")
        }
    }

    static func mayCarryGradient(_ dtype: DType) -> Bool {
        dtype.isFloating || dtype.isComplex || dtype == .variant || dtype == .resource
    }

    /// The attribute with the name of the node that this node supersedes.
    static let supersedes = "_supersedes"

    /// The nodes that other nodes supersede.
    static func superseded(in builder: GraphBuilder) -> Set<NodeID> {
        var found = Set<NodeID>()
        for id in 0..<builder.nodeCount {
            if let name = builder.node(id).attributes.string(supersedes), let old = builder.operation(named: name) {
                found.insert(old.id)
            }
        }
        return found
    }

    /// Adds a node that computes the outputs of `old` and more outputs, and replaces `old` as the input of all other nodes.
    static func supersede(_ old: Operation, with op: String, _ inputs: [Output], attributes: Attributes) -> Operation {
        let builder = old.builder
        let node = builder.node(old.id)
        var attributes = attributes
        attributes[supersedes] = .string(node.name)
        let replacement = unscoped(builder) {
            builder.add(
                op, inputs, name: node.name, attributes: attributes,
                controls: node.controlInputs.map { Operation(builder, $0) }, device: node.requestedDevice)
        }
        for (output, shape) in zip(replacement.outputs, old.outputs.map(\.shape)) {
            builder.refineShape(of: output, shape)
        }
        for id in 0..<builder.nodeCount where id != replacement.id {
            for (position, input) in builder.node(id).inputs.enumerated() where input.node == old.id {
                builder.replaceInput(position, of: Operation(builder, id), with: replacement[input.index])
            }
        }
        return replacement
    }

    /// Builds outside of all scopes. Nodes of the forward part must not get the control dependencies of the gradient's scopes.
    static func unscoped<R>(_ builder: GraphBuilder, _ body: () -> R) -> R {
        builder.scoped(
            {
                $0.name = ""
                $0.controls = []
                $0.colocation = []
                $0.device = DeviceScope()
            }, body)
    }

    /// Zeros with the shape and type of the gradient of `output`. For a handle they are those of its variable; nil if these are
    /// not known.
    static func zeroGradient(like output: Output) -> Output? {
        guard output.dtype == .resource else { return output.builder.add("ZerosLike", [output])[0] }
        guard let variable = output.builder.handleShape(output.endpoint) else { return nil }
        let shape = output.builder.add("VariableShape", [output], attributes: ["out_type": .type(.int32)])[0]
        return output.builder.add("Fill", [shape, output.builder.scalar(0, variable.dtype)])[0]
    }
}

extension GraphBuilder {
    /// The given nodes and all nodes that they depend on, through data and control edges.
    func ancestorsOf(_ roots: [NodeID]) -> Set<NodeID> {
        var seen = Set(roots)
        var stack = roots
        while let id = stack.popLast() {
            for next in node(id).inputs.map(\.node) + node(id).controlInputs where seen.insert(next).inserted {
                stack.append(next)
            }
        }
        return seen
    }
}
