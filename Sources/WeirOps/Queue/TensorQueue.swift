public import WeirGraph
import WeirKernels
public import WeirTensor

/// A queue in a graph that is being built.
public struct TensorQueue: Sendable {
    /// The handle, of type `resource`.
    public let handle: Output
    /// The types of an element's components; for a priority queue the first is the priority's.
    public let types: [DType]
    /// The shapes of the components, or none when they were not given.
    public let shapes: [PartialShape]

    private var builder: GraphBuilder { handle.builder }

    /// Puts one element in; waits while the queue is full.
    @discardableResult public func enqueue(_ components: [Output], name: String? = nil) -> Operation {
        builder.add("QueueEnqueueV2", [handle] + components, name: name)
    }
    /// Puts each row of the components in.
    @discardableResult public func enqueueMany(_ components: [Output], name: String? = nil) -> Operation {
        builder.add("QueueEnqueueManyV2", [handle] + components, name: name)
    }
    /// Takes one element; waits while the queue is empty.
    public func dequeue(name: String? = nil) -> [Output] {
        outputs("QueueDequeueV2", [handle], name) { $0 }
    }
    /// Takes `count` elements as rows of one tensor a component.
    public func dequeueMany(_ count: Int, name: String? = nil) -> [Output] {
        let number = builder.constant(Tensor(Int32(clamping: count)))
        return outputs("QueueDequeueManyV2", [handle, number], name) { PartialShape.vector(count).concatenating($0) }
    }
    /// Takes `count` elements, or what is left of a closed queue.
    public func dequeueUpTo(_ count: Int, name: String? = nil) -> [Output] {
        let number = builder.constant(Tensor(Int32(clamping: count)))
        return outputs("QueueDequeueUpToV2", [handle, number], name) { PartialShape.vector(nil).concatenating($0) }
    }
    /// Says that nothing more will be put in.
    @discardableResult public func close(cancelPendingEnqueues: Bool = false, name: String? = nil) -> Operation {
        builder.add(
            "QueueCloseV2", [handle], name: name, attributes: ["cancel_pending_enqueues": .bool(cancelPendingEnqueues)])
    }
    /// How many elements there are.
    public func size(name: String? = nil) -> Output { builder.add("QueueSizeV2", [handle], name: name)[0] }
    /// Whether it was closed.
    public func isClosed(name: String? = nil) -> Output { builder.add("QueueIsClosedV2", [handle], name: name)[0] }

    private func outputs(_ op: String, _ inputs: [Output], _ name: String?, _ shape: (PartialShape) -> PartialShape)
        -> [Output]
    {
        let outputs = builder.add(op, inputs, name: name, attributes: ["component_types": .types(types)]).outputs
        for (output, element) in zip(outputs, shapes) { builder.refineShape(of: output, shape(element)) }
        return outputs
    }
}

extension GraphBuilder {
    /// A queue that gives elements in the order they came.
    public func fifoQueue(
        capacity: Int = -1, types: [DType], shapes: [PartialShape] = [], sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        queue("FIFOQueueV2", capacity, types, shapes, sharedName, name)
    }
    /// A queue whose elements may vary in the dimensions that `shapes` leaves open.
    public func paddingFIFOQueue(
        capacity: Int = -1, types: [DType], shapes: [PartialShape], sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        queue("PaddingFIFOQueueV2", capacity, types, shapes, sharedName, name)
    }
    /// A queue that gives elements in random order, and keeps at least `minAfterDequeue` to choose from.
    public func randomShuffleQueue(
        capacity: Int = -1, minAfterDequeue: Int = 0, types: [DType], shapes: [PartialShape] = [], seed: Int = 0,
        seed2: Int = 0, sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        queue(
            "RandomShuffleQueueV2", capacity, types, shapes, sharedName, name,
            ["min_after_dequeue": .int(minAfterDequeue), "seed": .int(seed), "seed2": .int(seed2)])
    }
    /// A queue that gives the element with the lowest priority first: the first component, an `int64` that `types` and
    /// `shapes` do not name.
    public func priorityQueue(
        capacity: Int = -1, types: [DType], shapes: [PartialShape], sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        let queue = queue("PriorityQueueV2", capacity, types, shapes, sharedName, name)
        return TensorQueue(handle: queue.handle, types: [.int64] + types, shapes: [.scalar] + shapes)
    }

    private func queue(
        _ op: String, _ capacity: Int, _ types: [DType], _ shapes: [PartialShape], _ sharedName: String,
        _ name: String?,
        _ more: [String: AttributeValue] = [:]
    ) -> TensorQueue {
        var attributes = Attributes(more)
        attributes["capacity"] = .int(capacity)
        attributes["component_types"] = .types(types)
        attributes["shapes"] = .shapes(shapes)
        attributes["shared_name"] = .string(sharedName)
        return TensorQueue(handle: add(op, name: name, attributes: attributes)[0], types: types, shapes: shapes)
    }
}
