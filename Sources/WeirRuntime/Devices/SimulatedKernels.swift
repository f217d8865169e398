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
        if request.runsOnHost(ports) { return try request.hostKernel(support, ports) { [gpu] in gpu.elements(of: $0) != nil } }
        let inner = request.placed(in: gpu.kernelMemory)
        let made = try HostKernels().kernel(for: inner, support)
        guard case .sync = made else {
            throw Status.unimplemented("Node '\(request.name)' (op \(request.op.name)) cannot wait on a simulated GPU")
        }
        let kernel = SimulatedKernel(gpu, request, inner.place, ports.outputs, made)
        if request.op.changesInputs { return .enqueued { context, done in kernel.enqueueInPlace(context, done) } }
        guard canReturnBeforeCompletion(request, ports) else { return .async { context, done in kernel.run(context, done) } }
        return .enqueued { context, done in try kernel.enqueue(context, done) }
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
    private let isHostOutput: [Bool]
    /// The CPU's kernel. It runs on the GPU, but with memory that it can read.
    private let kernel: DetachedKernel

    init(_ gpu: SimulatedGPU, _ request: KernelRequest, _ place: KernelEnvironment, _ isHostOutput: [Bool], _ kernel: Kernel) {
        (self.gpu, self.request, self.isHostOutput) = (gpu, request, isHostOutput)
        self.kernel = DetachedKernel(request, place, kernel)
    }

    /// Enqueues the kernel. If the output shapes are known, passes the outputs on before they are computed.
    func enqueue(
        _ context: borrowing KernelContext, _ done: @escaping @Sendable (EnqueuedResult) -> Void
    ) throws -> Bool {
        let inputs = (0..<context.inputCount).map { context.input($0) }
        let known = inputs.map { (shape: $0.shape, value: gpu.elements(of: $0) == nil ? $0 : nil) }
        let shapes = GraphBuilder.outputShapes(of: request, known)?.compactMap(\.known) ?? []
        let call = DetachedKernel.Call(context)
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
        let call = DetachedKernel.Call(context)
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
        let call = DetachedKernel.Call(context)
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

    /// Runs the CPU's kernel on the stream, and traces it as the stream's.
    private func compute(_ inputs: [EdgeValue], _ call: DetachedKernel.Call) throws(Status) -> [EdgeValue] {
        let start = call.step.trace == nil ? 0 : StepClock.now()
        let outputs = try kernel.execute(inputs, call)
        if let trace = call.step.trace, start != 0 {
            trace.record(
                node: request.name, op: request.op.name, device: "\(request.place.device.name)/stream:0", start: start, end: StepClock.now(),
                outputs: outputs)
        }
        return outputs
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
