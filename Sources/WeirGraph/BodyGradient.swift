import WeirTensor

/// A function's body taken apart for its gradient: the forward part, which also gives what the way back needs, and the
/// way back, a function from what flows in and those values to what flows out.
///
/// Values of the forward part are kept, not computed again, so that random numbers and variables are the same on the
/// way back; only constants are repeated.
struct BodyGradient {
    let body: FunctionBody
    /// The body's arguments.
    let arguments: [Output]
    /// The body's results, one node each.
    let results: [Output]
    /// Nodes with effects, which run in any case.
    let keeping: [NodeID]
    /// What flows into each result; nil where nothing does.
    private(set) var seeds: [Output?]
    /// What flows out of each argument; nil where nothing does.
    private(set) var gradients: [Output?] = []
    /// The outputs of the forward part that the way back needs, in order.
    private(set) var captured: [Endpoint] = []
    /// The arguments that the way back needs and that it can be given as they are.
    private(set) var usedArguments: [Int] = []

    /// Adds the function's nodes to a body of their own.
    ///
    /// - Parameter inputs: types, and what is known of shapes and handles, of the arguments.
    init(
        _ reference: FunctionReference, in outer: GraphBuilder,
        inputs: [(dtype: DType, shape: PartialShape, handle: (dtype: DType, shape: PartialShape)?)]
    ) throws(Status) {
        guard let function = outer.library[reference.name] else {
            throw .notFound("Function \(reference.name) is not defined: its gradient cannot be built")
        }
        let body = FunctionBody(in: outer)
        let arguments = inputs.map { body.argument($0.dtype, $0.shape, handle: $0.handle) }
        let first = body.builder.nodeCount
        let outputs = try body.builder.inline(function, arguments, attributes: Attributes(reference.attributes))
        let inlined = first..<body.builder.nodeCount
        // One node each, so that replacing the node that makes it replaces the result.
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

    /// The argument that a result hands on unchanged; nil when it is made in the body.
    func handedOn(_ result: Int) -> Int? {
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

    /// The arguments that the results of these numbers may depend on, where gradients flow.
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

    /// Builds the way back.
    ///
    /// - Parameters:
    ///   - flowing: type and shape of what flows into each result; nil where nothing does.
    ///   - wanted: the arguments whose gradients are asked for.
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

    /// Finds what the way back needs of the forward part.
    ///
    /// - Parameters:
    ///   - outputs: the results of the way back.
    ///   - isFree: whether the way back can be given an argument as it is.
    mutating func findCaptures(for outputs: [Output], isFree: (Int) -> Bool) {
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
                if isFree(number) { used.insert(number) } else { capture(endpoint) }
                continue
            }
            let node = builder.node(endpoint.node)
            if forward.contains(endpoint.node) {
                // Constants and handles of variables are made again on the way back.
                guard node.role == .constant || isHandle(endpoint, node) else {
                    capture(endpoint)
                    continue
                }
            } else if node.op.readsOnlyShapes,
                node.inputs.contains(where: { input in
                    forward.contains(input.node) && numbers[input].map(isFree) != true
                })
            {
                // A shape is smaller than what it is the shape of.
                capture(endpoint)
                continue
            }
            if seen.insert(endpoint.node).inserted { stack += node.inputs }
        }
        captured = order
        usedArguments = used.sorted()
    }
    /// Whether it makes a variable's handle, or passes a handle on.
    private func isHandle(_ endpoint: Endpoint, _ node: Node) -> Bool {
        guard body.builder.portType(endpoint).dtype == .resource else { return false }
        return node.op.passThrough == .identity || node.inputs.isEmpty && body.builder.handleShape(endpoint) != nil
    }

    /// The nodes with effects that still count.
    var kept: [NodeID] {
        let superseded = ControlFlow.superseded(in: body.builder)
        return keeping.filter { !superseded.contains($0) }
    }

    /// The forward part, with more results; `arguments` are all arguments of the function.
    func forward(named base: String, arguments: [Output], results: [Output]) throws(Status) -> FunctionDefinition {
        try body.function(named: base, arguments: arguments, results: results, keeping: kept)
    }
    /// The way back: from the seeds, the captured values and the used arguments to `results`.
    func back(named base: String, results: [Output]) throws(Status) -> FunctionDefinition {
        try body.function(
            named: base,
            arguments: seeds.compactMap { $0 } + captured.map { Output(body.builder, $0) }
                + usedArguments.map { arguments[$0] },
            results: results)
    }
}

extension ControlFlow {
    /// How deep in functions the gradient is that is being built.
    @TaskLocal static var depth = 0
    private static let maximumDepth = 40

    /// - Throws: `resourceExhausted` when functions call each other without end.
    static func requireShallow() throws(Status) {
        guard depth < maximumDepth else {
            throw .resourceExhausted("Gradients of functions nested more than \(maximumDepth) deep are not built")
        }
    }

    static func mayCarryGradient(_ dtype: DType) -> Bool {
        dtype.isFloating || dtype.isComplex || dtype == .variant || dtype == .resource
    }

    /// A node's attribute that names the node it takes the place of.
    static let supersedes = "_supersedes"

    /// The nodes whose place others have taken.
    static func superseded(in builder: GraphBuilder) -> Set<NodeID> {
        var found = Set<NodeID>()
        for id in 0..<builder.nodeCount {
            if let name = builder.node(id).attributes.string(supersedes), let old = builder.operation(named: name) {
                found.insert(old.id)
            }
        }
        return found
    }

    /// Adds a node that does what `old` did and gives more besides, and lets it take the place of `old` everywhere.
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

    /// Builds outside of all scopes: what belongs to the forward part of the graph must not wait for what the scopes of
    /// the gradient wait for.
    static func unscoped<R>(_ builder: GraphBuilder, _ body: () -> R) -> R {
        builder.scoped(
            {
                $0.name = ""
                $0.controls = []
                $0.colocation = []
                $0.device = DeviceScope()
            }, body)
    }

    /// Zeros of the shape and type of what flows back into `output`: the value's, or for a handle its variable's.
    static func zeroGradient(like output: Output) -> Output? {
        guard output.dtype == .resource else { return output.builder.add("ZerosLike", [output])[0] }
        guard let variable = output.builder.handleShape(output.endpoint) else { return nil }
        let shape = output.builder.add("VariableShape", [output], attributes: ["out_type": .type(.int32)])[0]
        return output.builder.add("Fill", [shape, output.builder.scalar(0, variable.dtype)])[0]
    }
}

extension GraphBuilder {
    /// The nodes that the given ones need, themselves included.
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
