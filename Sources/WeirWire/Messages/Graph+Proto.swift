package import WeirGraph
package import WeirProto
package import WeirTensor

extension MessageDecoder {
    /// Decodes a graph.
    /// - Throws: `invalidArgument` with the name of the node or function that cannot be decoded.
    package mutating func graph(_ message: TFGraphDef) throws(Status) -> GraphDefinition {
        var graph = GraphDefinition(
            library: try library(message.library), versions: GraphVersions(message.versions))
        graph.nodes.reserveCapacity(message.node.count)
        for node in message.node { graph.nodes.append(try self.node(node)) }
        var rest = TFGraphDef()
        rest.version = message.version
        if message.hasDebugInfo { rest.debugInfo = message.debugInfo }
        if !message.library.registeredGradients.isEmpty || !message.library.unknownFields.data.isEmpty {
            rest.library.registeredGradients = message.library.registeredGradients
            rest.library.unknownFields = message.library.unknownFields
        }
        rest.unknownFields = message.unknownFields
        graph.preserved = try rest.bytes()
        return graph
    }

    package mutating func library(_ message: TFFunctionDefLibrary) throws(Status) -> FunctionLibrary {
        var library = FunctionLibrary()
        for function in message.function { try library.add(try self.function(function)) }
        for gradient in message.gradient { library.gradients[gradient.functionName] = gradient.gradientFunc }
        return library
    }
}

extension GraphDefinition {
    package init(_ message: TFGraphDef, variants: VariantDecoders = .none) throws(Status) {
        var decoder = MessageDecoder(variants: variants)
        self = try decoder.graph(message)
    }
}

extension TFGraphDef {
    /// Encodes a graph.
    /// - Throws: `invalidArgument` when an attribute contains a variant that cannot be serialized.
    package init(_ graph: GraphDefinition) throws(Status) {
        if graph.preserved.isEmpty { self.init() } else { try self.init(parsing: graph.preserved) }
        node.reserveCapacity(graph.nodes.count)
        for definition in graph.nodes { node.append(try TFNodeDef(definition)) }
        if !graph.library.isEmpty {
            let functions = try TFFunctionDefLibrary(graph.library)
            library.function = functions.function
            library.gradient = functions.gradient
        }
        if graph.versions != GraphVersions(producer: 0) { versions = TFVersionDef(graph.versions) }
    }
}

extension TFFunctionDefLibrary {
    /// Encodes a library, with functions and gradients sorted by name.
    package init(_ library: FunctionLibrary) throws(Status) {
        self.init()
        for (_, definition) in library.functions.sorted(by: { $0.key < $1.key }) {
            function.append(try TFFunctionDef(definition))
        }
        gradient = library.gradients.sorted { $0.key < $1.key }.map { name, gradientName in
            var message = TFGradientDef()
            message.functionName = name
            message.gradientFunc = gradientName
            return message
        }
    }
}

extension GraphVersions {
    package init(_ message: TFVersionDef) {
        self.init(
            producer: Int(message.producer), minimumConsumer: Int(message.minConsumer),
            badConsumers: message.badConsumers.map { Int($0) })
    }
}

extension TFVersionDef {
    package init(_ versions: GraphVersions) {
        self.init()
        producer = Int32(clamping: versions.producer)
        minConsumer = Int32(clamping: versions.minimumConsumer)
        badConsumers = versions.badConsumers.map { Int32(clamping: $0) }
    }
}
