import Foundation
package import WeirGraph
import WeirTensor

/// One line of the table of cases (`Tests/OpCases`): the results of an op in TensorFlow.
package struct OpCase {
    /// A node of the op with these tensors as its inputs.
    struct Single {
        var attributes: Attributes
        var inputs: [Tensor]
        /// Only the types and shapes of outputs that are not `isDetermined` are compared.
        var outputs: [Expected]
        /// The incoming gradient of each output, and the expected gradient of each input (`inputGradients`).
        var outputGradients: [Tensor?] = []
        var inputGradients: [Tensor?] = []
    }
    /// One step of a graph, and its expected results.
    struct Run {
        var feeds: [(String, Tensor)]
        var fetches: [String]
        var targets: [String]
        var outputs: [Expected]
        var failure: String?
    }
    struct Expected {
        var value: Tensor
        var isDetermined = true
    }
    enum Kind {
        case single(Single)
        case graph(GraphDefinition, [Run])
    }

    package let op: String
    let name: String
    /// Other ops that the case tests as well.
    package let also: [String]
    let kind: Kind
    /// The name of the expected error code; nil for success.
    let failure: String?
    /// The tolerance, if not the type's default.
    let tolerance: Double?

    /// The cases of a family.
    /// - Parameter folder: where the table is; that of the sources if nil.
    package static func all(_ family: String, registry: OpRegistry, folder: String? = nil) throws -> [OpCase] {
        let own = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("OpCases")
        let folder = folder.map { URL(fileURLWithPath: $0) } ?? own
        let text = try Data(contentsOf: folder.appendingPathComponent("\(family).jsonl"))
        return try text.split(separator: UInt8(ascii: "\n")).map { line in
            try OpCase(JSON(JSONSerialization.jsonObject(with: Data(line))), registry)
        }
    }

    private init(_ line: JSON, _ registry: OpRegistry) throws {
        op = try line["op"].string()
        name = try line["case"].string()
        also = try line["also"].list { try $0.string() }
        failure = try line["fails"].optional { try $0.string() }
        tolerance = try line["rtol"].optional { try $0.double() }
        let reader = CaseReader(registry: registry)
        if line["graph"].isThere {
            kind = .graph(
                try reader.graph(line),
                try line["runs"].list { run in
                    Run(
                        feeds: try run["feed"].pairs { try reader.tensor($0) }, fetches: try run["fetch"].list { try $0.string() },
                        targets: try run["target"].list { try $0.string() }, outputs: try reader.expected(run),
                        failure: try run["fails"].optional { try $0.string() })
                })
        } else {
            kind = .single(
                Single(
                    attributes: try reader.attributes(line["attr"], op: op), inputs: try line["in"].list { try reader.tensor($0) },
                    outputs: try reader.expected(line), outputGradients: try line["dy"].list { try $0.optional { try reader.tensor($0) } },
                    inputGradients: try line["dx"].list { try $0.optional { try reader.tensor($0) } }))
        }
    }
    package var label: String { "\(op): \(name)" }
}

/// Parses the table's notation; the ops' schemas give the kinds of attributes.
struct CaseReader {
    let registry: OpRegistry

    func expected(_ json: JSON) throws -> [OpCase.Expected] {
        let open = json["any"]
        let all = try open.optional { $0.isBool ? try $0.bool() : false } ?? false
        let some = try open.isThere && !open.isBool ? open.list { try $0.int() } : []
        return try json["out"].list { $0 }.enumerated().map { index, item in
            let isDetermined = !all && !some.contains(index)
            return OpCase.Expected(value: try tensor(item, isDetermined: isDetermined), isDetermined: isDetermined)
        }
    }

