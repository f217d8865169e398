import WeirTensor

// The gradient of While: a second loop that runs the iterations backwards. In each iteration the first loop pushes the values
// that the second loop needs to lists, and the second loop pops them.

extension ControlFlow {
    /// The gradient of `While` and `StatelessWhile`.
    package static func loopGradient(_ g: GradientContext) throws -> [Output?] {
        guard let condition = g.attributes.function("cond"), let body = g.attributes.function("body") else {
            throw Status.invalidArgument("Node '\(g.node.name)' (op \(g.node.op.name)) calls no functions")
        }
        return try LoopGradient(g, condition, body).build()
    }
}

private struct LoopGradient {
    /// The attribute of a loop that counts its iterations: the index of the variable that is the counter.
    private static let counterKey = "_iteration_counter"

    private let g: GradientContext
    private let builder: GraphBuilder
    private let condition: FunctionReference
    private let bodyReference: FunctionReference
    private let count: Int

    init(_ g: GradientContext, _ condition: FunctionReference, _ body: FunctionReference) {
        self.g = g
        builder = g.builder
        self.condition = condition
        bodyReference = body
        count = g.inputs.count
    }

    /// The loop that keeps the values that the backward loop needs.
    private struct AccumulatingLoop {
        var node: Operation
        var counter: Int
        /// For each captured value, the index of the loop variable that is its list.
        var lists: [Int]
    }

    func build() throws(Status) -> [Output?] {
        try ControlFlow.checkNestingDepth()
        let none = [Output?](repeating: nil, count: count)
        var body = try BodyGradient(bodyReference, in: builder, inputs: (0..<count).map { port($0) })
        guard body.results.count == count else {
            throw .invalidArgument("Node '\(g.node.name)': its body does not give its \(count) variables")
        }
        let isInvariant = (0..<count).map { body.forwardedArgument($0) == $0 }
        let variables = flowing(body, isInvariant)
        guard !variables.isEmpty else { return none }

        try body.differentiate(
            (0..<count).map { variables.contains($0) ? gradientPort($0, body) : nil }, wanted: variables)
        var flowOut: [Output] = []
        for variable in variables {
            // If an iteration passes no gradient to the previous one, the gradient is zero.
            guard let gradient = body.gradients[variable] ?? ControlFlow.zeroGradient(like: body.arguments[variable])
            else {
                return none
            }
            flowOut.append(gradient)
        }
        body.findCaptures(for: flowOut) { isInvariant[$0] }
        let kept = try rewrite(body, isInvariant)
        let results = try buildBackward(body, flowOut, variables, kept)
        var gradients = none
        for (variable, result) in zip(variables, results) { gradients[variable] = result }
        return gradients
    }

    private func port(_ index: Int) -> (dtype: DType, shape: PartialShape, handle: (dtype: DType, shape: PartialShape)?) {
        (g.inputs[index].dtype, g.outputs[index].shape, builder.handleShape(g.inputs[index].endpoint))
    }
    /// Type and shape of a variable's gradient. The gradient of a handle has those of the handle's variable.
    private func gradientPort(_ index: Int, _ body: BodyGradient) -> (dtype: DType, shape: PartialShape)? {
        guard g.inputs[index].dtype == .resource else { return (g.inputs[index].dtype, body.results[index].shape) }
        return builder.handleShape(g.inputs[index].endpoint)
    }

    /// The variables that have a gradient in some iteration: those whose final value has one, and those that they depend on.
    private func flowing(_ body: BodyGradient, _ isInvariant: [Bool]) -> [Int] {
        func mayFlow(_ index: Int) -> Bool {
            let dtype = g.inputs[index].dtype
            guard dtype == .resource else { return ControlFlow.mayCarryGradient(dtype) }
            return isInvariant[index] && builder.handleShape(g.inputs[index].endpoint) != nil
        }
        var chosen = Set((0..<count).filter { g.gradients[$0] != nil && mayFlow($0) })
        while true {
            let reached = body.arguments(reachedFrom: chosen).filter(mayFlow)
            if reached.isSubset(of: chosen) { return chosen.sorted() }
            chosen.formUnion(reached)
        }
    }

