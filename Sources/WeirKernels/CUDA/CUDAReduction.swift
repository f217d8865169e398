package import WeirDevice
package import WeirGraph
package import WeirTensor

/// How elements are combined: CUDA C++ for `T`, the elements' type, and `C`, the type that they are computed in.
package struct CUDAReducer: Sendable {
    /// The accumulator's type.
    package var accumulator = "C"
    /// The accumulator of no elements.
    package var zero: String
    /// The accumulator `a` with element `x` of number `j`.
    package var accumulate: String
    /// The combination of accumulators `a` and `b`, of which `a` has the earlier elements.
    package var merge: String
    /// The result of accumulator `a` of `count` elements.
    package var finish = "a"
    /// Declarations before the functions.
    package var declarations = ""

    package init(
        accumulator: String = "C", zero: String, accumulate: String, merge: String, finish: String = "a", declarations: String = ""
    ) {
        (self.accumulator, self.zero, self.accumulate, self.merge) = (accumulator, zero, accumulate, merge)
        (self.finish, self.declarations) = (finish, declarations)
    }
    package static let sum = CUDAReducer(zero: "number<C>(0)", accumulate: "a + x", merge: "a + b")
    package static let product = CUDAReducer(zero: "number<C>(1)", accumulate: "a * x", merge: "a * b")
    package static let mean = CUDAReducer(
        zero: "number<C>(0)", accumulate: "a + x", merge: "a + b", finish: "a / (typename Real<C>::type)count")
    package static let greatest = CUDAReducer(zero: "lowest<C>()", accumulate: "greater(a, x)", merge: "greater(a, b)", declarations: limits)
    package static let least = CUDAReducer(zero: "highest<C>()", accumulate: "lesser(a, x)", merge: "lesser(a, b)", declarations: limits)
    package static let all = CUDAReducer(zero: "true", accumulate: "a && x", merge: "a && b")
    package static let any = CUDAReducer(zero: "false", accumulate: "a || x", merge: "a || b")

    /// The least and the greatest value of each type.
    package static let limits = """
        template <class N> DEVICE N highest() {
            if (IsFloating<N>::value) return (N)__int_as_float(0x7f800000);
            const bool is_signed = (N)-1 < (N)0;
            return is_signed ? (N)(((uint64)1 << (8 * sizeof(N) - 1)) - 1) : (N)-1;
        }
        template <class N> DEVICE N lowest() {
            if (IsFloating<N>::value) return (N)-__int_as_float(0x7f800000);
            const bool is_signed = (N)-1 < (N)0;
            return is_signed ? (N)((uint64)1 << (8 * sizeof(N) - 1)) : (N)0;
        }

        """
}

