import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// The kernels of a simulated GPU: the CPU's kernels, run by the device's stream.
///
/// As on a GPU, a kernel runs at once if it only forwards tensors or if all its tensors are in host memory. Other kernels are
/// enqueued on the stream. If the output shapes follow from the input shapes, the outputs are passed on at once. If they depend
/// on values, or if the node keeps state, the outputs are passed on when the stream has run the kernel.
struct SimulatedKernels: KernelLibrary {
    let gpu: SimulatedGPU

    func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
        let ports = try request.hostPorts(support)
        func placed(in memory: any Allocator) -> KernelRequest {
            KernelRequest(
                name: request.name, op: request.op, attributes: request.attributes, inputTypes: request.inputTypes,
                outputTypes: request.outputTypes,
                place: KernelEnvironment(
                    device: DeviceWithAllocator(request.place.device, memory), resources: request.place.resources, pool: request.place.pool),
                functions: request.functions)
        }
        if runsOnHost(request, ports) {
            // The outputs of these kernels, such as shapes, are in host memory. Kernels that only forward tensors leave them
            // where they are, and functions that a kernel calls run on the device.
            let forwards = request.op.role != .compute || request.op.passThrough != nil || !request.attributes.functionNames.isEmpty
            let inner = forwards ? request : placed(in: HostAllocator.shared)
            let made = try HostKernels().kernel(for: inner, support)
            let kernel = SimulatedKernel(gpu, inner, inner.place, ports.outputs, made)
            if ports.inputs.contains(true), !request.op.readsOnlyShapes {
                return .async { context, done in kernel.runOnHost(context, ports.inputs, done) }
            }
            guard !forwards, case .sync = made else { return made }
            return .sync { context in try kernel.runNow(context) }
        }
        let inner = placed(in: gpu.kernelMemory)
        let made = try HostKernels().kernel(for: inner, support)
        guard case .sync = made else {
            throw Status.unimplemented("Node '\(request.name)' (op \(request.op.name)) cannot wait on a simulated GPU")
        }
        let kernel = SimulatedKernel(gpu, request, inner.place, ports.outputs, made)
        if request.op.changesInputs { return .enqueued { context, done in kernel.enqueueInPlace(context, done) } }
        guard canReturnBeforeCompletion(request, ports) else { return .async { context, done in kernel.run(context, done) } }
        return .enqueued { context, done in try kernel.enqueue(context, done) }
    }

    private func runsOnHost(_ request: KernelRequest, _ ports: (inputs: [Bool], outputs: [Bool])) -> Bool {
        let op = request.op
        if op.role != .compute || op.readsOnlyShapes || op.mayBlock { return true }
        switch op.passThrough {
        case .identity, .value, .each: return true
        case .copy, .check, nil: return !ports.inputs.contains(false) && !ports.outputs.contains(false)
        }
    }

    /// Whether the outputs may be passed on before the stream has computed them: the node computes tensors on the device from
    /// tensors alone.
    private func canReturnBeforeCompletion(_ request: KernelRequest, _ ports: (inputs: [Bool], outputs: [Bool])) -> Bool {
        // Strings are excluded, because a string may name a TensorArray of the step.
        return request.op.isPure && request.op.shapeFunction != nil && !request.outputTypes.isEmpty && !ports.outputs.contains(true)
            && (request.inputTypes + request.outputTypes).allSatisfy { !$0.isReference && $0.dtype.isBitwise }
    }
}

/// The kernel of one node.
private final class SimulatedKernel: Sendable {
    private let gpu: SimulatedGPU
    private let request: KernelRequest
    /// Where the CPU's kernel runs: the GPU, but with memory that the kernel can read.
    private let place: KernelEnvironment
    private let isHostOutput: [Bool]
    private let kernel: Kernel

    init(_ gpu: SimulatedGPU, _ request: KernelRequest, _ place: KernelEnvironment, _ isHostOutput: [Bool], _ kernel: Kernel) {
        (self.gpu, self.request, self.place, self.isHostOutput, self.kernel) = (gpu, request, place, isHostOutput, kernel)
    }

    /// Enqueues the kernel. If the output shapes are known, passes the outputs on before they are computed.
    func enqueue(
        _ context: borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void
    ) throws -> Bool {
        let inputs = (0..<context.inputCount).map { context.input($0) }
        let known = inputs.map { (shape: $0.shape, value: gpu.elements(of: $0) == nil ? $0 : nil) }
        let shapes = GraphBuilder.outputShapes(of: request, known)?.compactMap(\.known) ?? []
        let call = Call(context)
        guard shapes.count == request.outputTypes.count else {
            // An output shape depends on values.
            let views = inputs.map { view($0, keeping: $0) }
            gpu.enqueue { [self] in
                done(
                    .outputs(
                        Result { () throws(Status) in try compute(views.map { .value($0) }, call).map { slot throws(Status) in try copiedToDevice(slot) } }))
            }
            return false
        }
        let outputs = try zip(request.outputTypes, shapes).map { try Tensor($0.dtype, $1, in: gpu.allocator) }
        for (index, output) in outputs.enumerated() { context.setOutput(index, output) }
        // The views do not retain the inputs. Their memory is freed in stream order, so it stays valid until the kernel has
        // run.
        let views = inputs.map { view($0, keeping: nil) }
        let targets = outputs.map { OutputBuffer(address: gpu.elements(of: $0), byteCount: $0.byteCount, shape: $0.shape) }
        gpu.enqueue { [self] in
            do throws(Status) {
                for (slot, target) in zip(try compute(views.map { .value($0) }, call), targets) { try target.take(slot, request) }
                done(.outputsAlreadySet(nil))
            } catch {
                done(.outputsAlreadySet(error))
            }
        }
        return true
    }

