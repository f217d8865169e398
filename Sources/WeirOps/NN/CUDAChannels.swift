import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// A program that computes a function of each element and of numbers that belong to its channel.
struct CUDAChannelwise: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let sizes: [Int]
    private let perVector: Int

    /// Starts to compile the program.
    /// - Parameters:
    ///   - inputs: the types of the elements `x`, `y`… in the expression.
    ///   - vectors: the types of the vectors over the channels; `p0`, `p1`… in `prepare`.
    ///   - fields: what is kept of a channel, declarations of the structure `c`.
    ///   - prepare: statements that set the fields of `c`, of `p0`… and of `count`, the number of a channel's elements.
    ///   - expression: the result, of x, y… and `c`.
    init(
        _ request: KernelRequest, inputs: [DType], vectors: [DType], result: DType, fields: String, prepare: String, expression: String
    ) throws {
        device = try request.cudaDevice()
        sizes = inputs.map(\.byteCount) + [result.byteCount]
        perVector = max(1, 16 / (sizes.max() ?? 16))
        func name(_ dtype: DType) throws -> String {
            guard let name = dtype.cudaName else { throw request.unsupportedType("T") }
            return name
        }
        let (inputNames, vectorNames) = (try inputs.map(name), try vectors.map(name))
        let letters = ["x", "y", "z", "w"]
        let pointers = inputNames.enumerated().map { ", const \($1)* i\($0)" }.joined() + vectorNames.enumerated().map { ", const \($1)* v\($0)" }.joined()
        let values = inputs.indices.map { "Compute<\(inputNames[$0])>::type \(letters[$0]), " }.joined()
        module = try request.cudaModule(
            "\(request.op.name) channelwise", ["T": try name(result)],
            """
            typedef Compute<T>::type C;
            struct Channel { \(fields) };
            DEVICE Channel prepare(\(vectorNames.enumerated().map { "Compute<\($1)>::type p\($0), " }.joined())int64 count) {
                Channel c;
                \(prepare)
                return c;
            }
            DEVICE T compute(\(values)const Channel& c) { return narrow<T>(\(expression)); }
            // Rows of channels (`is_last`) or of elements of one channel. A thread goes down the rows; \(perVector) elements at a time where possible.
            template <int N> DEVICE void visit(T* out\(pointers), int64 rows, int64 width, int64 channels, int64 count, bool is_last) {
                int64 column = ((int64)blockIdx.x * blockDim.x + threadIdx.x) * N;
                if (column >= width) return;
                Channel c[N];
                if (is_last)
                    for (int k = 0; k < N; k++) c[k] = prepare(\(vectorNames.indices.map { "widen(v\($0)[column + k]), " }.joined())count);
                for (int64 row = (int64)blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += (int64)gridDim.y * blockDim.y) {
                    int64 place = row * width + column;
                    if (!is_last) {
                        int64 channel = row % channels;
                        c[0] = prepare(\(vectorNames.indices.map { "widen(v\($0)[channel]), " }.joined())count);
                    }
            \(inputNames.enumerated().map { "        Pack<\($1), N> x\($0) = *(const Pack<\($1), N>*)(i\($0) + place);" }.joined(separator: "\n"))
                    Pack<T, N> r;
            #pragma unroll
                    for (int k = 0; k < N; k++)
                        r.at[k] = compute(\(inputs.indices.map { "widen(x\($0).at[k]), " }.joined())is_last ? c[k] : c[0]);
                    *(Pack<T, N>*)(out + place) = r;
                }
            }
            \([(perVector, "packed"), (1, "single")].map { count, title in
                """
                KERNEL \(title)(T* out\(pointers), int64 rows, int64 width, int64 channels, int64 count, int64 is_last) {
                    if (is_last) visit<\(count)>(out\(inputs.indices.map { ", i\($0)" }.joined())\(vectors.indices.map { ", v\($0)" }.joined()), rows, width, channels, count, true);
                    else visit<\(count)>(out\(inputs.indices.map { ", i\($0)" }.joined())\(vectors.indices.map { ", v\($0)" }.joined()), rows, width, channels, count, false);
                }
                """
            }.joined(separator: "\n"))
            """)
    }

    /// Enqueues the computation of all elements of `result`, which has the inputs' shape.
    func run(_ layout: ChannelLayout, _ inputs: [Tensor], _ vectors: [Tensor], _ result: Tensor) throws {
        guard result.elementCount > 0 else { return }
        let isLast = layout.inner == 1
        let (rows, width) = isLast ? (layout.outer, layout.channels) : (layout.outer * layout.channels, layout.inner)
        let isPacked =
            width % perVector == 0
            && zip(inputs + [result], sizes).allSatisfy { tensor, size in tensor.deviceAddress % UInt64(size * perVector) == 0 }
        let packs = isPacked ? width / perVector : width
        var across = 1
        while across < packs, across < 256 { across *= 2 }
        let columns = (packs + across - 1) / across, down = 256 / across
        let blocks = max(1, min((rows + down - 1) / down, max(1, device.card.processorCount * 16 / columns), 65535))
        try device.launch(
            module.function(isPacked ? "packed" : "single"), CUDAGrid(blocks: (columns, blocks, 1), threads: (across, down, 1)),
            [.elements(result)] + (inputs + vectors).map { .elements($0) }
                + [.int(rows), .int(width), .int(layout.channels), .int(layout.outer * layout.inner), .int(isLast ? 1 : 0)])
    }
}

