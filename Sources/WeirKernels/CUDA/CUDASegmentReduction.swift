package import WeirDevice
package import WeirTensor

/// A program that reduces the rows of each segment to one row.
package struct CUDASegmentReduction: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule

    /// Starts to compile the program.
    /// - Parameters:
    ///   - empty: the result of a segment without rows in CUDA C++; nil if it is what the reducer makes of none.
    ///   - rows: the type of the rows' numbers; nil if the rows of a segment are adjacent.
    package init(_ device: CUDADevice, _ name: String, _ dtype: DType, _ reducer: CUDAReducer, empty: String? = nil, rows: DType?) throws {
        guard let type = dtype.cudaName else { throw Status.unimplemented("\(name): a card does not compute with \(dtype)") }
        self.device = device
        let rowType = rows?.cudaName
        let source = """
            typedef \(type) T;
            typedef Compute<T>::type C;
            typedef \(rowType ?? "int64") I;
            \(reducer.declarations)
            typedef \(reducer.accumulator) A;
            DEVICE A zero() { return \(reducer.zero); }
            DEVICE A accumulate(A a, C x, int64 j) { return \(reducer.accumulate); }
            DEVICE A merge(A a, A b) { return \(reducer.merge); }
            DEVICE T finish(A a, int64 count) { return narrow<T>(\(reducer.finish)); }
            // Each block has 256 / lanes results; the threads of a result share its rows.
            KERNEL segments(
                const T* x, T* out, const int64* starts, const I* rows, int64 results, int64 width, int64 row_count, int64 lanes) {
                alignas(16) __shared__ unsigned char memory[256 * sizeof(A)];
                A* shared = (A*)memory;
                int t = threadIdx.x, most = 256 / (int)lanes, lane = t / most;
                for (int64 tile = (int64)blockIdx.x * most; tile < results; tile += (int64)gridDim.x * most) {
                    int64 i = tile + t % most, segment = i / width, column = i % width, begin = 0, end = 0;
                    if (i < results) {
                        begin = starts[segment];
                        end = starts[segment + 1];
                    }
                    A a = zero();
                    for (int64 j = begin + lane; j < end; j += lanes) {
                        int64 row = \(rowType == nil ? "j" : "rows[j]");
                        if (row >= 0 && row < row_count) a = accumulate(a, widen(x[row * width + column]), j - begin);
                    }
                    shared[t] = a;
                    for (int w = (int)lanes / 2; w > 0; w /= 2) {
                        __syncthreads();
                        if (lane < w) shared[t] = merge(shared[t], shared[t + w * most]);
                    }
                    if (lane == 0 && i < results) out[i] = \(empty.map { "begin >= end ? narrow<T>(\($0)) : " } ?? "")finish(shared[t], end - begin);
                    __syncthreads();
                }
            }
            """
        module = try device.modules.module(CUDAProgram("\(name) \(type)\(rowType.map { " " + $0 } ?? "")", source))
    }

    /// Enqueues the reduction.
    /// - Parameters:
    ///   - starts: the place of each segment's first row among `rows`, and the end of the last one's.
    ///   - rows: the numbers of the rows of `x`, segment after segment. A number out of range is left out.
    ///   - rowCount: the number of rows of `x`.
    ///   - output: as many rows as there are segments.
    package func run(_ x: Tensor, starts: Tensor, rows: Tensor?, rowCount: Int, placeCount: Int, _ output: Tensor) throws {
        let segments = starts.elementCount - 1
        guard output.elementCount > 0, segments > 0 else { return }
        let width = output.elementCount / segments
        // So many threads for a result that each reads about eight rows.
        var lanes = 1
        while lanes < 256, lanes * 8 < placeCount / segments { lanes *= 2 }
        let blocks = (output.elementCount * lanes + 255) / 256
        try device.launch(
            module.function("segments"), CUDAGrid(min(blocks, 1 << 20), 256),
            [
                .elements(x), .elements(output), .elements(starts), .elements(rows ?? starts), .int(output.elementCount), .int(width),
                .int(rowCount), .int(lanes),
            ])
    }
}
