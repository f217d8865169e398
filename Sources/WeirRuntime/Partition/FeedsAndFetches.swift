package import WeirGraph
package import WeirTensor

/// Rewrites a graph for the steps with the same feeds, fetches and targets. Fed tensors become inputs of the graph, fetched
/// tensors become outputs, and nodes that no fetch and no target needs are removed. TensorFlow's `RewriteGraphForExecution`.
package struct FeedsAndFetches: Sendable {
    /// The names of the fed tensors (`x:0`).
    package var feeds: [String]
    /// The names of the fetched tensors.
    package var fetches: [String]
    /// The names of nodes that run only for their effect.
    package var targets: [String]

    /// How tensors enter and leave the graph.
    package enum Style: Sendable {
        /// As arguments and results of a call, within one process.
        case call
        /// Through the step's rendezvous, as between TensorFlow's masters and workers.
        case rendezvous(device: DeviceName, incarnation: UInt64)
    }

    /// Describes steps by the names of their feeds, fetches and targets.
    package init(feeds: [String], fetches: [String], targets: [String]) {
        self.feeds = feeds
        self.fetches = fetches
        self.targets = targets
    }

    /// Checks that all feeds, fetches and targets exist.
    /// - Throws: `notFound` for a name that is not in the graph; `invalidArgument` when there is nothing to run, an output does
    ///   not exist, or a tensor is fed twice or both fed and fetched.
    package func check(_ graph: Graph) throws {
        guard !fetches.isEmpty || !targets.isEmpty else {
            throw Status.invalidArgument("Must specify at least one target to fetch or execute.")
        }
        var fed = Set<String>()
        for feed in feeds {
            let (endpoint, node) = try resolve(feed, in: graph, missing: "FeedInputs: unable to find feed output \(feed)")
            guard !node.outputTypes.isEmpty else { throw Status.invalidArgument("Tried to feed a value to '\(feed)', which produces no output.") }
            guard fed.insert("\(endpoint.node):\(endpoint.index)").inserted else {
                throw Status.invalidArgument("Endpoint \(feed) fed more than once.")
            }
        }
        for fetch in fetches {
            let (endpoint, node) = try resolve(fetch, in: graph, missing: "FetchOutputs node \(fetch): not found")
            guard !node.outputTypes.isEmpty else {
                throw Status.invalidArgument(
                    "Tried to fetch data for '\(fetch)', which produces no output.  To run to a node but not fetch any data, pass '\(fetch)' as an argument to the 'target_node_names' argument of the Session::Run API."
                )
            }
            if fed.contains("\(endpoint.node):\(endpoint.index)") {
                throw Status.invalidArgument("\(fetch) is both fed and fetched.")
            }
        }
        let missing = targets.filter { graph.node(named: FeedsAndFetches.nodeName($0)) == nil }
        guard missing.isEmpty else {
            throw Status.notFound("PruneForTargets: Some target nodes not found: \(missing.joined(separator: " "))")
        }
    }

    static func nodeName(_ text: String) -> String { InputReference(text)?.node ?? text }

    private func resolve(_ name: String, in graph: Graph, missing: String) throws -> (Endpoint, Node) {
        guard let reference = InputReference(name), !reference.isControl, let id = graph.index[reference.node] else {
            throw Status.notFound(missing)
        }
        let node = graph.nodes[id]
        guard node.outputTypes.isEmpty || reference.index < node.outputTypes.count else {
            throw Status.invalidArgument(
                "\(name): output \(reference.index) is out of range; node '\(node.name)' has \(node.outputTypes.count) outputs")
        }
        return (Endpoint(id, reference.index), node)
    }

    /// Returns the graph of the step.
    /// - Throws: as `check`; `invalidArgument` when a fetched tensor is inside a loop.
    package func rewrite(_ graph: Graph, style: Style, registry: OpRegistry) throws -> Graph {
        try check(graph)
        var graph = graph
        var replaced: [Endpoint: Endpoint] = [:]
        var replacedControls: [NodeID: NodeID] = [:]
        for (index, feed) in feeds.enumerated() {
            let (endpoint, source) = try resolve(feed, in: graph, missing: feed)
            let dtype = source.outputTypes[endpoint.index].dtype
            var node: Node
            switch style {
            case .call:
                node = try Node(
                    name: "_arg_\(source.name)_\(endpoint.index)_\(index)", op: registry.require("_Arg"),
                    attributes: ["T": .type(dtype), "index": .int(index)])
            case .rendezvous(let device, let incarnation):
                node = try Node(
                    name: "_recv_\(source.name)_\(endpoint.index)", op: registry.require("_Recv"),
                    attributes: keyAttributes(feed, device, incarnation, ["tensor_type": .type(dtype)]))
            }
            // The declared shape is a hint for optimization. Kernels do not rely on it.
            if let shape = source.attributes.shape("shape") { node.attributes["_output_shapes"] = .shapes([shape]) }
            node.device = try clientDevice(style) ?? source.device
            let id = try graph.add(node)
            replaced[endpoint] = Endpoint(id)
            // Consumers of the result of an inlined call take it from the body, so that tensor is replaced too.
            if let origin = source.origin(of: endpoint.index) { replaced[origin] = Endpoint(id) }
            if source.role == .placeholder { replacedControls[endpoint.node] = id }
        }
        if !replaced.isEmpty {
            for id in graph.nodes.indices {
                for position in graph.nodes[id].inputs.indices {
                    if let other = replaced[graph.nodes[id].inputs[position]] { graph.nodes[id].inputs[position] = other }
                }
                if !replacedControls.isEmpty {
                    graph.nodes[id].controlInputs = graph.nodes[id].controlInputs.map { replacedControls[$0] ?? $0 }
                }
            }
        }
        var roots: [NodeID] = []
        for (index, fetch) in fetches.enumerated() {
            let (endpoint, source) = try resolve(fetch, in: graph, missing: fetch)
            let dtype = source.outputTypes[endpoint.index].dtype
            var node: Node
            switch style {
            case .call:
                node = try Node(
                    name: "_retval_\(source.name)_\(endpoint.index)_\(index)", op: registry.require("_Retval"), inputs: [endpoint],
                    attributes: ["T": .type(dtype), "index": .int(index)])
            case .rendezvous(let device, let incarnation):
                node = try Node(
                    // One tensor may be fetched under two names, `x` and `x:0`.
                    name: graph.uniqueName("_send_\(source.name)_\(endpoint.index)"), op: registry.require("_Send"), inputs: [endpoint],
                    attributes: keyAttributes(fetch, device, incarnation, ["T": .type(dtype)]))
            }
            node.device = try clientDevice(style) ?? source.device
            roots.append(try graph.add(node))
        }
        roots += targets.compactMap { graph.index[FeedsAndFetches.nodeName($0)] }
        let reached = graph.ancestors(of: roots)
        let result = try graph.filtered { reached[$0] }
        try checkFrames(result)
        return result
    }

    /// - Throws: `invalidArgument` when a fetched tensor has a value in each iteration of a loop.
    private func checkFrames(_ graph: Graph) throws {
        guard graph.nodes.contains(where: { $0.role == .enter }) else { return }
        let frames = try FrameAssignment(graph)
        for (fetch, node) in zip(fetches, graph.nodes.indices.filter { graph.nodes[$0].isFetch }) where frames.frameOfNode[node] != 0 {
            throw Status.invalidArgument(
                "\(fetch) is inside the loop '\(frames.frames[frames.frameOfNode[node]].name)' and has a value in every iteration: "
                    + "it cannot be fetched. Fetch what the loop gives when it ends")
        }
    }

    private func clientDevice(_ style: Style) throws -> DeviceName? {
        if case .rendezvous(let device, _) = style { device } else { nil }
    }

    private func keyAttributes(_ name: String, _ device: DeviceName, _ incarnation: UInt64, _ more: Attributes) -> Attributes {
        var attributes = more
        attributes["tensor_name"] = .string(name)
        attributes["send_device"] = .string(device.description)
        attributes["recv_device"] = .string(device.description)
        attributes["send_device_incarnation"] = .int(Int(bitPattern: UInt(incarnation)))
        attributes["client_terminated"] = true
        return attributes
    }

    /// The key of a fed or fetched tensor in the step's rendezvous.
    package static func key(_ name: String, device: DeviceName, incarnation: UInt64) -> RendezvousKey {
        RendezvousKey(source: device.description, incarnation: incarnation, destination: device.description, tensor: name)
    }
}

extension Node {
    /// Whether the node sends a tensor to the client.
    fileprivate var isFetch: Bool { isResult || (isSend && attributes.bool("client_terminated") == true) }

    /// The source of a result of an inlined call; nil if the node does not stand for one.
    fileprivate func origin(of index: Int) -> Endpoint? {
        attributes.bool(Lowering.attribute) == true && inputs.indices.contains(index) ? inputs[index] : nil
    }
}
