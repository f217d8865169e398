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
        let made = uploading(try make(request), ports.inputs)
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

    /// The kernel, with those inputs copied to the device that it expects there but that are in host memory: what a node that runs
    /// on the host has made, such as int32 arithmetic.
    private func uploading(_ kernel: Kernel, _ isHost: [Bool]) -> Kernel {
        let device = device
        @Sendable func upload(_ context: borrowing KernelContext) throws(Status) {
            for index in 0..<context.inputCount where !isHost[index] {
                guard case .value(let tensor) = context.slot(index), tensor.dtype.isBitwise, !device.holds(tensor) else { continue }
                context.setInput(index, try device.enqueueUpload(tensor))
            }
        }
        switch kernel {
        case .sync(let body):
            return .sync { context in
                try upload(context)
                try body(context)
            }
        case .enqueued(let body):
            return .enqueued { context, done in
                try upload(context)
                return try body(context, done)
            }
        case .async(let body):
            return .async { context, done in
                do throws(Status) { try upload(context) } catch { return done(.failure(error)) }
                body(context, done)
            }
        }
    }
}
