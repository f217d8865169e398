public import WeirTensor

extension KernelContext {
    /// Takes the tensor of input `index` out of its slot, so that the slot does not hold a reference to it. This is for kernels
    /// that change tensors in place. The input is empty afterwards.
    public func takeInput(_ index: Int) -> Tensor {
        let tensor = input(index)
        inputs[index] = .empty
        return tensor
    }

    /// Replaces input `index` by a copy in other memory.
    package func replaceInput(_ index: Int, _ tensor: Tensor) { inputs[index] = .value(tensor) }
}