/// A program that reduces a tensor along axes. Results do not depend on the card: elements are combined in a fixed order, without
/// atomic operations.
package struct CUDAReduction: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let accumulatorSize: Int

    /// Starts to compile the program.
    /// - Parameters:
    ///   - accumulatorSize: at least the bytes of an accumulator.
    package init(_ device: CUDADevice, _ name: String, _ input: DType, _ output: DType, _ reducer: CUDAReducer, accumulatorSize: Int = 16) throws {
        guard let type = input.cudaName, let result = output.cudaName else {
            throw Status.unimplemented("\(name): a card does not compute with \(input)")
        }
        self.device = device
        self.accumulatorSize = accumulatorSize
        module = try device.modules.module(CUDAProgram("\(name) \(type) \(result)", CUDAReduction.source(type, result, reducer)))
    }

    /// Enqueues the reduction of `input` to `output`, which has as many elements as the reduction has results.
    package func run(_ reduction: Reduction, _ input: Tensor, _ output: Tensor) throws {
        let results = reduction.resultCount
        guard results > 0 else { return }
        let (x, out) = (CUDAArgument.elements(input), CUDAArgument.elements(output))
        let groups = reduction.groups
        let kinds = groups.map(\.isReduced)
        let total = reduction.reducedCount
        if total == 0 {
            return try device.launch(module.function("combine"), over: results, [out, out, .int(results), .int(0), .int(0)])
        }
        switch kinds {
        case [], [false], [true], [false, true]:
            let length = kinds.last == true ? groups[groups.count - 1].size : 1
            let lanes = length <= 8 ? 1 : length <= 256 ? 32 : 256
            let blocks = (results * lanes + 255) / 256
            let splits = splits(blocks, total, 256 * 32)
            try run(splits, results, total, out) { partial in
                try device.launch(
                    module.function("rows"), CUDAGrid(blocks: (blocks, splits, 1), threads: (256, 1, 1)),
                    [x, partial, out, .int(results), .int(length), .int(lanes)])
            }
        case [true, false], [false, true, false]:
            let (rows, columns) = (groups[groups.count - 2].size, groups[groups.count - 1].size)
            var width = 1
            while width < columns, width < 256 { width *= 2 }
            let columnBlocks = (columns + width - 1) / width
            let blocks = results / columns * columnBlocks
            let splits = splits(blocks, rows, 256 / width * 32)
            try run(splits, results, total, out) { partial in
                try device.launch(
                    module.function("columns"), CUDAGrid(blocks: (blocks, splits, 1), threads: (width, 256 / width, 1)),
                    [x, partial, out, .int(results), .int(rows), .int(columns), .int(columnBlocks)])
            }
        default:
            var strides: [(size: Int, stride: Int, isReduced: Bool)] = []
            var stride = 1
            for group in groups.reversed() {
                strides.append((group.size, stride, group.isReduced))
                stride *= group.size
            }
            func layout(_ isReduced: Bool) -> [Int] {
                let own = strides.filter { $0.isReduced == isReduced }
                let rest = [Int](repeating: 0, count: 8 - own.count)
                return [own.count] + own.map(\.size) + rest + own.map(\.stride) + rest
            }
            guard groups.count <= 8 else { throw Status.unimplemented("A reduction of more than 8 alternating groups of axes on a GPU") }
            try device.launch(
                module.function("scattered"), CUDAGrid(min(results, 1 << 20), 256),
                [x, out, .int(results), .int(total), .ints(layout(false)), .ints(layout(true))])
        }
    }

    /// Into how many parts the elements of each result are divided, so that the card has enough blocks.
    private func splits(_ blocks: Int, _ length: Int, _ least: Int) -> Int {
        let wanted = device.card.processorCount * 8
        guard blocks < wanted, length > least else { return 1 }
        return max(1, min(wanted / blocks, (length + least - 1) / least, 512))
    }
    private func run(_ splits: Int, _ results: Int, _ count: Int, _ out: CUDAArgument, _ launch: (CUDAArgument) throws -> Void) throws {
        guard splits > 1 else { return try launch(out) }
        let partial = try Tensor(.uint8, Shape(validating: [splits * results * accumulatorSize]), in: device.allocator)
        try launch(.elements(partial))
        try device.launch(
            module.function("combine"), over: results, [.elements(partial), out, .int(results), .int(splits), .int(count)])
    }

    private static func source(_ type: String, _ result: String, _ reducer: CUDAReducer) -> String {
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

        // Elements [begin, end) of one result, `step` apart: four at a time, so that their reads overlap.
        DEVICE A run(const T* x, int64 begin, int64 end, int64 step, int64 distance) {
            A a = zero();
            int64 j = begin;
            for (; j + 3 * step < end; j += 4 * step) {
                C x0 = widen(x[j * distance]), x1 = widen(x[(j + step) * distance]);
                C x2 = widen(x[(j + 2 * step) * distance]), x3 = widen(x[(j + 3 * step) * distance]);
                a = accumulate(a, x0, j);
                a = accumulate(a, x1, j + step);
                a = accumulate(a, x2, j + 2 * step);
                a = accumulate(a, x3, j + 3 * step);
            }
            for (; j < end; j += step) a = accumulate(a, widen(x[j * distance]), j);
            return a;
        }
        // Each result is the reduction of a row. `lanes` threads, a power of two, read it.
        KERNEL rows(const T* x, A* partial, R* out, int64 results, int64 length, int64 lanes) {
            alignas(16) __shared__ unsigned char memory[256 * sizeof(A)];
            A* shared = (A*)memory;
            int t = threadIdx.x, lane = t % (int)lanes;
            int64 row = (int64)blockIdx.x * (256 / lanes) + t / (int)lanes;
            int64 splits = gridDim.y, begin = blockIdx.y * length / splits, end = (blockIdx.y + 1) * length / splits;
            A a = zero();
            if (row < results) a = run(x + row * length, begin + lane, end, lanes, 1);
            shared[t] = a;
            for (int w = (int)lanes / 2; w > 0; w /= 2) {
                __syncthreads();
                if (lane < w) shared[t] = merge(shared[t], shared[t + w]);
            }
            if (lane == 0 && row < results) {
                if (splits == 1) out[row] = finish(shared[t], length);
                else partial[blockIdx.y * results + row] = shared[t];
            }
        }
        // Each result is the reduction of a column of one of many matrices.
        KERNEL columns(const T* x, A* partial, R* out, int64 results, int64 rows, int64 columns, int64 column_blocks) {
            alignas(16) __shared__ unsigned char memory[256 * sizeof(A)];
            A* shared = (A*)memory;
            int t = threadIdx.y * blockDim.x + threadIdx.x;
            int64 matrix = blockIdx.x / column_blocks, column = blockIdx.x % column_blocks * blockDim.x + threadIdx.x;
            int64 splits = gridDim.y, begin = blockIdx.y * rows / splits, end = (blockIdx.y + 1) * rows / splits;
            A a = zero();
            if (column < columns) a = run(x + matrix * rows * columns + column, begin + threadIdx.y, end, blockDim.y, columns);
            shared[t] = a;
            for (int w = blockDim.y / 2; w > 0; w /= 2) {
                __syncthreads();
                if (threadIdx.y < w) shared[t] = merge(shared[t], shared[t + w * blockDim.x]);
            }
            if (threadIdx.y == 0 && column < columns) {
                int64 result = matrix * columns + column;
                if (splits == 1) out[result] = finish(shared[t], rows);
                else partial[blockIdx.y * results + result] = shared[t];
            }
        }
        KERNEL combine(const A* partial, R* out, int64 results, int64 splits, int64 count) {
            for (int64 i = first(); i < results; i += stride()) {
                A a = zero();
                for (int64 s = 0; s < splits; s++) a = merge(a, partial[s * results + i]);
                out[i] = finish(a, count);
            }
        }
        struct Layout { int64 rank, sizes[8], strides[8]; };
        DEVICE int64 offset(int64 i, const Layout& layout) {
            int64 o = 0;
            for (int d = 0; d < layout.rank; d++) {
                o += i % layout.sizes[d] * layout.strides[d];
                i /= layout.sizes[d];
            }
            return o;
        }
        // Any other order of axes: one block for each result.
        KERNEL scattered(const T* x, R* out, int64 results, int64 count, Layout kept, Layout reduced) {
            alignas(16) __shared__ unsigned char memory[256 * sizeof(A)];
            A* shared = (A*)memory;
            for (int64 i = blockIdx.x; i < results; i += gridDim.x) {
                const T* start = x + offset(i, kept);
                A a = zero();
                for (int64 j = threadIdx.x; j < count; j += 256) a = accumulate(a, widen(start[offset(j, reduced)]), j);
                shared[threadIdx.x] = a;
                for (int w = 128; w > 0; w /= 2) {
                    __syncthreads();
                    if (threadIdx.x < w) shared[threadIdx.x] = merge(shared[threadIdx.x], shared[threadIdx.x + w]);
                }
                if (threadIdx.x == 0) out[i] = finish(shared[0], count);
                __syncthreads();
            }
        }
        """
    }
}
