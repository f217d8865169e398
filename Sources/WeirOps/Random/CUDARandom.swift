import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// A CUDA program that fills tensors with random numbers: those of the CPU's kernels, but for the last bits of normal numbers, whose
/// logarithm, sine and cosine are CUDA's.
struct CUDARandom: Sendable {
    /// Where the random numbers begin: known on the host, or key and counter (uint64) in the card's memory.
    enum Source {
        case known(Philox)
        case onCard(key: Tensor, counter: Tensor)

        var arguments: [CUDAArgument] {
            switch self {
            case .known(let generator): [.int(0), .int(0), .word(generator.key), .word(generator.counterLow), .word(generator.counterHigh)]
            case .onCard(let key, let counter): [.elements(key), .elements(counter), .int(0), .int(0), .int(0)]
            }
        }
    }
    private let device: CUDADevice
    private let module: CUDAModule
    private let width: Int

    /// - Parameters:
    ///   - width: the number of elements of a group.
    ///   - samples: the number of samples of 128 bits from the beginning of a group to that of the next.
    ///   - group: statements that set `T r[W]` from the generator `g`, with the integers `low` and `range`.
    private init(_ request: KernelRequest, _ name: String, _ dtype: DType, width: Int, samples: Int = 1, _ group: String) throws {
        guard let type = dtype.cudaName else { throw Status.unimplemented("\(request.op.name): a card does not compute with \(dtype)") }
        device = try request.cudaDevice()
        self.width = width
        module = try request.cudaModule(
            "random \(name)", ["T": type],
            CUDARandom.philox + """
                const int W = \(width);
                DEVICE void group(Philox g, T* r, uint64 low, uint64 range) {
                    \(group)
                }
                KERNEL fill(T* out, int64 count, const uint64* keys, const uint64* counters, uint64 key, uint64 low, uint64 high, uint64 least, uint64 range) {
                    Philox start = {keys ? keys[0] : key, counters ? counters[0] : low, counters ? counters[1] : high};
                    int64 groups = (count + W - 1) / W;
                    for (int64 i = first(); i < groups; i += stride()) {
                        Philox g = start;
                        g.skip((uint64)i * \(samples));
                        T r[W];
                        group(g, r, least, range);
                        if ((i + 1) * W <= count) {
                            Pack<T, W> pack;
                            for (int k = 0; k < W; k++) pack.at[k] = r[k];
                            ((Pack<T, W>*)out)[i] = pack;
                        } else
                            for (int k = 0; k < W; k++)
                                if (i * W + k < count) out[i * W + k] = r[k];
                    }
                }
                """)
    }

    /// The program of a distribution of floating-point numbers.
    init(_ request: KernelRequest, _ distribution: FloatDistribution, _ dtype: DType) throws {
        let isDouble = dtype == .float64
        let each = "for (int k = 0; k < W; k++)"
        switch distribution {
        case .uniform:
            let value =
                switch dtype {
                case .float64: "unit(w.at[2 * k], w.at[2 * k + 1])"
                case .float16: "to_half(widen(half_of(w.at[k])) - 1)"
                case .bfloat16: "to_bfloat16(__uint_as_float((w.at[k] & 0x7f | 0x3f80) << 16) - 1)"
                default: "unit(w.at[k])"
                }
            try self.init(request, "uniform", dtype, width: isDouble ? 2 : 4, "Words w = g.next();\n\(each) r[k] = \(value);")
        case .normal:
            try self.init(
                request, "normal", dtype, width: isDouble ? 2 : 4,
                isDouble
                    ? "normals(g.next(), r);"
                    : "Words w = g.next();\nfloat n[4];\nnormals(w.at[0], w.at[1], n);\nnormals(w.at[2], w.at[3], n + 2);\n\(each) r[k] = narrow<T>(n[k]);")
        case .truncatedNormal:
            // The first two numbers below two, or four, of a sequence of pairs.
            try self.init(
                request, "truncated normal", dtype, width: isDouble ? 2 : 4, samples: isDouble ? 128 : 256,
                isDouble
                    ? """
                    double first = 0, n[2];
                    for (bool has_first = false;;) {
                        normals(g.next(), n);
                        for (int k = 0; k < 2; k++) {
                            if (!(fabs(n[k]) < 2)) continue;
                            if (has_first) { r[0] = first; r[1] = n[k]; return; }
                            first = n[k];
                            has_first = true;
                        }
                    }
                    """
                    : """
                    T a, b, c;
                    float n[4];
                    for (int found = 0;;) {
                        Words w = g.next();
                        normals(w.at[0], w.at[1], n);
                        normals(w.at[2], w.at[3], n + 2);
                        for (int k = 0; k < 4; k++) {
                            if (!(fabs(n[k]) < 2)) continue;
                            T value = narrow<T>(n[k]);
                            if (found == 0) a = value;
                            else if (found == 1) b = value;
                            else if (found == 2) c = value;
                            else { r[0] = a; r[1] = b; r[2] = c; r[3] = value; return; }
                            found++;
                        }
                    }
                    """)
        }
    }

