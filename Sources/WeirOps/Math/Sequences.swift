import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The numbers from a start up to but not including a limit, with a step.
    static let range = OpDefinition(
        "Range", "(start: Tidx, limit: Tidx, delta: Tidx) -> (output: Tidx)",
        "Tidx: {bfloat16, half, float, double, int8, int16, int32, int64, uint16, uint32, uint64} = int32"
    )
    .shape { c in
        for index in 0..<3 { try c.requireRank(index, 0) }
        guard let start = c.constant(0), let limit = c.constant(1), let delta = c.constant(2) else {
            return c.setOutput(0, .vector(nil))
        }
        c.setOutput(0, .vector(try RangeLength.of(start, limit, delta)))
    }
    .knownValue { c in c.range() }
    .noGradient()
    .kernel(["Tidx": rangeTypes], gpu: ["Tidx": rangeTypes.subtracting(DTypeSet(.int32))], hostMemory: ["start", "limit", "delta"]) {
        try $0.real("Tidx", RangeVisitor())
    }
    .kernel(["Tidx": []], gpu: ["Tidx": DTypeSet(.int32)], hostMemory: ["start", "limit", "delta", "output"]) {
        try $0.real("Tidx", RangeVisitor())
    }
    .cuda(cudaRangeKernel)

    private static let rangeTypes: DTypeSet = [.signed, DTypeSet(.uint16, .uint32, .uint64)]

    /// Evenly spaced numbers from a start to a stop, both included.
    static let linSpace = OpDefinition(
        "LinSpace", "(start: T, stop: T, num: Tidx) -> (output: T)", "T: {bfloat16, half, float, double}",
        "Tidx: {int32, int64} = int32"
    )
    .shape { c in
        for index in 0..<3 { try c.requireRank(index, 0) }
        guard let count = try c.constant(2)?.integer("num") else { return c.setOutput(0, .vector(nil)) }
        guard count > 0 else { throw Status.invalidArgument("Requires num > 0: \(count)") }
        c.setOutput(0, .vector(count))
    }
    .noGradient()
    .kernel(["T": .floating, "Tidx": .index], gpu: ["T": .floating, "Tidx": .index], hostMemory: ["start", "stop", "num", "output"]) {
        try $0.floating("T", LinSpaceVisitor())
    }
}

/// The number of elements in a range.
private enum RangeLength {
    /// The number of elements in the range that a node's inputs describe.
    static func of(_ context: borrowing KernelContext) throws -> Int {
        for (index, name) in ["start", "limit", "delta"].enumerated() where context.shape(index).elementCount != 1 {
            throw Status.invalidArgument("\(name) must be a scalar, not shape \(context.shape(index))")
        }
        return try of(context.input(0), context.input(1), context.input(2))
    }
    static func of(_ start: Tensor, _ limit: Tensor, _ delta: Tensor) throws -> Int {
        func integers<E: FixedWidthInteger>(_ type: E.Type) throws -> Int {
            try of(start.elements(E.self)[0], limit.elements(E.self)[0], delta.elements(E.self)[0])
        }
        func floats<E: FloatingElement>(_ type: E.Type) throws -> Int {
            let (first, last, step) = (start.elements(E.self)[0], limit.elements(E.self)[0], delta.elements(E.self)[0])
            try check(first.number, last.number, step.number, numberText)
            // Divides in the element type, so that a quotient that rounds to an integer there counts as that integer.
            let count = E.dividedBy(E.minus(last, first), step).number.magnitude.rounded(.up)
            guard count < 0x1p63 else {
                throw Status.invalidArgument("Requires ((limit - start) / delta) <= 9223372036854775807")
            }
            return Int(count)
        }
        switch start.dtype {
        case .int8: return try integers(Int8.self)
        case .int16: return try integers(Int16.self)
        case .int32: return try integers(Int32.self)
        case .int64: return try integers(Int64.self)
        case .uint16: return try integers(UInt16.self)
        case .uint32: return try integers(UInt32.self)
        case .uint64: return try integers(UInt64.self)
        case .float32: return try floats(Float.self)
        case .float64: return try floats(Double.self)
        case .float16: return try floats(Float16.self)
        default: return try floats(BFloat16.self)
        }
    }

