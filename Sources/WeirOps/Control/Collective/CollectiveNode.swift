import WeirGraph
import WeirKernels
import WeirTensor

/// What the kernels of collective ops share: they bring a tensor to the host, run a member's part, and bring the result back.
struct CollectiveNode: Sendable {
    private let name: String
    private let node: String
    let dtype: DType
    let device: DeviceName
    let communicationHint: String
    let timeout: Duration?

    /// - Parameter what: the operation, for errors, as TensorFlow prints it after the node's name.
    init(_ request: KernelRequest, _ what: String, hint: String? = nil) throws {
        name = "\(request.name): \(what)"
        node = request.name
        dtype = try request.type("T")
        device = request.place.device.name
        communicationHint = try hint ?? request.string("communication_hint")
        timeout = CollectiveNode.timeout(seconds: try request.float("timeout_seconds"))
    }

    /// A timeout of an attribute: none unless it is positive.
    static func timeout(seconds: Float) -> Duration? {
        guard seconds > 0 else { return nil }
        return seconds < 1e9 ? .seconds(Double(seconds)) : .longestWait
    }

    /// This member's part of an operation.
    func operation(
        _ kind: CollectiveOperation.Kind, _ group: CollectiveGroupArguments, shape: Shape? = nil, arithmetic: CollectiveArithmetic? = nil
    ) -> CollectiveOperation {
        CollectiveOperation(
            kind, groupKey: group.key, groupSize: group.size, instanceKey: group.instance, dtype: dtype, shape: shape, arithmetic: arithmetic,
            device: device, communicationHint: communicationHint, timeout: timeout, name: name, node: node)
    }

    /// Runs an operation and passes its result to the kernel's completion.
    /// - Parameter input: the tensor, on the kernel's device; nil if the member receives a broadcast.
    static func run(
        _ operation: CollectiveOperation, _ input: Tensor?, _ context: borrowing KernelContext, _ done: @escaping KernelCompletion
    ) {
        guard let collectives = context.step.collectives else {
            return done(.failure(.internalError("Failed to get CollectiveExecutor from OpKernelContext for Op \(operation.name)")))
        }
        let step = context.step, device = context.device.underlying
        @Sendable func start(_ input: Tensor?) {
            collectives.start(operation, input: input, step: step) { result in
                switch result {
                case .failure(let status): done(.failure(status))
                case .success(let tensor) where device.isHost: done(.success([.value(tensor)]))
                case .success(let tensor): device.upload(tensor) { done($0.map { [.value($0)] }) }
                }
            }
        }
        guard let input else { return start(nil) }
        guard !device.isHost else {
            // Other members read the tensor while this step goes on, so it must not be a variable's memory.
            do throws(Status) { return start(try input.snapshot()) } catch { return done(.failure(error)) }
        }
        device.copyToHost(input) { copy in
            switch copy {
            case .success(let tensor): start(tensor)
            case .failure(let status): done(.failure(status))
            }
        }
    }
}

/// The numbers that identify an operation and its members.
struct CollectiveGroupArguments: Sendable {
    var size: Int
    var key: Int
    var instance: Int

    init(size: Int, key: Int, instance: Int) { (self.size, self.key, self.instance) = (size, key, instance) }

    /// The attributes of the first version of the ops.
    /// - Throws: `invalidArgument` when the size of the group is not positive.
    init(_ request: KernelRequest) throws {
        size = try request.int("group_size")
        key = try request.int("group_key")
        instance = try request.int("instance_key")
        try checkSize()
    }

    /// The inputs of the second version.
    /// - Parameter first: the index of the input `group_size`.
    /// - Throws: `invalidArgument` when an input is not a scalar, or the size of the group is not positive.
    init(_ context: borrowing KernelContext, first: Int) throws {
        func scalar(_ index: Int, _ name: String, _ context: borrowing KernelContext) throws -> Int {
            let tensor = context.input(index)
            guard tensor.rank == 0 else { throw Status.invalidArgument("Unexpected dimensions on input \(name), got \(tensor.shape)") }
            return try tensor.integer(name)
        }
        size = try scalar(first, "group_size", context)
        key = try scalar(first + 1, "group_key", context)
        instance = try scalar(first + 2, "instance_key", context)
        try checkSize()
    }

    private func checkSize() throws(Status) {
        guard size > 0 else { throw .invalidArgument("group_size must be positive integer but got \(size)") }
    }
}

/// The texts that the schemas and kernels of collective ops have in common.
enum CollectiveSchema {
    static let reducedTypes = "T: {bfloat16, float, half, double, int32, int64}"
    static let gatheredTypes = "T: {float, half, double, int32, int64}"
    static let broadcastTypes = "T: {bool, float, half, double, int32, int64}"
    static let group = ["group_size: int", "group_key: int", "instance_key: int"]
    static let reduction = ["merge_op: {'Min', 'Max', 'Mul', 'Add'}", "final_op: {'Id', 'Div'}"]
    static let options = ["communication_hint: string = 'auto'", "timeout_seconds: float = 0"]
    /// The attributes of the second version's ordering tokens, which only a compiler of graphs uses.
    static let ordering = ["is_stateless: bool = false", "Nordering_token: int >= 0 = 0"]
    static let groupInputs = "group_size: int32, group_key: int32, instance_key: int32"
    static let orderedGroupInputs = groupInputs + ", ordering_token: Nordering_token * resource"
    /// The inputs of the second version that are in host memory on a GPU.
    static let hostInputs: Set<String> = ["group_size", "group_key", "instance_key"]
}

extension CollectiveReduction {
    /// The reduction that a node's attributes name.
    /// - Throws: `invalidArgument` when they name none.
    init(_ request: KernelRequest) throws {
        let merge = try request.string("merge_op"), final = try request.string("final_op")
        guard let merge = Merge(rawValue: merge) else {
            throw Status.invalidArgument("merge_op must be one of {\"Min\", \"Max\", \"Mul\", \"Add\"} but got \(merge)")
        }
        guard let final = Final(rawValue: final) else {
            throw Status.invalidArgument("final_op must be one of {\"Id\", \"Div\"} but got \(final)")
        }
        self.init(merge, final)
    }

    /// The reduction as TensorFlow prints it: `Maximum,Div`.
    var text: String {
        let op = merge == .max ? "Maximum" : merge == .min ? "Minimum" : merge.rawValue
        return "\(op),\(final.rawValue)"
    }

    /// The loops for a node's type.
    /// - Throws: `unimplemented` when there are none.
    func arithmetic(_ request: KernelRequest) throws -> CollectiveArithmetic {
        guard let arithmetic = CollectiveArithmetic(self, try request.type("T")) else { throw request.unsupportedType("T") }
        return arithmetic
    }
}
