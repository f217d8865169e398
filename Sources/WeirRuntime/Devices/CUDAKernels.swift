import WeirDevice
import WeirGraph
import WeirTensor

/// The kernels of a CUDA device: those that the ops declare (`OpDefinition.cuda`), and the CPU's for nodes that only forward tensors
/// or whose tensors are in host memory.
struct CUDAKernels: KernelLibrary {
    let device: CUDADevice

    func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
        let ports = try request.hostPorts(support)
        let isAway: @Sendable (Tensor) -> Bool = { [device] in device.holds($0) }
        if request.runsOnHost(ports) { return try request.hostKernel(support, ports, isAway) }
        guard let make = request.op.cudaKernel else {
            throw Status.unimplemented("Op '\(request.op.name)' of node '\(request.name)' has no CUDA kernel; place it on a CPU")
        }
        let made = traced(movingInputs(try make(request), request, ports.inputs), request)
        guard ports.inputs.contains(true), case .sync(let body) = made else { return made }
        // Shapes, axes and the like are most often in host memory already. If not, the kernel waits for the copy.
        let kernel = DetachedKernel(request, request.place, made)
        return .enqueued { context, done in
            for index in 0..<context.inputCount where ports.inputs[index] {
                guard let tensor = context.slot(index).tensor, device.holds(tensor) else { continue }
                kernel.run(context, ports.inputs, isAway) { done(.outputs($0)) }
                return false
            }
            try body(context)
            done(.outputsAlreadySet(nil))
            return true
        }
    }

    /// The same kernel, which in a step with a trace records when the card ran it.
    private func traced(_ kernel: Kernel, _ request: KernelRequest) -> Kernel {
        guard case .sync(let body) = kernel else { return kernel }
        let (node, op, place) = (request.name, request.op.name, "\(request.place.device.name)/stream:0")
        return .sync { [device] context in
            guard let trace = context.step.trace else { return try body(context) }
            let start = device.timer.mark(StepClock.now)
            try body(context)
            device.timer.times(from: start, to: device.timer.mark(StepClock.now)) { start, end in
                trace.record(node: node, op: op, device: place, start: start, end: end, outputs: [])
            }
        }
    }

    /// The same kernel, which copies inputs that another node has left in host memory to the card first: a shape, for example, that is
    /// used as numbers.
    private func movingInputs(_ kernel: Kernel, _ request: KernelRequest, _ isHostInput: [Bool]) -> Kernel {
        let indices = request.inputTypes.indices.filter {
            !isHostInput[$0] && request.inputTypes[$0].dtype.isBitwise && !request.inputTypes[$0].isReference
        }
        guard !indices.isEmpty else { return kernel }
        @Sendable func move(_ context: borrowing KernelContext) throws {
            for index in indices {
                guard let tensor = context.slot(index).tensor, !device.holds(tensor) else { continue }
                context.replaceInput(index, try device.enqueueUpload(tensor))
            }
        }
        switch kernel {
        case .sync(let body):
            return .sync { context in
                try move(context)
                try body(context)
            }
        case .async(let body):
            return .async { context, done in
                do { try move(context) } catch { return done(.failure(Status(error))) }
                body(context, done)
            }
        case .enqueued: return kernel
        }
    }
}
