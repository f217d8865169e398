import WeirDevice
public import WeirGraph
import WeirKernels
import Synchronization
import WeirTensor

extension OpDefinition {
    /// Forwards its input. Fails if an element is infinite or NaN.
    static let checkNumerics = checkNumericsOp("CheckNumerics") { message, flaws in
        let found = [
            flaws.contains(.negativeInfinity) || flaws.contains(.positiveInfinity) ? "Inf" : nil,
            flaws.contains(.notANumber) ? "NaN" : nil,
        ].compactMap { $0 }
        return "\(message) : Tensor had \(found.joined(separator: " and ")) values"
    }

    /// Like `CheckNumerics`, but the error message tells positive from negative infinity.
    static let checkNumericsV2 = checkNumericsOp("CheckNumericsV2") { message, flaws in
        let found = [
            flaws.contains(.negativeInfinity) ? "-Inf" : nil, flaws.contains(.positiveInfinity) ? "+Inf" : nil,
            flaws.contains(.notANumber) ? "NaN" : nil,
        ].compactMap { $0 }
        let list = found.count < 3 ? found.joined(separator: " and ") : "-Inf, +Inf, and NaN"
        return "\(message) : Tensor had \(list) values"
    }

    private static func checkNumericsOp(
        _ name: String, _ report: @escaping @Sendable (String, NonFiniteKinds) -> String
    ) -> OpDefinition {
        OpDefinition(
            name, "(tensor: T) -> (output: T)", "T: {bfloat16, half, float, double}", "message: string"
        )
        .passing(.check)
        .stateful()
        .shape(ShapeFunctions.unchanged)
        .gradient { g in
            let message = "Not a number (NaN) or infinity (Inf) values detected in gradient. "
            return [
                g.op(
                    name, g.gradient(),
                    attributes: ["message": .string(message + (g.attributes.string("message") ?? ""))])
            ]
        }
        .kernel(["T": .floating], gpu: ["T": DTypeSet(.float16, .float32, .float64)]) { request in
            let message = try request.string("message")
            return try request.floating("T", CheckNumericsVisitor(report: { report(message, $0) }))
        }
        .cuda { request in
            let (device, message) = (try request.cudaDevice(), try request.string("message"))
            let module = try request.cudaModule(
                "CheckNumerics", ["T": request.cudaType("T")],
                """
                KERNEL find_flaws(const T* x, int* flaws, int64 count) {
                    int found = 0;
                    for (int64 i = first(); i < count; i += stride()) {
                        Compute<T>::type value = widen(x[i]);
                        if (isnan(value)) found |= \(NonFiniteKinds.notANumber.rawValue);
                        else if (isinf(value)) found |= value < 0 ? \(NonFiniteKinds.negativeInfinity.rawValue) : \(NonFiniteKinds.positiveInfinity.rawValue);
                    }
                    if (found) atomicOr(flaws, found);
                }
                """)
            return .async { context, done in
                do {
                    let (x, slot) = (context.input(0), context.slot(0))
                    let flaws = try Tensor(.int32, .scalar, in: device.allocator)
                    try device.fill(flaws)
                    try device.launch(
                        module.function("find_flaws"), over: x.elementCount, perThread: 4,
                        [.elements(x), .elements(flaws), .int(x.elementCount)])
                    device.download(flaws, after: device.compute.record()) { result in
                        done(
                            result.flatMap { flaws in
                                let found = NonFiniteKinds(rawValue: Int(flaws.elements(Int32.self)[0]))
                                return found.isEmpty ? .success([slot]) : .failure(.invalidArgument(report(message, found)))
                            })
                    }
                } catch { done(.failure(Status(error))) }
            }
        }
    }
}

struct NonFiniteKinds: OptionSet {
    let rawValue: Int
    static let negativeInfinity = NonFiniteKinds(rawValue: 1)
    static let positiveInfinity = NonFiniteKinds(rawValue: 2)
    static let notANumber = NonFiniteKinds(rawValue: 4)
}

/// Returns whether an element is infinite or NaN: all bits of its exponent are set.
private func hasNonFinite(_ dtype: DType, _ elements: UnsafeBufferPointer<some Any>) -> Bool {
    guard let base = elements.baseAddress.map({ UnsafeRawPointer($0) }) else { return false }
    switch dtype {
    case .float16: return hasFullExponent(base.assumingMemoryBound(to: UInt16.self), elements.count, 0x7C00)
    case .bfloat16: return hasFullExponent(base.assumingMemoryBound(to: UInt16.self), elements.count, 0x7F80)
    case .float32: return hasFullExponent(base.assumingMemoryBound(to: UInt32.self), elements.count, 0x7F80_0000)
    default: return hasFullExponent(base.assumingMemoryBound(to: UInt64.self), elements.count, 0x7FF0 << 48)
    }
}

private func hasFullExponent<U: FixedWidthInteger>(_ bits: UnsafePointer<U>, _ count: Int, _ mask: U) -> Bool {
    // Adding the lowest exponent bit to a full exponent carries into the sign bit.
    let one = mask & (0 &- mask)
    var carries: U = 0
    for index in 0..<count { carries |= (bits[index] & mask) &+ one }
    return carries & ~(U.max >> 1) != 0
}

private struct CheckNumericsVisitor: FloatingVisitor {
    let report: @Sendable (NonFiniteKinds) -> String

    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        .sync { [report] context in
            let elements = context.elements(0, E.self)
            let flaws = Atomic<Int>(0)
            context.pool.parallelFor(elements.count, grain: 1 << 16) { range in
                // Almost all tensors are finite, so a cheap test of the whole range comes first.
                guard hasNonFinite(E.dtype, UnsafeBufferPointer(rebasing: elements[range])) else { return }
                var found: NonFiniteKinds = []
                for index in range {
                    let value = elements[index].compute
                    if value.isNaN {
                        found.insert(.notANumber)
                    } else if value.isInfinite {
                        found.insert(value < 0 ? .negativeInfinity : .positiveInfinity)
                    }
                }
                flaws.bitwiseOr(found.rawValue, ordering: .relaxed)
            }
            let found = NonFiniteKinds(rawValue: flaws.load(ordering: .relaxed))
            guard found.isEmpty else { throw Status.invalidArgument(report(found)) }
            context.setOutput(0, slot: context.slot(0))
        }
    }
}

extension Output {
    /// Forwards the tensor. The step fails with `message` if an element is infinite or NaN (`CheckNumerics`).
    public func checkingNumerics(_ message: String) -> Output {
        builder.add("CheckNumerics", [self], attributes: ["message": .string(message)])[0]
    }
}