    private static func of<E: FixedWidthInteger>(_ start: E, _ limit: E, _ delta: E) throws -> Int {
        try check(start, limit, delta) { "\($0)" }
        // The distance between two 64-bit integers may need all 64 bits of an unsigned integer.
        let distance =
            start < limit
            ? UInt64(truncatingIfNeeded: limit) &- UInt64(truncatingIfNeeded: start)
            : UInt64(truncatingIfNeeded: start) &- UInt64(truncatingIfNeeded: limit)
        let step = UInt64(delta.magnitude)
        let count = distance / step + (distance % step == 0 ? 0 : 1)
        guard count < 1 << 60 else {
            throw Status.resourceExhausted("OOM when allocating tensor with shape[\(count)]")
        }
        return Int(count)
    }
    private static func check<E: Comparable & Numeric>(_ start: E, _ limit: E, _ delta: E, _ text: (E) -> String) throws {
        guard delta != 0 else { throw Status.invalidArgument("Requires delta != 0: \(text(delta))") }
        if delta > 0 {
            guard start <= limit else {
                throw Status.invalidArgument("Requires start <= limit when delta > 0: \(text(start))/\(text(limit))")
            }
        } else {
            guard start >= limit else {
                throw Status.invalidArgument("Requires start >= limit when delta < 0: \(text(start))/\(text(limit))")
            }
        }
    }
}

/// Returns a number as C++ streams print it: integers without a decimal point.
func numberText(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }

private struct RangeVisitor: RealVisitor {
    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { context in
            let count = try RangeLength.of(context)
            let start = context.elements(0, E.self)[0]
            let step = context.elements(2, E.self)[0]
            let out = try context.output(0, E.dtype, Shape(validating: [count])).mutableElements(E.self)
            if E.self is any IntegerElement.Type {
                var value = start
                for index in 0..<count {
                    out[index] = value
                    value = E.plus(value, step)
                }
            } else {
                // Multiplies the step each time, so that rounding errors do not accumulate.
                for index in 0..<count { out[index] = E.plus(start, E.times(step, E(number: Double(index)))) }
            }
        }
    }
}

@Sendable private func cudaRangeKernel(_ request: KernelRequest) throws -> Kernel {
    let (type, device) = (try request.type("Tidx"), try request.cudaDevice())
    // As on the CPU, the step is multiplied, each operation is rounded, and integers wrap.
    let value =
        type.isFloating
        ? "narrow<T>(widen(start) + rounded<T>(widen(step) * rounded<T>((double)i)))" : "(T)((uint64)start + (uint64)step * (uint64)i)"
    let module = try request.cudaModule(
        nil, ["T": request.cudaType("Tidx")],
        """
        KERNEL range(T* out, T start, T step, int64 count) {
            for (int64 i = first(); i < count; i += stride()) out[i] = \(value);
        }
        """)
    return .sync { context in
        let count = try RangeLength.of(context)
        let (start, step) = (CUDAArgument.element(context.input(0)), CUDAArgument.element(context.input(2)))
        let out = try context.output(0, type, Shape(validating: [count]))
        try device.launch(module.function("range"), over: count, [.elements(out), start, step, .int(count)])
    }
}

private struct LinSpaceVisitor: FloatingVisitor {
    func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel {
        .sync { context in
            for (index, name) in ["start", "stop", "num"].enumerated() where context.shape(index).rank != 0 {
                throw Status.invalidArgument("\(name) must be a scalar, not shape \(context.shape(index))")
            }
            let count = try context.input(2).integer("num")
            guard count > 0 else { throw Status.invalidArgument("Requires num > 0: \(count)") }
            let (start, stop) = (context.elements(0, E.self)[0], context.elements(1, E.self)[0])
            let out = try context.output(0, E.dtype, Shape(validating: [count])).mutableElements(E.self)
            out[0] = start
            guard count > 1 else { return }
            let step = E.dividedBy(E.minus(stop, start), E(number: Double(count - 1)))
            for index in 1..<count - 1 { out[index] = E.plus(start, E.times(step, E(number: Double(index)))) }
            out[count - 1] = stop
        }
    }
}

extension GraphBuilder {
    /// Returns the integers from `start` up to but not including `limit`, with step `step` (Range).
    public func range(_ start: Output, _ limit: Output, _ step: Output) -> Output { add("Range", [start, limit, step])[0] }
    /// Returns the int32 values from `start` up to but not including `limit`, with step `step` (Range).
    public func range(_ start: Int = 0, _ limit: Int, by step: Int = 1) -> Output {
        range(int32(start, "start"), int32(limit, "limit"), int32(step, "step"))
    }
    /// Returns `count` evenly spaced numbers from `start` to `stop`, both included (LinSpace).
    public func linSpace(_ start: Output, _ stop: Output, count: Int) -> Output {
        add("LinSpace", [start, stop, int32(count, "count")])[0]
    }
}
