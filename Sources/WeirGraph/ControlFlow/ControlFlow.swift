public import WeirTensor

// Conditionals and loops in graphs that are being built: nodes that call functions. A closure builds the nodes of a branch or
// of a loop's body in the current graph. These nodes are then extracted to a function, and the outer values that they use
// become inputs of the node.

extension GraphBuilder {
    /// The results of one of two branches, depending on a condition. Only the selected branch runs. TensorFlow's `cond`.
    ///
    /// Both branches return the same number of outputs, at least one, with the same types.
    /// - Parameter predicate: a bool scalar. A number is true if it is not zero.
    public func cond(
        _ predicate: Output, then: () throws -> [Output], else: () throws -> [Output], name: String? = nil
    ) rethrows -> [Output] {
        try nameScope(name ?? "cond") {
            let start = nodeCount
            let branches = [try BranchTrace(self, "then", then), try BranchTrace(self, "else", `else`)]
            markTracedNodes(from: start)
            return ControlFlow.conditional(self, predicate, branches, isCase: false)
        }
    }

    /// The results of the branch with this index, or of the last branch if the index is out of range. Only that branch runs.
    /// TensorFlow's `switch_case`.
    ///
    /// All branches return the same number of outputs, at least one, with the same types.
    /// - Parameter index: an `int32` scalar.
    public func switchCase(_ index: Output, branches: [() -> [Output]], name: String? = nil) -> [Output] {
        nameScope(name ?? "case") {
            let start = nodeCount
            let traces = branches.enumerated().map { BranchTrace(self, "branch\($0)", $1) }
            markTracedNodes(from: start)
            return ControlFlow.conditional(self, index, traces, isCase: true)
        }
    }

    /// Calls `body` with its own results as long as `condition` returns true for them. TensorFlow's `while_loop`.
    ///
    /// - Parameters:
    ///   - initial: the initial values of the loop variables.
    ///   - condition: returns a bool scalar, given the loop variables.
    ///   - body: returns the next values of the loop variables, with the same types.
    ///   - maximumIterations: the maximum number of iterations; nil for no limit.
    ///   - shapes: for each loop variable a shape that is valid in all iterations (TensorFlow's `shape_invariants`). The
    ///     default is the shapes of the initial values.
    /// - Returns: the final values of the loop variables.
    public func whileLoop(
        _ initial: [Output], while condition: ([Output]) throws -> Output, body: ([Output]) throws -> [Output],
        maximumIterations: Int? = nil, shapes: [PartialShape]? = nil, name: String? = nil
    ) rethrows -> [Output] {
        try nameScope(name ?? "while") {
            guard let maximumIterations else {
                return try ControlFlow.loop(self, initial, condition, body, shapes ?? initial.map(\.shape))
            }
            let limit = constant(Tensor(Int32(clamping: maximumIterations)), name: "maximum_iterations")
            let results = try ControlFlow.loop(
                self, [constant(Tensor(Int32(0)), name: "iteration")] + initial,
                { values in
                    let isWithin = self.add("Less", [values[0], limit])[0]
                    return self.add("LogicalAnd", [isWithin, try condition(Array(values.dropFirst()))])[0]
                },
                { values in
                    let next = self.add("AddV2", [values[0], self.constant(Tensor(Int32(1)))])[0]
                    return [next] + (try body(Array(values.dropFirst())))
                }, [.scalar] + (shapes ?? initial.map(\.shape)))
            return Array(results.dropFirst())
        }
    }
}

/// The nodes that a closure built, and what they use.
struct BranchTrace {
    let builder: GraphBuilder
    let label: String
    /// Placeholders for the closure's arguments.
    let arguments: [Output]
    let results: [Output]
    /// The outer outputs that the closure's nodes use.
    let captures: [Output]
    /// The outer operations that the closure's nodes wait for.
    let controls: [Operation]
    private let stateful: [NodeID]
    private let scope: String

