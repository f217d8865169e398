import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// `DynamicStitch` on a card: the host, which has the indices, lists where each row of the result comes from.
@Sendable func stitchCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let (count, dtype, device) = (try request.int("N"), try request.type("T"), try request.cudaDevice())
    let module = try request.cudaModule("DynamicStitch", [:], CUDADivision.source + source)
    return .sync { context in
        let (rows, slice) = try stitchPlan(context, count)
        let output = try context.output(0, dtype, Shape(validating: [rows] + slice))
        guard output.elementCount > 0 else { return }
        let width = wrappingProduct(slice) * dtype.byteCount
        // For each row of the result the part that it comes from, and the row there; -1 for a row that no index names.
        let sources = try Tensor(.int64, Shape(rows))
        let list = sources.mutableElements(Int64.self)
        list.update(repeating: -1)
        var bits = Int(output.deviceAddress & 15) | width
        for index in 0..<count {
            bits |= Int(context.input(count + index).deviceAddress & 15)
            for (place, row) in context.elements(index, Int32.self).enumerated() { list[Int(row)] = Int64(index) << 40 | Int64(place) }
        }
        let onCard = try Tensor(.int64, Shape(rows), in: device.allocator)
        try device.write(sources, to: onCard)
        let unit = CUDAMover.unit(from: dtype.byteCount, bits)
        let total = output.byteCount / unit
        for first in stride(from: 0, to: count, by: 16) {
            let parts = (first..<min(count, first + 16)).map { Int(truncatingIfNeeded: context.input(count + $0).deviceAddress) }
            try device.launch(
                module.function("stitch_\(unit)"), over: total,
                [
                    .elements(onCard), .elements(output), .int(total), .divisor(width / unit), .int(first),
                    .ints(parts + [Int](repeating: 0, count: 16 - parts.count)),
                ])
        }
    }
}

private let source = """
    struct alignas(16) Bytes16 { uint64 low, high; };
    struct Parts { int64 at[16]; };
    template <class T> DEVICE void stitch(const int64* sources, T* out, int64 total, const Divisor& width, int64 first_part, const Parts& parts) {
        T zero = {};
        for (int64 i = first(); i < total; i += stride()) {
            int64 row = total < (int64)1 << 31 ? (int64)divide((uint32)i, width) : i / width.size;
            int64 source = sources[row], part = (source >> 40) - first_part;
            if (source < 0) out[i] = zero;
            else if (part >= 0 && part < 16)
                out[i] = ((const T*)parts.at[part])[(source & (((int64)1 << 40) - 1)) * width.size + i - row * width.size];
        }
    }
    #define STITCH(S, T) \\
        KERNEL stitch_##S(const int64* sources, T* out, int64 total, Divisor width, int64 first_part, Parts parts) { \\
            stitch(sources, out, total, width, first_part, parts); }
    STITCH(1, uint8)
    STITCH(2, uint16)
    STITCH(4, uint32)
    STITCH(8, uint64)
    STITCH(16, Bytes16)
    """
