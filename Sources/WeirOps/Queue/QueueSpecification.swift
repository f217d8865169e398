import WeirGraph
import WeirKernels
import WeirTensor

/// The parameters of a queue: its kind, capacity, and the types and shapes of its components.
struct QueueSpecification: Sendable {
    enum Kind: Sendable, Equatable {
        case firstInFirstOut, padding, priority
        case shuffle(minimumAfterDequeue: Int, seed: Int, seed2: Int)
    }
    static let unbounded = Int(Int32.max)

    let kind: Kind
    /// The name of the op of this kind, without the version.
    let label: String
    let capacity: Int
    let types: [DType]
    /// The shape of each component, or empty if no shapes were specified.
    let shapes: [PartialShape]

    /// - Throws: `invalidArgument` with TensorFlow's message when the attributes contradict each other.
    init(_ request: KernelRequest, label: String) throws {
        self.label = label
        let requested = try request.int("capacity")
        capacity = requested < 0 ? QueueSpecification.unbounded : requested
        var types = try request.types("component_types")
        var shapes = try request.shapes("shapes").map { try $0.validatedSize() }
        switch label {
        case "PaddingFIFOQueue": kind = .padding
        case "PriorityQueue":
            kind = .priority
            types.insert(.int64, at: 0)
            if !shapes.isEmpty || types.count == 1 { shapes.insert(.scalar, at: 0) }
        case "RandomShuffleQueue":
            let minimum = try request.int("min_after_dequeue")
            guard minimum >= 0 else { throw Status.invalidArgument("min_after_dequeue \(minimum) must be >= 0") }
            guard minimum < capacity else {
                throw Status.invalidArgument("min_after_dequeue \(minimum) must be < capacity \(capacity)")
            }
            kind = .shuffle(
                minimumAfterDequeue: minimum, seed: try request.int("seed"), seed2: try request.int("seed2"))
        default: kind = .firstInFirstOut
        }
        self.types = types
        self.shapes = shapes
        guard !types.isEmpty else { throw Status.invalidArgument("Empty component types for queue \(request.name)") }
        if kind == .padding, types.count != shapes.count {
            throw Status.invalidArgument(
                "Shapes must be provided for all components, but received \(types.count) dtypes and \(shapes.count) "
                    + "shapes."
            )
        }
        guard shapes.isEmpty || shapes.count == types.count else {
            throw Status.invalidArgument(
                "Different number of component types.  Types: \(QueueSpecification.list(types)), "
                    + "Shapes: \(QueueSpecification.list(shapes))")
        }
        if let vague = shapes.first(where: { $0.rank == nil }) {
            throw Status.invalidArgument("Shape \(vague) of a queue's component must have a known rank")
        }
        if kind != .padding, let vague = shapes.first(where: { !$0.isFullyKnown }) {
            throw Status.invalidArgument("Shape \(vague) is not fully defined")
        }
    }

    /// Makes the specification of elements with fully known shapes that do not come from a queue op.
    init(label: String, types: [DType], shapes: [PartialShape]) {
        kind = .firstInFirstOut
        self.label = label
        capacity = QueueSpecification.unbounded
        self.types = types
        self.shapes = shapes
    }

    var hasShapes: Bool { shapes.count == types.count }

    func makeState(name: String) -> QueueState {
        switch kind {
        case .firstInFirstOut, .padding:
            return QueueState(label: label, name: name, capacity: capacity, store: FirstInFirstOutStore())
        case .priority:
            return QueueState(
                label: label, name: name, capacity: capacity, store: PriorityStore(), dequeuesBatchesAtomically: true)
        case .shuffle(let minimum, let seed, let seed2):
            var generator = Philox(seed: Int64(seed), seed2: Int64(seed2))
            if seed == 0, seed2 == 0 {
                generator = Philox(seed: .random(in: .min ... .max), seed2: .random(in: .min ... .max))
            }
            return QueueState(
                label: label, name: name, capacity: capacity, store: ShuffleStore(generator), reserve: minimum)
        }
    }

