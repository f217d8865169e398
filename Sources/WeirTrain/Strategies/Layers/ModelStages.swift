import WeirGraph
import WeirTensor

/// A model cut into stages: contiguous or not, each of the layers on one device.
struct ModelStages {
    /// The model.
    let model: ModelGraph
    /// The layers.
    let cut: LayerCut
    /// The devices that are used, by index, in the order of the first layer that is on them. A stage is what is on one device.
    let devices: [Int]
    /// The stage of each layer.
    let stageOfLayer: [Int]

    /// Cuts a model.
    /// - Throws: the errors of `LayerCut` and `LayerAssignment`.
    init(_ model: ModelGraph, _ assignment: LayerAssignment, devices: [String], rowCount: Int) throws(Status) {
        self.model = model
        cut = try LayerCut(model)
        let chosen = try assignment.devices(of: cut, model, among: devices, rowCount: rowCount)
        var used: [Int] = []
        for device in chosen where !used.contains(device) { used.append(device) }
        self.devices = used
        stageOfLayer = chosen.map { device in used.firstIndex(of: device) ?? 0 }
    }

    /// The number of stages.
    var count: Int { devices.count }

    /// The stage of a node of the model; nil if nothing needs the node.
    func stage(of node: NodeID) -> Int? {
        cut.layerOfNode.indices.contains(node) ? cut.layerOfNode[node].map { stageOfLayer[$0] } : nil
    }

    /// The model with each node on the device of its stage.
    /// - Parameters:
    ///   - devices: the device of each stage.
    ///   - isEvaluated: whether the result has the predictions and the metrics too.
    func placed(on devices: [String], isEvaluated: Bool = false) -> ModelGraph {
        var result = model
        if !isEvaluated {
            result.predictions = nil
            result.evaluationLoss = result.lossWithoutUpdates
            result.metrics = [:]
        }
        for id in result.graph.nodes.indices {
            if let stage = stage(of: id) { result.graph.nodes[id].requestedDevice = devices[stage] }
        }
        return result
    }

    /// Checks that values flow from stage to stage in one direction, and that each stage runs all its nodes when it has its inputs,
    /// as the schedule of a pipeline needs it.
    /// - Throws: `invalidArgument` that names the layers or the node.
    func checkPipeline(_ strategy: String) throws(Status) {
        if let layer = stageOfLayer.indices.dropFirst().first(where: { stageOfLayer[$0] < stageOfLayer[$0 - 1] }) {
            throw .invalidArgument(
                "Strategy '\(strategy)' needs contiguous stages: layer '\(cut.layers[layer].name)' is on the device of an earlier layer, and "
                    + "'\(cut.layers[layer - 1].name)' before it is not; the layers are \(cut.list)")
        }
        let graph = model.graph
        let isTrained = graph.ancestors(of: [model.loss.node])
        for (id, node) in graph.nodes.enumerated() where isTrained[id] {
            if node.isControlFlow {
                throw .invalidArgument(
                    "Strategy '\(strategy)' cannot schedule node '\(node.name)' (op \(node.op.name)), which may be dead or run several times; "
                        + "write the condition or loop as a function")
            }
            for input in node.inputs.map(\.node) + node.controlInputs {
                guard let from = stage(of: input), let to = stage(of: id), from > to else { continue }
                throw .invalidArgument(
                    "Strategy '\(strategy)': node '\(node.name)' of stage \(to) uses '\(graph.nodes[input].name)' of the later stage \(from); the "
                        + "layers between must be in one stage")
            }
        }
    }
}

extension Node {
    /// Whether the node is a part of a loop or a condition of single nodes, rather than a call of functions.
    fileprivate var isControlFlow: Bool {
        switch role {
        case .switch, .merge, .enter, .exit, .nextIteration, .loopCondition, .controlTrigger: true
        case .compute, .constant, .placeholder, .noOp, .send, .receive, .argument, .result: false
        }
    }
}