    /// Calls the closure and finds what it captures.
    init(_ builder: GraphBuilder, _ label: String, _ body: () throws -> [Output]) rethrows {
        try self.init(builder, label, []) { _ in try body() }
    }
    init(
        _ builder: GraphBuilder, _ label: String, _ parameters: [(dtype: DType, shape: PartialShape)],
        _ body: ([Output]) throws -> [Output]
    ) rethrows {
        self.builder = builder
        self.label = label
        let start = builder.nodeCount
        // Control dependencies of the outer scope belong to the conditional or loop node, not to the nodes in the branch.
        (scope, arguments, results) = try builder.scoped({ $0.controls = [] }) {
            try builder.nameScope(label) {
                let arguments = parameters.map { parameter in
                    builder.add(
                        "Placeholder", name: "arg",
                        attributes: ["dtype": .type(parameter.dtype), "shape": .shape(parameter.shape)])[0]
                }
                let results = try body(arguments)
                return (builder.scopeName, arguments, results)
            }
        }
        // Stateful nodes run even if no result depends on them. Nodes that inner branches and loops were extracted from do not.
        let own = start..<builder.nodeCount
        let left = builder.tracedNodes
        stateful = own.filter { builder.node($0).op.isStateful && !left.contains($0) }
        let ends = Set(arguments.map(\.endpoint))
        var captured: [Endpoint] = []
        var waitedFor: [NodeID] = []
        func use(_ endpoint: Endpoint, _ stack: inout [NodeID]) {
            if ends.contains(endpoint) { return }
            if own.contains(endpoint.node) {
                stack.append(endpoint.node)
            } else if !captured.contains(endpoint) {
                captured.append(endpoint)
            }
        }
        var stack = stateful
        for result in results where result.builder === builder { use(result.endpoint, &stack) }
        var seen = Set<NodeID>()
        while let id = stack.popLast() {
            guard seen.insert(id).inserted else { continue }
            for input in builder.node(id).inputs { use(input, &stack) }
            for control in builder.node(id).controlInputs {
                if own.contains(control) {
                    stack.append(control)
                } else if !waitedFor.contains(control) {
                    waitedFor.append(control)
                }
            }
        }
        captures = captured.map { Output(builder, $0) }
        controls = waitedFor.map { Operation(builder, $0) }
    }

    /// The function from the closure's arguments and `captures` to `results`. It is added to the library.
    /// - Parameter passing: whether the captures are results too, as in a loop's body.
    func function(captures: [Output], passing: Bool = false) throws(Status) -> FunctionDefinition {
        let extraction = FunctionExtraction(
            builder: builder, arguments: (arguments + captures).map(\.endpoint),
            results: (passing ? results + captures : results).map(\.endpoint), keeping: stateful, scope: scope)
        let function = try extraction.function(named: scope.replacingSlashes)
        builder.addFunction(function)
        return function
    }
}

extension GraphBuilder {
    private static let tracesKey = "_traces"

    /// Marks the nodes from `start` on as built only for the extraction of functions. They stay in the graph, where nothing
    /// uses them, because a graph's nodes are never removed.
    func markTracedNodes(from start: NodeID) {
        collections[GraphBuilder.tracesKey, default: []] += (start..<nodeCount).map { Endpoint($0) }
    }
    /// The nodes that were built only for the extraction of functions.
    var tracedNodes: Set<NodeID> { Set((collections[GraphBuilder.tracesKey] ?? []).map(\.node)) }
}

extension String {
    /// The name with `_` for `/`, because function names may not contain slashes.
    fileprivate var replacingSlashes: String { String(map { $0 == "/" ? "_" : $0 }) }
}

