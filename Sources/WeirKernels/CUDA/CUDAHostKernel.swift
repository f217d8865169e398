package import WeirGraph
import WeirTensor

extension OpDefinition {
    /// Uses the CPU's kernel on a card too. Only for kernels that do bookkeeping on the host: they pass tensors on, store them, or copy
    /// and clear whole tensors with `Tensor.copied`, `overwrite` and `zeros`, which a card does itself.
    package func cudaAsOnHost() -> OpDefinition {
        cuda { request in
            guard let factory = request.op.hostKernel(request.attributes) else { throw request.unsupportedType("T") }
            return try factory.make(request)
        }
    }
}