/// A program that sums over all elements of each channel, in a fixed order: parts by blocks, then the parts.
struct CUDAChannelSums: Sendable {
    /// How elements are combined, in CUDA C++.
    struct Terms {
        /// The accumulator's fields.
        var fields: String
        var byteCount: Int
        /// Statements that set `a` to that of no elements, add the elements `x`, `y` with the channel's numbers `p0`…, end a thread's
        /// part, and add accumulator `b`.
        var zero: String
        var add: String
        var close = ""
        var merge: String
        /// The parameters of the results, each after a comma, and statements that write them for `channel` of `count` elements.
        var results: String
        var finish: String
    }
    private let device: CUDADevice
    private let module: CUDAModule
    private let byteCount: Int

    /// Starts to compile the program.
    /// - Parameters:
    ///   - inputs: the types of the elements `x` and `y`.
    ///   - vectors: the types of the vectors over the channels.
    init(_ request: KernelRequest, inputs: [DType], vectors: [DType] = [], _ terms: Terms) throws {
        device = try request.cudaDevice()
        byteCount = terms.byteCount
        func name(_ dtype: DType) throws -> String {
            guard let name = dtype.cudaName else { throw request.unsupportedType("T") }
            return name
        }
        let (inputNames, vectorNames, letters) = (try inputs.map(name), try vectors.map(name), ["x", "y"])
        let pointers = inputNames.enumerated().map { "const \($1)* i\($0), " }.joined() + vectorNames.enumerated().map { "const \($1)* v\($0), " }.joined()
        let numbers = vectorNames.enumerated().map { "Compute<\($1)>::type p\($0)" }
        let load = vectorNames.enumerated().map { "    Compute<\($1)>::type p\($0) = widen(v\($0)[channel]);\n" }.joined()
        let add = "add(a, " + (inputs.indices.map { "widen(i\($0)[place])" } + vectors.indices.map { "p\($0)" }).joined(separator: ", ") + ");"
        module = try request.cudaModule(
            "\(request.op.name) sums", ["T": inputNames[0]],
            """
            typedef Compute<T>::type C;
            struct A { \(terms.fields) };
            DEVICE A zero() { A a; \(terms.zero) return a; }
            DEVICE void add(A& a, \((inputs.indices.map { "C \(letters[$0])" } + numbers).joined(separator: ", "))) { \(terms.add) }
            DEVICE void close(A& a) { \(terms.close) }
            DEVICE void merge(A& a, const A& b) { \(terms.merge) }
            // Rows of channels.
            KERNEL last(\(pointers)A* partial, int64 rows, int64 channels) {
                __shared__ A shared[256];
                int t = threadIdx.y * blockDim.x + threadIdx.x;
                int64 channel = (int64)blockIdx.x * blockDim.x + threadIdx.x;
                int64 begin = rows * blockIdx.y / gridDim.y, end = rows * (blockIdx.y + 1) / gridDim.y;
                A a = zero();
                if (channel < channels) {
            \(load)#pragma unroll 4
                    for (int64 row = begin + threadIdx.y; row < end; row += blockDim.y) {
                        int64 place = row * channels + channel;
                        \(add)
                    }
                }
                close(a);
                shared[t] = a;
                for (int w = blockDim.y / 2; w > 0; w /= 2) {
                    __syncthreads();
                    if (threadIdx.y < w) merge(shared[t], shared[t + w * blockDim.x]);
                }
                if (threadIdx.y == 0 && channel < channels) partial[blockIdx.y * channels + channel] = shared[t];
            }
            // A block for each channel: its elements are rows of `inner`.
            KERNEL middle(\(pointers)A* partial, int64 outer, int64 channels, int64 inner) {
                __shared__ A shared[256];
                int t = threadIdx.x;
                int64 channel = blockIdx.x, count = outer * inner;
                int64 begin = count * blockIdx.y / gridDim.y, end = count * (blockIdx.y + 1) / gridDim.y;
            \(load)    A a = zero();
                int64 at = begin + t, row = at / inner, column = at % inner;
                int64 rows = 256 / inner, columns = 256 % inner;
            #pragma unroll 4
                for (; at < end; at += 256) {
                    int64 place = (row * channels + channel) * inner + column;
                    \(add)
                    row += rows;
                    column += columns;
                    if (column >= inner) {
                        column -= inner;
                        row++;
                    }
                }
                close(a);
                shared[t] = a;
                for (int w = 128; w > 0; w /= 2) {
                    __syncthreads();
                    if (t < w) merge(shared[t], shared[t + w]);
                }
                if (t == 0) partial[blockIdx.y * channels + channel] = shared[0];
            }
            KERNEL finish(const A* partial, int64 splits, int64 channels, int64 count\(terms.results)) {
                __shared__ A shared[256];
                int t = threadIdx.y * 32 + threadIdx.x;
                int64 channel = (int64)blockIdx.x * 32 + threadIdx.x;
                A a = zero();
                close(a);
                if (channel < channels)
                    for (int64 s = threadIdx.y; s < splits; s += 8) merge(a, partial[s * channels + channel]);
                shared[t] = a;
                for (int w = 4; w > 0; w /= 2) {
                    __syncthreads();
                    if (threadIdx.y < w) merge(shared[t], shared[t + w * 32]);
                }
                if (threadIdx.y != 0 || channel >= channels) return;
                a = shared[t];
                \(terms.finish)
            }
            """)
    }

