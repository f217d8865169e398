package import WeirDevice
package import WeirTensor

/// A program that combines each element with all before it along an axis. Elements are combined in a fixed order.
///
/// The axis is cut into chunks, so that the card has enough threads: `totals` reduces each chunk, `starts` combines the totals, and
/// `scan` combines the elements of each chunk, beginning with what comes before it.
package struct CUDAScan: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let accumulatorSize: Int

    /// Starts to compile the program.
    /// - Parameters:
    ///   - reducer: how elements are combined. Its `finish` makes a result of what has been combined.
    ///   - isExclusive: whether an element's result leaves the element itself out.
    ///   - isReverse: whether the last element comes first.
    package init(
        _ device: CUDADevice, _ name: String, _ input: DType, _ output: DType, _ reducer: CUDAReducer, isExclusive: Bool = false,
        isReverse: Bool = false, accumulatorSize: Int = 16
    ) throws {
        guard let type = input.cudaName, let result = output.cudaName else {
            throw Status.unimplemented("\(name): a card does not compute with \(input)")
        }
        self.device = device
        self.accumulatorSize = accumulatorSize
        let title = "\(name) \(type) \(result)\(isExclusive ? " exclusive" : "")\(isReverse ? " reverse" : "")"
        module = try device.modules.module(CUDAProgram(title, CUDAScan.source(type, result, reducer, isExclusive, isReverse)))
    }

    /// Enqueues the scan of `input` along an axis to `output`, which has the same shape.
    package func run(_ input: Tensor, _ output: Tensor, axis: Int) throws {
        let shape = input.shape
        guard shape.elementCount > 0 else { return }
        let (length, inner) = (shape[axis], shape.count((axis + 1)...))
        try run(input, output, outer: shape.elementCount / (length * inner), length: length, inner: inner)
    }

    /// Enqueues the scan of an array of `outer` × `length` × `inner` elements along its second dimension.
    package func run(_ input: Tensor, _ output: Tensor, outer: Int, length: Int, inner: Int) throws {
        let (x, out) = (CUDAArgument.elements(input), CUDAArgument.elements(output))
        // A block scans rows of adjacent elements together; for longer steps, a thread scans a column.
        let (kernels, least) = inner == 1 ? (("row_totals", "row_scan"), 1024) : (("column_totals", "column_scan"), 32)
        let (lines, threads) = (outer * inner, inner == 1 ? 256 : 1)
        let wanted = max(1, device.card.processorCount * 2048 / (lines * threads))
        let chunks = max(1, min(wanted, (length + least - 1) / least, 1024))
        let grid = CUDAGrid(min(inner == 1 ? lines * chunks : (lines * chunks + 255) / 256, 1 << 20), 256)
        let sizes = [CUDAArgument.int(outer), .int(length), .int(inner), .int(chunks)]
        guard chunks > 1 else { return try device.launch(module.function(kernels.1), grid, [x, out, out, out] + sizes) }
        let totals = try Tensor(.uint8, Shape(validating: [lines * chunks * accumulatorSize]), in: device.allocator)
        try device.launch(module.function(kernels.0), grid, [x, .elements(totals)] + sizes)
        try device.launch(module.function("starts"), over: lines, [.elements(totals), .int(lines), .int(chunks)])
        try device.launch(module.function(kernels.1), grid, [x, out, .elements(totals), .elements(totals)] + sizes)
    }

    private static func source(_ type: String, _ result: String, _ reducer: CUDAReducer, _ isExclusive: Bool, _ isReverse: Bool) -> String {
        """
        typedef \(type) T;
        typedef \(result) R;
        typedef Compute<T>::type C;
        \(reducer.declarations)
        typedef \(reducer.accumulator) A;
        DEVICE A zero() { return \(reducer.zero); }
        DEVICE A accumulate(A a, C x, int64 j) { return \(reducer.accumulate); }
        DEVICE A merge(A a, A b) { return \(reducer.merge); }
        DEVICE R finish(A a, int64 count) { return narrow<R>(\(reducer.finish)); }
        // Where element j of a line lies, in the order of the scan.
        DEVICE int64 place(int64 j, int64 length) { return \(isReverse ? "length - 1 - j" : "j"); }
        DEVICE int64 begin_of(int64 chunk, int64 chunks, int64 length) { return chunk * length / chunks; }
        DEVICE R result(A before, A after, int64 j) { return finish(\(isExclusive ? "before" : "after"), j + 1); }

        // Item i is chunk i / lines of line i % lines: neighbours in a warp read neighbours in memory.
        KERNEL column_totals(const T* x, A* totals, int64 outer, int64 length, int64 inner, int64 chunks) {
            int64 lines = outer * inner;
            for (int64 i = first(); i < lines * chunks; i += stride()) {
                int64 line = i % lines, chunk = i / lines, end = begin_of(chunk + 1, chunks, length);
                const T* p = x + line / inner * length * inner + line % inner;
                A a = zero();
                for (int64 j = begin_of(chunk, chunks, length); j < end; j++) a = accumulate(a, widen(p[place(j, length) * inner]), j);
                totals[i] = a;
            }
        }
        KERNEL column_scan(const T* x, R* out, const A* starts, const A*, int64 outer, int64 length, int64 inner, int64 chunks) {
            int64 lines = outer * inner;
            for (int64 i = first(); i < lines * chunks; i += stride()) {
                int64 line = i % lines, chunk = i / lines, end = begin_of(chunk + 1, chunks, length);
                int64 base = line / inner * length * inner + line % inner;
                A a = chunks > 1 ? starts[i] : zero();
                for (int64 j = begin_of(chunk, chunks, length); j < end; j++) {
                    int64 at = base + place(j, length) * inner;
                    A next = accumulate(a, widen(x[at]), j);
                    out[at] = result(a, next, j);
                    a = next;
                }
            }
        }
        // Replaces each total by the combination of those before it.
        KERNEL starts(A* totals, int64 lines, int64 chunks) {
            for (int64 line = first(); line < lines; line += stride()) {
                A a = zero();
                for (int64 chunk = 0; chunk < chunks; chunk++) {
                    A own = totals[chunk * lines + line];
                    totals[chunk * lines + line] = a;
                    a = merge(a, own);
                }
            }
        }
        // The combinations of the values of the threads before each thread, and of all. Ends with all threads together.
        DEVICE A before(A own, A* shared, A* all) {
            int t = threadIdx.x;
            shared[t] = own;
            __syncthreads();
            for (int d = 1; d < 256; d *= 2) {
                A other = t >= d ? shared[t - d] : zero();
                __syncthreads();
                if (t >= d) shared[t] = merge(other, shared[t]);
                __syncthreads();
            }
            A a = t > 0 ? shared[t - 1] : zero();
            *all = shared[255];
            __syncthreads();
            return a;
        }
        const int N = 4;
        KERNEL row_totals(const T* x, A* totals, int64 rows, int64 length, int64, int64 chunks) {
            alignas(16) __shared__ unsigned char memory[256 * sizeof(A)];
            for (int64 i = blockIdx.x; i < rows * chunks; i += gridDim.x) {
                int64 row = i % rows, chunk = i / rows, end = begin_of(chunk + 1, chunks, length);
                A sum = zero(), all;
                // In the order of `row_scan`: the start of a chunk is what the scan of the one before it ends with.
                for (int64 tile = begin_of(chunk, chunks, length); tile < end; tile += 256 * N) {
                    A own = zero();
                    int64 j = tile + threadIdx.x * N;
        #pragma unroll
                    for (int k = 0; k < N; k++)
                        if (j + k < end) own = accumulate(own, widen(x[row * length + place(j + k, length)]), j + k);
                    before(own, (A*)memory, &all);
                    sum = merge(sum, all);
                }
                if (threadIdx.x == 0) totals[i] = sum;
            }
        }
        KERNEL row_scan(const T* x, R* out, const A* starts, const A*, int64 rows, int64 length, int64, int64 chunks) {
            alignas(16) __shared__ unsigned char memory[256 * sizeof(A)];
            for (int64 i = blockIdx.x; i < rows * chunks; i += gridDim.x) {
                int64 row = i % rows, chunk = i / rows, end = begin_of(chunk + 1, chunks, length);
                A sum = chunks > 1 ? starts[i] : zero(), all;
                for (int64 tile = begin_of(chunk, chunks, length); tile < end; tile += 256 * N) {
                    A own = zero();
                    C values[N];
                    int64 j = tile + threadIdx.x * N;
        #pragma unroll
                    for (int k = 0; k < N; k++)
                        if (j + k < end) {
                            values[k] = widen(x[row * length + place(j + k, length)]);
                            own = accumulate(own, values[k], j + k);
                        }
                    A a = merge(sum, before(own, (A*)memory, &all));
        #pragma unroll
                    for (int k = 0; k < N; k++)
                        if (j + k < end) {
                            A next = accumulate(a, values[k], j + k);
                            out[row * length + place(j + k, length)] = result(a, next, j + k);
                            a = next;
                        }
                    sum = merge(sum, all);
                }
            }
        }
        """
    }
}
