import WeirGraph
import WeirKernels
import WeirTensor

extension DTypeSet {
    /// The dtypes that control flow ops on a GPU keep in host memory.
    static let flowHost = DTypeSet(.int32, .string, .resource)
    /// The dtypes that `Switch` on a GPU keeps in host memory.
    static let switchHost = DTypeSet(.int32, .string, .resource, .bool)
}

extension OpDefinition {
    /// Adds the kernels of an op that passes tensors of any dtype on. On a GPU, tensors of some dtypes are in host memory.
    ///
    /// - Parameters:
    ///   - host: the dtypes in host memory.
    ///   - always: the arguments in host memory for every dtype.
    ///   - moved: the arguments in host memory for a dtype of `host`.
    func forwardingKernels(
        host: DTypeSet, always: Set<String> = [], moved: Set<String>, make: @escaping KernelFactory.Make
    ) -> OpDefinition {
        kernel(["T": .all], gpu: ["T": DTypeSet.all.subtracting(host)], hostMemory: always, make: make)
            .kernel(["T": host], gpu: ["T": host], hostMemory: always.union(moved), make: make)
    }
}
