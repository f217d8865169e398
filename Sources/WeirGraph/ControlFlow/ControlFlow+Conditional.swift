import WeirTensor

// The gradient of If, Case and calls: a node of the same kind whose branches are the backward parts of the branches. The
// forward branches return the values that they need as optionals, which have a value if that branch was selected.

extension ControlFlow {
    /// The gradient of `If`, `StatelessIf`, `Case` and `StatelessCase`.
    package static func conditionalGradient(_ g: GradientContext) throws -> [Output?] {
        let branches: [FunctionReference]
        if let all = g.attributes.functions("branches") {
            branches = all
        } else {
            branches = ["then_branch", "else_branch"].compactMap { g.attributes.function($0) }
        }
        guard !branches.isEmpty else {
            throw Status.invalidArgument("Node '\(g.node.name)' (op \(g.node.op.name)) calls no functions")
        }
        return [nil] + (try BranchGradients(g, branches, firstInput: 1).build())
    }

    /// The gradient of `PartitionedCall` and `StatefulPartitionedCall`.
    package static func callGradient(_ g: GradientContext) throws -> [Output?] {
        // The node's op can be the function itself.
        let own = g.node.op.function.map { FunctionReference($0.name, attributes: g.attributes.values) }
        guard let function = own ?? g.attributes.function("f") else {
            throw Status.invalidArgument("Node '\(g.node.name)' (op \(g.node.op.name)) calls no function")
        }
        if let declared = g.builder.library.gradients[function.name] {
            return try declaredGradient(g, FunctionReference(declared, attributes: function.attributes))
        }
        return try BranchGradients(g, [function], firstInput: 0).build()
    }

    /// A call of the gradient function that the library declares for a function. It takes the function's arguments and the gradients of
    /// its results, zeros where there is none, and returns the gradients of the arguments.
    private static func declaredGradient(_ g: GradientContext, _ reference: FunctionReference) throws(Status) -> [Output?] {
        guard let function = g.builder.library[reference.name] else {
            throw .notFound("Function \(reference.name), which is declared as the gradient of what node '\(g.node.name)' calls, is not defined")
        }
        var arguments = g.inputs
        for (output, gradient) in zip(g.outputs, g.gradients) {
            guard let seed = gradient ?? zeroGradient(like: output) else {
                throw .unimplemented("Node '\(g.node.name)': the gradient of a handle is not known")
            }
            arguments.append(seed)
        }
        let results = try function.schema.ports(function.outputs, Attributes(reference.attributes))
        guard results.count == g.inputs.count else {
            throw .invalidArgument(
                "Function \(reference.name) must return a gradient for each of the \(g.inputs.count) inputs of node '\(g.node.name)'; it returns "
                    + "\(results.count)")
        }
        let attributes: Attributes = [
            "f": .function(reference), "Tin": .types(arguments.map(\.dtype)), "Tout": .types(results.map(\.dtype)),
            "_output_shapes": .shapes(zip(g.inputs, results).map { $0.dtype == $1.dtype ? $0.shape : .unknown }),
        ]
        let op = function.isStateful ? "StatefulPartitionedCall" : "PartitionedCall"
        let call = g.builder.add(op, arguments, attributes: attributes)
        return g.inputs.indices.map { mayCarryGradient(g.inputs[$0].dtype) ? call[$0] : nil }
    }
}

/// The gradient of a node that calls one of several functions.
private struct BranchGradients {
    private let g: GradientContext
    private let builder: GraphBuilder
    private let references: [FunctionReference]
    private let firstInput: Int
    private let inputs: [Output]

    init(_ g: GradientContext, _ references: [FunctionReference], firstInput: Int) {
        self.g = g
        builder = g.builder
        self.references = references
        self.firstInput = firstInput
        inputs = Array(g.inputs.dropFirst(firstInput))
    }

