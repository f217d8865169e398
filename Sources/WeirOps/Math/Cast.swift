public import WeirGraph
import WeirKernels
public import WeirTensor

extension OpDefinition {
    /// The same values in another dtype.
    static let cast = OpDefinition(
        "Cast", "(x: SrcT) -> (y: DstT)", "SrcT: type", "DstT: type", "Truncate: bool = false"
    )
    .shape(ShapeFunctions.unchanged)
    .sharding(ShardingRule.elementwise)
    .knownValue { c in c.integers(0).flatMap { c.result($0.values, $0.shape) } }
    .simplified(.unchanged { node in node.inputTypes[0].dtype == node.outputTypes[0].dtype })
    .gradient { g in
        let (source, target) = (g.inputs[0].dtype, g.outputs[0].dtype)
        guard DTypeSet.inexact.contains(source), DTypeSet.inexact.contains(target) else { return [nil] }
        return [g.op("Cast", g.gradient(), attributes: ["DstT": .type(source)])]
    }
    .kernel(gpu: ["SrcT": castGPUTypes, "DstT": castGPUTypes], make: castKernel)
    .cuda(cudaCastKernel)

    /// The same values in another dtype, always in host memory.
    static let hostCast = OpDefinition(
        "_HostCast", "(x: SrcT) -> (y: DstT)", "SrcT: type", "DstT: type", "Truncate: bool = false"
    )
    .shape(ShapeFunctions.unchanged)
    .kernel(gpu: [:], hostMemory: ["x", "y"], make: castKernel)

    private static let castGPUTypes: DTypeSet = [.numeric, DTypeSet(.bool)]
}

@Sendable private func castKernel(_ request: KernelRequest) throws -> Kernel {
    let (source, target) = (try request.type("SrcT"), try request.type("DstT"))
    if source == target { return .sync { context in context.setOutput(0, context.input(0)) } }
    guard let loop = UnaryLoop.cast(from: source, to: target, truncating: try request.bool("Truncate")) else {
        throw Status.unimplemented("Cast \(source) to \(target) is not supported")
    }
    return .elementwise(loop, target)
}

@Sendable private func cudaCastKernel(_ request: KernelRequest) throws -> Kernel {
    let (source, target) = (try request.type("SrcT"), try request.type("DstT"))
    if source == target { return .sync { context in context.setOutput(0, context.input(0)) } }
    var value = "x"
    if try request.bool("Truncate"), let bits = UnaryLoop.droppedBits(source, target) { value = "cleared(x, \(bits))" }
    if source.isComplex, !target.isComplex { value += ".re" }
    if target == .bool {
        value += " != 0"
    } else if target.cudaName?.hasSuffix("int64") == true || target == .uint32 {
        if !source.isWhole { value = target == .uint64 ? "to_uint64(\(value))" : "to_int64(\(value))" }
    } else if target.isWhole, !source.isWhole {
        value = "to_int32(\(value))"
    }
    return try .cudaElementwise(request, value, with: cudaConversions)
}

/// The conversions of `CastConversions.swift`.
private let cudaConversions = """
    template <class F> DEVICE int32 to_int32(F x) { return x > (F)-2147483649.0 && x < (F)2147483648.0 ? (int32)x : (int32)0x80000000; }
    template <class F> DEVICE int64 to_int64(F x) {
        return x >= (F)-9223372036854775808.0 && x < (F)9223372036854775808.0 ? (int64)x : (int64)0x8000000000000000;
    }
    template <class F> DEVICE uint64 to_uint64(F x) {
        return x >= (F)9223372036854775808.0 && x < (F)18446744073709551616.0 ? (uint64)x : (uint64)to_int64(x);
    }
    DEVICE float cleared(float x, int bits) { return x != x ? x : __uint_as_float(__float_as_uint(x) >> bits << bits); }
    DEVICE double cleared(double x, int bits) {
        return x != x ? x : __longlong_as_double((int64)((uint64)__double_as_longlong(x) >> bits << bits));
    }
    template <class N> DEVICE Complex<N> cleared(Complex<N> x, int bits) { return make(cleared(x.re, bits), cleared(x.im, bits)); }

    """

extension UnaryLoop {
    /// Returns the loop of a conversion, or nil for dtypes that are not numeric.
    static func cast(from source: DType, to target: DType, truncating: Bool = false) -> UnaryLoop? {
        guard let loop = cast(from: source, to: target) else { return nil }
        guard truncating, let bits = droppedBits(source, target) else { return loop }
        return loop.clearingLowBits(bits, ofDoubles: source.part == .float64)
    }

    private static func cast(from source: DType, to target: DType) -> UnaryLoop? {
        switch source {
        case .int8, .qint8: fromInteger(Int8.self, target)
        case .int16, .qint16: fromInteger(Int16.self, target)
        case .int32, .qint32: fromInteger(Int32.self, target)
        case .int64: fromInteger(Int64.self, target)
        case .uint8, .quint8: fromInteger(UInt8.self, target)
        case .uint16, .quint16: fromInteger(UInt16.self, target)
        case .uint32: fromInteger(UInt32.self, target)
        case .uint64: fromInteger(UInt64.self, target)
        case .bool: fromInteger(Bool.self, target)
        case .float32: fromFloating(Float.self, target)
        case .float64: fromFloating(Double.self, target)
        case .float16: fromFloating(Float16.self, target)
        case .bfloat16: fromFloating(BFloat16.self, target)
        case .complex64: fromFloating(Complex64.self, target)
        case .complex128: fromFloating(Complex128.self, target)
        case .string, .resource, .variant: nil
        }
    }