    /// Changes the loop so that it keeps the values that the backward loop needs.
    private func rewrite(_ body: BodyGradient, _ isInvariant: [Bool]) throws(Status) -> AccumulatingLoop {
        let inner = body.body.builder
        var kept = AccumulatingLoop(
            node: Operation(builder, g.outputs[0].endpoint.node),
            counter: g.attributes.int(LoopGradient.counterKey) ?? count, lists: [])
        var arguments = body.arguments
        var results = zip(isInvariant, arguments.indices).map { $0 ? body.arguments[$1] : body.results[$1] }
        var initial: [Output] = []
        var shapes = g.outputs.map(\.shape)
        if kept.counter == count {
            let counter = body.body.argument(.int32, .scalar)
            arguments.append(counter)
            results.append(inner.add("AddV2", [counter, inner.constant(Tensor(Int32(1)))])[0])
            initial.append(ControlFlow.unscoped(builder) { builder.constant(Tensor(Int32(0)), name: "iterations") })
            shapes.append(.scalar)
        }
        for value in body.captured {
            if let present = present(value, in: body) {
                kept.lists.append(present)
                continue
            }
            kept.lists.append(arguments.count)
            let list = body.body.argument(.variant, .scalar)
            arguments.append(list)
            results.append(inner.add("TensorListPushBack", [list, Output(inner, value)])[0])
            initial.append(emptyList(inner.portType(value).dtype, inner.shape(value)))
            shapes.append(.scalar)
        }
        guard !initial.isEmpty else { return kept }

        let function = try body.forward(named: bodyReference.name + "_kept", arguments: arguments, results: results)
        body.body.shareLibrary(with: builder)
        builder.addFunction(function)
        let test = try testing(arguments)
        var attributes = g.attributes
        attributes["T"] = .types(arguments.map(\.dtype))
        attributes["body"] = .function(FunctionReference(function.name))
        attributes["cond"] = .function(FunctionReference(test.name))
        attributes["output_shapes"] = .shapes(shapes)
        attributes[LoopGradient.counterKey] = .int(kept.counter)
        kept.node = ControlFlow.supersede(
            Operation(builder, g.outputs[0].endpoint.node), with: g.node.op.name, g.inputs + initial,
            attributes: attributes)
        return kept
    }

    /// The condition as a function of all variables, the new ones too.
    private func testing(_ variables: [Output]) throws(Status) -> FunctionDefinition {
        guard let function = builder.library[condition.name] else {
            throw .notFound("Function \(condition.name) is not defined: the gradient of its loop cannot be built")
        }
        let body = FunctionBuilder(in: builder)
        let arguments = variables.map { body.argument($0.dtype, $0.shape) }
        let results = try body.builder.inline(
            function, Array(arguments.prefix(count)), attributes: Attributes(condition.attributes))
        let test = try body.function(named: condition.name + "_kept", arguments: arguments, results: results)
        builder.addFunction(test)
        return test
    }

    /// The variable that already is the list of a value, because an earlier gradient needed it; nil if there is none.
    private func present(_ value: Endpoint, in body: BodyGradient) -> Int? {
        let inner = body.body.builder
        return (0..<count).first { index in
            guard let source = inner.node(body.results[index].endpoint.node).inputs.first else { return false }
            let node = inner.node(source.node)
            return node.op.name == "TensorListPushBack" && node.inputs == [body.arguments[index].endpoint, value]
        }
    }

    private func emptyList(_ dtype: DType, _ shape: PartialShape) -> Output {
        ControlFlow.unscoped(builder) {
            let dimensions = shape.dimensions.map { Tensor($0.map { Int32(clamping: $0 ?? -1) }) } ?? Tensor(Int32(-1))
            return builder.add(
                "EmptyTensorList", [builder.constant(dimensions), builder.constant(Tensor(Int32(-1)))], name: "kept",
                attributes: ["element_dtype": .type(dtype)])[0]
        }
    }

