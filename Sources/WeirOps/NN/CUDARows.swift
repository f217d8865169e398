import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// Programs that work on rows: a row belongs to 2 to 32 neighbouring threads, or to a block. It is read once, if it fits into shared
/// memory.
struct CUDARows: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let capacity: Int

    /// The elements of shared memory that hold rows, in bytes.
    private static let memory = 32 << 10

    /// Starts to compile a program with the kernel `rows`.
    /// - Parameters:
    ///   - parameters: the kernel's parameters after the number of rows, the width and the lanes, each after a comma.
    ///   - load: the element at `column` of `row`, of type C.
    ///   - body: statements for `row`; they read elements as `at(column)` and may change them with `put(column, value)`, which is forgotten
    ///     unless `isKept`. Every thread reaches `join(value, function)`, which joins the lanes' values; a row that is none has `width` 0.
    init(_ request: KernelRequest, _ dtype: DType, _ types: KeyValuePairs<String, String> = [:], parameters: String, load: String, body: String) throws {
        device = try request.cudaDevice()
        guard let type = dtype.cudaName else { throw request.unsupportedType("T") }
        let size = max(4, dtype.byteCount)
        capacity = CUDARows.memory / size
        module = try request.cudaModule(
            "\(request.op.name) rows", ["T": type],
            """
            \(types.map { "typedef \($0.value) \($0.key);" }.joined(separator: "\n"))
            typedef Compute<T>::type C;
            const int CAPACITY = \(CUDARows.memory) / sizeof(C);
            struct Sum { template <class N> DEVICE N operator()(N a, N b) const { return a + b; } };
            struct Most { template <class N> DEVICE N operator()(N a, N b) const { return b > a ? b : a; } };
            // Joins the values of the lanes of a row; all lanes get the same bits.
            template <class N, class F> DEVICE N join_lanes(N value, const F& function, int lanes, N* shared) {
                for (int w = (lanes < 32 ? lanes : 32) / 2; w > 0; w /= 2) value = function(value, __shfl_xor_sync(0xffffffffu, value, w));
                if (lanes <= 32) return value;
                __syncthreads();
                if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
                __syncthreads();
                value = shared[0];
                for (int w = 1; w < 8; w++) value = function(value, shared[w]);
                return value;
            }
            #define join(value, function) join_lanes(value, function, lanes, joined)
            KERNEL rows(int64 row_count, int64 row_width, int64 lane_count\(parameters)) {
                __shared__ C memory[CAPACITY];
                __shared__ C joined[8];
                const int lanes = (int)lane_count, together = 256 / lanes, lane = threadIdx.x % lanes;
                C* own = memory + threadIdx.x / lanes * (CAPACITY / together);
                const bool isKept = row_width <= CAPACITY / together;
                const C lowest = -(C)__int_as_float(0x7f800000);
                for (int64 start = (int64)blockIdx.x * together; start < row_count; start += (int64)gridDim.x * together) {
                    const int64 row = start + threadIdx.x / lanes;
                    const int64 width = row < row_count ? row_width : 0;
                    auto load = [&](int64 column) -> C { return \(load); };
                    auto at = [&](int64 column) -> C { return isKept ? own[column] : load(column); };
                    auto put = [&](int64 column, C value) { if (isKept) own[column] = value; };
                    if (isKept) for (int64 i = lane; i < width; i += lanes) own[i] = load(i);
                    \(body)
                    if (lanes > 32) __syncthreads();
                }
            }
            """)
    }

    /// Enqueues the work on all rows.
    func run(_ rows: Int, _ width: Int, _ arguments: [CUDAArgument]) throws {
        guard rows > 0 else { return }
        var lanes = 1
        while lanes < 32, lanes < width { lanes *= 2 }
        if width > capacity / 8 { lanes = 256 }
        let blocks = (rows * lanes + 255) / 256
        try device.launch(
            module.function("rows"), CUDAGrid(min(blocks, device.card.processorCount * 32), 256),
            [.int(rows), .int(width), .int(lanes)] + arguments)
    }
}

extension CUDARows {
    /// Statements that find the `largest` element of a row.
    static let largest = """
        C largest = lowest;
        for (int64 i = lane; i < width; i += lanes) { C x = at(i); if (x > largest) largest = x; }
        largest = join(largest, Most());

        """
    /// Statements that find the `sum` of the exponentials of a row's distances from its `largest` element. Kept rows hold the distances
    /// or the exponentials then.
    static func sum(keeps: String) -> String {
        """
        C sum = 0;
        for (int64 i = lane; i < width; i += lanes) {
            C distance = at(i) - largest, exponential = exp(distance);
            put(i, \(keeps));
            sum += exponential;
        }
        sum = join(sum, Sum());

        """
    }
}
