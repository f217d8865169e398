import WeirGraph
import WeirOps
import WeirTensor

/// The nodes of a saver, with the names that TensorFlow gives to its own.
struct SaverNodes: Sendable {
    /// Is fed with the path of the checkpoint.
    let prefix: Output
    /// Saves when it is fetched.
    let written: Output
    /// Restores all variables.
    let restored: Operation
    /// What is read for each variable. Fed with another value, the assignment assigns that.
    let values: [Output]
    /// What assigns it.
    let assignments: [Operation]

    /// - Parameters:
    ///   - facts: tensors that are saved beside the variables, by name, and not restored.
    ///   - isSharded: whether each task writes and reads the variables that it has.
    init(_ builder: GraphBuilder, _ variables: [Variable], facts: [(name: String, value: Tensor)] = [], isSharded: Bool) {
        let shards = isSharded ? SaverNodes.shards(builder, variables) : [(device: "/cpu:0", positions: Array(variables.indices))]
        (prefix, written, restored, values, assignments) = builder.nameScope("save") {
            builder.device(shards.first?.device ?? "/cpu:0") {
                let prefix = builder.placeholder(default: builder.constant("model", name: "filename"), shape: .scalar, name: "Const")
                let saved =
                    isSharded
                    ? SaverNodes.saveShards(builder, prefix, shards.map { shard in (shard.device, shard.positions.map { variables[$0] }) }, facts)
                    : SaverNodes.save(builder, prefix, variables, facts)
                let written = builder.add("Identity", [prefix], name: "control_dependency", controls: [saved])[0]
                var values: [Int: Output] = [:], assignments: [Int: Operation] = [:]
                for shard in shards {
                    let read = builder.device(shard.device) { SaverNodes.restore(builder, prefix, shard.positions.map { variables[$0] }) }
                    for (position, (value, assignment)) in zip(shard.positions, read) {
                        values[position] = value
                        assignments[position] = assignment
                    }
                }
                let all = variables.indices.compactMap { assignments[$0] }
                return (prefix, written, builder.group(all, name: "restore_all"), variables.indices.compactMap { values[$0] }, all)
            }
        }
    }

    /// The names in the checkpoint, and the slices. A part of a larger variable is a slice of the tensor that has the larger
    /// variable's name; an empty text means the whole tensor.
    private static func names(_ builder: GraphBuilder, _ variables: [Variable], _ facts: [(name: String, value: Tensor)] = []) -> [Output] {
        let slices = variables.map { variable in variable.slice?.specification(of: variable.shape) ?? "" }
        return [
            builder.constant(variables.map { $0.slice?.fullName ?? $0.name } + facts.map(\.name), .string, name: "tensor_names"),
            builder.constant(slices + facts.map { _ in "" }, .string, name: "shape_and_slices"),
        ]
    }

    private static func save(
        _ builder: GraphBuilder, _ prefix: Output, _ variables: [Variable], _ facts: [(name: String, value: Tensor)]
    ) -> Operation {
        let values = variables.map(\.value) + facts.map { builder.constant($0.value, name: $0.name) }
        return builder.add("SaveV2", [prefix] + names(builder, variables, facts) + values, name: "SaveV2")
    }

    /// Each task writes a checkpoint of its own, and the first merges them: it renames the data and writes one index. The facts are in
    /// the first.
    private static func saveShards(
        _ builder: GraphBuilder, _ prefix: Output, _ shards: [(device: String, variables: [Variable])], _ facts: [(name: String, value: Tensor)]
    ) -> Operation {
        let parts = builder.add("StringJoin", [prefix, builder.constant("_temp/part", name: "suffix")], name: "StringJoin")[0]
        let count = builder.constant(Tensor(Int32(clamping: shards.count)), name: "num_shards")
        var prefixes: [Output] = [], saves: [Operation] = []
        for (number, shard) in shards.enumerated() {
            builder.device(shard.device) {
                let index = builder.constant(Tensor(Int32(clamping: number)), name: "ShardedFilename/shard")
                let part = builder.add("ShardedFilename", [parts, index, count], name: "ShardedFilename")[0]
                let saved = SaverNodes.save(builder, part, shard.variables, number == 0 ? facts : [])
                prefixes.append(builder.add("Identity", [part], name: "control_dependency", controls: [saved])[0])
                saves.append(saved)
            }
        }
        let all = builder.add("Pack", prefixes, name: "MergeV2Checkpoints/checkpoint_prefixes", controls: saves)[0]
        return builder.add("MergeV2Checkpoints", [all, prefix], name: "MergeV2Checkpoints")
    }

    private static func restore(_ builder: GraphBuilder, _ prefix: Output, _ variables: [Variable]) -> [(value: Output, assignment: Operation)] {
        let values = builder.add(
            "RestoreV2", [prefix] + names(builder, variables), name: "RestoreV2", attributes: ["dtypes": .types(variables.map(\.dtype))])
        return variables.enumerated().map { index, variable in
            // Without the check, a checkpoint of another network would change the variable's shape.
            let value = builder.add(
                "EnsureShape", [values[index]], name: variable.name, attributes: ["shape": .shape(PartialShape(variable.shape))])[0]
            return (values[index], builder.colocate(with: variable.handle.operation) { variable.assign(value) })
        }
    }

    /// The variables of each task, and the device of the task that reads and writes files.
    private static func shards(_ builder: GraphBuilder, _ variables: [Variable]) -> [(device: String, positions: [Int])] {
        var shards: [(device: String, positions: [Int])] = []
        for (position, variable) in variables.enumerated() {
            let device = "\(builder.requestedTask(of: variable.handle.operation))/cpu:0"
            if let shard = shards.firstIndex(where: { $0.device == device }) {
                shards[shard].positions.append(position)
            } else {
                shards.append((device, [position]))
            }
        }
        return shards
    }
}

extension GraphBuilder {
    /// The task that a node asks for, itself or through the node that it is colocated with; empty if it asks for none.
    func requestedTask(of operation: Operation) -> String {
        var current = node(operation.id)
        var visited: Set<String> = []
        while visited.insert(current.name).inserted {
            if let device = try? DeviceName(current.requestedDevice), device.job != nil || device.task != nil {
                return DeviceName(job: device.job, replica: device.replica, task: device.task).description
            }
            guard let group = current.attributes.strings("_class")?.first?.description, group.hasPrefix("loc:@"),
                let next = node(named: String(group.dropFirst(5)))
            else { return "" }
            current = next
        }
        return ""
    }
}
