import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// `Where` on a card: counts the elements, and writes the coordinates when the host has allocated the result.
@Sendable func whereCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let device = try request.cudaDevice()
    let module = try request.cudaModule("Where", ["T": try request.cudaType("T")], CUDAPrefixSum.source + source)
    return .cudaCounted(device) { context in
        let (input, shape) = (context.input(0), context.shape(0))
        guard shape.rank > 0 else { throw Status.invalidArgument("WhereOp : Unhandled input dimensions: 0") }
        guard shape.rank <= 16 else { throw Status.unimplemented("A GPU gives coordinates of at most 16 dimensions, found \(shape)") }
        let blocks = (shape.elementCount + CUDAPrefixSum.tile - 1) / CUDAPrefixSum.tile
        let counts = try Tensor(.int64, Shape(blocks + 1), in: device.allocator)
        let elements: [CUDAArgument] = [.elements(input), .int(shape.elementCount), .elements(counts)]
        if blocks > 0 { try device.launch(module.function("count_tiles"), CUDAGrid(blocks, 256), elements) }
        try device.launch(module.function("scan_counts"), CUDAGrid(1, 256), [.elements(counts), .int(blocks)])
        return Kernel.CUDACount(counts.rows(blocks..<blocks + 1)) { [input] total in
            let output = try Tensor(.int64, Shape(validating: [total[0], shape.rank]), in: device.allocator)
            if total[0] > 0 {
                let layout = [shape.rank] + shape.dimensions + [Int](repeating: 1, count: 16 - shape.rank)
                try device.launch(
                    module.function("write_coordinates"), CUDAGrid(blocks, 256),
                    [.elements(input), .int(shape.elementCount), .elements(counts), .elements(output), .ints(layout)])
            }
            return [.value(output)]
        }
    }
}

private let source = """
    struct Layout { int64 rank, sizes[16]; };
    DEVICE bool kept(const T* x, int64 i) { return widen(x[i]) != number<Compute<T>::type>(0); }
    DEVICE int count_own(const T* x, int64 count, int64 start) {
        int own = 0;
        for (int k = 0; k < 8; k++) own += start + k < count && kept(x, start + k);
        return own;
    }
    KERNEL count_tiles(const T* x, int64 count, int64* counts) {
        int64 total;
        block_scan(count_own(x, count, (int64)blockIdx.x * 2048 + threadIdx.x * 8), total);
        if (threadIdx.x == 0) counts[blockIdx.x] = total;
    }
    KERNEL write_coordinates(const T* x, int64 count, const int64* counts, int64* out, Layout layout) {
        int64 start = (int64)blockIdx.x * 2048 + threadIdx.x * 8, total;
        int64 row = counts[blockIdx.x] + block_scan(count_own(x, count, start), total);
        for (int k = 0; k < 8; k++) {
            if (start + k >= count || !kept(x, start + k)) continue;
            int64 rest = start + k;
            for (int d = (int)layout.rank - 1; d >= 0; d--) {
                int64 quotient = rest / layout.sizes[d];
                out[row * layout.rank + d] = rest - quotient * layout.sizes[d];
                rest = quotient;
            }
            row++;
        }
    }
    """
