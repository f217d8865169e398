import WeirGraph
import WeirOps
import WeirTensor

/// A model's variables on a mesh. One that is cut becomes a variable on each device, `name/part_0`, `name/part_1`…; one that is
/// whole lies on the first device.
///
/// The parts are initialized with slices of the whole initial value, so that the model begins as it would on one device. In a checkpoint
/// they are slices of the whole variable, which other strategies restore whole or cut otherwise.
struct ShardedVariables {
    /// The parts of each trained variable, in the order of `ModelGraph.parameters`.
    private(set) var parameters: [[Variable]] = []
    /// All variables.
    private(set) var all: [Variable] = []
    /// The whole values of trained variables, by the names in the model.
    private(set) var values: [String: Output] = [:]
    /// What stands for the handles and values of variables in the model's graph.
    private(set) var replacing: [Endpoint: ShardedTensor] = [:]

    /// Declares the variables in the builder's current scopes.
    init(_ model: ModelGraph, _ layout: ShardingPlan, in builder: GraphBuilder) throws(Status) {
        let mesh = layout.mesh
        var declared: [NodeID: [Variable]] = [:]
        var wholes: [Endpoint: Output] = [:]
        // In the graph's order, in which a variable comes before those that are initialized from it.
        for variable in (model.parameters + model.otherVariables).sorted(by: { $0.handle < $1.handle }) {
            let sharding = layout.sharding(of: Endpoint(variable.handle))
            let parts = try ShardedVariables.declare(variable, model, sharding, mesh, wholes, in: builder)
            declared[variable.handle] = parts.map(\.variable)
            all += parts.map(\.variable)
            let whole = ShardedVariables.whole(parts.map(\.variable.value), sharding, mesh, variable.name, in: builder)
            values[variable.name] = whole
            func tensor(_ output: (Variable) -> Output) -> ShardedTensor {
                var copies = [Output?](repeating: nil, count: mesh.devices.count)
                for part in parts { copies[part.position] = output(part.variable) }
                return ShardedTensor(sharding, copies)
            }
            replacing[Endpoint(variable.handle)] = tensor(\.handle)
            // A read that waits for other nodes may have to see their updates, so it is copied.
            for (id, node) in model.graph.nodes.enumerated() where node.op.variableUse == .read && node.inputs.first?.node == variable.handle {
                wholes[Endpoint(id)] = whole
                if node.controlInputs.isEmpty { replacing[Endpoint(id)] = tensor(\.value) }
            }
        }
        if let failure = builder.failure { throw failure }
        parameters = model.parameters.map { declared[$0.handle] ?? [] }
        let trained = Set(model.parameters.map(\.name))
        values = values.filter { trained.contains($0.key) }
    }

    private static func declare(
        _ variable: ModelVariable, _ model: ModelGraph, _ sharding: TensorSharding, _ mesh: DeviceMesh, _ wholes: [Endpoint: Output], in builder: GraphBuilder
    ) throws(Status) -> [(position: Int, variable: Variable)] {
        func initialValue() -> Output {
            var copy = GraphCopy(of: model.graph, in: builder, replacing: wholes)
            return builder.device(mesh.devices[0]) {
                (try? copy.copy([variable.initialValue]).first) ?? builder.filled(variable.shape, with: 0, variable.dtype)
            }
        }
        if sharding.isWhole {
            return [(0, builder.device(mesh.devices[0]) { builder.variable(variable.name, initial: initialValue) })]
        }
        let initial = builder.nameScope("\(variable.name)/initial", initialValue)
        let positions = mesh.devices.indices.filter { position in
            mesh.axes.indices.allSatisfy { sharding.dimension(cutAlong: $0) != nil || mesh.index(of: position, along: $0) == 0 }
        }
        return positions.enumerated().map { number, position in
            var begin = [Int](repeating: 0, count: variable.shape.rank), size = variable.shape.dimensions
            for axis in mesh.axes.indices {
                guard let dimension = sharding.dimension(cutAlong: axis) else { continue }
                size[dimension] /= mesh.axes[axis].size
                begin[dimension] = size[dimension] * mesh.index(of: position, along: axis)
            }
            let slice = VariableSlice(fullName: variable.name, fullShape: variable.shape, offsets: begin)
            let part = builder.device(mesh.devices[position]) {
                builder.variable("\(variable.name)/part_\(number)", slice: slice) {
                    // The slice is cut where the whole value is, so that only it is sent.
                    builder.device(mesh.devices[0]) {
                        let bounds = [begin, size].map { builder.constant(Tensor($0.map { Int64($0) })) }
                        return builder.add("Slice", [initial] + bounds)[0]
                    }
                }
            }
            return (position, part)
        }
    }

    /// The whole value of a variable that is cut along one axis.
    private static func whole(
        _ parts: [Output], _ sharding: TensorSharding, _ mesh: DeviceMesh, _ name: String, in builder: GraphBuilder
    ) -> Output {
        guard parts.count > 1, let dimension = mesh.axes.indices.lazy.compactMap({ sharding.dimension(cutAlong: $0) }).first else { return parts[0] }
        return builder.device(mesh.devices[0]) {
            builder.add("ConcatV2", parts + [builder.scalar(Double(dimension), .int32)], name: "\(name)/whole")[0]
        }
    }
}
