package import WeirDevice
package import WeirTensor

/// The program that gathers slices by indices on a card: one for each type of indices. The slices of indices out of range are zero.
package struct CUDAGather: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule

    /// Starts to compile the program.
    package init(_ device: CUDADevice, indices: DType) throws {
        guard let name = indices.cudaName else { throw Status.unimplemented("A card gathers by no indices of \(indices)") }
        self.device = device
        module = try device.modules.module(CUDAProgram("Gather \(name)", "typedef \(name) I;\n" + CUDADivision.source + CUDAGather.source))
    }

    /// Enqueues a gather of params `[batch, outer, limit, inner]` by indices `[batch, count]`.
    package func run(
        _ params: Tensor, _ indices: Tensor, batch: Int, outer: Int, limit: Int, count: Int, inner: Int, to output: Tensor
    ) throws {
        guard output.elementCount > 0 else { return }
        let (unit, units) = slices(params, output, inner)
        let total = batch * outer * count * units
        try device.launch(
            module.function("gather_\(total < 1 << 31 ? "" : "large_")\(unit)"), over: total,
            [
                .elements(params), .elements(indices), .elements(output), .int(total), .divisor(units), .divisor(count), .divisor(outer), .int(limit),
            ])
    }

    /// Enqueues a gather of the slices that rows of `depth` indices name.
    package func run(_ params: Tensor, rows indices: Tensor, depth: Int, to output: Tensor) throws {
        guard output.elementCount > 0 else { return }
        let places = try CUDAPlaces(params.shape, depth: depth)
        let (unit, units) = slices(params, output, places.width)
        let total = output.byteCount / unit
        try device.launch(
            module.function("gather_rows_\(total < 1 << 31 ? "" : "large_")\(unit)"), over: total,
            [.elements(params), .elements(indices), .elements(output), .int(total), .divisor(units), .ints(places.words)])
    }

    /// The unit in which slices of `inner` elements are copied, and their number in a slice.
    private func slices(_ params: Tensor, _ output: Tensor, _ inner: Int) -> (unit: Int, count: Int) {
        let width = params.dtype.byteCount
        let bits = Int((params.deviceAddress | output.deviceAddress) & 15) | inner * width
        let unit = CUDAMovePlan.widest(from: width) { bits & ($0 - 1) == 0 }
        return (unit, inner * width / unit)
    }

    private static let source = """
        struct alignas(16) Bytes16 { uint64 low, high; };
        \(CUDAPlaces.source)
        template <class N, class T> DEVICE void gather(
            const T* params, const I* indices, T* out, int64 total, const Divisor& inner, const Divisor& count, const Divisor& outer, int64 limit
        ) {
            for (int64 i = first(); i < total; i += stride()) {
                N row = divide((N)i, inner), slab = divide(row, count), batch = divide(slab, outer);
                int64 column = i - (int64)row * inner.size;
                int64 index = (int64)indices[(int64)batch * count.size + ((int64)row - (int64)slab * count.size)];
                T value = {};
                if (index >= 0 && index < limit) value = params[((int64)slab * limit + index) * inner.size + column];
                out[i] = value;
            }
        }
        template <class N, class T> DEVICE void gather_rows(
            const T* params, const I* indices, T* out, int64 total, const Divisor& inner, const Places& places
        ) {
            for (int64 i = first(); i < total; i += stride()) {
                int64 row = (int64)divide((N)i, inner), slice = place(indices + row * places.depth, places);
                T value = {};
                if (slice >= 0) value = params[slice * inner.size + (i - row * inner.size)];
                out[i] = value;
            }
        }
        #define GATHER(S, N, T) \\
            KERNEL gather_##S(const T* params, const I* indices, T* out, int64 total, Divisor inner, Divisor count, Divisor outer, int64 limit) { \\
                gather<N>(params, indices, out, total, inner, count, outer, limit); } \\
            KERNEL gather_rows_##S(const T* params, const I* indices, T* out, int64 total, Divisor inner, Places places) { \\
                gather_rows<N>(params, indices, out, total, inner, places); }
        #define GATHERS(S, T) GATHER(S, uint32, T) GATHER(large_##S, uint64, T)
        GATHERS(1, uint8)
        GATHERS(2, uint16)
        GATHERS(4, uint32)
        GATHERS(8, uint64)
        GATHERS(16, Bytes16)
        """
}

/// The places in a tensor that rows of indices name, as a structure of kernels.
struct CUDAPlaces {
    let depth: Int
    /// The number of elements in a slice, and of slices.
    let width: Int
    let count: Int
    private let sizes: [Int]

    /// - Throws: `unimplemented` when a row has more than 16 indices.
    init(_ shape: Shape, depth: Int) throws {
        guard depth <= 16 else { throw Status.unimplemented("A GPU takes rows of at most 16 indices, found \(depth)") }
        self.depth = depth
        sizes = Array(shape.dimensions[..<depth])
        width = wrappingProduct(shape.dimensions[depth...])
        count = wrappingProduct(sizes)
    }
    var words: [Int] {
        let rest = [Int](repeating: 0, count: 16 - depth)
        return [depth] + sizes + rest + StridedCopy.strides(of: sizes) + rest
    }

    /// `place` gives the number of the slice that a row of indices of type I names; -1 if an index is out of range.
    static let source = """
        struct Places { int64 depth, sizes[16], steps[16]; };
        DEVICE int64 place(const I* row, const Places& places) {
            int64 slice = 0;
            bool inside = true;
            for (int d = 0; d < (int)places.depth; d++) {
                int64 index = (int64)row[d];
                inside = inside && index >= 0 && index < places.sizes[d];
                slice += index * places.steps[d];
            }
            return inside ? slice : -1;
        }
        """
}