    func build() throws(Status) -> [Output?] {
        try ControlFlow.checkNestingDepth()
        let none = [Output?](repeating: nil, count: inputs.count)
        let flowing = g.outputs.indices.filter {
            g.gradients[$0] != nil && ControlFlow.mayCarryGradient(g.outputs[$0].dtype)
        }
        guard !flowing.isEmpty else { return none }
        var branches: [BodyGradient] = []
        for reference in references {
            let ports = inputs.map { (dtype: $0.dtype, shape: $0.shape, handle: builder.handleShape($0.endpoint)) }
            branches.append(try BodyGradient(reference, in: builder, inputs: ports))
        }
        guard branches.allSatisfy({ $0.results.count == g.outputs.count }) else {
            throw .invalidArgument("Node '\(g.node.name)': its functions do not give its \(g.outputs.count) outputs")
        }
        let wanted = inputs.indices.filter { ControlFlow.mayCarryGradient(inputs[$0].dtype) }
        for index in branches.indices {
            try branches[index].differentiate(
                g.outputs.indices.map { output in
                    flowing.contains(output)
                        ? g.gradients[output].map { (dtype: $0.dtype, shape: g.outputs[output].shape) } : nil
                }, wanted: wanted)
        }
        // An input has a gradient if it has one in any branch. The other branches return zeros.
        var given = wanted.filter { input in branches.contains { $0.gradients[input] != nil } }
        var flowOut: [[Output]] = []
        for branch in branches {
            flowOut.append(
                given.compactMap { branch.gradients[$0] ?? ControlFlow.zeroGradient(like: branch.arguments[$0]) })
        }
        if flowOut.contains(where: { $0.count != given.count }) {
            // If nothing is known of a handle's variable, zeros cannot be built. The handle then gets a gradient only if every
            // branch has one.
            given = given.filter { input in
                branches.allSatisfy { $0.gradients[input] != nil } || inputs[input].dtype != .resource
            }
            flowOut = branches.map { branch in
                given.compactMap { branch.gradients[$0] ?? ControlFlow.zeroGradient(like: branch.arguments[$0]) }
            }
        }
        guard !given.isEmpty else { return none }
        for index in branches.indices { branches[index].findCaptures(for: flowOut[index]) { _ in true } }
        let (forward, places) = try rewrite(branches)
        let results = try buildBackward(branches, flowOut, flowing, forward, places)
        var gradients = none
        for (input, result) in zip(given, results) { gradients[input] = result }
        return gradients
    }

    /// The forward node that also returns the values that the backward parts need, and for each branch the indices of these
    /// outputs.
    private func rewrite(_ branches: [BodyGradient]) throws(Status) -> (node: Operation, places: [[Int]]) {
        let node = Operation(builder, g.outputs[0].endpoint.node)
        var count = g.outputs.count
        var places: [[Int]] = []
        // The new outputs: for each the branch and the value.
        var added: [(branch: Int, value: Endpoint)] = []
        for (index, branch) in branches.enumerated() {
            places.append(
                branch.captured.map { value in
                    if let present = present(value, in: branch) { return present }
                    added.append((index, value))
                    count += 1
                    return count - 1
                })
        }
        guard !added.isEmpty else { return (node, places) }
        let isCall = firstInput == 0
        var functions: [FunctionReference] = []
        for (index, branch) in branches.enumerated() {
            let body = branch.body.builder
            let more = added.map { extra in
                if isCall { return Output(body, extra.value) }
                return extra.branch == index
                    ? body.add("OptionalFromValue", [Output(body, extra.value)])[0] : body.add("OptionalNone")[0]
            }
            let function = try branch.forward(
                named: references[index].name + "_kept", arguments: branch.arguments, results: branch.results + more)
            branch.body.shareLibrary(with: builder)
            builder.addFunction(function)
            functions.append(FunctionReference(function.name))
        }
        var attributes = g.attributes
        let types = added.map { isCall ? branches[0].body.builder.portType($0.value).dtype : .variant }
        attributes["Tout"] = .types(g.outputs.map(\.dtype) + types)
        setFunctions(functions, &attributes)
        setShapes(
            g.outputs.map(\.shape)
                + added.map { isCall ? branches[0].body.builder.shape($0.value) : .scalar }, &attributes)
        var op = g.node.op.name
        if let function = g.node.op.function {
            // The new function has another name, so a call op must call it.
            op = function.isStateful ? "StatefulPartitionedCall" : "PartitionedCall"
            attributes["Tin"] = .types(g.inputs.map(\.dtype))
        }
        let replacement = ControlFlow.supersede(node, with: op, g.inputs, attributes: attributes)
        return (replacement, places)
    }

