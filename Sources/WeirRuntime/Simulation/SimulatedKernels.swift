import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// The kernels of a simulated GPU: the CPU's, run by the device's stream.
///
/// A kernel that only hands tensors on, or whose tensors all lie in host memory, runs at once, as on a GPU. One that
/// computes is enqueued. Its outputs are handed on at once where their shapes follow from its inputs' shapes; where they
/// follow from values, or where the node keeps state, they are handed on when the stream has got there.
struct SimulatedKernels: KernelLibrary {
    let gpu: SimulatedGPU

    func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
        let ports = try request.hostPorts(support)
        func placed(in memory: any Allocator) -> KernelRequest {
            KernelRequest(
                name: request.name, op: request.op, attributes: request.attributes, inputTypes: request.inputTypes,
                outputTypes: request.outputTypes,
                place: KernelPlace(
                    device: DeviceWithMemory(request.place.device, memory), resources: request.place.resources, pool: request.place.pool),
                functions: request.functions)
        }
        if runsOnHost(request, ports) {
            // What it makes, a shape say, is in the host's memory. What the machinery hands on stays where it is, and functions
            // that it calls run on the device.
            let isMachinery = request.op.role != .compute || request.op.passThrough != nil || request.op.functionCall != nil
            let inner = isMachinery ? request : placed(in: HostAllocator.shared)
            let made = try HostKernels().kernel(for: inner, support)
            let kernel = SimulatedKernel(gpu, inner, inner.place, ports.outputs, made)
            if ports.inputs.contains(true), !request.op.readsOnlyShapes {
                return .async { context, done in kernel.runOnHost(context, ports.inputs, done) }
            }
            guard !isMachinery, case .sync = made else { return made }
            return .sync { context in try kernel.runNow(context) }
        }
        let inner = placed(in: gpu.kernelMemory)
        let made = try HostKernels().kernel(for: inner, support)
        guard case .sync = made else {
            throw Status.unimplemented("Node '\(request.name)' (op \(request.op.name)) cannot wait on a simulated GPU")
        }
        let kernel = SimulatedKernel(gpu, request, inner.place, ports.outputs, made)
        if request.op.changesInputs { return .enqueued { context, done in kernel.enqueueInPlace(context, done) } }
        guard mayBeHandedOnEarly(request, ports) else { return .async { context, done in kernel.run(context, done) } }
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

    /// Whether a node computes values on the device from values alone.
    private func mayBeHandedOnEarly(_ request: KernelRequest, _ ports: (inputs: [Bool], outputs: [Bool])) -> Bool {
        // A string is no value here: it may name an array of the step's.
        return request.op.isPure && request.op.shapeFunction != nil && !request.outputTypes.isEmpty && !ports.outputs.contains(true)
            && (request.inputTypes + request.outputTypes).allSatisfy { !$0.isReference && $0.dtype.isBitwise }
    }
}

/// One node's kernel.
private final class SimulatedKernel: Sendable {
    private let gpu: SimulatedGPU
    private let request: KernelRequest
    /// Where the CPU's kernel runs: as on the GPU, in memory that it can read.
    private let place: KernelPlace
    private let isHostOutput: [Bool]
    private let kernel: Kernel

    init(_ gpu: SimulatedGPU, _ request: KernelRequest, _ place: KernelPlace, _ isHostOutput: [Bool], _ kernel: Kernel) {
        (self.gpu, self.request, self.place, self.isHostOutput, self.kernel) = (gpu, request, place, isHostOutput, kernel)
    }

    /// Enqueues the kernel and, where their shapes are known, hands its outputs on before they are computed.
    func enqueue(
        _ context: borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void
    ) throws -> Bool {
        let inputs = (0..<context.inputCount).map { context.input($0) }
        let known = inputs.map { (shape: $0.shape, value: gpu.elements(of: $0) == nil ? $0 : nil) }
        let shapes = GraphBuilder.outputShapes(of: request, known)?.compactMap(\.known) ?? []
        let call = Call(context)
        guard shapes.count == request.outputTypes.count else {
            // A shape that follows from values.
            let views = inputs.map { view($0, keeping: $0) }
            gpu.enqueue { [self] in
                done(.outputs(Result { () throws(Status) in try compute(views.map { .value($0) }, call).map { slot throws(Status) in try handedOn(slot) } }))
            }
            return false
        }
        let outputs = try zip(request.outputTypes, shapes).map { try Tensor($0.dtype, $1, in: gpu.allocator) }
        for (index, output) in outputs.enumerated() { context.setOutput(index, output) }
        // The stream has the memory until it is through, whoever else lets go of it: it is freed in the stream's order.
        let views = inputs.map { view($0, keeping: nil) }
        let targets = outputs.map { Target(address: gpu.elements(of: $0), byteCount: $0.byteCount, shape: $0.shape) }
        gpu.enqueue { [self] in
            do throws(Status) {
                for (slot, target) in zip(try compute(views.map { .value($0) }, call), targets) { try target.take(slot, request) }
                done(.handedOnBefore(nil))
            } catch {
                done(.handedOnBefore(error))
            }
        }
        return true
    }

    /// Enqueues a kernel that writes to its first input, which is its output.
    func enqueueInPlace(_ context: borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void) -> Bool {
        let inputs = (0..<context.inputCount).map { context.input($0) }
        let call = Call(context)
        context.setOutput(0, inputs[0])
        let views = inputs.map { view($0, keeping: nil) }
        gpu.enqueue { [self] in
            do throws(Status) {
                _ = try compute(views.map { .value($0) }, call)
                done(.handedOnBefore(nil))
            } catch {
                done(.handedOnBefore(error))
            }
        }
        return true
    }