    /// Enqueues a kernel that updates its first input in place and returns it as its output.
    func enqueueInPlace(_ context: borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void) -> Bool {
        let inputs = (0..<context.inputCount).map { context.input($0) }
        let call = Call(context)
        context.setOutput(0, inputs[0])
        let views = inputs.map { view($0, keeping: nil) }
        gpu.enqueue { [self] in
            do throws(Status) {
                _ = try compute(views.map { .value($0) }, call)
                done(.outputsAlreadySet(nil))
            } catch {
                done(.outputsAlreadySet(error))
            }
        }
        return true
    }

    /// Enqueues the kernel and passes the outputs on when it has run.
    func run(_ context: borrowing KernelContext, _ done: @escaping KernelCompletion) {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        let call = Call(context)
        gpu.enqueue { [self] in
            done(
                Result { () throws(Status) -> [EdgeValue] in
                    // Copies the inputs, because a variable or a list updates its value in place while others hold the tensor.
                    let inputs = try slots.map { slot throws(Status) -> EdgeValue in
                        guard case .value(let tensor) = slot, gpu.elements(of: tensor) != nil else { return slot }
                        return .value(try view(tensor, keeping: tensor).copied(in: gpu.kernelMemory))
                    }
                    return try compute(inputs, call).enumerated().map { index, slot throws(Status) -> EdgeValue in
                        isHostOutput[index] ? slot : try copiedToDevice(slot)
                    }
                })
        }
    }

    /// Runs the kernel on the host at once.
    func runNow(_ context: borrowing KernelContext) throws {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        for (index, slot) in try execute(slots, Call(context)).enumerated() { context.setOutput(index, slot: slot) }
    }

    /// Runs the kernel on the host, after copying those host-memory inputs that are on the device to the host.
    func runOnHost(_ context: borrowing KernelContext, _ isHostInput: [Bool], _ done: @escaping KernelCompletion) {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        let call = Call(context)
        @Sendable func run(_ inputs: [EdgeValue]) {
            guard case .async(let body) = kernel else { return done(Result { () throws(Status) in try execute(inputs, call) }) }
            do throws(Status) { try withContext(inputs, call) { context, _ in body(context, done) } } catch { done(.failure(error)) }
        }
        let away = slots.indices.filter { index in
            isHostInput[index] && slots[index].tensor.map { gpu.elements(of: $0) != nil } ?? false
        }
        guard !away.isEmpty else { return run(slots) }
        let arriving = Mutex((slots: slots, left: away.count, failure: Status?.none))
        let event = gpu.stream?.record()
        for index in away {
            guard case .value(let tensor) = slots[index] else { continue }
            gpu.download(tensor, after: event) { result in
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

    /// Runs the CPU's kernel. Does not trace it: the executor traces what the host runs.
    private func execute(_ inputs: [EdgeValue], _ call: Call) throws(Status) -> [EdgeValue] {
        guard case .sync(let body) = kernel else { throw .internalError("Node '\(request.name)' waits on a stream") }
        return try withContext(inputs, call) { (context, outputs) throws(Status) -> [EdgeValue] in
            do { try body(context) } catch { throw Status(error) }
            return Array(outputs)
        }
    }

    /// Runs the CPU's kernel on the stream, and traces it as the stream's.
    private func compute(_ inputs: [EdgeValue], _ call: Call) throws(Status) -> [EdgeValue] {
        let start = call.step.trace == nil ? 0 : StepClock.now()
        let outputs = try execute(inputs, call)
        if let trace = call.step.trace, start != 0 {
            trace.record(
                node: request.name, op: request.op.name, device: "\(request.place.device.name)/stream:0", start: start, end: StepClock.now(),
                outputs: outputs)
        }
        return outputs
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

    /// Copies a result to the memory of the device.
    private func copiedToDevice(_ slot: EdgeValue) throws(Status) -> EdgeValue {
        guard case .value(let tensor) = slot, tensor.dtype.isBitwise else { return slot }
        return .value(try gpu.upload(tensor))
    }

    /// The tensor at the address that the stream uses.
    private func view(_ tensor: Tensor, keeping owner: Tensor?) -> Tensor {
        guard let elements = gpu.elements(of: tensor) else { return tensor }
        return Tensor(tensor.dtype, tensor.shape, over: elements, keeping: owner.map { TensorOwner($0) } ?? TensorOwner.nothing)
    }
    private final class TensorOwner: Sendable {
        static let nothing = TensorOwner(nil)
        let tensor: Tensor?
        init(_ tensor: Tensor?) { self.tensor = tensor }
    }

    /// The step and the iteration of a kernel call.
    private struct Call: Sendable {
        let step: StepContext
        let frame: FrameIteration
        init(_ context: borrowing KernelContext) { (step, frame) = (context.step, context.frame) }
    }

    /// The memory of an output that was passed on before it was computed.
    private struct OutputBuffer: @unchecked Sendable {  // only the stream writes to the address
        let address: UnsafeMutableRawPointer?
        let byteCount: Int
        let shape: Shape

        func take(_ slot: EdgeValue, _ request: KernelRequest) throws(Status) {
            guard case .value(let tensor) = slot, tensor.shape == shape, tensor.byteCount == byteCount else {
                throw .internalError(
                    "Node '\(request.name)' (op \(request.op.name)) gave \(slot.tensor.map { "\($0.shape)" } ?? "nothing"), its shape function \(shape)")
            }
            address?.copyMemory(from: tensor.address, byteCount: byteCount)
        }
    }
}
