package import WeirTensor

/// Builds the nodes of a `ShardingPlan`: a copy of each node on every device that computes a part of it, with explicit
/// communication between them.
///
/// All this is an ordinary graph, so that its gradients are those of the model by construction.
package struct ShardedGraph {
    private let plan: ShardingPlan
    private let builder: GraphBuilder
    private let communication: ShardCommunication
    private var tensors: [Endpoint: ShardedTensor]
    private var operations: [NodeID: [Operation]] = [:]
    /// Tensors in other layouts, and whole tensors that were sent, so that this is done once for all uses.
    private var conversions: [Conversion: ShardedTensor] = [:]
    private var sent: [Arrival: Output] = [:]
    private var backEdges: [(node: NodeID, input: Int)] = []

    private struct Conversion: Hashable {
        let endpoint: Endpoint
        let sharding: TensorSharding
    }
    private struct Arrival: Hashable {
        let conversion: Conversion
        let position: Int
    }
    private var mesh: DeviceMesh { plan.mesh }
    private var graph: Graph { plan.graph }

    /// Builds all nodes of a plan in the builder's current scopes.
    /// - Parameter replacing: what stands for outputs of the graph, such as the handles of variables, in the layouts of the plan.
    /// - Throws: the first error of building; `invalidArgument` when a replacement has another layout.
    package init(_ plan: ShardingPlan, in builder: GraphBuilder, replacing: [Endpoint: ShardedTensor]) throws(Status) {
        self.plan = plan
        self.builder = builder
        communication = ShardCommunication(builder: builder, mesh: plan.mesh)
        tensors = replacing
        for (endpoint, tensor) in replacing where plan.nodes[endpoint.node] != nil {
            guard tensor.sharding == plan.sharding(of: endpoint), tensor.copies.count == mesh.devices.count else {
                throw .invalidArgument("What stands for '\(graph.nodes[endpoint.node].name)' is not laid out on the mesh \(mesh) as the plan says")
            }
        }
        builder.addLibrary(graph.library)
        for id in plan.order
        where graph.nodes[id].outputTypes.isEmpty || graph.nodes[id].outputTypes.indices.contains(where: { replacing[Endpoint(id, $0)] == nil }) {
            try build(id)
        }
        for edge in backEdges {
            guard let merge = operations[edge.node]?.first else { continue }
            builder.replaceInput(edge.input, of: merge, with: try whole(graph.nodes[edge.node].inputs[edge.input]))
        }
        if let failure = builder.failure { throw failure }
    }

    /// The whole value of an output, on the mesh's first device.
    /// - Throws: `invalidArgument` when the plan does not compute it.
    package mutating func whole(_ endpoint: Endpoint) throws(Status) -> Output { try value(endpoint, in: .whole(mesh), at: 0, for: nil) }

    /// The first copy of a node; nil if it is not built.
    package func operation(_ id: NodeID) -> Operation? { operations[id]?.first }
    /// What the devices have of an output; nil if it is not computed.
    package subscript(endpoint: Endpoint) -> ShardedTensor? { tensors[endpoint] }

    private mutating func build(_ id: NodeID) throws(Status) {
        let node = graph.nodes[id]
        guard let sharding = plan.nodes[id] else { throw .internalError("Node '\(node.name)' has no sharding") }
        var copies = Array(repeating: [Output?](repeating: nil, count: mesh.devices.count), count: node.outputTypes.count)
        var built: [Operation] = []
        for position in mesh.positions(sharding.spans) {
            var inputs: [Output] = []
            for index in node.inputs.indices { inputs.append(try input(index, of: id, node, sharding, inputs.first, at: position)) }
            let outputs = try add(id, node, sharding, inputs, position, &built)
            for (index, output) in outputs.enumerated() where copies.indices.contains(index) { copies[index][position] = output }
        }
        operations[id] = built
        let isUndivided = !sharding.divisions.contains { $0 != .none }
        for index in copies.indices where tensors[Endpoint(id, index)] == nil {
            let tensor = ShardedTensor(isUndivided ? .whole(mesh) : sharding.outputs[index], copies[index])
            // An input of the graph is fed whole and then cut as the plan says.
            tensors[Endpoint(id, index)] =
                tensor.sharding == sharding.outputs[index] ? tensor : try communication.converted(tensor, to: sharding.outputs[index], node.name)
        }
    }

    /// Input `index` of the copy of a node at `position`.
    private mutating func input(
        _ index: Int, of id: NodeID, _ node: Node, _ sharding: NodeSharding, _ first: Output?, at position: Int
    ) throws(Status) -> Output {
        let endpoint = node.inputs[index]
        if tensors[endpoint] == nil, plan.facts.constants[endpoint] == nil, node.role == .merge, graph.nodes[endpoint.node].role == .nextIteration, let first {
            // The back edge of a loop is closed when its source is built.
            backEdges.append((id, index))
            return first
        }
        return try value(endpoint, in: sharding.inputs[index], at: position, for: sharding)
    }

    /// A value in a layout, as the device at `position` needs it.
    private mutating func value(_ endpoint: Endpoint, in needed: TensorSharding, at position: Int, for user: NodeSharding?) throws(Status) -> Output {
        let conversion = Conversion(endpoint: endpoint, sharding: needed)
        let node = graph.nodes[endpoint.node]
        if let constant = plan.facts.constants[endpoint] { return constantPart(constant, conversion, node.name, at: position) }
        guard let tensor = tensors[endpoint] else { throw .internalError("Value \(endpoint.index) of node '\(node.name)' is used before it is built") }
        if tensor.sharding != needed, conversions[conversion] == nil {
            conversions[conversion] = try communication.converted(tensor, to: needed, node.name)
        }
        let copies = (conversions[conversion] ?? tensor).copies
        if let copy = copies[position] { return copy }
        guard let output = copies[owner(of: needed, for: position)] else {
            throw .internalError("No device has '\(node.name)' for device \(mesh.devices[position])")
        }
        if output.dtype == .resource { return output }
        let arrival = Arrival(conversion: conversion, position: position)
        if let copy = sent[arrival] { return copy }
        let copy = communication.sent(output, to: position, node.name)
        sent[arrival] = copy
        return copy
    }

    /// The device that sends the device at `position` a tensor: the first along all axes in which the tensor is whole.
    private func owner(of sharding: TensorSharding, for position: Int) -> Int {
        mesh.axes.indices.reduce(position) { sharding.placements[$1] == .whole ? mesh.position($0, along: $1, at: 0) : $0 }
    }

    /// The part of a constant that the device at `position` needs.
    private mutating func constantPart(_ constant: Tensor, _ conversion: Conversion, _ name: String, at position: Int) -> Output {
        let arrival = Arrival(conversion: conversion, position: position)
        if let made = sent[arrival] { return made }
        let output = communication.on(position) {
            let whole = builder.constant(constant, name: name)
            var begin = [Int](repeating: 0, count: constant.rank), size = constant.shape.dimensions
            for axis in mesh.axes.indices {
                guard let dimension = conversion.sharding.dimension(cutAlong: axis), size.indices.contains(dimension) else { continue }
                size[dimension] /= mesh.axes[axis].size
                begin[dimension] = size[dimension] * mesh.index(of: position, along: axis)
            }
            if size == constant.shape.dimensions { return whole }
            let bounds = [begin, size].map { builder.constant(Tensor($0.map { Int64($0) })) }
            return builder.add("Slice", [whole] + bounds, name: "\(name)/part")[0]
        }
        sent[arrival] = output
        return output
    }

    /// Adds the copy of a node at `position` and returns its outputs.
    private func add(
        _ id: NodeID, _ node: Node, _ sharding: NodeSharding, _ inputs: [Output], _ position: Int, _ built: inout [Operation]
    ) throws(Status) -> [Output] {
        let rule = plan.facts.rules[id]?.rule
        var parts: [DimensionLabel: (count: Int, index: Int)] = [:]
        for (axis, division) in sharding.divisions.enumerated() {
            if case .label(let label) = division { parts[label] = (mesh.axes[axis].size, mesh.index(of: position, along: axis)) }
        }
        if rule?.needsOnePart == true {
            for (index, input) in sharding.inputs.enumerated() {
                for axis in mesh.axes.indices {
                    if let dimension = input.dimension(cutAlong: axis), let label = rule?.label(ofInput: index, dimension), label != .whole {
                        parts[label] = (mesh.axes[axis].size, 0)
                    }
                }
            }
        }
        let local = LocalNode(
            builder: builder, node: node, inputs: inputs, outputShapes: node.outputTypes.indices.map { plan.facts.source.shape(Endpoint(id, $0)) }, parts: parts
        )
        let controls = node.controlInputs.flatMap { operations[$0] ?? [] }
        func build() throws(Status) -> [Output] {
            try builder.controlDependencies(controls) { () throws(Status) -> [Output] in
                guard let compute = rule?.local, !parts.isEmpty else {
                    let operation = local.operation(inputs)
                    built.append(operation)
                    return node.outputTypes.indices.map { operation[$0] }
                }
                do {
                    let outputs = try compute(local)
                    built += outputs.map(\.operation)
                    return outputs
                } catch { throw Status(error) }
            }
        }
        if let handle = inputs.firstIndex(where: { $0.dtype == .resource || $0.isReference }) {
            // What uses a variable runs on the variable's device; the result is sent to the device that needs it.
            let outputs = try builder.colocate(with: inputs[handle].operation, build)
            let owner = owner(of: sharding.inputs[handle], for: position)
            return owner == position ? outputs : outputs.map { communication.sent($0, to: position, node.name) }
        }
        let isUndivided = !sharding.divisions.contains { $0 != .none }
        return try builder.device(mesh.devices[position]) { () throws(Status) in
            // A device that the model asks for counts where one device computes the node.
            isUndivided && !node.requestedDevice.isEmpty ? try builder.device(node.requestedDevice, build) : try build()
        }
    }
}