    func tensor(_ json: JSON, isDetermined: Bool = true) throws -> Tensor {
        let parts = try json.list { $0 }
        let (dtype, shape) = (try type(parts[0].string()), try Shape(validating: parts[1].list { try $0.int() }))
        guard isDetermined else { return try Tensor(dtype, shape) }
        let values = try parts[2].list { $0 }
        func fill<E: TensorElement>(_ read: (JSON) throws -> E) throws -> Tensor {
            var elements = try values.map(read)
            if elements.count == 1, shape.elementCount != 1 { elements = [E](repeating: elements[0], count: shape.elementCount) }
            guard elements.count == shape.elementCount else { throw JSON.Mistake(text: "\(elements.count) values for the shape \(shape)") }
            return Tensor(elements, ofShape: shape)
        }
        func complex<R: BinaryFloatingPoint>(_ make: (R, R) -> some TensorElement) throws -> Tensor {
            let numbers = try values.map { R(try $0.double()) }
            let pairs = stride(from: 0, to: numbers.count, by: 2).map { make(numbers[$0], numbers[$0 + 1]) }
            return Tensor(pairs.count == 1 ? Array(repeating: pairs[0], count: shape.elementCount) : pairs, ofShape: shape)
        }
        switch dtype {
        case .float32: return try fill { Float(try $0.double()) }
        case .float64: return try fill { try $0.double() }
        case .float16: return try fill { Float16(try $0.double()) }
        case .bfloat16: return try fill { BFloat16(Float(try $0.double())) }
        case .int8, .qint8: return try fill { Int8(try $0.int()) }.bitcast(to: dtype, shape)
        case .int16, .qint16: return try fill { Int16(try $0.int()) }.bitcast(to: dtype, shape)
        case .int32, .qint32: return try fill { Int32(try $0.int()) }.bitcast(to: dtype, shape)
        case .int64: return try fill { Int64(try $0.int()) }
        case .uint8, .quint8: return try fill { UInt8(try $0.int()) }.bitcast(to: dtype, shape)
        case .uint16, .quint16: return try fill { UInt16(try $0.int()) }.bitcast(to: dtype, shape)
        case .uint32: return try fill { UInt32(try $0.int()) }
        case .uint64: return try fill { try $0.unsigned() }
        case .bool: return try fill { try $0.int() != 0 }
        case .string: return try fill { bytes(try $0.string()) }
        case .complex64: return try complex { (re: Float, im: Float) in Complex64(re, im) }
        case .complex128: return try complex { (re: Double, im: Double) in Complex128(re, im) }
        default: throw JSON.Mistake(text: "no tensors of \(dtype) here")
        }
    }

