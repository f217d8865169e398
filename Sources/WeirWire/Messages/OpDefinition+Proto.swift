package import WeirGraph
package import WeirProto
package import WeirTensor

/// The contents of an `OpDef`, as a value that can be compared: Weir's op with TensorFlow's op of the same name.
package struct OpSignature: Sendable {
    /// The name of the op.
    package var name: String
    /// The inputs, outputs and attributes.
    package var schema: OpSchema
    /// Whether the op has state, so that equal nodes must not be merged.
    package var isStateful = false
    /// Whether the op is a sum of its inputs, of any number (TensorFlow's `is_aggregate`).
    package var isAggregate = false
    /// Whether the op gives the same result for swapped inputs.
    package var isCommutative = false
    /// Whether the op accepts an uninitialized reference variable as input.
    package var allowsUninitializedInput = false

    /// The signature of a registered op.
    package init(_ op: OpDefinition) {
        name = op.name
        schema = op.schema
        isStateful = op.isStateful
        isAggregate = op.isAggregate
        isCommutative = op.isCommutative
        allowsUninitializedInput = op.allowsUninitializedInput
    }

    /// Decodes an `OpDef`.
    /// - Throws: `invalidArgument` when an argument or default has a type that Weir does not support.
    package init(_ message: TFOpDef) throws(Status) {
        var decoder = MessageDecoder()
        name = message.name
        do {
            schema = OpSchema(
                inputs: try decoder.arguments(message.inputArg), outputs: try decoder.arguments(message.outputArg),
                attributes: try decoder.attributeSpecs(message.attr))
        } catch {
            throw Status(error.code, "Op '\(message.name)': \(error.message)")
        }
        isStateful = message.isStateful
        isAggregate = message.isAggregate
        isCommutative = message.isCommutative
        allowsUninitializedInput = message.allowsUninitializedInput
    }

    /// Decodes the bytes of an `OpDef`.
    /// - Throws: `invalidArgument` when the bytes are malformed, or use a type that Weir does not support.
    package init(serialized bytes: [UInt8]) throws(Status) { try self.init(try TFOpDef(parsing: bytes)) }

    /// Decodes the bytes of an `OpList`. Ops with types that Weir does not support are left out.
    /// - Throws: `invalidArgument` when the bytes are malformed.
    package static func list(serialized bytes: [UInt8]) throws(Status) -> [OpSignature] {
        try TFOpList(parsing: bytes).op.compactMap { try? OpSignature($0) }
    }

    /// Encodes the signature as the bytes of an `OpDef`.
    package func serialized() throws(Status) -> [UInt8] { try TFOpDef(self).bytes() }
}

extension OpSignature {
    /// The differences from another op, one line each; empty when both have the same inputs, outputs, attributes and flags.
    ///
    /// Names and order of arguments and attributes are compared too, because they are visible on the wire.
    package func differences(from other: OpSignature) -> [String] {
        var lines: [String] = []
        func compare<T: Equatable>(_ what: String, _ mine: T, _ theirs: T) {
            if mine != theirs { lines.append("\(name): \(what) is \(mine), expected \(theirs)") }
        }
        compare("name", name, other.name)
        compare("inputs", schema.inputs, other.schema.inputs)
        compare("outputs", schema.outputs, other.schema.outputs)
        compare("order of attributes", schema.attributes.map(\.name), other.schema.attributes.map(\.name))
        for spec in schema.attributes {
            guard let theirs = other.schema.attribute(spec.name) else { continue }
            compare("attribute '\(spec.name)'", spec, theirs)
        }
        compare("isStateful", isStateful, other.isStateful)
        compare("isAggregate", isAggregate, other.isAggregate)
        compare("isCommutative", isCommutative, other.isCommutative)
        compare("allowsUninitializedInput", allowsUninitializedInput, other.allowsUninitializedInput)
        return lines
    }
}

extension TFOpDef {
    package init(_ op: OpSignature) throws(Status) {
        self.init()
        try set(name: op.name, op.schema, isStateful: op.isStateful)
        isAggregate = op.isAggregate
        isCommutative = op.isCommutative
        allowsUninitializedInput = op.allowsUninitializedInput
    }
}
