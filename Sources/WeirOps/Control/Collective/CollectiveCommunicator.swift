import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A group whose members have found each other, as the third version of the collective ops names it. It gives every operation a
/// key of its own: the members call the operations in one order. TensorFlow's `CollectiveGroupResource`.
final class CollectiveCommunicator: Resource {
    static let kind = "N10tensorflow12_GLOBAL__N_123CollectiveGroupResourceE"
    static let container = "collective_op_group"

    let key: Int
    let rank: Int
    let size: Int
    let communicationHint: String
    let timeoutSeconds: Float
    private let operationCount = Atomic<Int>(0)
    /// The keys have 21 bits, as TensorFlow's, and begin anew after that.
    private static let instanceMask = 1 << 21 - 1

    init(key: Int, rank: Int, size: Int, communicationHint: String, timeoutSeconds: Float) {
        (self.key, self.rank, self.size) = (key, rank, size)
        (self.communicationHint, self.timeoutSeconds) = (communicationHint, timeoutSeconds)
    }

    /// The key of the next operation.
    func nextInstance() -> Int { operationCount.wrappingAdd(1, ordering: .relaxed).oldValue & CollectiveCommunicator.instanceMask }
}

extension OpDefinition {
    /// `CollectiveInitializeCommunicator`: waits until all members of a group have called it. Its output is the handle that the
    /// third version of the ops takes.
    static let collectiveInitializeCommunicator = OpDefinition(
        "CollectiveInitializeCommunicator", "(group_key: int32, rank: int32, group_size: int32) -> (communicator: resource)",
        attributes: CollectiveSchema.options
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(ShapeFunctions.scalar)
    .kernel(gpu: [:], hostMemory: ["group_key", "rank", "group_size"]) { request in
        let name = "\(request.name): InitializeCommunicator"
        let (hint, seconds) = (try request.string("communication_hint"), try request.float("timeout_seconds"))
        let device = request.place.device.name
        return .async { context, done in
            do {
                let communicator = try CollectiveCommunicator(context, hint: hint, timeoutSeconds: seconds)
                let resource = "\(communicator.key):r\(communicator.paddedRank)"
                try context.resources.create(communicator, container: CollectiveCommunicator.container, name: resource)
                let handle = Tensor(
                    ResourceHandle(
                        device: device.description, container: CollectiveCommunicator.container, name: resource,
                        typeName: CollectiveCommunicator.kind))
                let operation = CollectiveOperation(
                    .join, groupKey: communicator.key, groupSize: communicator.size, instanceKey: 0, dtype: .float32, rank: communicator.rank,
                    device: device, communicationHint: hint, timeout: CollectiveNode.timeout(seconds: seconds), name: name)
                guard let collectives = context.step.collectives else {
                    throw Status.internalError("Failed to get CollectiveExecutor from OpKernelContext for Op \(name)")
                }
                let resources = context.resources
                collectives.start(operation, input: nil, step: context.step) { result in
                    // Without a group there is no communicator, and the node may be run again.
                    if case .failure = result {
                        try? resources.remove(kind: CollectiveCommunicator.kind, container: CollectiveCommunicator.container, name: resource)
                    }
                    done(result.map { _ in [.value(handle)] })
                }
            } catch {
                done(.failure(Status(error)))
            }
        }
    }

    /// `CollectiveReduceV3`: every member gets the elementwise combination of all members' tensors.
    static let collectiveReduceV3 = OpDefinition(
        "CollectiveReduceV3", "(input: T, communicator: resource, group_assignment: int32) -> (data: T)", CollectiveSchema.reducedTypes,
        "reduction: {'Min', 'Max', 'Mul', 'Add'}", "timeout_seconds: float = 0"
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(ShapeFunctions.unchanged)
    .kernel(gpu: [:]) { request in
        let merge = try request.string("reduction")
        guard let reduction = CollectiveReduction.Merge(rawValue: merge).map({ CollectiveReduction($0) }) else {
            throw Status.invalidArgument("reduction must be one of {\"Min\", \"Max\", \"Mul\", \"Add\"} but got \(merge)")
        }
        return try thirdVersion(request, "ReduceV3(\(merge))", .reduce(reduction), reduction.arithmetic(request))
    }

    /// `CollectiveAllToAllV3`: each member gets one part of every member's tensor, by rank; the first dimension is cut.
    static let collectiveAllToAllV3 = OpDefinition(
        "CollectiveAllToAllV3", "(input: T, communicator: resource, group_assignment: int32) -> (data: T)", CollectiveSchema.reducedTypes,
        "timeout_seconds: float = 0"
    )
    .statefulWithKernelPerGraph().blocking()
    .shape(ShapeFunctions.unchanged)
    .kernel(gpu: [:]) { request in try thirdVersion(request, "AllToAllV3", .allToAll, nil) }

    private static func thirdVersion(
        _ request: KernelRequest, _ text: String, _ kind: CollectiveOperation.Kind, _ arithmetic: CollectiveArithmetic?
    ) throws -> Kernel {
        let node = try CollectiveNode(request, text, hint: "auto")
        return .async { context, done in
            do {
                let communicator = try CollectiveCommunicator.find(context)
                let group = CollectiveGroupArguments(size: communicator.size, key: communicator.key, instance: communicator.nextInstance())
                var operation = node.operation(kind, group, arithmetic: arithmetic)
                operation.communicationHint = communicator.communicationHint
                operation.rank = communicator.rank
                // As in TensorFlow: the node says whether there is a timeout, the communicator how long it is.
                if operation.timeout != nil { operation.timeout = CollectiveNode.timeout(seconds: communicator.timeoutSeconds) }
                CollectiveNode.run(operation, context.input(0), context, done)
            } catch {
                done(.failure(Status(error)))
            }
        }
    }
}

extension CollectiveCommunicator {
    /// Reads the inputs of `CollectiveInitializeCommunicator`.
    fileprivate convenience init(_ context: borrowing KernelContext, hint: String, timeoutSeconds: Float) throws {
        func scalar(_ index: Int, _ name: String, _ context: borrowing KernelContext) throws -> Int {
            let tensor = context.input(index)
            guard tensor.rank == 0 else {
                throw Status.invalidArgument("Unexpected dimensions on input \(name). It should be a scalar, got tensor with shape \(tensor.shape)")
            }
            return try tensor.integer(name)
        }
        let size = try scalar(2, "group_size", context), key = try scalar(0, "group_key", context), rank = try scalar(1, "rank", context)
        guard size > 0 else { throw Status.invalidArgument("group_size must be positive integer but got \(size)") }
        guard rank >= 0 else { throw Status.invalidArgument("rank must be non-negative integer but got \(rank)") }
        guard rank < size else { throw Status.invalidArgument("rank must be less than group size but got \(rank) >= \(size)") }
        self.init(key: key, rank: rank, size: size, communicationHint: hint, timeoutSeconds: timeoutSeconds)
    }

    /// The communicator of the handle at input 1.
    /// - Throws: `unimplemented` when input 2 assigns groups; `invalidArgument` or `notFound` when the handle is of nothing here.
    fileprivate static func find(_ context: borrowing KernelContext) throws -> CollectiveCommunicator {
        let tensor = context.input(1)
        guard tensor.elementCount == 1 else {
            throw Status.invalidArgument("communicator must be a scalar, but had shape: \(tensor.shape)")
        }
        let handle = tensor.elements(ResourceHandle.self)[0]
        guard handle.device == context.device.name.description else {
            throw Status.invalidArgument(
                "Trying to access resource \(handle.name) located in device \(handle.device) from device \(context.device.name)")
        }
        let communicator = try context.resources.lookup(CollectiveCommunicator.self, container: handle.container, name: handle.name)
        guard context.input(2).elementCount == 0 else { throw Status.unimplemented("Group assignments are not supported yet.") }
        return communicator
    }

    fileprivate var paddedRank: String {
        let digits = "\(rank)"
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