    private func type(_ name: String) throws -> DType {
        guard let type = DType(name: name) else { throw JSON.Mistake(text: "no type '\(name)'") }
        return type
    }
    /// Each character is one byte.
    private func bytes(_ text: String) -> ByteString { ByteString(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }) }

    func attributes(_ json: JSON, op: String) throws -> Attributes {
        let kinds = try registry.require(op).schema.attributes
        return Attributes(
            Dictionary(
                uniqueKeysWithValues: try json.pairs { $0 }.map { name, value in
                    guard let spec = kinds.first(where: { $0.name == name }) else { return (name, try unlisted(value)) }
                    return (name, try attribute(value, spec.kind))
                }))
    }
    /// An attribute that is not in the op's schema.
    private func unlisted(_ json: JSON) throws -> AttributeValue {
        if json.isBool { return .bool(try json.bool()) }
        if let items = try? json.list({ try $0.string() }) { return .strings(items.map { bytes($0) }) }
        if let text = try? json.string() { return .string(bytes(text)) }
        return .int(try json.int())
    }
    private func attribute(_ json: JSON, _ kind: OpSchema.AttributeKind) throws -> AttributeValue {
        // An attribute of the enclosing function.
        if let name = try? json["placeholder"].string() { return .placeholder(name) }
        switch kind {
        case .string: return .string(bytes(try json.string()))
        case .int: return .int(try json.int())
        case .float: return .float(Float(try json.double()))
        case .bool: return .bool(try json.bool())
        case .type: return .type(try type(json.string()))
        case .shape: return .shape(try shape(json))
        case .tensor: return .tensor(try tensor(json))
        case .function: return .function(try function(json))
        case .strings: return .strings(try json.list { bytes(try $0.string()) })
        case .ints: return .ints(try json.list { try $0.int() })
        case .floats: return .floats(try json.list { Float(try $0.double()) })
        case .bools: return .bools(try json.list { try $0.bool() })
        case .types: return .types(try json.list { try type($0.string()) })
        case .shapes: return .shapes(try json.list { try shape($0) })
        case .tensors: return .tensors(try json.list { try tensor($0) })
        case .functions: return .functions(try json.list { try function($0) })
        }
    }
    private func shape(_ json: JSON) throws -> PartialShape {
        if (try? json.string()) == "unknown" { return .unknown }
        return PartialShape(try json.list { try $0.optional { try $0.int() } })
    }
    private func function(_ json: JSON) throws -> FunctionReference {
        if let name = try? json.string() { return FunctionReference(name) }
        let values = try json["attr"].pairs { try unlistedType($0) }
        return FunctionReference(try json["name"].string(), attributes: Dictionary(uniqueKeysWithValues: values))
    }
    /// An attribute of a function reference: often a type.
    private func unlistedType(_ json: JSON) throws -> AttributeValue {
        if let name = try? json.string(), let type = DType(name: name) { return .type(type) }
        return try unlisted(json)
    }

    func graph(_ json: JSON) throws -> GraphDefinition {
        var graph = GraphDefinition(
            nodes: try json["const"].pairs { try tensor($0) }.map { name, value in
                NodeDefinition(name: name, op: "Const", attributes: ["dtype": .type(value.dtype), "value": .tensor(value)])
            })
        for function in try json["library"].list({ try definition($0) }) { try graph.library.add(function) }
        let reader = CaseReader(
            registry: graph.library.functions.keys.reduce(registry) { registry, name in
                graph.library.op(name).map { registry.adding($0) } ?? registry
            })
        graph.nodes += try json["graph"].list { try reader.node($0) }
        if let producer = try json["producer"].optional({ try $0.int() }) { graph.versions = GraphVersions(producer: producer) }
        return graph
    }
    private func node(_ json: JSON) throws -> NodeDefinition {
        let op = try json["op"].string()
        return NodeDefinition(
            name: try json["name"].string(), op: op, inputs: try json["input"].list { try $0.string() },
            device: try json["device"].optional { try $0.string() } ?? "", attributes: try attributes(json["attr"], op: op))
    }
    private func definition(_ json: JSON) throws -> FunctionDefinition {
        func arguments(_ json: JSON) throws -> [OpSchema.Argument] {
            try json.list { pair in
                let parts = try pair.list { try $0.string() }
                return OpSchema.Argument(name: parts[0], type: .fixed(try type(parts[1])))
            }
        }
        let nodes = try json["nodes"].list { try node($0) }
        return FunctionDefinition(
            name: try json["name"].string(), inputs: try arguments(json["in"]), outputs: try arguments(json["out"]), nodes: nodes,
            returns: Dictionary(uniqueKeysWithValues: try json["ret"].pairs { try $0.string() }),
            attributes: [:], isStateful: try nodes.contains { try registry.require($0.op).isStateful })
    }
}

/// A value in parsed JSON.
struct JSON {
    struct Mistake: Error { let text: String }
    private let value: Any?
    init(_ value: Any?) { self.value = value }

    subscript(name: String) -> JSON { JSON((value as? [String: Any])?[name]) }
    var isThere: Bool { value != nil && !(value is NSNull) }
    var isBool: Bool { (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? (value is Bool) }
    func optional<T>(_ read: (JSON) throws -> T) throws -> T? { isThere ? try read(self) : nil }
    func list<T>(_ read: (JSON) throws -> T) throws -> [T] {
        guard isThere else { return [] }
        guard let items = value as? [Any] else { throw mistake("a list") }
        return try items.map { try read(JSON($0)) }
    }
    func pairs<T>(_ read: (JSON) throws -> T) throws -> [(String, T)] {
        guard isThere else { return [] }
        guard let items = value as? [String: Any] else { throw mistake("an object") }
        return try items.sorted { $0.key < $1.key }.map { ($0.key, try read(JSON($0.value))) }
    }
    func string() throws -> String { try (value as? String) ?? { throw mistake("a string") }() }
    func bool() throws -> Bool { try (value as? NSNumber)?.boolValue ?? { throw mistake("a truth value") }() }
    func int() throws -> Int { try (value as? NSNumber)?.intValue ?? { throw mistake("an integer") }() }
    func unsigned() throws -> UInt64 { try (value as? NSNumber)?.uint64Value ?? { throw mistake("an integer") }() }
    func double() throws -> Double {
        if let number = value as? NSNumber { return number.doubleValue }
        switch value as? String {
        case "nan": return .nan
        case "inf": return .infinity
        case "-inf": return -.infinity
        default: throw mistake("a number")
        }
    }
    private func mistake(_ expected: String) -> Mistake { Mistake(text: "expected \(expected), found \(value.map { "\($0)" } ?? "nothing")") }
}
