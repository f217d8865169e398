import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// A kernel with inputs and outputs of its own, so that it can run later than the node's call: when inputs have been copied to the
/// host, or on a stream.
final class DetachedKernel: Sendable {
    let request: KernelRequest
    /// Where the kernel runs. Its memory may be another than the node's.
    private let place: KernelEnvironment
    private let kernel: Kernel

    init(_ request: KernelRequest, _ place: KernelEnvironment, _ kernel: Kernel) {
        (self.request, self.place, self.kernel) = (request, place, kernel)
    }

    /// The step and the iteration of a kernel's call.
    struct Call: Sendable {
        let step: StepContext
        let frame: FrameIteration
        init(_ context: borrowing KernelContext) { (step, frame) = (context.step, context.frame) }
    }

    /// Runs the kernel at once.
    func runNow(_ context: borrowing KernelContext) throws {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        for (index, slot) in try execute(slots, Call(context)).enumerated() { context.setOutput(index, slot: slot) }
    }

    /// Runs the kernel after copying those host-memory inputs that are on the device to the host.
    /// - Parameter isAway: whether a tensor is in the device's memory.
    func run(_ context: borrowing KernelContext, _ isHostInput: [Bool], _ isAway: (Tensor) -> Bool, _ done: @escaping KernelCompletion) {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        let call = Call(context)
        @Sendable func run(_ inputs: [EdgeValue]) {
            guard case .async(let body) = kernel else { return done(Result { () throws(Status) in try execute(inputs, call) }) }
            do throws(Status) { try withContext(inputs, call) { context, _ in body(context, done) } } catch { done(.failure(error)) }
        }
        let away = slots.indices.filter { isHostInput[$0] && slots[$0].tensor.map(isAway) ?? false }
        guard !away.isEmpty else { return run(slots) }
        // Not the place's own device, which may be one with other memory: that has no stream, and the copies would not wait for kernels.
        let device = request.place.device.underlying
        let arriving = Mutex((slots: slots, left: away.count, failure: Status?.none))
        // The kernel's own device may have other memory, and then no stream.
        let event = device.underlying.stream?.record()
        for index in away {
            guard case .value(let tensor) = slots[index] else { continue }
            device.download(tensor, after: event) { result in
                let outcome = arriving.withLock { state -> Result<[EdgeValue], Status>? in
                    switch result {
                    case .success(let copy): state.slots[index] = .value(copy)
                    case .failure(let status): state.failure = status
                    }
                    state.left -= 1
                    guard state.left == 0 else { return nil }
                    return state.failure.map { .failure($0) } ?? .success(state.slots)
                }
                switch outcome {
                case .success(let inputs): run(inputs)
                case .failure(let status): done(.failure(status))
                case nil: break
                }
            }
        }
    }

    /// Runs a synchronous kernel. Does not trace it: the executor traces what the host runs.
    func execute(_ inputs: [EdgeValue], _ call: Call) throws(Status) -> [EdgeValue] {
        guard case .sync(let body) = kernel else { throw .internalError("Node '\(request.name)' waits on a stream") }
        return try withContext(inputs, call) { (context, outputs) throws(Status) -> [EdgeValue] in
            do { try body(context) } catch { throw Status(error) }
            return Array(outputs)
        }
    }

    /// Calls `body` with the context of a kernel and with the slots of its outputs.
    private func withContext<R>(
        _ inputs: [EdgeValue], _ call: Call, _ body: (borrowing KernelContext, UnsafeMutableBufferPointer<EdgeValue>) throws(Status) -> R
    ) throws(Status) -> R {
        // `inputs` keeps a second reference to each tensor, so that the kernel does not reuse the memory of an input that
        // others may hold.
        var slots = inputs + [.empty]
        var outputs = [EdgeValue](repeating: .empty, count: request.outputTypes.count + 1)
        defer { withExtendedLifetime(inputs) {} }
        return try slots.withUnsafeMutableBufferPointer { slots throws(Status) in
            try outputs.withUnsafeMutableBufferPointer { outputs throws(Status) in
                // Both arrays have one extra slot, so that their addresses are never nil.
                guard let first = slots.baseAddress, let target = outputs.baseAddress else { throw .internalError("no room for a kernel's slots") }
                let count = request.outputTypes.count
                let context = KernelContext(
                    inputs: first, inputCount: inputs.count, outputs: target, outputCount: count, step: call.step, place: place, frame: call.frame)
                return try body(context, UnsafeMutableBufferPointer(start: target, count: count))
            }
        }
    }
}

extension KernelRequest {
    /// The same request with another memory for the kernel's tensors.
    func placed(in memory: any Allocator) -> KernelRequest {
        KernelRequest(
            name: name, op: op, attributes: attributes, inputTypes: inputTypes, outputTypes: outputTypes,
            place: KernelEnvironment(
                device: DeviceWithAllocator(place.device, memory), resources: place.resources, pool: place.pool),
            functions: functions)
    }

    /// Whether a node of a device with streams runs on the host: it forwards tensors only, or all its tensors are in host memory.
    func runsOnHost(_ ports: (inputs: [Bool], outputs: [Bool])) -> Bool {
        if op.role != .compute || op.readsOnlyShapes || op.mayBlock { return true }
        switch op.passThrough {
        case .identity, .value, .each: return true
        case .copy, .check, nil: return !ports.inputs.contains(false) && !ports.outputs.contains(false)
        }
    }

    /// The kernel of a node that runs on the host.
    /// - Parameter isAway: whether a tensor is in the device's memory.
    func hostKernel(
        _ support: KernelSupport, _ ports: (inputs: [Bool], outputs: [Bool]), _ isAway: @escaping @Sendable (Tensor) -> Bool
    ) throws -> Kernel {
        // The outputs of these kernels, such as shapes, are in host memory. Kernels that only forward tensors leave them where they
        // are, and functions that a kernel calls run on the device.
        let forwards = op.role != .compute || op.passThrough != nil || !attributes.functionNames.isEmpty
        let inner = forwards ? self : placed(in: HostAllocator.shared)
        let made = try HostKernels().kernel(for: inner, support)
        let kernel = DetachedKernel(inner, inner.place, made)
        if ports.inputs.contains(true), !op.readsOnlyShapes {
            return .async { context, done in kernel.run(context, ports.inputs, isAway, done) }
        }
        guard !forwards, case .sync = made else { return made }
        return .sync { context in try kernel.runNow(context) }
    }
}
