import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CollectiveAssignGroupV2`: the size and the key of the group that a device is in. The groups are the rows of a matrix of
    /// device numbers; the key of the first one is `base_key`, that of the next one is 1 more.
    static let collectiveAssignGroupV2 = OpDefinition(
        "CollectiveAssignGroupV2",
        "(group_assignment: int32, device_index: int32, base_key: int32) -> (group_size: int32, group_key: int32)"
    )
    .statefulWithKernelPerGraph()
    .shape { c in
        c.setOutput(0, .scalar)
        c.setOutput(1, .scalar)
    }
    .kernel(gpu: [:], hostMemory: ["group_assignment", "device_index", "base_key", "group_size", "group_key"]) { _ in
        .sync { context in
            let groups = context.input(0)
            func scalar(_ index: Int, _ name: String, _ context: borrowing KernelContext) throws -> Int32 {
                let tensor = context.input(index)
                guard tensor.rank == 0 else {
                    throw Status.invalidArgument("\(name) must be a scalar, but received tensor of shape: \(tensor.shape)")
                }
                return tensor.elements(Int32.self)[0]
            }
            let device = try scalar(1, "device_index", context)
            guard groups.rank == 2 else {
                throw Status.invalidArgument("group_assignment must be a 2-d Tensor, but received tensor of shape: \(groups.shape)")
            }
            let key = try groupKey(groups, device, first: try scalar(2, "base_key", context))
            // The group has the device as a member, so its size is not 0.
            context.setOutput(0, Tensor(Int32(clamping: groups.dimension(1))))
            context.setOutput(1, Tensor(key))
        }
    }

    private static func groupKey(_ groups: Tensor, _ device: Int32, first: Int32) throws(Status) -> Int32 {
        defer { keepAlive(groups) }
        let members = groups.elements(Int32.self), size = groups.dimension(1)
        for row in 0..<groups.dimension(0) {
            let key = first &+ Int32(truncatingIfNeeded: row)
            guard key != 0 else {
                throw .invalidArgument("Using the reserved group_key = 0 is not allowed: group_id = \(row), base_key = \(first)")
            }
            for member in members[row * size..<(row + 1) * size] {
                guard member >= 0, Int(member) < members.count else {
                    throw .invalidArgument("Not all items in group_assignment \(groups) is within [0, number of devices)")
                }
                if member == device { return key }
            }
        }
        throw .invalidArgument("device_index \(device) is not found in group_assignment \(groups)")
    }
}