/// Functions and constants that conditionals, loops and their gradients share.
package enum ControlFlow {
    /// The attribute of an If, Case or While node that is lowered to Switch and Merge, or to a loop of primitive ops, before
    /// placement. The nodes of its functions can then be placed on any device. TensorFlow's front ends set it too.
    package static let lowersToSwitchMerge = "_lower_using_switch_merge"

    static func conditional(_ builder: GraphBuilder, _ selector: Output, _ branches: [BranchTrace], isCase: Bool)
        -> [Output]
    {
        guard let first = branches.first else {
            builder.record(.invalidArgument("switchCase takes at least one branch"))
            return []
        }
        for branch in branches.dropFirst() where branch.results.map(\.dtype) != first.results.map(\.dtype) {
            builder.record(
                .invalidArgument(
                    "Branches must give the same types: '\(first.label)' gives \(first.results.map(\.dtype)), "
                        + "'\(branch.label)' gives \(branch.results.map(\.dtype))"))
            return first.results
        }
        guard belongsToBuilder(branches.flatMap(\.results) + [selector], builder) else { return first.results }
        var captures: [Output] = []
        for capture in branches.flatMap(\.captures) where !captures.contains(capture) { captures.append(capture) }
        do throws(Status) {
            var functions: [FunctionDefinition] = []
            for branch in branches { functions.append(try branch.function(captures: captures)) }
            let references = functions.map { FunctionReference($0.name) }
            let shapes = first.results.indices.map { index in commonShape(branches.map { $0.results[index].shape }) }
            var attributes: Attributes = [
                "Tin": .types(captures.map(\.dtype)), "Tout": .types(first.results.map(\.dtype)),
                "output_shapes": .shapes(shapes), lowersToSwitchMerge: true,
            ]
            if isCase {
                attributes["branches"] = .functions(references)
            } else {
                attributes["then_branch"] = .function(references[0])
                attributes["else_branch"] = .function(references[1])
            }
            let isStateful = functions.contains(where: \.isStateful)
            let node = builder.add(
                (isStateful ? "" : "Stateless") + (isCase ? "Case" : "If"), [selector] + captures,
                name: isCase ? "Case" : "If", attributes: attributes, controls: branches.flatMap(\.controls))
            return identities(node, count: first.results.count)
        } catch {
            builder.record(error)
            return first.results
        }
    }

    static func loop(
        _ builder: GraphBuilder, _ initial: [Output], _ condition: ([Output]) throws -> Output,
        _ body: ([Output]) throws -> [Output], _ shapes: [PartialShape]
    ) rethrows -> [Output] {
        guard shapes.count == initial.count else {
            builder.record(
                .invalidArgument(
                    "whileLoop takes a shape for each of \(initial.count) variables, found \(shapes.count)"))
            return initial
        }
        let parameters = zip(initial, shapes).map { (dtype: $0.dtype, shape: $1) }
        let start = builder.nodeCount
        let condition = try BranchTrace(builder, "cond", parameters) { [try condition($0)] }
        let body = try BranchTrace(builder, "body", parameters, body)
        builder.markTracedNodes(from: start)
        guard belongsToBuilder(initial + condition.results + body.results, builder) else { return initial }
        guard body.results.map(\.dtype) == initial.map(\.dtype) else {
            builder.record(
                .invalidArgument(
                    "A loop's body must give what it takes: variables are \(initial.map(\.dtype)), results are "
                        + "\(body.results.map(\.dtype))"
                ))
            return initial
        }
        for (index, result) in body.results.enumerated() where !shapes[index].isCompatible(with: result.shape) {
            builder.record(
                .invalidArgument(
                    "Loop variable \(index) enters the loop with shape \(shapes[index]), but has shape "
                        + "\(result.shape) after "
                        + "one iteration. To allow the shape to vary across iterations, say what the shapes have in "
                        + "common"
                ))
            return initial
        }
        var captures: [Output] = []
        for capture in condition.captures + body.captures where !captures.contains(capture) { captures.append(capture) }
        do throws(Status) {
            let test = try condition.function(captures: captures)
            let step = try body.function(captures: captures, passing: true)
            let node = builder.add(
                test.isStateful || step.isStateful ? "While" : "StatelessWhile", initial + captures, name: "While",
                attributes: [
                    "T": .types((initial + captures).map(\.dtype)), "cond": .function(FunctionReference(test.name)),
                    "body": .function(FunctionReference(step.name)),
                    "output_shapes": .shapes(shapes + captures.map(\.shape)), lowersToSwitchMerge: true,
                ], controls: condition.controls + body.controls)
            return identities(node, count: initial.count)
        } catch {
            builder.record(error)
            return initial
        }
    }

    private static func belongsToBuilder(_ outputs: [Output], _ builder: GraphBuilder) -> Bool {
        guard let stranger = outputs.first(where: { $0.builder !== builder }) else { return true }
        builder.record(.invalidArgument("Output \(stranger.name) of a conditional or loop belongs to another graph"))
        return false
    }

    /// An Identity node for each output of a node. When gradients are built, the node may be superseded by one with more
    /// outputs.
    private static func identities(_ node: Operation, count: Int) -> [Output] {
        node.outputs.prefix(count).map { output in
            let identity = node.builder.add("Identity", [output])[0]
            node.builder.refineShape(of: identity, output.shape)
            return identity
        }
    }

    /// The most specific shape that includes all of these shapes.
    static func commonShape(_ shapes: [PartialShape]) -> PartialShape {
        guard var common = shapes.first?.dimensions else { return .unknown }
        for shape in shapes.dropFirst() {
            guard let dimensions = shape.dimensions, dimensions.count == common.count else { return .unknown }
            for (axis, size) in dimensions.enumerated() where common[axis] != size { common[axis] = nil }
        }
        return PartialShape(common)
    }
}
