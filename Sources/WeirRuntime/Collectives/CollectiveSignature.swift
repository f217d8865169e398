import WeirGraph
import WeirTensor

/// What a member calls, in numbers. Each member sends it to the next rank. If any two members disagree, then some neighbours do, and
/// the later one notices: without it, members with tensors of different sizes might follow different schedules and wait for ever.
struct CollectiveSignature: Equatable {
    private var kind: Int64
    private var dtype: Int64
    private var elementCount: Int64
    /// The first dimension, for operations that cut or join tensors along it.
    private var rowCount: Int64
    private var algorithm: Int64

    static let byteCount = 5 * MemoryLayout<Int64>.stride
    /// The merges by the numbers that `init` gives them.
    private static let merges: [CollectiveReduction.Merge] = [.min, .max, .multiply, .add]

    init(_ operation: CollectiveOperation, _ shape: Shape, _ algorithm: CollectiveAlgorithm) {
        func code(_ reduction: CollectiveReduction) -> Int64 {
            let merge: Int64 =
                switch reduction.merge {
                case .min: 0
                case .max: 1
                case .multiply: 2
                case .add: 3
                }
            return merge * 2 + (reduction.final == .divide ? 1 : 0)
        }
        var cutsRows = true
        switch operation.kind {
        case .reduce(let reduction): (kind, cutsRows) = (16 + code(reduction), false)
        case .reduceScatter(let reduction): kind = 32 + code(reduction)
        case .gather: kind = 48
        case .broadcast: (kind, cutsRows) = (64, false)
        case .allToAll: kind = 80
        case .permute: (kind, cutsRows) = (96, false)
        case .join: (kind, cutsRows) = (112, false)
        }
        dtype = Int64(operation.dtype.rawValue)
        elementCount = Int64(shape.elementCount)
        rowCount = cutsRows && shape.rank > 0 ? Int64(shape[0]) : 0
        self.algorithm = Int64(algorithm.rawValue)
    }

    /// Reads what another member has sent; nil if it has another size.
    init?(_ tensor: Tensor) {
        guard tensor.byteCount == CollectiveSignature.byteCount else { return nil }
        let values = (0..<5).map { tensor.bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self) }
        (kind, dtype, elementCount, rowCount, algorithm) = (values[0], values[1], values[2], values[3], values[4])
        withExtendedLifetime(tensor) {}
    }

    var tensor: Tensor { Tensor([kind, dtype, elementCount, rowCount, algorithm]) }

    /// The call, for error messages.
    var text: String {
        let name =
            switch kind >> 4 {
            case 1: "a reduction"
            case 2: "a reduction that scatters"
            case 3: "a gather"
            case 4: "a broadcast"
            case 5: "an exchange of all with all"
            case 6: "a permutation"
            default: "an unknown operation"
            }
        let merge = kind >> 4 <= 2 ? " by \(CollectiveSignature.merges[Int(kind >> 1 & 3)].rawValue)\(kind & 1 == 1 ? " and Div" : "")" : ""
        let type = UInt8(exactly: dtype).flatMap { DType(rawValue: $0) }.map { "\($0)" } ?? "unknown type \(dtype)"
        return "\(name)\(merge) of \(elementCount) elements of \(type)\(rowCount == 0 ? "" : " in \(rowCount) rows")"
    }
}
