import WeirKernels
import WeirTensor

// Kernels of the 16-bit floats widen their operands, compute in 32 bits with the kernels of floats, and round once.

extension Tensor {
    /// The elements of a 16-bit (or 32-bit) float tensor as floats.
    func widened<E: FloatingElement>(from type: E.Type) throws -> Tensor where E.Compute == Float {
        if E.self == Float.self { return self }
        let wide = try Tensor(.float32, shape)
        defer { keepAlive((self, wide)) }
        widenElements(elements(E.self), wide.mutableElements(Float.self))
        return wide
    }
    /// Writes floats over the elements of a 16-bit float tensor, rounded.
    func narrow<E: FloatingElement>(from wide: Tensor, to type: E.Type) where E.Compute == Float {
        defer { keepAlive((self, wide)) }
        narrowElements(wide.elements(Float.self), mutableElements(E.self))
    }
}

func widenElements<E: FloatingElement>(_ source: UnsafeBufferPointer<E>, _ target: UnsafeMutableBufferPointer<Float>)
where E.Compute == Float {
    for index in 0..<min(source.count, target.count) { target[index] = source[index].compute }
}

func narrowElements<E: FloatingElement>(_ source: UnsafeBufferPointer<Float>, _ target: UnsafeMutableBufferPointer<E>)
where E.Compute == Float {
    for index in 0..<min(source.count, target.count) { target[index] = E(compute: source[index]) }
}

/// Says that something is in use up to here.
///
/// The compiler lets go of a local tensor after the last mention of it, which may well be before the last use of its
/// elements' memory. Whoever reads or writes the elements of a tensor of his own says so: `defer { keepAlive(tensor) }`.
/// Inputs and outputs of a kernel need no such thing: the context holds them.
@inline(__always) func keepAlive<T>(_ value: T) { withExtendedLifetime(value) {} }

extension UnsafeBufferPointer {
    /// The first element's address; some address, not to be read, when there is none.
    var start: UnsafePointer<Element> { baseAddress ?? UnsafePointer(bitPattern: 64)! }
}
extension UnsafeMutableBufferPointer {
    var start: UnsafeMutablePointer<Element> { baseAddress ?? UnsafeMutablePointer(bitPattern: 64)! }
}
