import Synchronization
public import WeirTensor

/// Builds a graph node by node.
///
/// Building neither throws nor traps. The builder keeps the first error, with the source location of the call, and `graph()`
/// throws it. Only one thread may use a builder at a time.
public final class GraphBuilder: @unchecked Sendable {  // used by one thread at a time, as documented
    /// The ops that nodes may have.
    public let registry: OpRegistry
    private(set) var built: Graph
    private var shapes: [[PartialShape]] = []
    private var handleShapes: [Endpoint: (dtype: DType, shape: PartialShape)] = [:]
    private var scopeNames: [String: Int] = [:]
    private var scope = BuildScope()
    /// The first error made while building; nil if there is none.
    private(set) public var failure: Status?
    /// Values found during shape inference. `incompleteValues` holds values that are not completely known: they are discarded when a
    /// shape is refined, because more may then be known.
    private var knownValues: [Endpoint: KnownValue] = [:]
    private var incompleteValues: [Endpoint: KnownValue?] = [:]
    /// The variables declared with this builder so far, in order; those of optimizers are among them.
    public internal(set) var variables: [Variable] = []
    /// Named lists of outputs and operations that users keep with a graph: `trainable_variables`, `losses`…
    package var collections: [String: [Endpoint]] = [:]

    /// A builder of an empty graph.
    public init(registry: OpRegistry) {
        self.registry = registry
        built = Graph()
    }
    /// A builder that adds to an existing graph. It infers the shapes of the graph's nodes. If an edge of the graph comes from an
    /// output that does not exist, the builder is empty and has that error.
    public init(extending graph: Graph, registry: OpRegistry) {
        self.registry = registry
        built = Graph()
        do throws(Status) { try graph.validate() } catch {
            failure = error
            return
        }
        built = graph
        for id in graph.nodes.indices { infer(id) }
    }

    /// The graph built so far.
    /// - Throws: the first error made while building.
    public func graph() throws(Status) -> Graph {
        if let failure { throw failure }
        return built
    }

    /// Adds a node of any op.
    ///
    /// - Parameters:
    ///   - inputs: all data inputs in order; the elements of lists follow each other.
    ///   - attributes: attributes that do not follow from the inputs. Types and counts usually do.
    /// - Returns: the operation; after an error, one with substitute outputs.
    @discardableResult
    public func add(
        _ op: String, _ inputs: [Output] = [], name: String? = nil, attributes: Attributes = [:],
        controls: [Operation] = [], device: String? = nil, file: StaticString = #fileID, line: UInt = #line
    ) -> Operation {
        do {
            return Operation(self, try insert(op, inputs, name, attributes, controls, device))
        } catch {
            var status = Status(error)
            status.message += " (built at \(file):\(line))"
            record(status)
            return Operation(self, placeholderForFailure())
        }
    }

    /// Adds a function to the graph's library.
    public func addFunction(_ function: FunctionDefinition) {
        do { try built.library.add(function) } catch { record(error) }
    }
    /// Adds the functions of a library, and the gradient functions declared for them. Functions and declarations that are there stay.
    package func addLibrary(_ library: FunctionLibrary) {
        for function in library.functions.values where built.library[function.name] == nil { addFunction(function) }
        built.library.gradients.merge(library.gradients) { present, _ in present }
    }
    /// The functions of the graph's library.
    public var library: FunctionLibrary { built.library }

    /// Keeps `status` if it is the first error.
    public func record(_ status: Status) { if failure == nil { failure = status } }

    /// The node of this ID, which must exist.
    package func node(_ id: NodeID) -> Node { built.nodes[id] }
    /// The output at this endpoint, for example of a collection; nil if there is none.
    public func output(at endpoint: Endpoint) -> Output? { exists(endpoint) ? Output(self, endpoint) : nil }
    private func exists(_ endpoint: Endpoint) -> Bool {
        built.nodes.indices.contains(endpoint.node) && built.nodes[endpoint.node].outputTypes.indices.contains(endpoint.index)
    }
    /// An error if an output does not exist or belongs to another graph; otherwise nil. After the first error, nodes that could
    /// not be built have no outputs, so that the substitutes for these are accepted.
    /// - Parameter use: names what the output is used for.
    func missing(_ output: Output, _ use: String) -> Status? {
        guard output.builder === self else { return .invalidArgument("\(use): \(output.endpoint) belongs to another graph") }
        guard failure == nil, !exists(output.endpoint) else { return nil }
        let node = built.nodes[output.endpoint.node]
        return .invalidArgument("\(use): Node '\(node.name)' has \(node.outputTypes.count) outputs, found index \(output.endpoint.index)")
    }
    /// An error if an operation belongs to another graph; otherwise nil.
    func missing(_ operation: Operation, _ use: String) -> Status? {
        operation.builder === self
            ? nil : .invalidArgument("\(use): operation '\(operation.name)' belongs to another graph")
    }
    /// An output that stands for one that could not be built, after the error is recorded.
    func substitute(_ dtype: DType = .float32) -> Output { add("Placeholder", name: "failed", attributes: ["dtype": .type(dtype)])[0] }
    /// The node of this name; nil if there is none.
    public func node(named name: String) -> Node? { built.node(named: name) }
    /// The operation of this name; nil if there is none.
    public func operation(named name: String) -> Operation? { built.index[name].map { Operation(self, $0) } }
    /// The number of nodes built so far.
    public var nodeCount: Int { built.nodes.count }

