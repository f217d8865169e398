public import WeirTensor

/// The ops that a runtime knows. It is a value and is passed to the code that needs it. `OpRegistry.standard` is declared with
/// the ops.
public struct OpRegistry: Sendable {
    private var ops: [String: OpDefinition]
    /// The variants that its ops make.
    public let variants: VariantDecoders

    /// A registry without ops.
    /// - Parameter variants: the variants that its ops make.
    public init(variants: VariantDecoders = .none) {
        self.variants = variants
        ops = [:]
    }
    /// A registry of Weir's own ops, and of the variants that they make. Two ops of one name end the process.
    package init(_ definitions: [OpDefinition], variants: VariantDecoders = .none) {
        self.variants = variants
        ops = Dictionary(
            definitions.map { ($0.name, $0) },
            uniquingKeysWith: { first, second in
                preconditionFailure("op \(first.name) is declared twice")
            })
    }

    /// The op of this name; nil if there is none.
    public subscript(name: String) -> OpDefinition? { ops[name] }
    /// All ops, sorted by name.
    public var definitions: [OpDefinition] { ops.values.sorted { $0.name < $1.name } }

    /// This registry with one more op, for user-defined ops. It replaces an op of the same name. The graph builder, the session
    /// in process and the server of each task must have it.
    public func adding(_ op: OpDefinition) -> OpRegistry {
        var copy = self
        copy.ops[op.name] = op
        return copy
    }

    /// This registry with one op changed, for example to add a kernel for a user-defined device. If there is no such op, the
    /// registry stays the same.
    ///
    /// - Parameter change: gets a copy of the op and returns the op that replaces it.
    public func replacing(_ name: String, _ change: (OpDefinition) -> OpDefinition) -> OpRegistry {
        guard let op = ops[name] else { return self }
        return adding(change(OpDefinition(copying: op)))
    }

    /// The op of this name.
    /// - Throws: `notFound` with TensorFlow's message when there is none.
    public func require(_ name: String) throws(Status) -> OpDefinition {
        guard let op = ops[name] else {
            throw .notFound(
                "Op type not registered '\(name)' in binary running on Weir. Make sure the Op and Kernel are registered "
                    + "in the binary running in this process.")
        }
        return op
    }
}
