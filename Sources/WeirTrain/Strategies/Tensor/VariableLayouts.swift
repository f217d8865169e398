import WeirGraph
import WeirTensor

/// The layouts that a model's variables may have on a mesh.
struct VariableLayouts {
    let model: ModelGraph
    let facts: ShardingFacts
    let mesh: DeviceMesh
    /// The axis over which variables are cut.
    let axis: Int
    /// Name scopes or variables, as parts of full names, with their cuts. The first rule that fits a variable counts.
    let rules: [(scope: String, cut: VariableCut)]

    private var count: Int { mesh.axes[axis].size }
    private var place: String { "the \(count) devices of axis '\(mesh.axes[axis].name)'" }

    /// The choices for each variable, by its handle.
    /// - Throws: `invalidArgument` when a rule fits no variable or asks for a cut that is not possible, or sizes that can be cut end in
    ///   sizes that cannot.
    func choices() throws(Status) -> [NodeID: [ShardingPass.Choice]] {
        for rule in rules where !model.parameters.contains(where: { fits(rule.scope, $0) }) {
            throw .invalidArgument(
                "No variable has '\(rule.scope)' in its name; the variables are \(model.parameters.map(\.name).joined(separator: ", "))")
        }
        var result: [NodeID: [ShardingPass.Choice]] = [:]
        for variable in model.parameters {
            let cut = rules.first { fits($0.scope, variable) }?.cut
            result[variable.handle] = try choices(variable, cut)
            if cut != .whole, cut != .rows { try checkColumns(variable) }
        }
        return result
    }

    /// Whether the parts of `scope` follow each other in the variable's name: `attention/query` fits `block1/attention/query/kernel`.
    private func fits(_ scope: String, _ variable: ModelVariable) -> Bool {
        let parts = scope.split(separator: "/"), name = variable.name.split(separator: "/")
        guard !parts.isEmpty, name.count >= parts.count else { return false }
        return (0...name.count - parts.count).contains { name[$0..<$0 + parts.count].elementsEqual(parts) }
    }

    private func choices(_ variable: ModelVariable, _ cut: VariableCut?) throws(Status) -> [ShardingPass.Choice] {
        let whole = ShardingPass.Choice(.whole(mesh))
        if let cut {
            guard let dimension = cut.dimension(rank: variable.shape.rank) else { return [whole] }
            guard (0..<variable.shape.rank).contains(dimension), variable.shape[dimension] % count == 0, variable.shape[dimension] > 0 else {
                throw .invalidArgument("Variable '\(variable.name)' of shape \(variable.shape) cannot be cut by \(cut) into equal parts for \(place)")
            }
            return [ShardingPass.Choice(.cut(dimension, along: axis, of: mesh))]
        }
        guard count > 1 else { return [whole] }
        var dimensions = (0..<variable.shape.rank).filter { variable.shape[$0] > 0 && variable.shape[$0] % count == 0 }
        // A table is cut by rows: it has more rows than any layer is wide, and the layer that it may share its rows with is cut so too.
        if variable.isGathered, dimensions.contains(0) { dimensions = [0] }
        let mustCut = !dimensions.isEmpty && variable.shape.rank > 1 && facts.isMultiplied(variable.handle)
        return dimensions.map { ShardingPass.Choice(.cut($0, along: axis, of: mesh)) } + [ShardingPass.Choice(.whole(mesh), isUncut: mustCut)]
    }

    /// Checks that the columns of a variable, if they can be cut, are not reshaped to something that cannot: 28 columns of queries
    /// to 7 heads.
    private func checkColumns(_ variable: ModelVariable) throws(Status) {
        guard count > 1, variable.shape.rank > 1, let columns = variable.shape.dimensions.last, columns % count == 0,
            facts.hasConflicts(into: count), facts.isMultiplied(variable.handle), !variable.isGathered
        else { return }
        let cut = ShardingPass.Choice(.cut(variable.shape.rank - 1, along: axis, of: mesh))
        let pass = ShardingPass(
            facts, mesh: mesh, roots: [model.loss], variables: [variable.handle: [cut]], keptAxes: Set(mesh.axes.indices), stateLimit: 1)
        guard let conflict = try pass.conflict() else { return }
        let (name, heads) = (variable.name, conflict.undivided)
        throw .invalidArgument(
            "The \(columns) columns of variable '\(name)' can be cut over \(place), but '\(conflict.node)' makes \(heads) parts of them, such as heads, "
                + "and \(count) does not divide \(heads). Take another number of devices, or leave the variable whole with the rule (\"\(name)\", .whole)")
    }
}