    /// The program of integers of 32 or 64 bits: between bounds, or of any bits.
    init(integers request: KernelRequest, _ dtype: DType, isBounded: Bool) throws {
        let isWide = dtype.byteCount == 8
        let bits = isWide ? "join(w.at[2 * k], w.at[2 * k + 1])" : "w.at[k]"
        let value = !isBounded ? bits : isWide ? "\(bits) % range + low" : "\(bits) % (uint32)range + (uint32)low"
        try self.init(
            request, isBounded ? "integers" : "bits", dtype, width: isWide ? 2 : 4,
            "Words w = g.next();\nfor (int k = 0; k < W; k++) r[k] = (T)(\(value));")
    }

    /// Enqueues the filling of a tensor of a whole allocation.
    func fill(_ out: Tensor, from source: Source, low: UInt64 = 0, range: UInt64 = 0) throws {
        let count = out.elementCount
        try device.launch(
            module.function("fill"), over: (count + width - 1) / width,
            [.elements(out), .int(count)] + source.arguments + [.word(low), .word(range)])
    }

    /// Philox4x32-10, and what makes numbers of its words, as in `Philox.swift` and `RandomDistributions.swift`.
    static let philox = """
        struct Words { uint32 at[4]; };
        DEVICE uint64 join(uint32 low, uint32 high) { return (uint64)low | (uint64)high << 32; }
        struct Philox {
            uint64 key, low, high;
            DEVICE void skip(uint64 count) {
                low += count;
                if (low < count) high++;
            }
            DEVICE Words next() {
                uint32 w0 = (uint32)low, w1 = (uint32)(low >> 32), w2 = (uint32)high, w3 = (uint32)(high >> 32);
                uint32 k0 = (uint32)key, k1 = (uint32)(key >> 32);
        #pragma unroll
                for (int round = 0; round < 10; round++) {
                    uint64 a = (uint64)w0 * 0xd2511f53u, b = (uint64)w2 * 0xcd9e8d57u;
                    w0 = (uint32)(b >> 32) ^ w1 ^ k0;
                    w1 = (uint32)b;
                    w2 = (uint32)(a >> 32) ^ w3 ^ k1;
                    w3 = (uint32)a;
                    k0 += 0x9e3779b9u;
                    k1 += 0xbb67ae85u;
                }
                skip(1);
                Words words = {{w0, w1, w2, w3}};
                return words;
            }
        };
        DEVICE float unit(uint32 word) { return __uint_as_float((word & 0x7fffffu) | 0x3f800000u) - 1; }
        DEVICE double unit(uint32 high, uint32 low) {
            return __longlong_as_double((int64)((join(low, high) & 0xfffffffffffffull) | 0x3ff0000000000000ull)) - 1;
        }
        DEVICE half half_of(uint32 word) {
            half h = {(uint16)((word & 0x3ff) | 0x3c00)};
            return h;
        }
        // The transform of two uniform numbers into two normal ones (Box and Muller).
        DEVICE void normals(uint32 a, uint32 b, float* out) {
            float uniform = unit(a);
            if (!(uniform >= 1.0e-7f)) uniform = 1.0e-7f;
            float angle = (float)(6.283185307179586 * (double)unit(b)), radius = sqrt(-2 * log(uniform));
            out[0] = sin(angle) * radius;
            out[1] = cos(angle) * radius;
        }
        DEVICE void normals(Words w, double* out) {
            double uniform = unit(w.at[0], w.at[1]);
            if (!(uniform >= 1.0e-7)) uniform = 1.0e-7;
            double angle = 6.283185307179586 * unit(w.at[2], w.at[3]), radius = sqrt(-2 * log(uniform));
            out[0] = sin(angle) * radius;
            out[1] = cos(angle) * radius;
        }

        """
}

extension KernelContext {
    /// As `keyedGenerator`, of key and counter on the card.
    borrowing func keyedSource() throws -> CUDARandom.Source {
        try checkKeyed()
        return .onCard(key: input(1), counter: input(2))
    }
}

/// The CUDA kernel of an op that outputs random floating-point numbers.
/// - Parameter source: returns where the numbers begin, given their count.
func cudaRandomKernel(
    _ request: KernelRequest, _ distribution: FloatDistribution, _ source: @escaping @Sendable (borrowing KernelContext, Int) throws -> CUDARandom.Source
) throws -> Kernel {
    let dtype = try request.type("dtype")
    let program = try CUDARandom(request, distribution, dtype)
    return .sync { context in
        let shape = try context.outputShape()
        let start = try source(context, shape.elementCount)
        try program.fill(try context.output(0, dtype, shape), from: start)
    }
}
