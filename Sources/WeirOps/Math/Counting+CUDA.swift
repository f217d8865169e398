import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The CUDA kernel of `Bincount` and `DenseBincount`. A negative integer, for which a card cannot fail, is ignored.
///
/// Counts are added with integer atomic operations. Sums of floating-point weights are made in the order of the input: the elements
/// are first sorted by bin.
struct CUDABincount: Sendable {
    private let device: CUDADevice
    private let type: DType
    private let plan: BincountPlan
    private let module: CUDAModule
    private let grouping: CUDAGrouping
    private let sums: CUDASegmentReduction

    init(_ request: KernelRequest, _ plan: BincountPlan) throws {
        device = try request.cudaDevice()
        type = try request.type("T")
        self.plan = plan
        grouping = try CUDAGrouping(device, .int64)
        sums = try CUDASegmentReduction(device, request.op.name, type, .sum, rows: .uint32)
        module = try request.cudaModule(
            nil, ["T": request.cudaType("T"), "I": plan.index == .int64 ? "int64" : "int32"],
            """
            // The bin of an element; -1 for none.
            DEVICE int64 bin_of(const I* x, int64 i, int64 length, int64 size) {
                int64 value = x[i];
                return value >= 0 && value < size ? i / length * size + value : -1;
            }
            KERNEL bins(const I* x, int64* bins, int64 count, int64 length, int64 size) {
                for (int64 i = first(); i < count; i += stride()) bins[i] = bin_of(x, i, length, size);
            }
            KERNEL marks(const I* x, T* out, int64 count, int64 length, int64 size) {
                for (int64 i = first(); i < count; i += stride()) {
                    int64 bin = bin_of(x, i, length, size);
                    if (bin >= 0) out[bin] = (T)1;
                }
            }
            // Adds in shared memory first where all bins fit, so that few threads meet in one place.
            KERNEL counts(const I* x, const int* weights, int* out, int64 count, int64 length, int64 size, int64 bins) {
                __shared__ int own[4096];
                bool is_small = bins <= 4096;
                if (is_small) {
                    for (int b = threadIdx.x; b < bins; b += blockDim.x) own[b] = 0;
                    __syncthreads();
                }
                for (int64 i = first(); i < count; i += stride()) {
                    int64 bin = bin_of(x, i, length, size);
                    if (bin >= 0) atomicAdd(is_small ? &own[bin] : &out[bin], weights ? weights[i] : 1);
                }
                if (!is_small) return;
                __syncthreads();
                for (int b = threadIdx.x; b < bins; b += blockDim.x)
                    if (own[b]) atomicAdd(&out[b], own[b]);
            }
            KERNEL numbers(const int* counts, T* out, int64 count) {
                for (int64 i = first(); i < count; i += stride()) out[i] = (T)counts[i];
            }
            """)
    }

    var kernel: Kernel {
        .sync { [self] context in
            let sizes = try plan.sizes(context)
            let (x, weights) = (context.input(0), context.input(2))
            let out = try context.output(0, type, sizes.result)
            let (count, bins) = (x.elementCount, out.elementCount)
            guard bins > 0 else { return }
            let place = [CUDAArgument.int(count), .int(max(sizes.length, 1)), .int(sizes.size)]
            if plan.isBinary {
                try device.fill(out)
                return try device.launch(module.function("marks"), over: count, [.elements(x), .elements(out)] + place)
            }
            if sizes.isWeighted, type != .int32 {
                let numbers = try Tensor(.int64, Shape(count), in: device.allocator)
                try device.launch(module.function("bins"), over: count, [.elements(x), .elements(numbers)] + place)
                let groups = try grouping.run(numbers, count: bins)
                return try sums.run(weights, starts: groups.starts, rows: groups.rows, rowCount: count, placeCount: count, out)
            }
            let counts = type == .int32 ? out : try Tensor(.int32, out.shape, in: device.allocator)
            try device.fill(counts)
            try device.launch(
                module.function("counts"), over: count, perThread: 16,
                [.elements(x), sizes.isWeighted ? .elements(weights) : .int(0), .elements(counts)] + place + [.int(bins)])
            if type == .int32 { return }
            try device.launch(module.function("numbers"), over: bins, [.elements(counts), .elements(out), .int(bins)])
        }
    }
}

/// The CUDA kernel of `HistogramFixedWidth`. NaN, for which a card cannot fail, is ignored.
func cudaHistogram(_ request: KernelRequest) throws -> Kernel {
    let (device, type) = (try request.cudaDevice(), try request.type("T"))
    let module = try request.cudaModule(
        nil, ["T": request.cudaType("T")],
        """
        KERNEL histogram(const T* x, int* out, int64 count, double low, double high, double width, int64 bins) {
            __shared__ int own[4096];
            bool is_small = bins <= 4096;
            if (is_small) {
                for (int b = threadIdx.x; b < bins; b += blockDim.x) own[b] = 0;
                __syncthreads();
            }
            for (int64 i = first(); i < count; i += stride()) {
                double value = widen(x[i]);
                if (value != value) continue;
                double place = floor(((value < low ? low : value > high ? high : value) - low) / width);
                int64 bin = place < (double)bins ? (int64)place : bins - 1;
                atomicAdd(is_small ? &own[bin] : &out[bin], 1);
            }
            if (!is_small) return;
            __syncthreads();
            for (int b = threadIdx.x; b < bins; b += blockDim.x)
                if (own[b]) atomicAdd(&out[b], own[b]);
        }
        """)
    return .sync { context in
        let (low, high, bins) = try histogramBounds(context, type)
        let x = context.input(0)
        let out = try context.output(0, .int32, Shape(bins))
        try device.fill(out)
        try device.launch(
            module.function("histogram"), over: x.elementCount, perThread: 16,
            [
                .elements(x), .elements(out), .int(x.elementCount), .double(low), .double(high), .double((high - low) / Double(bins)),
                .int(bins),
            ])
    }
}

/// The CUDA kernel of `Bucketize`.
func cudaBucketize(_ request: KernelRequest, _ boundaries: [Float]) throws -> Kernel {
    let device = try request.cudaDevice()
    let module = try request.cudaModule(
        nil, ["T": request.cudaType("T")],
        """
        KERNEL bucketize(const T* x, int* out, const float* boundaries, int64 count, int64 boundary_count) {
            for (int64 i = first(); i < count; i += stride()) {
                // Finds the first boundary that is greater. A NaN goes to the last bucket.
                double value = (double)x[i];
                int64 low = 0, high = boundary_count;
                while (low < high) {
                    int64 middle = (low + high) / 2;
                    if (value < (double)boundaries[middle]) high = middle;
                    else low = middle + 1;
                }
                out[i] = (int)low;
            }
        }
        """)
    let host = Tensor(boundaries)
    let limits = try Tensor(.float32, host.shape, in: device.allocator)
    try device.write(host, to: limits)
    return .sync { context in
        let x = context.input(0)
        let out = try context.output(0, .int32, x.shape)
        try device.launch(
            module.function("bucketize"), over: x.elementCount,
            [.elements(x), .elements(out), .elements(limits), .int(x.elementCount), .int(boundaries.count)])
    }
}
