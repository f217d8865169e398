package import WeirDevice
package import WeirTensor

/// Sorts on a card.
///
/// The numbers are 64 bits: a key above the element's position. So no two are equal, and elements of one key stay in order.
package struct CUDASort: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule

    /// Starts to compile the program.
    package init(_ device: CUDADevice) throws {
        self.device = device
        module = try device.modules.module(CUDAProgram("Sort", CUDAPrefixSum.source + CUDASort.source))
    }

    /// The number of bits of numbers below `limit`.
    package static func bits(below limit: Int) -> Int { limit <= 1 ? 0 : Int.bitWidth - (limit - 1).leadingZeroBitCount }

    /// Enqueues the sort of a vector of `count` uint64 by `bits` bits above the lowest `low` ones, by which they are sorted already.
    /// - Returns: the sorted vector: `numbers`, or another one.
    package func sorted(_ numbers: Tensor, low: Int, bits: Int) throws -> Tensor {
        let count = numbers.elementCount
        guard count > 1, bits > 0 else { return numbers }
        if count <= 2048 {
            try device.launch(module.function("sort_block"), CUDAGrid(1, 256), [.elements(numbers), .int(count)])
            return numbers
        }
        var (from, to) = (numbers, try Tensor(.uint64, numbers.shape, in: device.allocator))
        let blocks = (count + CUDAPrefixSum.tile - 1) / CUDAPrefixSum.tile
        let counts = try Tensor(.int64, Shape(16 * blocks + 1), in: device.allocator)
        for shift in stride(from: low, to: low + bits, by: 4) {
            let digit = min(4, low + bits - shift)
            let arguments: [CUDAArgument] = [.elements(from), .elements(to), .int(count), .int(shift), .int((1 << digit) - 1), .elements(counts)]
            try device.launch(module.function("count_digits"), CUDAGrid(blocks, 256), arguments)
            try device.launch(module.function("scan_counts"), CUDAGrid(1, 256), [.elements(counts), .int(16 * blocks)])
            try device.launch(module.function("place_digits"), CUDAGrid(blocks, 256), arguments)
            swap(&from, &to)
        }
        return from
    }

    private static let source = """
        // Up to 2048 numbers: a bitonic sort in shared memory.
        KERNEL sort_block(uint64* numbers, int64 count) {
            __shared__ uint64 shared[2048];
            int t = threadIdx.x, size = 2;
            while (size < count) size *= 2;
            for (int i = t; i < size; i += 256) shared[i] = i < count ? numbers[i] : ~(uint64)0;
            for (int run = 2; run <= size; run *= 2)
                for (int distance = run / 2; distance > 0; distance /= 2) {
                    __syncthreads();
                    for (int p = t; p < size / 2; p += 256) {
                        int i = p / distance * 2 * distance + p % distance, j = i + distance;
                        uint64 a = shared[i], b = shared[j];
                        if ((a > b) == ((i & run) == 0)) {
                            shared[i] = b;
                            shared[j] = a;
                        }
                    }
                }
            __syncthreads();
            for (int i = t; i < count; i += 256) numbers[i] = shared[i];
        }
        // One pass of a radix sort by 16 digits. `counters` has for each digit and thread how many of the thread's eight numbers have the
        // digit, and then how many numbers of the tile go before them.
        DEVICE void count_tile(const uint64* from, int64 count, int64 shift, int64 mask, int* counters) {
            int t = threadIdx.x;
            for (int i = t; i < 4096; i += 256) counters[i] = 0;
            __syncthreads();
            int64 start = (int64)blockIdx.x * 2048 + t * 8;
            for (int k = 0; k < 8; k++)
                if (start + k < count) counters[(int)(from[start + k] >> shift & mask) * 256 + t]++;
            __syncthreads();
            int64 sum = 0, total;
            for (int k = 0; k < 16; k++) sum += counters[t * 16 + k];
            int at = (int)block_scan(sum, total);
            for (int k = 0; k < 16; k++) {
                int own = counters[t * 16 + k];
                counters[t * 16 + k] = at;
                at += own;
            }
            __syncthreads();
        }
        KERNEL count_digits(const uint64* from, uint64* to, int64 count, int64 shift, int64 mask, int64* counts) {
            __shared__ int counters[4097];
            count_tile(from, count, shift, mask, counters);
            int64 rest = count - (int64)blockIdx.x * 2048;
            if (threadIdx.x == 0) counters[4096] = (int)(rest < 2048 ? rest : 2048);
            __syncthreads();
            if (threadIdx.x < 16)
                counts[(int64)threadIdx.x * gridDim.x + blockIdx.x] = counters[(threadIdx.x + 1) * 256] - counters[threadIdx.x * 256];
        }
        KERNEL place_digits(const uint64* from, uint64* to, int64 count, int64 shift, int64 mask, const int64* counts) {
            __shared__ int counters[4096];
            __shared__ int begins[16];
            int t = threadIdx.x;
            count_tile(from, count, shift, mask, counters);
            if (t < 16) begins[t] = counters[t * 256];
            __syncthreads();
            int64 start = (int64)blockIdx.x * 2048 + t * 8;
            for (int k = 0; k < 8 && start + k < count; k++) {
                uint64 number = from[start + k];
                int digit = (int)(number >> shift & mask);
                int place = counters[digit * 256 + t]++;
                to[counts[(int64)digit * gridDim.x + blockIdx.x] + (place - begins[digit])] = number;
            }
        }
        """
}