    /// Builds the backward loop. Its variables are: the number of iterations done, the number of all iterations, gradients,
    /// lists, invariants.
    private func buildBackward(_ forward: BodyGradient, _ flowOut: [Output], _ variables: [Int], _ kept: AccumulatingLoop) throws(Status)
        -> [Output]
    {
        let core = try forward.back(named: "back", results: flowOut)
        let inner = forward.body.builder
        let invariants = forward.usedArguments
        let body = FunctionBuilder(in: builder)
        body.builder.addLibrary(inner.library)
        let done = body.argument(.int32, .scalar), total = body.argument(.int32, .scalar)
        let gradients = variables.map { variable in
            let port = gradientPort(variable, forward)
            return body.argument(port?.dtype ?? .float32, port?.shape ?? .unknown)
        }
        let lists = kept.lists.map { _ in body.argument(.variant, .scalar) }
        let given = invariants.map { body.argument(like: g.inputs[$0]) }
        var shorter: [Output] = []
        let values = zip(lists, forward.captured).map { list, value in
            let popped = body.builder.add(
                "TensorListPopBack", [list, body.builder.constant(Tensor(Int32(-1)))],
                attributes: ["element_dtype": .type(inner.portType(value).dtype)])
            body.builder.refineShape(of: popped[1], inner.shape(value))
            shorter.append(popped[0])
            return popped[1]
        }
        let flowed = try body.builder.inline(core, gradients + values + given)
        let next = body.builder.add("AddV2", [done, body.builder.constant(Tensor(Int32(1)))])[0]
        let function = try body.function(
            named: bodyReference.name + "_grad", arguments: body.arguments,
            results: [next, total] + flowed + shorter + given)
        body.shareLibrary(with: builder)
        builder.addFunction(function)

        let test = FunctionBuilder(in: builder)
        let tested = body.arguments.map { test.argument($0.dtype, $0.shape) }
        let goesOn = test.builder.add("Less", [tested[0], tested[1]])[0]
        let testFunction = try test.function(named: condition.name + "_grad", arguments: tested, results: [goesOn])
        builder.addFunction(testFunction)

        return try builder.colocate(with: kept.node) {
            Result { () throws(Status) -> [Output] in
                let initial = try initialValues(variables, kept) + invariants.map { g.inputs[$0] }
                var attributes: Attributes = [
                    "T": .types(initial.map(\.dtype)), "cond": .function(FunctionReference(testFunction.name)),
                    "body": .function(FunctionReference(function.name)),
                    "output_shapes": .shapes(body.arguments.map(\.shape)), ControlFlow.lowersToSwitchMerge: true,
                ]
                if let parallel = g.attributes["parallel_iterations"] { attributes["parallel_iterations"] = parallel }
                let loop = builder.add(
                    function.isStateful ? "While" : "StatelessWhile", initial, attributes: attributes)
                return variables.indices.map { builder.add("Identity", [loop[2 + $0]])[0] }
            }
        }.get()
    }

    /// The initial values of the backward loop's counters, gradients and lists.
    private func initialValues(_ variables: [Int], _ kept: AccumulatingLoop) throws(Status) -> [Output] {
        var initial = [builder.constant(Tensor(Int32(0))), kept.node[kept.counter]]
        for variable in variables {
            // For a handle, more is known of the loop's input than of its output.
            let like = g.inputs[variable].dtype == .resource ? g.inputs[variable] : kept.node[variable]
            guard let gradient = g.gradients[variable] ?? ControlFlow.zeroGradient(like: like) else {
                throw .internalError("No gradient of variable \(variable) of loop '\(g.node.name)'")
            }
            initial.append(gradient)
        }
        return initial + kept.lists.map { kept.node[$0] }
    }
}
