package import WeirGraph
package import WeirTensor

/// Where a member wants the elements of a tensor that it receives: as they are, or combined with its own while they arrive.
///
/// Combining them on their way saves a pass over memory: they are read from the link's shared memory, which is in the processor's
/// cache, and only the result is written.
package struct CollectiveDestination: Sendable {
    /// What the elements are combined with.
    package struct Combination: Sendable {
        /// The member's own elements. They may be those of the target.
        let own: Tensor
        /// Whether the received elements are the left operand.
        let receivedIsLower: Bool
        let combine: CollectiveArithmetic.Combine

        package init(own: Tensor, receivedIsLower: Bool, _ combine: @escaping CollectiveArithmetic.Combine) {
            self.own = own
            self.receivedIsLower = receivedIsLower
            self.combine = combine
        }
    }

    /// Memory that nobody else uses until the receive is done. It has the type and the size of the tensor.
    package let target: Tensor
    /// Nil if the elements are wanted as they are.
    package let combination: Combination?

    package init(_ target: Tensor, combination: Combination? = nil) {
        self.target = target
        self.combination = combination
    }

    /// Takes elements that have arrived.
    /// - Parameters:
    ///   - bytes: whole elements. Another process may change them at any time.
    ///   - offset: where they belong, in bytes from the tensor's beginning.
    package func take(_ bytes: UnsafeRawPointer, at offset: Int, byteCount: Int) {
        let place = target.address + offset
        if let combination {
            let own = UnsafeRawPointer(combination.own.address + offset), count = byteCount / target.dtype.byteCount
            combination.combine(combination.receivedIsLower ? bytes : own, combination.receivedIsLower ? own : bytes, place, count)
        } else {
            place.copyMemory(from: bytes, byteCount: byteCount)
        }
        withExtendedLifetime(self) {}
    }
}
