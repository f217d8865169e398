#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
package import WeirGraph
package import WeirProto
package import WeirTensor

extension MessageDecoder {
    /// Decodes an attribute value.
    /// - Throws: `invalidArgument` when the value is missing, or has a type or shape that Weir does not support.
    package mutating func attribute(_ message: TFAttrValue) throws(Status) -> AttributeValue {
        switch message.value {
        case nil: throw .invalidArgument("the value is missing")
        case .s(let value): return .string(ByteString(Array(value)))
        case .i(let value): return .int(Int(value))
        case .f(let value): return .float(value)
        case .b(let value): return .bool(value)
        case .type(let value): return .type(try Self.type(value))
        case .shape(let value): return .shape(try PartialShape(value))
        case .tensor(let value): return .tensor(try tensor(value))
        case .placeholder(let value): return .placeholder(value)
        case .func(let value): return .function(try function(value))
        case .list(let value): return try list(value)
        }
    }

    /// Decodes the attributes of a node or function.
    /// - Parameter rest: receives attributes that cannot be decoded and whose names begin with `_`. These are annotations between
    ///   programs, and are passed on unchanged.
    package mutating func attributes(
        _ messages: [String: TFAttrValue], rest: inout [String: TFAttrValue]
    ) throws(Status) -> Attributes {
        var values: [String: AttributeValue] = [:]
        values.reserveCapacity(messages.count)
        for (name, message) in messages {
            do {
                values[name] = try attribute(message)
            } catch  where name.hasPrefix("_") {
                rest[name] = message
            } catch {
                throw Status(error.code, "attribute '\(name)': \(error.message)")
            }
        }
        return Attributes(values)
    }

    private mutating func function(_ message: TFNameAttrList) throws(Status) -> FunctionReference {
        var rest: [String: TFAttrValue] = [:]
        return FunctionReference(message.name, attributes: try attributes(message.attr, rest: &rest).values)
    }

    /// Decodes a type attribute. A reference type, which only old graphs contain, becomes the type that it refers to: the op
    /// says whether a port carries a reference.
    private static func type(_ message: TFDataType) throws(Status) -> DType {
        guard let dtype = DType(withoutReference: message) else {
            throw .invalidArgument("\(message.text) is not a type that Weir has")
        }
        return dtype
    }

    private mutating func list(_ message: TFAttrValue.ListValue) throws(Status) -> AttributeValue {
        let kindCount = [
            message.s.isEmpty, message.i.isEmpty, message.f.isEmpty, message.b.isEmpty, message.type.isEmpty,
            message.shape.isEmpty, message.tensor.isEmpty, message.func.isEmpty,
        ].count { !$0 }
        guard kindCount > 0 else { return .emptyList }
        guard kindCount == 1 else { throw .invalidArgument("a list has elements of \(kindCount) kinds") }
        if !message.s.isEmpty { return .strings(message.s.map { ByteString(Array($0)) }) }
        if !message.i.isEmpty { return .ints(message.i.map { Int($0) }) }
        if !message.f.isEmpty { return .floats(message.f) }
        if !message.b.isEmpty { return .bools(message.b) }
        if !message.type.isEmpty {
            return .types(try message.type.map { (type) throws(Status) in try Self.type(type) })
        }
        if !message.shape.isEmpty {
            return .shapes(try message.shape.map { (shape) throws(Status) in try PartialShape(shape) })
        }
        if !message.tensor.isEmpty {
            var tensors: [Tensor] = []
            for element in message.tensor { tensors.append(try tensor(element)) }
            return .tensors(tensors)
        }
        var functions: [FunctionReference] = []
        for element in message.func { functions.append(try function(element)) }
        return .functions(functions)
    }
}

extension TFAttrValue {
    /// Encodes an attribute value.
    /// - Throws: `invalidArgument` when it contains a variant that cannot be serialized.
    package init(_ value: AttributeValue) throws(Status) {
        self.init()
        switch value {
        case .string(let value): s = Data(value.bytes)
        case .int(let value): i = Int64(value)
        case .float(let value): f = value
        case .bool(let value): b = value
        case .type(let value): type = TFDataType(value)
        case .shape(let value): shape = TFTensorShapeProto(value)
        case .tensor(let value): tensor = try TFTensorProto(value)
        case .function(let value): `func` = try TFNameAttrList(value)
        case .placeholder(let value): placeholder = value
        case .strings, .ints, .floats, .bools, .types, .shapes, .tensors, .functions, .emptyList:
            list = try ListValue(value)
        }
    }

    static func messages(_ attributes: [String: AttributeValue]) throws(Status) -> [String: TFAttrValue] {
        var messages: [String: TFAttrValue] = [:]
        messages.reserveCapacity(attributes.count)
        for (name, value) in attributes {
            do {
                messages[name] = try TFAttrValue(value)
            } catch {
                throw Status(error.code, "attribute '\(name)': \(error.message)")
            }
        }
        return messages
    }
}

extension TFAttrValue.ListValue {
    fileprivate init(_ value: AttributeValue) throws(Status) {
        self.init()
        switch value {
        case .strings(let values): s = values.map { Data($0.bytes) }
        case .ints(let values): i = values.map { Int64($0) }
        case .floats(let values): f = values
        case .bools(let values): b = values
        case .types(let values): type = values.map { TFDataType($0) }
        case .shapes(let values): shape = values.map { TFTensorShapeProto($0) }
        case .tensors(let values): tensor = try values.map { (value) throws(Status) in try TFTensorProto(value) }
        case .functions(let values): `func` = try values.map { (value) throws(Status) in try TFNameAttrList(value) }
        default: break
        }
    }
}

extension TFNameAttrList {
    fileprivate init(_ function: FunctionReference) throws(Status) {
        self.init()
        name = function.name
        attr = try TFAttrValue.messages(function.attributes)
    }
}
