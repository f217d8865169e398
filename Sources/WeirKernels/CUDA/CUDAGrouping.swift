package import WeirDevice
package import WeirTensor

/// A program that lists the rows of each group, given each row's group, so that what is summed by group is summed in the same order
/// each time: that of the rows. It sorts the rows by group with a stable radix sort, without atomic operations on floating-point numbers.
package struct CUDAGrouping: Sendable {
    /// The rows of each group.
    package struct Groups {
        /// The numbers of the rows (uint32), group after group. The rows of no group come last.
        package let rows: Tensor
        /// The place in `rows` of each group's first row (int64), and of the end of the last one's.
        package let starts: Tensor
    }
    /// The rows of a block in one pass of the sort.
    private static let tile = 2048
    private let device: CUDADevice
    private let module: CUDAModule

    /// Starts to compile the program.
    /// - Parameter ids: the type of the groups' numbers, int32 or int64.
    package init(_ device: CUDADevice, _ ids: DType) throws {
        self.device = device
        let type = ids.cudaName ?? "int64"
        module = try device.modules.module(CUDAProgram("rows by group \(type)", "typedef \(type) I;\n" + CUDAGrouping.source))
    }

    /// Enqueues the listing of the rows. Those whose group's number is not in `0..<count` belong to no group.
    /// - Throws: `unimplemented` for 2³² rows or groups.
    package func run(_ ids: Tensor, count: Int) throws -> Groups {
        let rowCount = ids.elementCount
        guard rowCount < UInt32.max, count < UInt32.max else {
            throw Status.unimplemented("\(rowCount) rows in \(count) groups are too many for a GPU")
        }
        func words() throws -> Tensor { try Tensor(.uint32, Shape(rowCount), in: device.allocator) }
        var (keys, rows, otherKeys, otherRows) = (try words(), try words(), try words(), try words())
        try device.launch(
            module.function("keys"), over: rowCount, [.elements(ids), .elements(keys), .elements(rows), .int(rowCount), .int(count)])
        let blocks = max(1, (rowCount + CUDAGrouping.tile - 1) / CUDAGrouping.tile)
        let counts = try Tensor(.uint32, Shape(validating: [256 * blocks]), in: device.allocator)
        let bits = UInt64.bitWidth - UInt64(count).leadingZeroBitCount
        for shift in stride(from: 0, to: max(bits, 1), by: 8) where rowCount > 0 {
            let place = [CUDAArgument.int(rowCount), .int(shift)]
            try device.launch(module.function("count_digits"), CUDAGrid(blocks, 256), [.elements(keys), .elements(counts)] + place)
            try device.launch(module.function("sum_counts"), CUDAGrid(1, 256), [.elements(counts), .int(256 * blocks)])
            try device.launch(
                module.function("place_rows"), CUDAGrid(blocks, 256),
                [.elements(keys), .elements(rows), .elements(counts), .elements(otherKeys), .elements(otherRows)] + place)
            (keys, rows, otherKeys, otherRows) = (otherKeys, otherRows, keys, rows)
        }
        let starts = try Tensor(.int64, Shape(count + 1), in: device.allocator)
        try device.launch(
            module.function("starts_of_keys"), over: count + 1, [.elements(keys), .elements(starts), .int(rowCount), .int(count + 1)])
        return Groups(rows: rows, starts: starts)
    }

    /// Enqueues the search of the first row of each group whose rows have ascending numbers; and of the end of the last one's.
    package func starts(ofSorted ids: Tensor, count: Int) throws -> Tensor {
        let starts = try Tensor(.int64, Shape(validating: [count + 1]), in: device.allocator)
        try device.launch(
            module.function("starts_of_ids"), over: count + 1,
            [.elements(ids), .elements(starts), .int(ids.elementCount), .int(count + 1)])
        return starts
    }

    /// Enqueues a copy of the last of some numbers, as an int64.
    package func last(of ids: Tensor) throws -> Tensor {
        let last = try Tensor(.int64, .scalar, in: device.allocator)
        try device.launch(module.function("last_id"), over: 1, [.elements(ids), .elements(last), .int(ids.elementCount)])
        return last
    }

    private static let source = """
        KERNEL keys(const I* ids, uint32* keys, uint32* rows, int64 count, int64 groups) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 id = ids[i];
                keys[i] = (uint32)(id >= 0 && id < groups ? id : groups);
                rows[i] = (uint32)i;
            }
        }
        // How often each digit occurs in each tile: counts[digit][tile].
        KERNEL count_digits(const uint32* keys, uint32* counts, int64 count, int64 shift) {
            __shared__ uint32 found[256];
            int t = threadIdx.x;
            found[t] = 0;
            __syncthreads();
            for (int r = 0; r < 8; r++) {
                int64 i = (int64)blockIdx.x * 2048 + r * 256 + t;
                if (i < count) atomicAdd(&found[keys[i] >> (int)shift & 255], 1u);
            }
            __syncthreads();
            counts[(int64)t * gridDim.x + blockIdx.x] = found[t];
        }
        // Replaces each count by the sum of those before it.
        KERNEL sum_counts(uint32* counts, int64 count) {
            __shared__ uint32 sums[256];
            int t = threadIdx.x;
            uint32 total = 0;
            for (int64 tile = 0; tile < count; tile += 2048) {
                uint32 own[8], sum = 0;
        #pragma unroll
                for (int k = 0; k < 8; k++) {
                    int64 i = tile + t * 8 + k;
                    own[k] = i < count ? counts[i] : 0;
                    sum += own[k];
                }
                sums[t] = sum;
                __syncthreads();
                for (int d = 1; d < 256; d *= 2) {
                    uint32 other = t >= d ? sums[t - d] : 0;
                    __syncthreads();
                    sums[t] += other;
                    __syncthreads();
                }
                uint32 before = total + sums[t] - sum;
                total += sums[255];
                __syncthreads();
        #pragma unroll
                for (int k = 0; k < 8; k++) {
                    int64 i = tile + t * 8 + k;
                    if (i < count) counts[i] = before;
                    before += own[k];
                }
            }
        }
        // Moves each row to its place: after those of smaller digits, and those of the same digit that are before it.
        KERNEL place_rows(const uint32* keys, const uint32* rows, const uint32* counts, uint32* new_keys, uint32* new_rows, int64 count, int64 shift) {
            __shared__ uint32 places[8][256];
            int t = threadIdx.x, warp = t / 32, lane = t % 32;
            uint32 base = counts[(int64)t * gridDim.x + blockIdx.x];
            for (int r = 0; r < 8; r++) {
                int64 i = (int64)blockIdx.x * 2048 + r * 256 + t;
                bool is_row = i < count;
                uint32 key = is_row ? keys[i] : 0, digit = is_row ? key >> (int)shift & 255 : 256;
                for (int w = 0; w < 8; w++) places[w][t] = 0;
                __syncthreads();
                uint32 same = __match_any_sync(0xffffffffu, digit), before = __popc(same & ((1u << lane) - 1));
                if (is_row && before == 0) places[warp][digit] = __popc(same);
                __syncthreads();
                for (int w = 0; w < 8; w++) {
                    uint32 own = places[w][t];
                    places[w][t] = base;
                    base += own;
                }
                __syncthreads();
                if (is_row) {
                    uint32 place = places[warp][digit] + before;
                    new_keys[place] = key;
                    new_rows[place] = rows[i];
                }
                __syncthreads();
            }
        }
        // The first place whose key is not less than a number.
        template <class K> DEVICE int64 lower_bound(const K* keys, int64 count, int64 number) {
            int64 low = 0;
            while (count > 0) {
                int64 half = count / 2;
                if ((int64)keys[low + half] < number) {
                    low += half + 1;
                    count -= half + 1;
                } else count = half;
            }
            return low;
        }
        KERNEL starts_of_keys(const uint32* keys, int64* starts, int64 count, int64 numbers) {
            for (int64 i = first(); i < numbers; i += stride()) starts[i] = lower_bound(keys, count, i);
        }
        KERNEL starts_of_ids(const I* ids, int64* starts, int64 count, int64 numbers) {
            for (int64 i = first(); i < numbers; i += stride()) starts[i] = lower_bound(ids, count, i);
        }
        KERNEL last_id(const I* ids, int64* last, int64 count) { *last = ids[count - 1]; }
        """
}
