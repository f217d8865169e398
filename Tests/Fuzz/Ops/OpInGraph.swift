import Weir

/// An op in a graph of constants. Shape inference and constant folding must not fail, and must agree with the kernel.
struct OpInGraph {
    struct Result {
        var inferred: [PartialShape] = []
        var plain: Swift.Result<[Tensor], Status>?
        var folded: Swift.Result<[Tensor], Status>?

        /// A difference between the graph's results and the kernel's.
        func contradiction(of node: Node, _ outputs: [EdgeValue]) -> WrongOutput? {
            for (index, slot) in outputs.enumerated() {
                guard let tensor = slot.tensor, inferred.indices.contains(index) else { continue }
                if !inferred[index].isCompatible(with: tensor.shape) {
                    return WrongOutput(kind: "inferred shape differs", text: "output \(index) is \(tensor.shape), inferred \(inferred[index])")
                }
            }
            guard let plain, let folded else { return nil }
            switch (plain, folded) {
            case (.success(let a), .success(let b)):
                for index in a.indices {
                    if let difference = TensorDifference.between(a[index], b[index]) {
                        return WrongOutput(kind: "folded value differs", text: "output \(index): \(difference)")
                    }
                    if !node.op.isStateful, let direct = outputs[index].tensor, let difference = TensorDifference.between(a[index], direct) {
                        return WrongOutput(kind: "second run differs", text: "output \(index): \(difference)")
                    }
                }
                return nil
            case (.failure(let status), _): return WrongOutput(kind: "fails in a graph only", text: "\(status)")
            case (_, .failure(let status)): return WrongOutput(kind: "fails folded only", text: "\(status)")
            }
        }
    }

    /// Each output is fetched twice, and a million of them would exceed a case's time limit.
    private static let maximumOutputCount = 1000

    /// - Returns: nil for nodes whose inputs cannot be constants.
    func run(_ node: Node, _ inputs: [EdgeValue], _ place: KernelEnvironment) -> Result? {
        guard !node.op.name.hasPrefix("_"), !node.op.isStateful, (1...OpInGraph.maximumOutputCount).contains(node.outputTypes.count),
            !OpInGraph.flow.contains(node.op.name),
            !node.op.schema.inputs.contains(where: ResourceFamily.isHandle)
        else { return nil }
        let tensors = inputs.compactMap(\.tensor)
        guard tensors.count == inputs.count, tensors.allSatisfy({ $0.dtype.isBitwise || $0.dtype == .string }),
            node.outputTypes.allSatisfy({ $0.dtype.isBitwise || $0.dtype == .string })
        else { return nil }
        let builder = GraphBuilder(registry: .standard)
        let constants = tensors.map { builder.add("Const", attributes: ["dtype": .type($0.dtype), "value": .tensor($0)])[0] }
        let operation = builder.add(node.op.name, constants, name: "fuzzed", attributes: node.attributes)
        // Shape functions may reject inputs that a kernel would accept, as in TensorFlow.
        guard let graph = try? builder.graph() else { return nil }
        var result = Result()
        result.inferred = operation.outputs.map(\.shape)
        let names = operation.outputs.map(\.name)
        result.plain = session(graph, names, .none)
        result.folded = session(graph, names, .standard)
        // Ops whose shape functions need the value while the graph is built.
        for output in operation.outputs where [.int32, .int64].contains(output.dtype) {
            _ = builder.add("Fill", [output, builder.constant(Tensor(Float(1)))])
            _ = builder.add("Reshape", [constants.first ?? output, output])
        }
        return result
    }
    private static let flow: Set<String> = ["Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"]

    private func session(_ graph: Graph, _ names: [String], _ optimizer: GraphOptimizer) -> Swift.Result<[Tensor], Status> {
        var options = RuntimeOptions()
        options.execution.optimizer = optimizer
        options.execution.scheduling = .sequential
        do {
            return .success(try DirectSession(graph, registry: .standard, options: options).run(fetches: names))
        } catch { return .failure(Status(error)) }
    }
}
