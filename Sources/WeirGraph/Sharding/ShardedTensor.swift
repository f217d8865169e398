import WeirTensor

/// A tensor of a sharded graph: what each device has of it.
package struct ShardedTensor {
    /// How it is laid out.
    package let sharding: TensorSharding
    /// By the device's position in the mesh, its part, addend or whole tensor; nil for devices that have none.
    package let copies: [Output?]
    /// A tensor with these parts.
    package init(_ sharding: TensorSharding, _ copies: [Output?]) {
        self.sharding = sharding
        self.copies = copies
    }
}

/// Builds the communication between the devices of a mesh. What one device sends to another is an edge between nodes of the two.
///
/// A tensor that a device gets passes through an `Identity` there, so that the gradients of all its uses on the device are summed
/// before the sum is sent back. Addends are always added in the order of the devices.
struct ShardCommunication {
    let builder: GraphBuilder
    let mesh: DeviceMesh

    func on<R>(_ position: Int, _ body: () -> R) -> R { builder.device(mesh.devices[position], body) }

    /// The tensor as the device at `position` has it after it was sent there.
    func sent(_ output: Output, to position: Int, _ name: String) -> Output {
        on(position) { builder.add("Identity", [output], name: "\(name)/sent")[0] }
    }

    /// The tensor in another layout, axis by axis. Each axis is changed along all lines of devices.
    func converted(_ tensor: ShardedTensor, to sharding: TensorSharding, _ name: String) throws(Status) -> ShardedTensor {
        var copies = tensor.copies
        for axis in mesh.axes.indices {
            let (from, to) = (tensor.sharding.placements[axis], sharding.placements[axis])
            guard from != to else { continue }
            for first in mesh.devices.indices where mesh.index(of: first, along: axis) == 0 && copies[first] != nil {
                let line = mesh.line(through: first, along: axis)
                let parts = line.compactMap { copies[$0] }
                guard parts.count == (from == .whole ? 1 : line.count) else {
                    throw .internalError("Tensor '\(name)': expected a part on each device of axis '\(mesh.axes[axis].name)', found \(parts.count)")
                }
                let changed: [Output]
                switch (from, to) {
                case (.whole, .cut(let dimension)): changed = split(parts[0], dimension, line, name)
                case (.cut(let dimension), .whole): changed = [gathered(parts, dimension, first, name)]
                case (.cut(let dimension), .cut(let other)): changed = split(gathered(parts, dimension, first, name), other, line, name)
                case (.partial, .whole): changed = [sum(parts, first, name)]
                case (.partial, .cut(let dimension)): changed = scattered(parts, dimension, line, name)
                case (_, .partial), (.whole, .whole): throw .internalError("Tensor '\(name)' cannot become addends")
                }
                for (index, position) in line.enumerated() { copies[position] = index < changed.count ? changed[index] : nil }
            }
        }
        return ShardedTensor(sharding, copies)
    }

    private func sum(_ addends: [Output], _ position: Int, _ name: String) -> Output {
        on(position) { builder.add("AddN", addends, name: "\(name)/sum")[0] }
    }
    private func gathered(_ parts: [Output], _ dimension: Int, _ position: Int, _ name: String) -> Output {
        guard parts.count > 1 else { return parts[0] }
        return on(position) { builder.add("ConcatV2", parts + [builder.scalar(Double(dimension), .int32)], name: "\(name)/gather")[0] }
    }
    /// Cuts a tensor where it is and sends each device its part.
    private func split(_ tensor: Output, _ dimension: Int, _ line: [Int], _ name: String) -> [Output] {
        let parts = pieces(tensor, dimension, line.count, line[0], name)
        return zip(parts, line).map { part, position in position == line[0] ? part : sent(part, to: position, name) }
    }
    /// Sums addends, a part on each device.
    private func scattered(_ addends: [Output], _ dimension: Int, _ line: [Int], _ name: String) -> [Output] {
        let pieces = zip(addends, line).map { self.pieces($0, dimension, line.count, $1, name) }
        return line.enumerated().map { index, position in sum(pieces.map { $0[index] }, position, name) }
    }
    private func pieces(_ tensor: Output, _ dimension: Int, _ count: Int, _ position: Int, _ name: String) -> [Output] {
        on(position) {
            let split = builder.add(
                "Split", [builder.scalar(Double(dimension), .int32), tensor], name: "\(name)/split", attributes: ["num_split": .int(count)])
            return (0..<count).map { split[$0] }
        }
    }
}
