import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

extension TFGraphDef {
    static func messages(_ graphs: [GraphDefinition]) throws(Status) -> [TFGraphDef] {
        var messages: [TFGraphDef] = []
        for graph in graphs { messages.append(try TFGraphDef(graph)) }
        return messages
    }
}

extension MessageDecoder {
    /// Decodes graphs.
    /// - Throws: `invalidArgument` that names what cannot be decoded.
    static func graphs(_ messages: [TFGraphDef], _ variants: VariantDecoders) throws(Status) -> [GraphDefinition] {
        var graphs: [GraphDefinition] = []
        for message in messages { graphs.append(try GraphDefinition(message, variants: variants)) }
        return graphs
    }
}