    /// Checks that a node that shares this queue requests the same parameters.
    /// - Throws: `invalidArgument` with TensorFlow's message.
    func requireMatch(_ requested: QueueSpecification, op: String, name: String) throws {
        guard label == requested.label else { throw Status.invalidArgument("Expected \(label), found \(op)") }
        guard capacity == requested.capacity else {
            throw Status.invalidArgument(
                "Shared queue '\(name)' has capacity \(capacity) but requested capacity was \(requested.capacity)")
        }
        guard types == requested.types else {
            throw Status.invalidArgument(
                "Shared queue '\(name)' has component types \(QueueSpecification.list(types)) "
                    + "but requested component types were \(QueueSpecification.list(requested.types))")
        }
        let shapesMatch =
            kind == .padding
            ? shapes.count == requested.shapes.count
                && zip(shapes, requested.shapes).allSatisfy { $0.isCompatible(with: $1) }
            : shapes == requested.shapes
        guard shapesMatch else {
            throw Status.invalidArgument(
                "Shared queue '\(name)' has component shapes \(QueueSpecification.list(shapes)) "
                    + "but requested component shapes were \(QueueSpecification.list(requested.shapes))")
        }
        guard case .shuffle(let minimum, let seed, let seed2) = kind,
            case .shuffle(let requestedMinimum, let requestedSeed, let requestedSeed2) = requested.kind
        else { return }
        guard minimum == requestedMinimum else {
            throw Status.invalidArgument(
                "Shared queue '\(name)' has min_after_dequeue \(minimum) "
                    + "but requested min_after_dequeue was \(requestedMinimum).")
        }
        // A node that specifies no seeds accepts any.
        guard (seed, seed2) == (requestedSeed, requestedSeed2) || (requestedSeed == 0 && requestedSeed2 == 0) else {
            throw Status.invalidArgument(
                "Shared queue '\(name)' has random seeds (\(seed), \(seed2)) "
                    + "but requested seeds are (\(requestedSeed), \(requestedSeed2)).")
        }
    }

    static func list(_ types: [DType]) -> String { types.map(\.name).joined(separator: ", ") }
    static func list(_ shapes: [PartialShape]) -> String {
        "[" + shapes.map(\.description).joined(separator: ", ") + "]"
    }
}

// MARK: Validation of elements

extension QueueSpecification {
    /// - Throws: `invalidArgument` unless `element` has one tensor of the right type and shape for each component.
    func check(_ element: QueueElement) throws {
        try checkTypes(element)
        guard hasShapes else { return try checkPriority(element[0].shape) }
        for (index, tensor) in element.enumerated() where !shapes[index].isCompatible(with: tensor.shape) {
            throw mismatch(index, shapes[index], tensor.shape)
        }
    }

    /// Splits `batch` into elements, one for each row.
    /// - Throws: `invalidArgument` unless all components have the same number of rows, and the right types and shapes.
    func elements(ofBatch batch: [Tensor]) throws -> [QueueElement] {
        try checkTypes(batch)
        for (index, tensor) in batch.enumerated() where tensor.rank == 0 {
            throw Status.invalidArgument(
                "Enqueueing many elements takes components that are at least vectors; component \(index) is a scalar")
        }
        let count = batch[0].dimension(0)
        if !hasShapes { try checkPriority(batch[0].shape.dropFirst()) }
        for (index, tensor) in batch.enumerated() {
            if hasShapes {
                let expected = PartialShape.vector(count).concatenating(shapes[index])
                guard expected.isCompatible(with: tensor.shape) else { throw mismatch(index, expected, tensor.shape) }
            } else if tensor.dimension(0) != count {
                throw Status.invalidArgument(
                    "All input tensors must have the same size in the 0th dimension. Component \(index) has "
                        + "\(tensor.dimension(0)), and should have \(count)")
            }
        }
        // A batch of tensors without elements may claim any number of rows, and each row takes memory.
        guard count <= QueueSpecification.maximumBatchCount else {
            throw Status.resourceExhausted(
                "\(label): at most \(QueueSpecification.maximumBatchCount) elements can be enqueued at once, found \(count)")
        }
        // Each row is copied: a view left in the queue would keep the memory of the whole batch.
        return try (0..<count).map { row in try batch.map { try $0.row(row).copied() } }
    }

    private static let maximumBatchCount = 1 << 24

    private func checkPriority(_ shape: Shape) throws {
        guard kind != .priority || shape.rank == 0 else {
            throw Status.invalidArgument("Expected the priority element to be a scalar, but received shape: \(shape)")
        }
    }
    private func checkTypes(_ tensors: [Tensor]) throws {
        guard tensors.count == types.count else {
            throw Status.invalidArgument(
                "Wrong number of components in tuple. Expected \(types.count), got \(tensors.count)")
        }
        for (index, tensor) in tensors.enumerated() where tensor.dtype != types[index] {
            throw Status.invalidArgument(
                "Type mismatch in tuple component \(index). Expected \(types[index]), got \(tensor.dtype)")
        }
    }
    private func mismatch(_ index: Int, _ expected: PartialShape, _ found: Shape) -> Status {
        .invalidArgument("Shape mismatch in tuple component \(index). Expected \(expected), got \(found)")
    }
}
