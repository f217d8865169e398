import WeirGraph
import WeirKernels
import WeirTensor

extension DTypeSet {
    /// What the flow ops of a GPU keep in host memory.
    static let flowHost = DTypeSet(.int32, .string, .resource)
    /// The same for Switch.
    static let switchHost = DTypeSet(.int32, .string, .resource, .bool)
}

extension OpDefinition {
    /// Adds the kernels of an op that passes tensors of any type on: on a GPU some types lie in host memory.
    ///
    /// - Parameters:
    ///   - host: those types.
    ///   - always: arguments in host memory whatever the type.
    ///   - moved: arguments in host memory when the type is one of `host`.
    func passingKernels(
        host: DTypeSet, always: Set<String> = [], moved: Set<String>, make: @escaping KernelFactory.Make
    ) -> OpDefinition {
        kernel(["T": .all], gpu: ["T": DTypeSet.all.subtracting(host)], hostMemory: always, make: make)
            .kernel(["T": host], gpu: ["T": host], hostMemory: always.union(moved), make: make)
    }
}