    func portType(_ endpoint: Endpoint) -> PortType {
        let types = built.nodes[endpoint.node].outputTypes
        return types.indices.contains(endpoint.index) ? types[endpoint.index] : PortType(.float32)
    }
    func shape(_ endpoint: Endpoint) -> PartialShape {
        // A loop's back edge comes from a node whose shapes are not inferred yet.
        guard shapes.indices.contains(endpoint.node) else { return .unknown }
        let known = shapes[endpoint.node]
        return known.indices.contains(endpoint.index) ? known[endpoint.index] : .unknown
    }
    /// Element type and shape of the variable whose handle this output is; nil if they are not known.
    package func handleShape(_ endpoint: Endpoint) -> (dtype: DType, shape: PartialShape)? { handleShapes[endpoint] }

    /// Merges `shape` into the inferred shape of an output. Records an error if they contradict each other.
    package func refineShape(of output: Output, _ shape: PartialShape) {
        if let status = missing(output, "refineShape") { return record(status) }
        guard shapes[output.endpoint.node].indices.contains(output.endpoint.index) else { return }
        do {
            shapes[output.endpoint.node][output.endpoint.index] = try output.shape.merging(shape)
            incompleteValues.removeAll()
        } catch { record(error) }
    }

    /// Replaces input `index` of an existing node, for example to close a loop.
    package func replaceInput(_ index: Int, of operation: Operation, with output: Output) {
        if let status = missing(operation, "replaceInput") ?? missing(output, "replaceInput") { return record(status) }
        guard built.nodes[operation.id].inputs.indices.contains(index) else {
            return record(.invalidArgument("Node '\(operation.name)' has no input \(index)"))
        }
        let (expected, found) = (built.nodes[operation.id].inputTypes[index], portType(output.endpoint))
        guard expected.dtype == found.dtype, found.isReference || !expected.isReference else {
            return record(.invalidArgument("Input \(index) of node '\(operation.name)' must be \(expected), found \(found) ('\(output.name)')"))
        }
        built.nodes[operation.id].inputs[index] = output.endpoint
    }
    /// Adds a control edge from `control` to `operation`, unless there is one.
    public func addControl(_ control: Operation, to operation: Operation) {
        if let status = missing(control, "addControl") ?? missing(operation, "addControl") { return record(status) }
        if !built.nodes[operation.id].controlInputs.contains(control.id) {
            built.nodes[operation.id].controlInputs.append(control.id)
        }
    }

    /// Replaces the colocation groups of an existing node: `loc:@` and the names of nodes.
    package func setColocation(of operation: Operation, _ groups: [String]) {
        built.nodes[operation.id].attributes["_class"] = .strings(groups.map { ByteString($0) })
    }

    func scoped<R, E: Error>(_ change: (inout BuildScope) -> Void, _ body: () throws(E) -> R) throws(E) -> R {
        let outer = scope
        defer { scope = outer }
        change(&scope)
        return try body()
    }

    /// The name scope of nodes that are built now, without a slash at the end.
    public var scopeName: String { scope.name }
    /// An unused node name in the current scope.
    public func uniqueName(_ base: String) -> String { unique(scope.name.isEmpty ? base : "\(scope.name)/\(base)") }
    func uniqueScope(_ base: String) -> String { unique(scope.name.isEmpty ? base : "\(scope.name)/\(base)") }
    private func unique(_ full: String) -> String {
        let count = scopeNames[full, default: 0]
        scopeNames[full] = count + 1
        if count == 0, built.index[full] == nil { return full }
        var number = max(count, 1)
        while built.index["\(full)_\(number)"] != nil || scopeNames["\(full)_\(number)"] != nil { number += 1 }
        scopeNames["\(full)_\(number)"] = 1
        return "\(full)_\(number)"
    }

    private func insert(
        _ opName: String, _ inputs: [Output], _ name: String?, _ attributes: Attributes, _ controls: [Operation], _ device: String?
    ) throws -> NodeID {
        let op = try registry[opName] ?? built.library.op(opName) ?? registry.require(opName)
        for input in inputs { if let status = missing(input, opName) { throw status } }
        for control in controls { if let status = missing(control, opName) { throw status } }
        let types = inputs.map { portType($0.endpoint) }
        let completed = try op.schema.inferring(attributes, from: types, op: opName)
        var node = try Node(name: uniqueName(name ?? opName), op: op, attributes: completed)
        guard node.inputTypes.count == inputs.count else {
            throw Status.invalidArgument("\(opName) takes \(node.inputTypes.count) inputs, found \(inputs.count)")
        }
        for (position, (expected, found)) in zip(node.inputTypes, types).enumerated()
        where expected.dtype != found.dtype || (expected.isReference && !found.isReference) {
            throw Status.invalidArgument("\(opName): input \(position) must be \(expected), found \(found) ('\(inputs[position].name)')")
        }
        node.inputs = inputs.map(\.endpoint)
        let controlIDs = scope.controls + controls.map(\.id)
        node.controlInputs = controlIDs.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        if !scope.colocation.isEmpty, node.attributes["_class"] == nil {
            node.attributes["_class"] = .strings(scope.colocation.map { ByteString($0) })
        }
        var definition = NodeDefinition(
            name: node.name, op: opName, inputs: node.inputs.map { "\(built.nodes[$0.node].name):\($0.index)" },
            attributes: node.attributes)
        definition.device = ""
        node.requestedDevice = try device ?? scope.device.device(for: definition)
        let id = try built.add(node)
        infer(id)
        return id
    }

