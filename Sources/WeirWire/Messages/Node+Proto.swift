package import WeirGraph
package import WeirProto
package import WeirTensor

extension MessageDecoder {
    /// Decodes a node.
    /// - Throws: `invalidArgument` with the names of the node and of the attribute that cannot be decoded.
    package mutating func node(_ message: TFNodeDef) throws(Status) -> NodeDefinition {
        var rest = TFNodeDef()
        let attributes: Attributes
        do {
            attributes = try self.attributes(message.attr, rest: &rest.attr)
        } catch {
            throw Status(error.code, "Node '\(message.name)' (op \(message.op)): \(error.message)")
        }
        if message.hasExperimentalDebugInfo { rest.experimentalDebugInfo = message.experimentalDebugInfo }
        if message.hasExperimentalType { rest.experimentalType = message.experimentalType }
        rest.unknownFields = message.unknownFields
        var node = NodeDefinition(
            name: message.name, op: message.op, inputs: message.input, device: message.device,
            attributes: attributes)
        node.preserved = try rest.bytes()
        return node
    }
}

extension TFNodeDef {
    /// Encodes a node.
    /// - Throws: `invalidArgument` when an attribute contains a variant that cannot be serialized.
    package init(_ node: NodeDefinition) throws(Status) {
        if node.preserved.isEmpty { self.init() } else { try self.init(parsing: node.preserved) }
        name = node.name
        op = node.op
        input = node.inputs
        device = node.device
        do {
            attr.merge(try TFAttrValue.messages(node.attributes.values)) { $1 }
        } catch {
            throw Status(error.code, "Node '\(node.name)' (op \(node.op)): \(error.message)")
        }
    }
}
