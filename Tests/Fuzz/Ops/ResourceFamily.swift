import Weir

/// The ops for one kind of resource: those that create it, and those that use it.
struct ResourceFamily {
    let makers: [OpDefinition]
    let users: [OpDefinition]

    /// Words that the op names of one kind have in common.
    private static let words = [
        "Queue", "Barrier", "Stack", "TensorArray", "Table", "Accumulator", "Reader", "TensorList", "Optional", "Iterator", "Dataset", "Generator", "Summary",
    ]

    /// Whether an argument is a handle: a resource, a variant, or the pair of strings that older ops pass.
    static func isHandle(_ argument: OpSchema.Argument) -> Bool {
        switch argument.type {
        case .fixed(.resource), .fixed(.variant): true
        case .fixed(.string): argument.isReference || argument.name == "handle" || argument.name.hasSuffix("_handle")
        default: false
        }
    }

    /// The families by op name.
    static func all(_ ops: [OpDefinition]) -> [String: ResourceFamily] {
        struct Member {
            var op: OpDefinition
            var family: String
            /// The kinds of handles of the op; resource handles and older ones do not mix.
            var kinds: Set<String>
        }
        func family(_ op: OpDefinition) -> String {
            if ["OrderedMap", "Map", "Stage", "Unstage"].contains(where: op.name.hasPrefix) { return "Stage" }
            return words.first { op.name.firstRange(of: $0) != nil } ?? "Variable"
        }
        func member(_ op: OpDefinition, _ arguments: [OpSchema.Argument]) -> Member? {
            let handles = arguments.filter(isHandle)
            guard !handles.isEmpty else { return nil }
            let kinds = handles.map { argument in
                if case .fixed(let type) = argument.type { return type.name }
                return ""
            }
            return Member(op: op, family: family(op), kinds: Set(kinds))
        }
        let users = ops.compactMap { member($0, $0.schema.inputs) }
        let makers = ops.compactMap { $0.schema.inputs.contains(where: isHandle) ? nil : member($0, $0.schema.outputs) }
        var result: [String: ResourceFamily] = [:]
        for user in users {
            let suiting = makers.filter { !$0.kinds.isDisjoint(with: user.kinds) }
            let mine = suiting.filter { $0.family == user.family }
            result[user.op.name] = ResourceFamily(
                makers: (mine.isEmpty ? suiting : mine).map(\.op),
                users: users.filter { $0.family == user.family && !$0.kinds.isDisjoint(with: user.kinds) }.map(\.op))
        }
        return result
    }
}
