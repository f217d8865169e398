import WeirGraph
import WeirProto
import WeirTensor

// The parts of `OpDef` that ops and functions share.

extension MessageDecoder {
    func arguments(_ messages: [TFOpDef.ArgDef]) throws(Status) -> [OpSchema.Argument] {
        try messages.map { (message) throws(Status) in
            let type: OpSchema.ArgumentType
            if !message.typeListAttr.isEmpty {
                type = .list(message.typeListAttr)
            } else if !message.typeAttr.isEmpty {
                type = .attribute(message.typeAttr)
            } else if let dtype = DType(message.type) {
                type = .fixed(dtype)
            } else {
                throw .invalidArgument("argument '\(message.name)': \(message.type.text) is not a type that Weir has")
            }
            return OpSchema.Argument(
                name: message.name, isReference: message.isRef, type: type,
                countAttribute: message.numberAttr.isEmpty ? nil : message.numberAttr)
        }
    }

    mutating func attributeSpecs(_ messages: [TFOpDef.AttrDef]) throws(Status) -> [OpSchema.AttributeSpec] {
        var specs: [OpSchema.AttributeSpec] = []
        for message in messages {
            do {
                specs.append(try attributeSpec(message))
            } catch {
                throw Status(error.code, "attribute '\(message.name)': \(error.message)")
            }
        }
        return specs
    }

    private mutating func attributeSpec(_ message: TFOpDef.AttrDef) throws(Status) -> OpSchema.AttributeSpec {
        guard let kind = OpSchema.AttributeKind(rawValue: message.type) else {
            throw .invalidArgument("'\(message.type)' is not a kind of attribute")
        }
        var spec = OpSchema.AttributeSpec(name: message.name, kind: kind)
        if message.hasMinimum_p { spec.minimum = Int(message.minimum) }
        if message.hasAllowedValues {
            // Types that Weir does not support are left out: no value can have them.
            let types = message.allowedValues.list.type
            if !types.isEmpty { spec.allowedTypes = DTypeSet(types.compactMap { DType($0) }) }
            let strings = message.allowedValues.list.s
            if !strings.isEmpty { spec.allowedStrings = strings.map { String(decoding: $0, as: UTF8.self) } }
        }
        if message.hasDefaultValue {
            let value = try attribute(message.defaultValue)
            spec.defaultValue = value == .emptyList ? kind.emptyList ?? value : value
        }
        return spec
    }
}

extension OpSchema.AttributeKind {
    /// The empty list of this kind. On the wire, an empty list does not tell the kind of its elements.
    fileprivate var emptyList: AttributeValue? {
        switch self {
        case .strings: .strings([])
        case .ints: .ints([])
        case .floats: .floats([])
        case .bools: .bools([])
        case .types: .types([])
        case .shapes: .shapes([])
        case .tensors: .tensors([])
        case .functions: .functions([])
        default: nil
        }
    }
}

extension TFOpDef {
    /// Sets the fields that a schema contains. Other fields of arguments and attributes with the same name are kept.
    mutating func set(name: String, _ schema: OpSchema, isStateful: Bool) throws(Status) {
        self.name = name
        self.isStateful = isStateful
        inputArg = schema.inputs.map { ArgDef($0, among: inputArg) }
        outputArg = schema.outputs.map { ArgDef($0, among: outputArg) }
        attr = try schema.attributes.map { (spec) throws(Status) in try AttrDef(spec, among: attr) }
    }
}

extension TFOpDef.ArgDef {
    fileprivate init(_ argument: OpSchema.Argument, among known: [TFOpDef.ArgDef]) {
        self = known.first { $0.name == argument.name } ?? TFOpDef.ArgDef()
        name = argument.name
        isRef = argument.isReference
        switch argument.type {
        case .fixed(let dtype): type = TFDataType(dtype)
        case .attribute(let attribute): typeAttr = attribute
        case .list(let attribute): typeListAttr = attribute
        }
        numberAttr = argument.countAttribute ?? ""
    }
}

extension TFOpDef.AttrDef {
    fileprivate init(_ spec: OpSchema.AttributeSpec, among known: [TFOpDef.AttrDef]) throws(Status) {
        self = known.first { $0.name == spec.name } ?? TFOpDef.AttrDef()
        name = spec.name
        type = spec.kind.rawValue
        if let value = spec.defaultValue { defaultValue = try TFAttrValue(value) }
        if let minimum = spec.minimum {
            hasMinimum_p = true
            self.minimum = Int64(minimum)
        }
        if let types = spec.allowedTypes { allowedValues = try TFAttrValue(.types(types.types)) }
        if let strings = spec.allowedStrings { allowedValues = try TFAttrValue(.strings(strings.map { .init($0) })) }
    }
}