    /// Returns the loop of a conversion from an integer type. Integers wrap, so signed and unsigned targets of one size share a
    /// loop.
    private static func fromInteger<S: CastSource>(_ source: S.Type, _ target: DType) -> UnaryLoop? {
        switch target {
        case .int8, .uint8, .qint8, .quint8: UnaryLoop(Conversion<S, Int8>.self)
        case .int16, .uint16, .qint16, .quint16: UnaryLoop(Conversion<S, Int16>.self)
        case .int32, .uint32, .qint32: UnaryLoop(Conversion<S, Int32>.self)
        case .int64, .uint64: UnaryLoop(Conversion<S, Int64>.self)
        default: toInexact(S.self, target)
        }
    }
    private static func fromFloating<S: CastSource>(_ source: S.Type, _ target: DType) -> UnaryLoop? {
        switch target {
        case .int8, .uint8, .qint8, .quint8: UnaryLoop(Conversion<S, Int8>.self)
        case .int16, .uint16, .qint16, .quint16: UnaryLoop(Conversion<S, Int16>.self)
        case .int32, .qint32: UnaryLoop(Conversion<S, Int32>.self)
        case .int64: UnaryLoop(Conversion<S, Int64>.self)
        case .uint32: UnaryLoop(Conversion<S, UInt32>.self)
        case .uint64: UnaryLoop(Conversion<S, UInt64>.self)
        default: toInexact(S.self, target)
        }
    }
    private static func toInexact<S: CastSource>(_ source: S.Type, _ target: DType) -> UnaryLoop? {
        switch target {
        case .bool: UnaryLoop(Conversion<S, Bool>.self)
        case .float32: UnaryLoop(Conversion<S, Float>.self)
        case .float64: UnaryLoop(Conversion<S, Double>.self)
        case .float16: UnaryLoop(Conversion<S, Float16>.self)
        case .bfloat16: UnaryLoop(Conversion<S, BFloat16>.self)
        case .complex64: UnaryLoop(Conversion<S, Complex64>.self)
        case .complex128: UnaryLoop(Conversion<S, Complex128>.self)
        default: nil
        }
    }

    /// Returns the number of fraction bits that the conversion drops; nil if none are dropped.
    fileprivate static func droppedBits(_ source: DType, _ target: DType) -> Int? {
        func fraction(_ type: DType) -> Int? {
            switch type.part {
            case .float64: 52
            case .float32: 23
            case .float16: 10
            case .bfloat16: 7
            default: nil
            }
        }
        // Conversions to bfloat16 from dtypes other than float32 always round.
        if target == .bfloat16, source != .float32 { return nil }
        guard let from = fraction(source), let to = fraction(target), from > to, source.byteCount >= 4 else { return nil }
        return from - to
    }

    /// Returns this loop with the lowest bits of its operand cleared first, so that the conversion truncates instead of
    /// rounding.
    private func clearingLowBits(_ bits: Int, ofDoubles: Bool) -> UnaryLoop {
        let (run, inputSize, outputSize) = (run, inputSize, outputSize)
        let length = 4096 / inputSize
        return UnaryLoop(
            run: { x, out, count in
                withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 64) { space in
                    guard let block = space.baseAddress else { return }
                    for start in stride(from: 0, to: count, by: length) {
                        let count = min(length, count - start)
                        if ofDoubles {
                            clear(x + start * inputSize, block, count * inputSize / 8, ~(UInt64(1) << bits - 1), Double.self)
                        } else {
                            clear(x + start * inputSize, block, count * inputSize / 4, ~(UInt32(1) << bits - 1), Float.self)
                        }
                        run(block, out + start * outputSize, count)
                    }
                }
            }, inputSize: inputSize, outputSize: outputSize, grain: grain)
    }
}

private func clear<F: BinaryFloatingPoint, B: FixedWidthInteger>(
    _ x: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ count: Int, _ mask: B, _ type: F.Type
) {
    let (values, bits) = (x.assumingMemoryBound(to: F.self), x.assumingMemoryBound(to: B.self))
    let target = out.assumingMemoryBound(to: B.self)
    for index in 0..<count { target[index] = values[index].isNaN ? bits[index] : bits[index] & mask }
}

extension DType {
    /// Whether the elements are integers or bools.
    fileprivate var isWhole: Bool { !isFloating && !isComplex }
    /// The dtype of the parts of a complex type; other types return themselves.
    fileprivate var part: DType {
        switch self {
        case .complex64: .float32
        case .complex128: .float64
        default: self
        }
    }
}

extension Output {
    /// Returns the same values in another dtype, or this output if it already has that dtype (Cast).
    public func cast(to dtype: DType) -> Output {
        self.dtype == dtype ? self : builder.add("Cast", [self], attributes: ["DstT": .type(dtype)])[0]
    }
}