    /// Enqueues the kernel; its outputs are handed on when it has run.
    func run(_ context: borrowing KernelContext, _ done: @escaping KernelCompletion) {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        let call = Call(context)
        gpu.enqueue { [self] in
            done(
                Result { () throws(Status) -> [Slot] in
                    // Copies: what a variable or a list keeps is updated in place, and others hold the tensor.
                    let inputs = try slots.map { slot throws(Status) -> Slot in
                        guard case .value(let tensor) = slot, gpu.elements(of: tensor) != nil else { return slot }
                        return .value(try view(tensor, keeping: tensor).copied(in: gpu.kernelMemory))
                    }
                    return try compute(inputs, call).enumerated().map { index, slot throws(Status) -> Slot in
                        isHostOutput[index] ? slot : try handedOn(slot)
                    }
                })
        }
    }

    /// Runs the kernel on the host, right away.
    func runNow(_ context: borrowing KernelContext) throws {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        for (index, slot) in try compute(slots, Call(context)).enumerated() { context.setOutput(index, slot: slot) }
    }

    /// Runs the kernel on the host, once those of its host-memory arguments that lie on the device have been brought there.
    func runOnHost(_ context: borrowing KernelContext, _ isHostInput: [Bool], _ done: @escaping KernelCompletion) {
        let slots = (0..<context.inputCount).map { context.slot($0) }
        let call = Call(context)
        @Sendable func run(_ inputs: [Slot]) {
            guard case .async(let body) = kernel else { return done(Result { () throws(Status) in try compute(inputs, call) }) }
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
                let outcome = arriving.withLock { state -> Result<[Slot], Status>? in
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

    /// Runs the CPU's kernel, on the stream.
    private func compute(_ inputs: [Slot], _ call: Call) throws(Status) -> [Slot] {
        guard case .sync(let body) = kernel else { throw .internalError("Node '\(request.name)' waits on a stream") }
        let start = call.step.trace == nil ? 0 : StepClock.now()
        let outputs = try withContext(inputs, call) { (context, outputs) throws(Status) -> [Slot] in
            do { try body(context) } catch { throw Status(error) }
            return Array(outputs)
        }
        if let trace = call.step.trace, start != 0 {
            trace.record(
                node: request.name, op: request.op.name, device: "\(request.place.device.name)/stream:0", start: start, end: StepClock.now(),
                outputs: outputs)
        }
        return outputs
    }

    /// Calls `body` with what a kernel sees, and with where it puts its outputs.
    private func withContext<R>(
        _ inputs: [Slot], _ call: Call, _ body: (borrowing KernelContext, UnsafeMutableBufferPointer<Slot>) throws(Status) -> R
    ) throws(Status) -> R {
        // Nobody writes over an input that the host may still hand to others: it is held here, too.
        var slots = inputs + [.empty]
        var outputs = [Slot](repeating: .empty, count: request.outputTypes.count + 1)
        defer { withExtendedLifetime(inputs) {} }
        return try slots.withUnsafeMutableBufferPointer { slots throws(Status) in
            try outputs.withUnsafeMutableBufferPointer { outputs throws(Status) in
                // Each has room for one more, so that there is an address.
                guard let first = slots.baseAddress, let target = outputs.baseAddress else { throw .internalError("no room for a kernel's slots") }
                let count = request.outputTypes.count
                let context = KernelContext(
                    inputs: first, inputCount: inputs.count, outputs: target, outputCount: count, step: call.step, place: place, frame: call.frame)
                return try body(context, UnsafeMutableBufferPointer(start: target, count: count))
            }
        }
    }

    /// A result in the device's memory.
    private func handedOn(_ slot: Slot) throws(Status) -> Slot {
        guard case .value(let tensor) = slot, tensor.dtype.isBitwise else { return slot }
        return .value(try gpu.upload(tensor))
    }

    /// A tensor as the stream sees it.
    private func view(_ tensor: Tensor, keeping owner: Tensor?) -> Tensor {
        guard let elements = gpu.elements(of: tensor) else { return tensor }
        return Tensor(tensor.dtype, tensor.shape, over: elements, keeping: owner.map { Kept($0) } ?? Kept.nothing)
    }
    private final class Kept: Sendable {
        static let nothing = Kept(nil)
        let tensor: Tensor?
        init(_ tensor: Tensor?) { self.tensor = tensor }
    }

    /// What a call has besides its tensors.
    private struct Call: Sendable {
        let step: StepContext
        let frame: FrameIteration
        init(_ context: borrowing KernelContext) { (step, frame) = (context.step, context.frame) }
    }

    /// Where an output goes that was handed on before.
    private struct Target: @unchecked Sendable {  // only the stream writes there
        let address: UnsafeMutableRawPointer?
        let byteCount: Int
        let shape: Shape

        func take(_ slot: Slot, _ request: KernelRequest) throws(Status) {
            guard case .value(let tensor) = slot, tensor.shape == shape, tensor.byteCount == byteCount else {
                throw .internalError(
                    "Node '\(request.name)' (op \(request.op.name)) gave \(slot.tensor.map { "\($0.shape)" } ?? "nothing"), its shape function \(shape)")
            }
            address?.copyMemory(from: tensor.address, byteCount: byteCount)
        }
    }
}
