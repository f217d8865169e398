import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The program that copies bands of diagonals on a card.
struct CUDADiagonals: Sendable {
    private let device: CUDADevice
    private let module: CUDAModule

    /// The program for a node's card; nil for a node of a CPU.
    static func onCard(_ request: KernelRequest) throws -> CUDADiagonals? {
        guard let device = request.place.device.underlying as? CUDADevice else { return nil }
        let types = try request.type("T").cudaBits
        return CUDADiagonals(device: device, module: try request.cudaModule("Diagonals", ["T": types], source))
    }

    /// Enqueues the copy of rows to the band of matrices. Elements around the band get the value of `padding`, or stay as they are.
    func toMatrices(_ band: DiagonalBand, _ rows: Tensor, _ matrices: Tensor, batch: Int, around padding: Tensor?) throws {
        if let padding {
            let count = matrices.elementCount
            return try device.launch(
                module.function("fill_matrices"), over: count, [.elements(rows), .elements(matrices), .int(count), value(padding), words(band)])
        }
        let count = batch * band.count * band.length
        try device.launch(module.function("to_matrices"), over: count, [.elements(rows), .elements(matrices), .int(count), words(band)])
    }

    /// Enqueues the copy of the band of matrices to rows. Elements beside a shorter diagonal get the value of `padding`.
    func toRows(_ band: DiagonalBand, _ matrices: Tensor, _ rows: Tensor, batch: Int, around padding: Tensor) throws {
        let count = rows.elementCount
        try device.launch(module.function("to_rows"), over: count, [.elements(matrices), .elements(rows), .int(count), value(padding), words(band)])
    }

    private func value(_ scalar: Tensor) -> CUDAArgument {
        .bytes(Array(scalar.bytes.prefix(scalar.dtype.byteCount)), repeatedTo: scalar.dtype.byteCount)
    }
    private func words(_ band: DiagonalBand) -> CUDAArgument {
        .ints([
            band.lower, band.upper, band.rows, band.columns, band.length, band.alignment.superdiagonalsLeft ? 1 : 0,
            band.alignment.subdiagonalsLeft ? 1 : 0,
        ])
    }

    private static let source = """
        struct Band { int64 lower, upper, rows, columns, length, super_left, sub_left; };
        // Where a diagonal begins in its row.
        DEVICE int64 margin(int64 diagonal, const Band& band) {
            if ((diagonal >= 0 && band.super_left) || (diagonal <= 0 && band.sub_left)) return 0;
            int64 down = diagonal < 0 ? band.rows + diagonal : band.rows, right = diagonal > 0 ? band.columns - diagonal : band.columns;
            return band.length - (down < right ? down : right);
        }
        KERNEL fill_matrices(const T* rows, T* out, int64 count, T padding, Band band) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 line = i / band.columns, column = i - line * band.columns, matrix = line / band.rows, row = line - matrix * band.rows;
                int64 diagonal = column - row;
                T value = padding;
                if (diagonal >= band.lower && diagonal <= band.upper) {
                    int64 at = (row < column ? row : column) + margin(diagonal, band);
                    value = rows[(matrix * (band.upper - band.lower + 1) + band.upper - diagonal) * band.length + at];
                }
                out[i] = value;
            }
        }
        // The element of a matrix that a place in the rows stands for; -1 for a place beside a diagonal.
        DEVICE int64 place(int64 i, const Band& band) {
            int64 line = i / band.length, number = band.upper - band.lower + 1, matrix = line / number;
            int64 diagonal = band.upper - (line - matrix * number), at = i - line * band.length - margin(diagonal, band);
            int64 row = diagonal < 0 ? at - diagonal : at, column = diagonal > 0 ? at + diagonal : at;
            return at < 0 || row >= band.rows || column >= band.columns ? -1 : (matrix * band.rows + row) * band.columns + column;
        }
        KERNEL to_matrices(const T* rows, T* out, int64 count, Band band) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 at = place(i, band);
                if (at >= 0) out[at] = rows[i];
            }
        }
        KERNEL to_rows(const T* matrices, T* out, int64 count, T padding, Band band) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 at = place(i, band);
                out[i] = at >= 0 ? matrices[at] : padding;
            }
        }
        """
}
