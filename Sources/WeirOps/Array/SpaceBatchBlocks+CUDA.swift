import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The program that copies between spatial tensors and batches of their blocks' elements on a card.
struct CUDASpaceBatch: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule
    private static let maximumRank = 8

    /// The program for a node's card; nil for a node of a CPU.
    static func onCard(_ request: KernelRequest) throws -> CUDASpaceBatch? {
        guard let device = request.place.device.underlying as? CUDADevice else { return nil }
        let type = try request.type("T").cudaBits
        return CUDASpaceBatch(device: device, module: try request.cudaModule("SpaceBatch", ["T": type], source))
    }

    /// Enqueues the copy. Elements of batches that are margins of the spatial tensor become zero, or are skipped.
    func copy(_ blocks: SpaceBatchBlocks, _ spatial: Tensor, _ batched: Tensor, toBatches: Bool) throws {
        let rank = blocks.block.count
        guard rank <= CUDASpaceBatch.maximumRank else {
            throw Status.unimplemented("A GPU takes blocks of at most \(CUDASpaceBatch.maximumRank) dimensions, found \(rank)")
        }
        let (space, batches) = (spatial.shape.dimensions, batched.shape.dimensions)
        func list(_ values: [Int]) -> [Int] { values + [Int](repeating: 1, count: CUDASpaceBatch.maximumRank - values.count) }
        let words =
            [rank, space[0], wrappingProduct(space[(rank + 1)...])] + list(blocks.block) + list(blocks.margins.map(\.before))
            + list(Array(space[1..<rank + 1])) + list(Array(batches[1..<rank + 1]))
        let count = batched.elementCount
        try device.launch(
            module.function(toBatches ? "to_batches" : "to_space"), over: count,
            [.elements(spatial), .elements(batched), .int(count), .ints(words)])
    }

    private static let source = """
        struct Blocks { int64 rank, batch, inner, block[8], before[8], space[8], places[8]; };
        // The element of the spatial tensor that an element of the batches is; -1 in a margin.
        DEVICE int64 place(int64 i, const Blocks& blocks) {
            int64 rest = i / blocks.inner, step = blocks.inner, at = i - rest * blocks.inner, outer = rest;
            for (int d = 0; d < (int)blocks.rank; d++) outer /= blocks.places[d];
            int64 offsets = outer / blocks.batch, batch = outer - offsets * blocks.batch;
            bool inside = true;
            for (int d = (int)blocks.rank - 1; d >= 0; d--) {
                int64 position = rest % blocks.places[d] * blocks.block[d] + offsets % blocks.block[d] - blocks.before[d];
                rest /= blocks.places[d];
                offsets /= blocks.block[d];
                inside = inside && position >= 0 && position < blocks.space[d];
                at += position * step;
                step *= blocks.space[d];
            }
            return inside ? at + batch * step : -1;
        }
        KERNEL to_batches(const T* space, T* batches, int64 count, Blocks blocks) {
            T zero = {};
            for (int64 i = first(); i < count; i += stride()) {
                int64 at = place(i, blocks);
                batches[i] = at >= 0 ? space[at] : zero;
            }
        }
        KERNEL to_space(T* space, const T* batches, int64 count, Blocks blocks) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 at = place(i, blocks);
                if (at >= 0) space[at] = batches[i];
            }
        }
        """
}
