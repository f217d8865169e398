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
        let sources = try Tensor.zeros(.int64, Shape(rows))
        let list = sources.mutableElements(Int64.self)
        var bits = Int(output.deviceAddress & 15) | width
        for index in 0..<count {
            let start = context.input(count + index).deviceAddress
            bits |= Int(start & 15)
            for (place, row) in context.elements(index, Int32.self).enumerated() {
                list[Int(row)] = Int64(truncatingIfNeeded: start) &+ Int64(place * width)
            }
        }
        let onCard = try Tensor(.int64, Shape(rows), in: device.allocator)
        try device.write(sources, to: onCard)
        let unit = CUDAMover.unit(from: dtype.byteCount, bits)
        let total = output.byteCount / unit
        try device.launch(
            module.function("stitch_\(unit)"), over: total, [.elements(onCard), .elements(output), .int(total), .divisor(width / unit)])
    }
}

private let source = """
    struct alignas(16) Bytes16 { uint64 low, high; };
    template <class T> DEVICE void stitch(const int64* sources, T* out, int64 total, const Divisor& width) {
        T zero = {};
        for (int64 i = first(); i < total; i += stride()) {
            int64 row = total < (int64)1 << 31 ? (int64)divide((uint32)i, width) : i / width.size;
            const T* from = (const T*)sources[row];
            out[i] = from ? from[i - row * width.size] : zero;
        }
    }
    #define STITCH(S, T) \\
        KERNEL stitch_##S(const int64* sources, T* out, int64 total, Divisor width) { stitch(sources, out, total, width); }
    STITCH(1, uint8)
    STITCH(2, uint16)
    STITCH(4, uint32)
    STITCH(8, uint64)
    STITCH(16, Bytes16)
    """
