public import WeirGraph
public import WeirTensor

/// The variables of a model that were declared in the graph of a strategy.
public struct DeclaredVariables: Sendable {
    /// The trained variables, in the order of `ModelGraph.parameters`. Of a variable that is cut, the parts follow each other.
    public let parameters: [Variable]
    /// The others, in the order of `ModelGraph.otherVariables`.
    public let others: [Variable]
    /// What stands for the model's outputs that are variables' handles and values.
    package let replacing: [Endpoint: Output]
    /// What is built in place of the model's nodes that use a variable that is cut.
    package var rewriting: [NodeID: GraphCopy.Rewrite] = [:]
    /// The handles of trained variables, or parts of them, of which the model only gathers rows.
    var gathered: Set<Output> = []
    /// The whole values of the trained variables, by the model's name of the variable.
    public internal(set) var values: [String: Output] = [:]

    /// All variables.
    public var all: [Variable] { parameters + others }
}

extension ModelGraph {
    /// Declares the model's variables in a builder, in its current scopes, with their initial values.
    ///
    /// - Parameters:
    ///   - partitioning: how large variables are cut; nil leaves all whole.
    ///   - cuttable: the variables that may be cut; nil means all.
    ///   - each: wraps the declaration of a variable, or of a part, for example in a device scope.
    /// - Throws: `invalidArgument` when a variable that is to be cut is used in a way that needs all of it in one place.
    public func declareVariables(
        in builder: GraphBuilder, partitioning: VariablePartitioning? = nil, cuttable: [ModelVariable]? = nil,
        each: (ModelVariable, () -> Variable) -> Variable = { _, declare in declare() }
    ) throws(Status) -> DeclaredVariables {
        try partitioning?.validate()
        var declaration = VariableDeclaration(self, builder)
        var declared: [NodeID: [Variable]] = [:]
        // In the graph's order, in which a variable comes before those that are initialized from it.
        for variable in (parameters + otherVariables).sorted(by: { $0.handle < $1.handle }) {
            // What a model updates itself, such as a moving average, stays whole.
            let isUpdated = variable.otherUse != nil && !parameters.contains { $0.handle == variable.handle }
            let isCuttable = !isUpdated && cuttable?.contains { $0.handle == variable.handle } ?? true
            let rows = isCuttable ? partitioning?.rows(of: variable) ?? [] : []
            if rows.count > 1 {
                declared[variable.handle] = try declaration.declare(variable, rows, each)
            } else {
                declared[variable.handle] = [declaration.declare(variable, each)]
            }
        }
        if let failure = builder.failure { throw failure }
        var result = DeclaredVariables(
            parameters: parameters.flatMap { declared[$0.handle] ?? [] }, others: otherVariables.flatMap { declared[$0.handle] ?? [] },
            replacing: declaration.replacing)
        result.rewriting = declaration.rewriting
        result.gathered = Set(parameters.filter(\.isGathered).flatMap { declared[$0.handle] ?? [] }.map(\.handle))
        let trained = Set(parameters.map(\.name))
        result.values = declaration.values.filter { trained.contains($0.key) }
        return result
    }
}

/// The declaration of a model's variables, one after another.
private struct VariableDeclaration {
    private let model: ModelGraph
    private let builder: GraphBuilder
    /// The nodes that use a node's outputs.
    private var uses: [NodeID: [NodeID]] = [:]
    var replacing: [Endpoint: Output] = [:]
    var rewriting: [NodeID: GraphCopy.Rewrite] = [:]
    var values: [String: Output] = [:]

    init(_ model: ModelGraph, _ builder: GraphBuilder) {
        self.model = model
        self.builder = builder
        for (id, node) in model.graph.nodes.enumerated() {
            for input in node.inputs { uses[input.node, default: []].append(id) }
        }
    }

    /// The initial value of a variable. It may be computed from another variable's.
    private func initialValue(_ variable: ModelVariable) -> Output {
        var copy = GraphCopy(of: model.graph, in: builder, replacing: replacing, rewriting: rewriting)
        do throws(Status) {
            if let value = try copy.copy([variable.initialValue]).first { return value }
            builder.record(.internalError("The initial value of variable '\(variable.name)' was not copied"))
        } catch {
            builder.record(error)
        }
        return builder.filled(variable.shape, with: 0, variable.dtype)
    }

    /// Declares a variable that stays whole.
    mutating func declare(_ variable: ModelVariable, _ each: (ModelVariable, () -> Variable) -> Variable) -> Variable {
        let declared = each(variable) { builder.variable(variable.name) { initialValue(variable) } }
        replacing[Endpoint(variable.handle)] = declared.handle
        // A read that waits for other nodes may have to see their updates, so it is copied.
        for id in uses[variable.handle] ?? [] where model.graph.nodes[id].op.variableUse == .read && model.graph.nodes[id].controlInputs.isEmpty {
            replacing[Endpoint(id)] = declared.value
        }
        values[variable.name] = declared.value
        return declared
    }

    /// Declares the parts of a variable.
    mutating func declare(
        _ variable: ModelVariable, _ rows: [Range<Int>], _ each: (ModelVariable, () -> Variable) -> Variable
    ) throws(Status) -> [Variable] {
        if let use = variable.otherUse {
            let node = model.graph.nodes[use]
            throw .invalidArgument(
                "Variable '\(variable.name)' of shape \(variable.shape) cannot be cut into \(rows.count) parts, because node '\(node.name)' "
                    + "(op \(node.op.name)) uses it as a whole; only variables that are read or of which rows are gathered can be cut")
        }
        let initial = builder.nameScope(variable.name) { initialValue(variable) }
        let whole = PartitionedVariable(variable, rows, initialValue: initial, declare: each)
        guard let first = whole.parts.first else { throw .internalError("Variable '\(variable.name)' was cut into no parts") }
        // The handle of the whole does not exist. Every node that uses it is rewritten, and does not look at this one.
        replacing[Endpoint(variable.handle)] = first.handle
        for id in uses[variable.handle] ?? [] {
            let node = model.graph.nodes[id]
            if node.op.variableUse == .read {
                rewriting[id] = { (_: [Output]) in whole.read() }
            } else if node.gathersRows, node.inputs.first?.node == variable.handle {
                rewriting[id] = { (inputs: [Output]) in whole.rows(at: inputs[1]) }
            } else if node.op.variableUse != .assignment {
                // The model's outputs do not need it, but another variable's initial value may.
                rewriting[id] = { [builder] (_: [Output]) in
                    builder.record(.invalidArgument("Node '\(node.name)' (op \(node.op.name)) uses variable '\(variable.name)', which is cut into parts"))
                    return first.value
                }
            }
        }
        values[variable.name] = whole.joined(whole.parts.map(\.value))
        return whole.parts
    }
}
