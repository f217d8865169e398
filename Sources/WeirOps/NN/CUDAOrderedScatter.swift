import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// A program that adds elements at given places of zeros, in the elements' order, so that results repeat bit for bit.
///
/// Each place links its elements (integer exchanges, in any order), and then sums them by their numbers. A place with many elements is
/// summed by a block that looks through all elements of its group.
struct CUDAOrderedScatter: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    /// More elements than this make a place a long one.
    private static let longest = 64

    init(_ request: KernelRequest, _ dtype: DType) throws {
        device = try request.cudaDevice()
        guard let type = dtype.cudaName else { throw request.unsupportedType("T") }
        module = try device.modules.module(CUDAProgram("Ordered scatter \(type)", "typedef \(type) T;\n" + CUDAOrderedScatter.source))
    }

    /// Enqueues the sums. Elements whose place is not in the result are left out.
    /// - Parameters:
    ///   - places: int64, one for each value.
    ///   - group: how many values are in a group.
    ///   - groupStep: what is added to the places of each group.
    func run(_ values: Tensor, _ places: Tensor, _ result: Tensor, group: Int, groupStep: Int) throws {
        let (count, results) = (values.elementCount, result.elementCount)
        guard results > 0 else { return }
        guard count > 0 else { return try device.fill(result) }
        let heads = try Tensor(.int64, Shape(validating: [results]), in: device.allocator)
        let links = try Tensor(.int64, Shape(validating: [count]), in: device.allocator)
        let long = try Tensor(.int64, Shape(validating: [count / CUDAOrderedScatter.longest + 2]), in: device.allocator)
        try device.fill(heads, byte: 0xff)
        try device.fill(long)
        let grouping: [CUDAArgument] = [.int(group), .int(groupStep)]
        try device.launch(
            module.function("link_places"), over: count, [.elements(places), .elements(heads), .elements(links), .int(count), .int(results)] + grouping)
        try device.launch(
            module.function("sum_places"), over: results,
            [.elements(values), .elements(heads), .elements(links), .elements(long), .elements(result), .int(results)])
        try device.launch(
            module.function("sum_long"), CUDAGrid(device.card.processorCount * 2, 256),
            [.elements(values), .elements(places), .elements(long), .elements(result), .int(count)] + grouping)
    }

    private static let source = """
        typedef Compute<T>::type C;
        KERNEL link_places(const int64* places, int64* heads, int64* links, int64 count, int64 results, int64 group, int64 step) {
            for (int64 n = first(); n < count; n += stride()) {
                int64 place = places[n] + n / group * step;
                if (places[n] < 0 || place < 0 || place >= results) continue;
                links[n] = (int64)atomicExch((unsigned long long*)&heads[place], (unsigned long long)n);
            }
        }
        KERNEL sum_places(const T* values, const int64* heads, const int64* links, int64* long_places, T* result, int64 results) {
            for (int64 place = first(); place < results; place += stride()) {
                int64 length = 0;
                for (int64 n = heads[place]; n >= 0 && length <= \(longest); n = links[n]) length++;
                if (length > \(longest)) {
                    long_places[1 + atomicAdd((unsigned long long*)long_places, 1ull)] = place;
                    continue;
                }
                C total = 0;
                int64 last = -1;
                for (int64 k = 0; k < length; k++) {
                    // The smallest number after the last one.
                    int64 next = -1;
                    for (int64 n = heads[place]; n >= 0; n = links[n])
                        if (n > last && (next < 0 || n < next)) next = n;
                    total += widen(values[next]);
                    last = next;
                }
                result[place] = narrow<T>(total);
            }
        }
        KERNEL sum_long(
            const T* values, const int64* places, const int64* long_places, T* result, int64 count, int64 group, int64 step
        ) {
            __shared__ C shared[256];
            for (int64 k = blockIdx.x; k < long_places[0]; k += gridDim.x) {
                int64 place = long_places[1 + k];
                C total = 0;
                for (int64 n = threadIdx.x; n < count; n += 256)
                    if (places[n] >= 0 && places[n] + n / group * step == place) total += widen(values[n]);
                shared[threadIdx.x] = total;
                for (int w = 128; w > 0; w /= 2) {
                    __syncthreads();
                    if (threadIdx.x < w) shared[threadIdx.x] = shared[threadIdx.x] + shared[threadIdx.x + w];
                }
                if (threadIdx.x == 0) result[place] = narrow<T>(shared[0]);
                __syncthreads();
            }
        }
        """
}
