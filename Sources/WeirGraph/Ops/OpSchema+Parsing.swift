import WeirTensor

/// Parses the notation of schemas. Only schemas in the source code are parsed, so a syntax error ends the process.
extension OpSchema {
    init(op: String, signature: String, attributes: [String]) {
        let halves = signature.components(separatedBy: " -> ")
        precondition(halves.count == 2, "\(op): signature must be '(inputs) -> (outputs)', found '\(signature)'")
        let attributes = attributes.map { AttributeSpec(op: op, $0) }
        let lists = Set(attributes.filter { $0.kind == .types }.map(\.name))
        func arguments(_ text: String) -> [Argument] {
            text.dropFirst().dropLast().components(separatedBy: ", ").filter { !$0.isEmpty }.map { Argument(op: op, $0, lists: lists) }
        }
        self.init(inputs: arguments(halves[0]), outputs: arguments(halves[1]), attributes: attributes)
    }
}

extension OpSchema.Argument {
    /// Parses `name: T`, `name: float`, `name: Ref(T)` or `name: N * T`.
    init(op: String, _ text: String, lists: Set<String>) {
        guard let colon = text.firstIndex(of: ":") else { preconditionFailure("\(op): argument '\(text)' has no type") }
        name = String(text[..<colon])
        var rest = text[text.index(colon, offsetBy: 2)...]
        if rest.hasPrefix("Ref("), rest.hasSuffix(")") {
            isReference = true
            rest = rest.dropFirst(4).dropLast()
        }
        let parts = rest.split(separator: " * ")
        if parts.count == 2 { countAttribute = String(parts[0]) }
        let word = String(parts[parts.count - 1])
        if lists.contains(word) {
            type = .list(word)
        } else if let dtype = DType(name: word) {
            type = .fixed(dtype)
        } else {
            type = .attribute(word)
        }
    }
}

extension OpSchema.AttributeSpec {
    /// Parses `name: kind` or `name: {a, b}`, optionally followed by ` >= minimum` and ` = default`.
    init(op: String, _ text: String) {
        guard let colon = text.firstIndex(of: ":") else { preconditionFailure("\(op): attribute '\(text)' has no kind") }
        name = String(text[..<colon])
        var rest = String(text[text.index(colon, offsetBy: 2)...])
        var defaultText: String?
        // The first " = " begins the default value: a set of types contains none, and a default may contain more.
        if let range = rest.firstRange(of: " = ") {
            defaultText = String(rest[range.upperBound...])
            rest = String(rest[..<range.lowerBound])
        }
        if let range = rest.firstRange(of: " >= ") {
            minimum = Int(rest[range.upperBound...])
            rest = String(rest[..<range.lowerBound])
        }
        let isList = rest.hasPrefix("list({")
        if rest.hasPrefix("{") || isList {
            let words = rest.drop { $0 != "{" }.dropFirst().prefix { $0 != "}" }.components(separatedBy: ", ")
            if words.first?.hasPrefix("'") == true {
                kind = isList ? .strings : .string
                allowedStrings = words.map { String($0.dropFirst().dropLast()) }
            } else {
                kind = isList ? .types : .type
                // Omits types that `DType` does not have (the 8-bit floats).
                allowedTypes = DTypeSet(words.compactMap { DType(name: $0) })
            }
        } else {
            guard let known = OpSchema.AttributeKind(rawValue: rest) else {
                preconditionFailure("\(op): attribute '\(name)' is of unknown kind '\(rest)'")
            }
            kind = known
        }
        if let defaultText { defaultValue = OpSchema.AttributeSpec.value(op, defaultText, kind) }
    }

    private static func value(_ op: String, _ text: String, _ kind: OpSchema.AttributeKind) -> AttributeValue {
        func elements() -> [String] { text.dropFirst().dropLast().components(separatedBy: ", ").filter { !$0.isEmpty } }
        func unquoted(_ text: String) -> ByteString { ByteString(String(text.dropFirst().dropLast())) }
        func float(_ text: String) -> Float {
            guard let value = Float(text) else { preconditionFailure("\(op): '\(text)' is no float") }
            return value
        }
        func integer(_ text: String) -> Int {
            guard let value = Int(text) else { preconditionFailure("\(op): '\(text)' is no integer") }
            return value
        }
        func type(_ text: String) -> DType {
            guard let value = DType(name: text) else { preconditionFailure("\(op): '\(text)' is no type") }
            return value
        }
        switch kind {
        case .string: return .string(unquoted(text))
        case .int: return .int(integer(text))
        case .float: return .float(float(text))
        case .bool: return .bool(text == "true")
        case .type: return .type(type(text))
        case .shape: return .shape(text == "{unknown}" ? .unknown : PartialShape(elements().map { integer($0) }.map { $0 < 0 ? nil : $0 }))
        case .function: return .function(FunctionReference(unquoted(text).description))
        case .strings: return .strings(elements().map(unquoted))
        case .ints: return .ints(elements().map(integer))
        case .floats: return .floats(elements().map(float))
        case .bools: return .bools(elements().map { $0 == "true" })
        case .types: return .types(elements().map(type))
        case .shapes: return .shapes([])
        case .tensors: return .tensors([])
        case .functions: return .functions([])
        case .tensor:
            // A vector of bytes, such as `uint8 [255, 0]`: no op has another default.
            guard text.hasPrefix("uint8 [") else { preconditionFailure("\(op): '\(text)' is no vector of uint8") }
            let bytes = text.dropFirst(6).dropFirst().dropLast().components(separatedBy: ", ").map { UInt8(clamping: integer($0)) }
            return .tensor(Tensor(bytes))
        }
    }
}

extension StringProtocol {
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        parts.append(String(rest))
        return parts
    }
}
