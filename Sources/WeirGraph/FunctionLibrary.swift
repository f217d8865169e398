public import WeirTensor

/// The functions that nodes of a graph call, and the gradient functions declared for them.
public struct FunctionLibrary: Sendable, Equatable {
    public private(set) var functions: [String: FunctionDefinition] = [:]
    /// Function name → name of its gradient function.
    public var gradients: [String: String] = [:]

    public init(_ functions: [FunctionDefinition] = []) {
        for function in functions { self.functions[function.name] = function }
    }
    public subscript(name: String) -> FunctionDefinition? { functions[name] }
    public var isEmpty: Bool { functions.isEmpty && gradients.isEmpty }

    /// Adds a function; the same one twice is fine.
    /// - Throws: `invalidArgument` when another of that name is there.
    public mutating func add(_ function: FunctionDefinition) throws(Status) {
        if let present = functions[function.name], present != function {
            throw .invalidArgument("Cannot add function '\(function.name)' because a different function with the same name already exists.")
        }
        functions[function.name] = function
    }
    public mutating func merge(_ other: FunctionLibrary) throws(Status) {
        for function in other.functions.values { try add(function) }
        gradients.merge(other.gradients) { $1 }
    }
    /// The op that a node calling this function is.
    public func op(_ name: String) -> OpDefinition? { functions[name].map { OpDefinition(function: $0) } }
}

/// A function: a signature and a body. TensorFlow's `FunctionDef`.
///
/// In the body an input is an argument's name, or `node:output name:index` with an optional index.
public struct FunctionDefinition: Sendable, Equatable {
    public var name: String
    public var inputs: [OpSchema.Argument]
    public var outputs: [OpSchema.Argument]
    public var attributeSpecs: [OpSchema.AttributeSpec]
    public var nodes: [NodeDefinition]
    /// Output name → where its value comes from.
    public var returns: [String: String]
    /// Control output name → node.
    public var controlReturns: [String: String]
    public var attributes: Attributes
    public var isStateful: Bool
    public var preserved: [UInt8] = []

    public init(
        name: String, inputs: [OpSchema.Argument], outputs: [OpSchema.Argument],
        attributeSpecs: [OpSchema.AttributeSpec] = [], nodes: [NodeDefinition], returns: [String: String],
        controlReturns: [String: String] = [:], attributes: Attributes = [:], isStateful: Bool = false
    ) {
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.attributeSpecs = attributeSpecs
        self.nodes = nodes
        self.returns = returns
        self.controlReturns = controlReturns
        self.attributes = attributes
        self.isStateful = isStateful
    }

    public var schema: OpSchema { OpSchema(inputs: inputs, outputs: outputs, attributes: attributeSpecs) }
}

extension FunctionLibrary {
    /// Just the functions that the nodes of a graph can call, directly or through others.
    public func reachable(from graph: Graph) -> FunctionLibrary {
        guard !isEmpty else { return self }
        var names: [String] = []
        for node in graph.nodes {
            if functions[node.op.name] != nil { names.append(node.op.name) }
            names += node.attributes.functionNames
        }
        return reachable(from: names)
    }
    /// Just the functions that a node with these attributes can call, directly or through others.
    public func reachable(from attributes: Attributes) -> FunctionLibrary {
        isEmpty ? self : reachable(from: attributes.functionNames)
    }

    private func reachable(from names: [String]) -> FunctionLibrary {
        var result = FunctionLibrary()
        var names = names
        while let name = names.popLast() {
            guard result[name] == nil, let function = functions[name] else { continue }
            result.functions[name] = function
            if let gradient = gradients[name] {
                result.gradients[name] = gradient
                names.append(gradient)
            }
            for node in function.nodes {
                if functions[node.op] != nil { names.append(node.op) }
                names += node.attributes.functionNames
            }
        }
        return result
    }
}

extension Attributes {
    /// The functions that the attributes name.
    public var functionNames: [String] {
        values.values.flatMap { value -> [String] in
            switch value {
            case .function(let reference): [reference.name]
            case .functions(let references): references.map(\.name)
            default: []
            }
        }
    }
}
