import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `FIFOQueueV2`: a queue in the order of insertion.
    static let fifoQueue = makeQueue("FIFOQueue", version: 1)
    static let fifoQueueV2 = makeQueue("FIFOQueue", version: 2)
    /// `PaddingFIFOQueueV2`: like `FIFOQueueV2`, for elements of varying shapes. Batches are padded with zeros.
    static let paddingFIFOQueue = makeQueue("PaddingFIFOQueue", version: 1)
    static let paddingFIFOQueueV2 = makeQueue("PaddingFIFOQueue", version: 2)
    /// `RandomShuffleQueueV2`: a queue in random order.
    static let randomShuffleQueue = makeQueue("RandomShuffleQueue", version: 1)
    static let randomShuffleQueueV2 = makeQueue("RandomShuffleQueue", version: 2)
    /// `PriorityQueueV2`: a queue ordered by the first component, the priority, the lowest first.
    static let priorityQueue = makeQueue("PriorityQueue", version: 1)
    static let priorityQueueV2 = makeQueue("PriorityQueue", version: 2)

    private static func makeQueue(_ label: String, version: Int) -> OpDefinition {
        var attributes = ["component_types: list(type) >= 1", "shapes: list(shape) >= 0 = []", "capacity: int = -1"]
        if label == "PriorityQueue" {
            attributes[0] = "component_types: list(type) >= 0 = []"
            attributes[1] = "shapes: list(shape) >= 0"
        }
        if label == "RandomShuffleQueue" {
            attributes += ["min_after_dequeue: int = 0", "seed: int = 0", "seed2: int = 0"]
        }
        attributes += ["container: string = ''", "shared_name: string = ''"]
        return OpDefinition(
            version == 1 ? label : label + "V2",
            version == 1 ? "() -> (handle: Ref(string))" : "() -> (handle: resource)", attributes: attributes
        )
        .stateful()
        .shape { $0.setOutput(0, version == 1 ? .vector(2) : .scalar) }
        .noGradient()
        .kernel { request in
            let specification = try QueueSpecification(request, label: label)
            let op = request.op.name
            let queue = try NodeResource<QueueResource>(request, nodeNameIsShared: false) {
                try $0.specification.requireMatch(specification, op: op, name: $0.name)
            } make: {
                QueueResource(specification, name: $0.name)
            }
            let (handle, reference) = (queue.handle(request), queue.stringHandle(request))
            return .sync { context in
                _ = try queue.get()
                if version == 1 { context.setOutput(0, reference: reference) } else { context.setOutput(0, handle) }
            }
        }
    }
}