    private func infer(_ id: NodeID) {
        let node = built.nodes[id]
        var context = ShapeContext(node: node, builder: self)
        do {
            try node.op.shapeFunction?(&context)
        } catch {
            let status = Status(error)
            record(Status(status.code, "\(status.message) for '\(node.name)' (op: '\(node.op.name)')"))
        }
        shapes.append(context.outputs)
        for (index, handle) in context.handles { handleShapes[Endpoint(id, index)] = handle }
    }

    /// The value of an endpoint that is a constant or is computed from constants and known shapes; otherwise nil.
    func constant(_ endpoint: Endpoint) -> Tensor? { knownValue(endpoint)?.tensor(portType(endpoint).dtype) }

    /// What is known of an endpoint's value; nil if nothing is.
    func knownValue(_ endpoint: Endpoint) -> KnownValue? {
        if let known = cachedKnownValue(endpoint) { return known }
        var search = KnownValueSearch(self)
        let value = search.value(of: endpoint)
        for (other, value) in search.found {
            if let value, value.isComplete {
                knownValues[other] = value
            } else if !search.hasReachedLimit || other == endpoint {
                incompleteValues[other] = .some(value)
            }
        }
        return value
    }
    /// The result of an earlier search; nil if there was none.
    func cachedKnownValue(_ endpoint: Endpoint) -> KnownValue?? {
        if let value = knownValues[endpoint] { return .some(value) }
        return incompleteValues[endpoint]
    }

    private func placeholderForFailure() -> NodeID {
        let op = OpDefinition("NoOp", "() -> ()")
        if let node = try? Node(name: unique("failed"), op: op), let id = try? built.add(node) {
            shapes.append([])
            return id
        }
        return 0
    }
}

extension OpSchema {
    /// The given attributes, and those that follow from the types of the inputs.
    func inferring(_ given: Attributes, from types: [PortType], op: String) throws(Status) -> Attributes {
        var result = given
        var position = 0
        for (index, argument) in inputs.enumerated() {
            // A list without a given length consists of the inputs that the later arguments do not need.
            func remaining() -> Int {
                let later = inputs[(index + 1)...].reduce(0) { sum, next in
                    if case .list(let name) = next.type { return sum + (result.types(name)?.count ?? 0) }
                    if let name = next.countAttribute { return sum + min(max(0, result.int(name) ?? 0), OpSchema.maximumPortCount) }
                    return sum + 1
                }
                return max(0, types.count - position - later)
            }
            switch argument.type {
            case .list(let name):
                let count = result.types(name)?.count ?? remaining()
                let end = position + max(0, min(count, types.count - position))
                if result[name] == nil { result[name] = .types(types[position..<end].map(\.dtype)) }
                position = end
            case .fixed, .attribute:
                var count = 1
                if let name = argument.countAttribute {
                    count = result.int(name) ?? remaining()
                    if result[name] == nil { result[name] = .int(count) }
                }
                if case .attribute(let name) = argument.type, result[name] == nil, position < types.count, count > 0 {
                    result[name] = .type(types[position].dtype)
                }
                position += max(0, min(count, types.count - position))
            }
        }
        return result
    }
}

extension GraphBuilder {
    /// The shapes of a node's outputs, computed by the op's shape function from the shapes of its inputs and from those values
    /// that are given. Nil if the shape function throws.
    package static func outputShapes(of request: KernelRequest, _ inputs: [(shape: Shape, value: Tensor?)]) -> [PartialShape]? {
        let builder = GraphBuilder(registry: OpRegistry())
        do {
            var node = try Node(name: request.name, op: request.op, attributes: request.attributes)
            let known = OpDefinition("_Known", "() -> (output: T)", "T: type")
            for (input, type) in zip(inputs, request.inputTypes) {
                let id = try builder.built.add(
                    try Node(name: builder.unique("known"), op: known, attributes: ["T": .type(type.dtype)]))
                builder.shapes.append([PartialShape(input.shape)])
                if let value = input.value { builder.knownValues[Endpoint(id)] = .tensor(value) }
                node.inputs.append(Endpoint(id))
            }
            builder.infer(try builder.built.add(node))
        } catch {
            return nil
        }
        return builder.failure == nil ? builder.shapes.last : nil
    }
}
