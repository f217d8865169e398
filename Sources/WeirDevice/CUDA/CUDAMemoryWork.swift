import WeirTensor

/// Copies and sums of elements in a card's memory, which `Tensor` asks for: on the stream of kernels, without the host.
struct CUDAMemoryWork: Sendable {
    private let stream: CUDAStream
    private let modules: CUDAModuleCache
    /// How many copies one launch makes: as many as fit in a kernel's parameters.
    private static let partCount = 128

    init(_ stream: CUDAStream, _ modules: CUDAModuleCache) { (self.stream, self.modules) = (stream, modules) }

    func copy(_ parts: [DeviceCopy]) throws(Status) {
        let parts = parts.filter { $0.byteCount > 0 }
        let card = stream.card
        card.makeCurrent()
        if parts.count <= 2 {
            for part in parts {
                if let source = part.source {
                    try card.check(card.driver.copy(part.target, source, part.byteCount, stream.handle), "cuMemcpyDtoDAsync")
                } else {
                    try card.check(card.driver.fill(part.target, 0, part.byteCount, stream.handle), "cuMemsetD8Async")
                }
            }
            return
        }
        // The largest unit that all addresses and sizes are multiples of.
        let bits = parts.reduce(UInt64(16)) { $0 | ($1.source ?? 0) | $1.target | UInt64($1.byteCount) }
        let unit = 1 << min(4, bits.trailingZeroBitCount)
        let function = try modules.module(CUDAMemoryWork.copies).function("copy\(unit)")
        for start in stride(from: 0, to: parts.count, by: CUDAMemoryWork.partCount) {
            let some = parts[start..<min(parts.count, start + CUDAMemoryWork.partCount)]
            let rest = [UInt64](repeating: 0, count: CUDAMemoryWork.partCount - some.count)
            let words =
                some.map { $0.source ?? 0 } + rest + some.map(\.target) + rest + some.map { UInt64($0.byteCount / unit) } + rest
            let longest = some.reduce(0) { max($0, $1.byteCount / unit) }
            let blocks = max(1, min((longest + 1023) / 1024, card.processorCount * 32 / some.count))
            try stream.launch(function, CUDAGrid(blocks: (blocks, some.count, 1), threads: (256, 1, 1)), [.words(words)])
        }
    }

    func add(_ a: Tensor, _ b: Tensor, into sum: Tensor) throws(Status) {
        guard a.dtype == b.dtype, b.dtype == sum.dtype, a.elementCount == sum.elementCount, b.elementCount == sum.elementCount else {
            throw .invalidArgument("Cannot add \(a.dtype) of shape \(a.shape) and \(b.dtype) of shape \(b.shape)")
        }
        guard let type = CUDAMemoryWork.sumType(a.dtype) else {
            throw .invalidArgument("tensor_array::AddToTensor type not supported: \(a.dtype)")
        }
        let program = CUDAProgram("sum of tensors \(type)", "typedef \(type) T;\n" + CUDAMemoryWork.sums)
        let function = try modules.module(program).function("add")
        try stream.launch(function, over: sum.elementCount, perThread: 4, [.elements(a), .elements(b), .elements(sum), .int(sum.elementCount)])
    }

    // Signed and unsigned integers wrap alike.
    private static func sumType(_ dtype: DType) -> String? {
        switch dtype {
        case .float32: "float"
        case .float64: "double"
        case .float16: "half"
        case .bfloat16: "bfloat16"
        case .complex64: "complex64"
        case .complex128: "complex128"
        case .int8, .uint8: "uint8"
        case .int16, .uint16: "uint16"
        case .int32, .uint32: "uint32"
        case .int64, .uint64: "uint64"
        default: nil
        }
    }

    private static let sums = """
        KERNEL add(const T* a, const T* b, T* sum, int64 count) {
            for (int64 i = first(); i < count; i += stride()) sum[i] = narrow<T>(widen(a[i]) + widen(b[i]));
        }
        """

    /// Row y of the grid makes copy y.
    private static let copies = CUDAProgram(
        "copies",
        """
        struct Parts { uint64 sources[128], targets[128], counts[128]; };
        template <class U> DEVICE void run(const Parts& parts) {
            const U* source = (const U*)parts.sources[blockIdx.y];
            U* target = (U*)parts.targets[blockIdx.y];
            int64 count = (int64)parts.counts[blockIdx.y];
            U zero = {};
            for (int64 i = first(); i < count; i += stride()) target[i] = source ? source[i] : zero;
        }
        KERNEL copy1(Parts parts) { run<uint8>(parts); }
        KERNEL copy2(Parts parts) { run<uint16>(parts); }
        KERNEL copy4(Parts parts) { run<uint32>(parts); }
        KERNEL copy8(Parts parts) { run<uint64>(parts); }
        KERNEL copy16(Parts parts) { run<Pack<uint64, 2> >(parts); }
        """)
}
