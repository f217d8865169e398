public import WeirTensor

/// The functions that a graph's nodes call, and the gradient functions declared for them. TensorFlow's `FunctionDefLibrary`.
public struct FunctionLibrary: Sendable, Equatable {
    /// The functions by name.
    public private(set) var functions: [String: FunctionDefinition] = [:]
    /// The names of the gradient functions, by the names of their functions.
    public var gradients: [String: String] = [:]

    /// A library of these functions. Of functions with the same name, the last one stays.
    public init(_ functions: [FunctionDefinition] = []) {
        for function in functions { self.functions[function.name] = function }
    }
    /// The function of this name; nil if there is none.
    public subscript(name: String) -> FunctionDefinition? { functions[name] }
    /// Whether there are neither functions nor gradients.
    public var isEmpty: Bool { functions.isEmpty && gradients.isEmpty }

    /// Adds a function. Adding an equal function again has no effect.
    /// - Throws: `invalidArgument` when there is a different function of the same name.
    public mutating func add(_ function: FunctionDefinition) throws(Status) {
        if let present = functions[function.name], present != function {
            throw .invalidArgument("Cannot add function '\(function.name)' because a different function with the same name already exists.")
        }
        functions[function.name] = function
    }
    /// Adds the functions and gradients of another library. Its gradients replace existing ones.
    /// - Throws: `invalidArgument` when there is a different function of the same name.
    public mutating func merge(_ other: FunctionLibrary) throws(Status) {
        for function in other.functions.values { try add(function) }
        gradients.merge(other.gradients) { $1 }
    }
    /// The op of nodes that call this function; nil if there is no such function.
    public func op(_ name: String) -> OpDefinition? { functions[name].map { OpDefinition(function: $0) } }
}

/// A function: a signature and a body. TensorFlow's `FunctionDef`.
///
/// An input of a node in the body is an argument's name or `node:output name`, each with an optional `:index`.
public struct FunctionDefinition: Sendable, Equatable {
    /// The function's name, unique in the library.
    public var name: String
    /// The arguments, in order.
    public var inputs: [OpSchema.Argument]
    /// The results, in order.
    public var outputs: [OpSchema.Argument]
    /// The attributes that a caller may give.
    public var attributeSpecs: [OpSchema.AttributeSpec]
    /// The nodes of the body, in any order.
    public var nodes: [NodeDefinition]
    /// For each result's name, the input reference that gives its value.
    public var returns: [String: String]
    /// For each control output's name, the node that always runs.
    public var controlReturns: [String: String]
    /// Attributes of the function itself, such as `_noinline`.
    public var attributes: Attributes
    /// Whether a node of the body is stateful.
    public var isStateful: Bool
    /// Serialized fields of the `FunctionDef` that Weir does not read.
    package var preserved: [UInt8] = []

    /// A function of these parts. They are not checked.
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

    /// The schema of the op whose nodes call the function.
    public var schema: OpSchema { OpSchema(inputs: inputs, outputs: outputs, attributes: attributeSpecs) }
}

extension FunctionLibrary {
    /// Only the functions that the nodes of a graph can call, directly or through other functions.
    package func reachable(from graph: Graph) -> FunctionLibrary {
        guard !isEmpty else { return self }
        var names: [String] = []
        for node in graph.nodes {
            if functions[node.op.name] != nil { names.append(node.op.name) }
            names += node.attributes.functionNames
        }
        return reachable(from: names)
    }
    /// Only the functions that a node with these attributes can call, directly or through other functions.
    package func reachable(from attributes: Attributes) -> FunctionLibrary {
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
    /// The names of the functions in these attributes, and in the attributes that those functions are called with: a body may
    /// call a function that the caller passes as an attribute.
    public var functionNames: [String] {
        var names: [String] = []
        var pending = Array(values.values)
        while let value = pending.popLast() {
            let references: [FunctionReference] =
                switch value {
                case .function(let reference): [reference]
                case .functions(let references): references
                default: []
                }
            for reference in references {
                names.append(reference.name)
                pending += reference.attributes.values
            }
        }
        return names
    }
}
