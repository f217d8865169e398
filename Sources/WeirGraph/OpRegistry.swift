public import WeirTensor

/// The ops that a runtime knows: a value, handed to whoever needs it. `OpRegistry.standard` is declared with the ops.
public struct OpRegistry: Sendable {
    private var ops: [String: OpDefinition]
    /// The variants that its ops make.
    public let variants: VariantDecoders

    public init(_ definitions: [OpDefinition] = [], variants: VariantDecoders = .none) {
        self.variants = variants
        ops = Dictionary(
            definitions.map { ($0.name, $0) },
            uniquingKeysWith: { first, second in
                preconditionFailure("op \(first.name) is declared twice")
            })
    }

    public subscript(name: String) -> OpDefinition? { ops[name] }
    /// Every op, by name.
    public var definitions: [OpDefinition] { ops.values.sorted { $0.name < $1.name } }

    /// This registry with one more op, a user's own; it replaces one of the same name.
    public func adding(_ op: OpDefinition) -> OpRegistry {
        var copy = self
        copy.ops[op.name] = op
        return copy
    }

    /// This registry with one op changed: a device of a user's own may have a kernel for it. Nothing changes where there is no
    /// such op.
    ///
    /// - Parameter change: is given a copy, and gives what takes the op's place.
    public func replacing(_ name: String, _ change: (OpDefinition) -> OpDefinition) -> OpRegistry {
        guard let op = ops[name] else { return self }
        return adding(change(OpDefinition(copying: op)))
    }

    /// The op of this name.
    /// - Throws: `notFound` in TensorFlow's words when there is none.
    public func require(_ name: String) throws(Status) -> OpDefinition {
        guard let op = ops[name] else {
            throw .notFound(
                "Op type not registered '\(name)' in binary running on Weir. Make sure the Op and Kernel are registered "
                    + "in the binary running in this process.")
        }
        return op
    }
}
