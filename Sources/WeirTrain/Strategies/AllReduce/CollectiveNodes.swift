import WeirGraph
import WeirOps
import WeirTensor

/// The nodes of collective operations in one group, one member on each worker. They are built in the builder's current scopes.
struct CollectiveNodes {
    private let builder: GraphBuilder
    private let groupSize: Int
    /// The key of the group in its cluster.
    private let groupKey: Int

    init(_ builder: GraphBuilder, groupSize: Int, groupKey: Int) {
        self.builder = builder
        self.groupSize = groupSize
        self.groupKey = groupKey
    }

    private func keys(_ instance: Int) -> [Output] {
        [groupSize, groupKey, instance].map { builder.scalar(Double($0), .int32) }
    }

    /// The sum of all members' values.
    func sum(_ value: Output, instance: Int) -> Output {
        builder.add(
            "CollectiveReduceV2", [value] + keys(instance), attributes: ["merge_op": .string("Add"), "final_op": .string("Id")])[0]
    }

    /// Sends a value to all other members.
    func send(_ value: Output, instance: Int) -> Operation { builder.add("CollectiveBcastSendV2", [value] + keys(instance)) }

    /// Receives a value from the member that sends it.
    func receive(_ dtype: DType, _ shape: Shape, instance: Int) -> Output {
        let dimensions = builder.constant(Tensor(shape.dimensions.map { Int64($0) }))
        return builder.add(
            "CollectiveBcastRecvV2", keys(instance) + [dimensions], attributes: ["T": .type(dtype), "Tshape": .type(.int64)])[0]
    }
}
