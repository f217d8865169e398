import Synchronization
import WeirTensor

extension Tensor {
    /// Copies a tensor of variants with all tensors that they hold, for a move to other memory.
    /// - Parameter each: copies one tensor that is held, and calls its completion once, from any thread.
    func copyingVariants(_ each: (Tensor, @escaping Completion<Tensor>) -> Void, _ done: @escaping Completion<Tensor>) {
        let variants = Array(elements(Variant.self))
        let held = variants.map { $0.value?.heldTensors ?? [] }
        let all = held.flatMap { $0 }
        guard !all.isEmpty else { return done(.success(self)) }
        let shape = self.shape
        let arriving = Mutex((copies: all, left: all.count, failure: Status?.none))
        for (index, tensor) in all.enumerated() {
            each(tensor) { result in
                let outcome = arriving.withLock { state -> Result<[Tensor], Status>? in
                    switch result {
                    case .success(let copy): state.copies[index] = copy
                    case .failure(let status): state.failure = state.failure ?? status
                    }
                    state.left -= 1
                    guard state.left == 0 else { return nil }
                    return state.failure.map { .failure($0) } ?? .success(state.copies)
                }
                guard let outcome else { return }
                done(
                    outcome.map { copies in
                        var start = 0
                        let moved = zip(variants, held).map { variant, own -> Variant in
                            defer { start += own.count }
                            return own.isEmpty ? variant : Variant(variant.value?.holding(Array(copies[start..<start + own.count])))
                        }
                        return Tensor(moved, ofShape: shape)
                    })
            }
        }
    }
}