    /// Enqueues the sums.
    /// - Parameter results: the arguments of the results' parameters.
    func run(_ layout: ChannelLayout, _ inputs: [Tensor], _ vectors: [Tensor] = [], results: [CUDAArgument]) throws {
        let (channels, count) = (layout.channels, layout.outer * layout.inner)
        guard channels > 0 else { return }
        let wanted = device.card.processorCount * 4
        let pointers = (inputs + vectors).map { CUDAArgument.elements($0) }
        var across = 1
        while across < channels, across < (count < 64 ? 256 : 32) { across *= 2 }
        let isLast = layout.inner == 1
        let columns = isLast ? (channels + across - 1) / across : channels
        let splits = max(1, min(wanted / columns, count / (isLast ? 256 / across * 16 : 4096), 512))
        let partial = try Tensor(.uint8, Shape(validating: [splits * channels * byteCount]), in: device.allocator)
        if isLast {
            try device.launch(
                module.function("last"), CUDAGrid(blocks: (columns, splits, 1), threads: (across, 256 / across, 1)),
                pointers + [.elements(partial), .int(count), .int(channels)])
        } else {
            try device.launch(
                module.function("middle"), CUDAGrid(blocks: (columns, splits, 1), threads: (256, 1, 1)),
                pointers + [.elements(partial), .int(layout.outer), .int(channels), .int(max(1, layout.inner))])
        }
        try device.launch(
            module.function("finish"), CUDAGrid(blocks: ((channels + 31) / 32, 1, 1), threads: (32, 8, 1)),
            [.elements(partial), .int(splits), .int(channels), .int(count)] + results)
    }
}
