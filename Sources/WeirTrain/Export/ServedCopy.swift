import WeirGraph
import WeirOps
import WeirTensor

/// A copy of what some outputs of a graph need, with variables that begin with zeros: the graph of a model that is served has neither
/// the training's nodes nor large constants.
struct ServedCopy {
    let builder: GraphBuilder
    /// The variables of the source that the copy has too, in the same order.
    let variables: [Variable]
    /// The signatures, of outputs of the copy.
    let signatures: [String: ServedOutputs]

    /// - Throws: `invalidArgument` when an output depends on a placeholder that is no input, or is not of this graph.
    init(_ source: Graph, _ declared: [Variable], _ signatures: [String: ServedOutputs]) throws(Status) {
        let builder = GraphBuilder(registry: .standard)
        let endpoints = signatures.values.flatMap { Array($0.inputs.values) + Array($0.outputs.values) }.map(\.endpoint)
        guard endpoints.allSatisfy({ source.nodes.indices.contains($0.node) }) else {
            throw .invalidArgument("The inputs and outputs of a signature must belong to the graph of the builder")
        }
        let needed = source.ancestors(of: endpoints.map(\.node))
        let variables = declared.filter { needed[$0.handle.endpoint.node] }
        var replacing: [Endpoint: Output] = [:]
        for variable in variables {
            let copy = builder.variable(variable.name, slice: variable.slice) { builder.valueToRestore(variable.shape, variable.dtype) }
            replacing[variable.handle.endpoint] = copy.handle
        }
        var copy = GraphCopy(of: source, in: builder, replacing: replacing)
        var copied: [String: ServedOutputs] = [:]
        for (name, signature) in signatures.sorted(by: { $0.key < $1.key }) {
            try ServedCopy.check(name, signature, source)
            let (inputNames, outputNames) = (signature.inputs.keys.sorted(), signature.outputs.keys.sorted())
            let inputs = try copy.copy(inputNames.compactMap { signature.inputs[$0]?.endpoint })
            let outputs = try copy.copy(outputNames.compactMap { signature.outputs[$0]?.endpoint })
            copied[name] = ServedOutputs(
                inputs: Dictionary(uniqueKeysWithValues: zip(inputNames, inputs)), outputs: Dictionary(uniqueKeysWithValues: zip(outputNames, outputs)))
        }
        self.signatures = copied
        self.variables = variables
        self.builder = builder
    }

    /// Checks that the outputs need no placeholders but the inputs.
    private static func check(_ name: String, _ signature: ServedOutputs, _ source: Graph) throws(Status) {
        let fed = Set(signature.inputs.values.map(\.endpoint))
        var visited = Set<NodeID>()
        var stack = signature.outputs.values.map(\.endpoint)
        while let endpoint = stack.popLast() {
            guard !fed.contains(endpoint), visited.insert(endpoint.node).inserted else { continue }
            let node = source.nodes[endpoint.node]
            // A placeholder with a default value needs no feed; it has an input.
            if node.role == .placeholder, node.inputs.isEmpty {
                throw .invalidArgument(
                    "Signature '\(name)': its outputs depend on placeholder '\(node.name)', which must be one of its inputs; these are "
                        + signature.inputs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.name)" }.joined(separator: ", "))
            }
            stack += node.inputs
        }
    }
}

extension GraphBuilder {
    /// Zeros as the initial value of a variable whose value is to be restored.
    func valueToRestore(_ shape: Shape, _ dtype: DType) -> Output {
        if DTypeSet.real.contains(dtype) || dtype.isComplex { return filled(shape, with: 0, dtype) }
        do throws(Status) { return constant(try Tensor.zeros(dtype, shape)) } catch {
            record(error)
            return filled(.scalar, with: 0, .float32)
        }
    }
}