    /// The output that already returns a value, because an earlier gradient needed it; nil if there is none.
    private func present(_ value: Endpoint, in branch: BodyGradient) -> Int? {
        let body = branch.body.builder
        return branch.results.indices.first { index in
            guard let source = body.node(branch.results[index].endpoint.node).inputs.first else { return false }
            if firstInput == 0 { return source == value }
            let node = body.node(source.node)
            return node.op.name == "OptionalFromValue" && node.inputs == [value]
        }
    }

    private func buildBackward(
        _ branches: [BodyGradient], _ flowOut: [[Output]], _ flowing: [Int], _ forward: Operation, _ places: [[Int]]
    ) throws(Status) -> [Output] {
        let isCall = firstInput == 0
        let used = Set(branches.flatMap(\.usedArguments)).sorted()
        let kept = Set(places.joined()).sorted()
        let gradients = flowing.compactMap { g.gradients[$0] }
        var functions: [FunctionReference] = []
        var isStateful = false
        var shapes: [[PartialShape]] = []
        for (index, branch) in branches.enumerated() {
            let core = try branch.back(named: "back", results: flowOut[index])
            let body = FunctionBuilder(in: builder)
            body.builder.addLibrary(branch.body.builder.library)
            let seeds = zip(flowing, gradients).map { body.argument($1.dtype, g.outputs[$0].shape) }
            let givenInputs = used.map { body.argument(like: inputs[$0]) }
            let givenKept = kept.map { body.argument(forward[$0].dtype, forward[$0].shape) }
            let inner = branch.body.builder
            let values = zip(branch.captured, places[index]).map { value, place in
                let holder = givenKept[kept.firstIndex(of: place) ?? 0]
                guard !isCall else { return holder }
                return body.builder.add(
                    "OptionalGetValue", [holder],
                    attributes: [
                        "output_types": .types([inner.portType(value).dtype]),
                        "output_shapes": .shapes([inner.shape(value)]),
                    ])[0]
            }
            let ownInputs = branch.usedArguments.map { givenInputs[used.firstIndex(of: $0) ?? 0] }
            let results = try body.builder.inline(core, seeds + values + ownInputs)
            let function = try body.function(
                named: references[index].name + "_grad", arguments: body.arguments, results: results)
            body.shareLibrary(with: builder)
            builder.addFunction(function)
            functions.append(FunctionReference(function.name))
            isStateful = isStateful || function.isStateful
            shapes.append(results.map(\.shape))
        }
        let outputShapes = flowOut[0].indices.map { index in ControlFlow.commonShape(shapes.map { $0[index] }) }
        var attributes: Attributes = [:]
        attributes["Tout"] = .types(flowOut[0].map(\.dtype))
        setFunctions(functions, &attributes)
        setShapes(outputShapes, &attributes)
        let arguments = gradients + used.map { inputs[$0] } + kept.map { forward[$0] }
        attributes["Tin"] = .types(arguments.map(\.dtype))
        let op = isCall ? (isStateful ? "StatefulPartitionedCall" : "PartitionedCall") : statelessName(isStateful)
        return builder.colocate(with: forward) {
            builder.add(op, g.inputs.prefix(firstInput) + arguments, attributes: attributes).outputs
        }
    }

    private func statelessName(_ isStateful: Bool) -> String {
        (isStateful ? "" : "Stateless") + (g.attributes["branches"] != nil ? "Case" : "If")
    }
    private func setFunctions(_ functions: [FunctionReference], _ attributes: inout Attributes) {
        if firstInput != 0 { attributes[ControlFlow.lowersToSwitchMerge] = true }
        if firstInput == 0 {
            attributes["f"] = .function(functions[0])
        } else if g.attributes["branches"] != nil {
            attributes["branches"] = .functions(functions)
        } else {
            attributes["then_branch"] = .function(functions[0])
            attributes["else_branch"] = .function(functions[1])
        }
    }
    private func setShapes(_ shapes: [PartialShape], _ attributes: inout Attributes) {
        attributes[firstInput == 0 ? "_output_shapes" : "output_shapes"] = .shapes(shapes)
    }
}
