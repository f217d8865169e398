public import WeirGraph
import WeirKernels
public import WeirTensor

/// A queue in a graph under construction.
public struct TensorQueue: Sendable {
    /// The handle, of dtype `resource`.
    public let handle: Output
    /// The dtypes of an element's components. In a priority queue the first is that of the priority.
    public let types: [DType]
    /// The shapes of the components, or empty if none were specified.
    public let shapes: [PartialShape]

    private var builder: GraphBuilder { handle.builder }

    /// Adds one element; the node waits while the queue is full.
    @discardableResult public func enqueue(_ components: [Output], name: String? = nil) -> Operation {
        builder.add("QueueEnqueueV2", [handle] + components, name: name)
    }
    /// Adds each row of the components as an element.
    @discardableResult public func enqueueMany(_ components: [Output], name: String? = nil) -> Operation {
        builder.add("QueueEnqueueManyV2", [handle] + components, name: name)
    }
    /// Takes one element; the node waits while the queue is empty. Returns one output for each component.
    public func dequeue(name: String? = nil) -> [Output] {
        outputs("QueueDequeueV2", [handle], name) { $0 }
    }
    /// Takes `count` elements. Returns one output for each component, whose rows are the elements.
    public func dequeueMany(_ count: Int, name: String? = nil) -> [Output] {
        let number = builder.int32(count, "count")
        return outputs("QueueDequeueManyV2", [handle, number], name) { PartialShape.vector(count).concatenating($0) }
    }
    /// Takes `count` elements, or fewer if the queue is closed and has fewer left.
    public func dequeueUpTo(_ count: Int, name: String? = nil) -> [Output] {
        let number = builder.int32(count, "count")
        return outputs("QueueDequeueUpToV2", [handle, number], name) { PartialShape.vector(nil).concatenating($0) }
    }
    /// Closes the queue for new elements. The remaining elements can still be dequeued.
    @discardableResult public func close(cancelPendingEnqueues: Bool = false, name: String? = nil) -> Operation {
        builder.add(
            "QueueCloseV2", [handle], name: name, attributes: ["cancel_pending_enqueues": .bool(cancelPendingEnqueues)])
    }
    /// Returns the number of elements, an `int32` scalar.
    public func size(name: String? = nil) -> Output { builder.add("QueueSizeV2", [handle], name: name)[0] }
    /// Returns whether the queue is closed, a bool scalar.
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
    /// Adds a queue in the order of insertion (`FIFOQueueV2`). A negative capacity means no limit.
    public func fifoQueue(
        capacity: Int = -1, types: [DType], shapes: [PartialShape] = [], sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        queue("FIFOQueueV2", capacity, types, shapes, sharedName, name)
    }
    /// Adds a queue whose elements may differ in the dimensions that are unknown in `shapes` (`PaddingFIFOQueueV2`).
    public func paddingFIFOQueue(
        capacity: Int = -1, types: [DType], shapes: [PartialShape], sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        queue("PaddingFIFOQueueV2", capacity, types, shapes, sharedName, name)
    }
    /// Adds a queue in random order (`RandomShuffleQueueV2`). While it is open, a dequeue leaves at least `minAfterDequeue`
    /// elements.
    public func randomShuffleQueue(
        capacity: Int = -1, minAfterDequeue: Int = 0, types: [DType], shapes: [PartialShape] = [], seed: Int = 0,
        seed2: Int = 0, sharedName: String = "", name: String? = nil
    ) -> TensorQueue {
        queue(
            "RandomShuffleQueueV2", capacity, types, shapes, sharedName, name,
            ["min_after_dequeue": .int(minAfterDequeue), "seed": .int(seed), "seed2": .int(seed2)])
    }
    /// Adds a queue ordered by priority, the lowest first (`PriorityQueueV2`). The priority is the first component, an
    /// `int64` scalar, which is not in `types` and `shapes`.
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
