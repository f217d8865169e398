import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// `DynamicPartition` on a card: sorts the slices' numbers by partition, and copies the slices when the host has allocated the results.
@Sendable func dynamicPartitionCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let device = try request.cudaDevice()
    let (dtype, count) = (try request.type("T"), try request.int("num_partitions"))
    let sort = try CUDASort(device)
    let module = try request.cudaModule("DynamicPartition", [:], CUDADivision.source + source)
    return .cudaCounted(device) { context in
        let (data, partitions) = (context.input(0), context.input(1))
        let slice = try partitionedSlice(data.shape, partitions.shape)
        let rows = partitions.elementCount
        let low = CUDASort.bits(below: rows)
        let numbers = try Tensor(.uint64, Shape(rows), in: device.allocator)
        try device.launch(module.function("keys"), over: rows, [.elements(partitions), .elements(numbers), .int(rows), .int(low), .int(count)])
        let sorted = try sort.sorted(numbers, low: low, bits: CUDASort.bits(below: count + 1))
        let starts = try Tensor(.int64, Shape(count + 1), in: device.allocator)
        try device.launch(
            module.function("find_starts"), over: count + 1, [.elements(sorted), .elements(starts), .int(rows), .int(low), .int(count + 1)])
        return Kernel.CUDACount(starts) { starts in
            guard starts[count] == rows else {
                throw Status.invalidArgument("partitions has \(rows - starts[count]) numbers that are not in [0, \(count))")
            }
            let width = wrappingProduct(slice) * dtype.byteCount
            return try (0..<count).map { index in
                let own = starts[index + 1] - starts[index]
                let output = try Tensor(dtype, Shape(validating: [own] + slice), in: device.allocator)
                guard output.byteCount > 0 else { return .value(output) }
                let unit = CUDAMover.unit(from: dtype.byteCount, width, data, output)
                let total = output.byteCount / unit
                try device.launch(
                    module.function("take_\(unit)"), over: total,
                    [.elements(data), .elements(sorted), .elements(output), .int(total), .divisor(width / unit), .int(starts[index]), .int(low)])
                return .value(output)
            }
        }
    }
}

private let source = """
    struct alignas(16) Bytes16 { uint64 low, high; };
    KERNEL keys(const int* partitions, uint64* numbers, int64 rows, int64 low, int64 count) {
        for (int64 row = first(); row < rows; row += stride()) {
            int64 partition = partitions[row];
            numbers[row] = (uint64)(partition >= 0 && partition < count ? partition : count) << low | (uint64)row;
        }
    }
    // The first of the sorted numbers that belongs to each partition or a later one.
    KERNEL find_starts(const uint64* sorted, int64* starts, int64 rows, int64 low, int64 count) {
        for (int64 partition = first(); partition < count; partition += stride()) {
            int64 from = 0, length = rows;
            while (length > 0) {
                int64 half = length / 2;
                if ((int64)(sorted[from + half] >> low) < partition) {
                    from += half + 1;
                    length -= half + 1;
                } else {
                    length = half;
                }
            }
            starts[partition] = from;
        }
    }
    template <class T> DEVICE void take(const T* data, const uint64* sorted, T* out, int64 total, const Divisor& width, int64 start, int64 low) {
        for (int64 i = first(); i < total; i += stride()) {
            int64 row = total < (int64)1 << 31 ? (int64)divide((uint32)i, width) : i / width.size;
            out[i] = data[(int64)(sorted[start + row] & (((uint64)1 << low) - 1)) * width.size + (i - row * width.size)];
        }
    }
    #define TAKE(S, T) \\
        KERNEL take_##S(const T* data, const uint64* sorted, T* out, int64 total, Divisor width, int64 start, int64 low) { \\
            take(data, sorted, out, total, width, start, low); }
    TAKE(1, uint8)
    TAKE(2, uint16)
    TAKE(4, uint32)
    TAKE(8, uint64)
    TAKE(16, Bytes16)
    """
