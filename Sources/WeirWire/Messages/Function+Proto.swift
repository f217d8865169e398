package import WeirGraph
package import WeirProto
package import WeirTensor

extension MessageDecoder {
    /// Decodes a function.
    /// - Throws: `invalidArgument` with the function's name, when an argument or node cannot be decoded.
    package mutating func function(_ message: TFFunctionDef) throws(Status) -> FunctionDefinition {
        do {
            var rest = TFFunctionDef()
            rest.signature = message.signature.unmodeledFields
            rest.argAttr = message.argAttr
            rest.resourceArgUniqueID = message.resourceArgUniqueID
            rest.unknownFields = message.unknownFields
            var function = FunctionDefinition(
                name: message.signature.name, inputs: try arguments(message.signature.inputArg),
                outputs: try arguments(message.signature.outputArg),
                attributeSpecs: try attributeSpecs(message.signature.attr), nodes: [], returns: message.ret,
                controlReturns: message.controlRet, attributes: try attributes(message.attr, rest: &rest.attr),
                isStateful: message.signature.isStateful)
            for node in message.nodeDef { function.nodes.append(try self.node(node)) }
            function.preserved = try rest.bytes()
            return function
        } catch {
            throw Status(error.code, "Function '\(message.signature.name)': \(error.message)")
        }
    }
}

extension TFFunctionDef {
    /// Encodes a function.
    /// - Throws: `invalidArgument` when an attribute contains a variant that cannot be serialized.
    package init(_ function: FunctionDefinition) throws(Status) {
        if function.preserved.isEmpty { self.init() } else { try self.init(parsing: function.preserved) }
        do {
            try signature.set(name: function.name, function.schema, isStateful: function.isStateful)
            for node in function.nodes { nodeDef.append(try TFNodeDef(node)) }
            ret = function.returns
            controlRet = function.controlReturns
            attr.merge(try TFAttrValue.messages(function.attributes.values)) { $1 }
        } catch {
            throw Status(error.code, "Function '\(function.name)': \(error.message)")
        }
    }
}

extension TFOpDef {
    /// The parts of this signature that a `FunctionDefinition` does not contain: descriptions, handle data, the order of control
    /// outputs. They are preserved, and written back when the function is encoded.
    fileprivate var unmodeledFields: TFOpDef {
        var rest = self
        rest.name = ""
        rest.isStateful = false
        rest.inputArg = inputArg.compactMap(\.unmodeledFields)
        rest.outputArg = outputArg.compactMap(\.unmodeledFields)
        rest.attr = attr.compactMap(\.unmodeledFields)
        return rest
    }
}

extension TFOpDef.ArgDef {
    fileprivate var unmodeledFields: TFOpDef.ArgDef? {
        var rest = TFOpDef.ArgDef()
        rest.description_p = description_p
        rest.handleData = handleData
        if hasExperimentalFullType { rest.experimentalFullType = experimentalFullType }
        rest.unknownFields = unknownFields
        guard rest != TFOpDef.ArgDef() else { return nil }
        // The name identifies the argument when the function is encoded.
        rest.name = name
        return rest
    }
}

extension TFOpDef.AttrDef {
    fileprivate var unmodeledFields: TFOpDef.AttrDef? {
        var rest = TFOpDef.AttrDef()
        rest.description_p = description_p
        rest.unknownFields = unknownFields
        guard rest != TFOpDef.AttrDef() else { return nil }
        rest.name = name
        return rest
    }
}
