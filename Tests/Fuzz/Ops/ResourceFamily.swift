import Weir

/// Ops that work on one kind of resource: those that make it, and those that use it.
struct ResourceFamily {
    let makers: [OpDefinition]
    let users: [OpDefinition]

    /// Words that ops of one kind have in their names.
    private static let words = ["Queue", "Barrier", "Stack", "TensorArray", "Table", "Accumulator", "Reader", "TensorList", "Optional", "Iterator", "Dataset", "Generator", "Summary"]

    /// Whether an argument is a handle: a resource, a variant, or the pair of strings that older ops pass.
    static func isHandle(_ argument: OpSchema.Argument) -> Bool {
        switch argument.type {
        case .fixed(.resource), .fixed(.variant): true
        case .fixed(.string): argument.isReference || argument.name == "handle" || argument.name.hasSuffix("_handle")
        default: false
        }
    }

    /// The families by the name of an op that uses them.
    static func all(_ ops: [OpDefinition]) -> [String: ResourceFamily] {
        func family(_ op: OpDefinition) -> String {
            if op.name.hasPrefix("OrderedMap") || op.name.hasPrefix("Map") || op.name.hasPrefix("Stage") || op.name.hasPrefix("Unstage") { return "Stage" }
            if op.name.hasPrefix("Tensor"), op.name.firstRange(of: "List") != nil { return "TensorList" }
            return words.first { op.name.firstRange(of: $0) != nil } ?? "Variable"
        }
        func kinds(_ arguments: [OpSchema.Argument]) -> Set<String> {
            Set(arguments.filter(isHandle).map { argument in
                if case .fixed(let type) = argument.type { return type.name }
                return ""
            })
        }
        let users = ops.filter { $0.schema.inputs.contains(where: isHandle) }
        let makers = ops.filter { $0.schema.outputs.contains(where: isHandle) && !$0.schema.inputs.contains(where: isHandle) }
        var result: [String: ResourceFamily] = [:]
        for op in users {
            // Resources and the older handles do not mix.
            let wanted = kinds(op.schema.inputs)
            func suits(_ other: Set<String>) -> Bool { !wanted.isDisjoint(with: other) }
            let own = family(op)
            let mine = makers.filter { family($0) == own && suits(kinds($0.schema.outputs)) }
            result[op.name] = ResourceFamily(
                makers: mine.isEmpty ? makers.filter { suits(kinds($0.schema.outputs)) } : mine,
                users: users.filter { family($0) == own && suits(kinds($0.schema.inputs)) })
        }
        return result
    }
}
