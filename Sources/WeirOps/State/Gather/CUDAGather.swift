import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// A program that copies rows of a tensor that index vectors select. A row whose index is out of range is zeros: a card cannot fail.
struct CUDAGather: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private let size: Int

    /// Starts to compile the program.
    /// - Parameter index: the attribute with the type of the indices.
    init(_ request: KernelRequest, index: String) throws {
        device = try request.cudaDevice()
        size = request.outputTypes[0].dtype.byteCount
        module = try request.cudaModule("rows", ["I": request.cudaType(index)], CUDAGather.source)
    }

    /// Enqueues the copies to `output`.
    /// - Parameters:
    ///   - sizes: the dimensions that an index vector selects from.
    ///   - width: the number of elements of a row.
    ///   - perBatch: how many index vectors select from each batch of `source`; nil without batches.
    func run(_ source: Tensor, _ indices: Tensor, _ output: Tensor, sizes: [Int], width: Int, perBatch: Int?) throws {
        let bytes = output.byteCount
        guard bytes > 0 else { return }
        guard sizes.count <= 8 else { throw Status.unimplemented("A GPU reads rows by index vectors of at most 8 numbers, found \(sizes.count)") }
        // The largest unit that rows and addresses are multiples of.
        let row = width * size
        let bits = UInt64(row) | source.deviceAddress | output.deviceAddress | 16
        let unit = 1 << min(4, bits.trailingZeroBitCount)
        try device.launch(
            module.function("gather\(unit)"), over: bytes / unit,
            [
                .elements(source), .elements(indices), .elements(output), .int(bytes / unit), .int(row / unit), .int(perBatch ?? bytes),
                .ints([sizes.count] + sizes + [Int](repeating: 0, count: 8 - sizes.count)),
            ])
    }

    private static let source = """
        struct Slices { int64 depth, sizes[8]; };
        template <class U> DEVICE void gather(
            const U* source, const I* indices, U* out, int64 count, int64 width, int64 per_batch, const Slices& slices) {
            U zero = {};
            for (int64 i = first(); i < count; i += stride()) {
                int64 position = i / width, row = position / per_batch;
                bool is_inside = true;
                for (int d = 0; d < (int)slices.depth; d++) {
                    int64 index = (int64)indices[position * slices.depth + d];
                    is_inside = is_inside && index >= 0 && index < slices.sizes[d];
                    row = row * slices.sizes[d] + index;
                }
                out[i] = is_inside ? source[row * width + (i - position * width)] : zero;
            }
        }
        #define GATHER(name, U) \\
            KERNEL name(const U* source, const I* indices, U* out, int64 count, int64 width, int64 per_batch, Slices slices) { \\
                gather<U>(source, indices, out, count, width, per_batch, slices); \\
            }
        GATHER(gather1, uint8)
        GATHER(gather2, uint16)
        GATHER(gather4, uint32)
        GATHER(gather8, uint64)
        typedef Pack<uint64, 2> Wide;
        GATHER(gather16, Wide)

        """
}
