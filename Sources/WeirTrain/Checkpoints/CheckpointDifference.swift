public import WeirTensor

/// How the tensors of two files differ.
public struct CheckpointDifference: Sendable {
    /// A tensor that both have.
    public struct Pair: Sendable {
        /// The name.
        public let name: String
        /// What differs, if the tensors cannot be compared element by element: the types or shapes; nil if they can.
        public let mismatch: String?
        /// The greatest difference of two elements, divided by the greatest magnitude in either tensor. Infinite if one element is not a
        /// number and the other is; nil if the tensors cannot be compared, or are not of numbers.
        public let relativeDifference: Double?
        /// Whether the tensors have the same bytes.
        public let isIdentical: Bool
    }

    /// The tensors that both have, sorted by name.
    public let pairs: [Pair]
    /// The names that only the first file has.
    public let onlyInFirst: [String]
    /// The names that only the second file has.
    public let onlyInSecond: [String]

    /// Compares two files, tensor by tensor.
    /// - Throws: `dataLoss` when a file is damaged.
    public init(_ first: CheckpointFile, _ second: CheckpointFile) throws(Status) {
        let names = (Set(first.entries.map(\.name)), Set(second.entries.map(\.name)))
        onlyInFirst = names.0.subtracting(names.1).sorted()
        onlyInSecond = names.1.subtracting(names.0).sorted()
        var pairs: [Pair] = []
        for name in names.0.intersection(names.1).sorted() {
            pairs.append(CheckpointDifference.compare(name, try first.tensor(name), try second.tensor(name)))
        }
        self.pairs = pairs
    }

    /// Whether the files have the same tensors, up to a relative difference.
    public func isWithin(_ tolerance: Double) -> Bool {
        onlyInFirst.isEmpty && onlyInSecond.isEmpty
            && pairs.allSatisfy { $0.mismatch == nil && ($0.isIdentical || $0.relativeDifference.map { $0 <= tolerance } ?? false) }
    }

    static func compare(_ name: String, _ a: Tensor, _ b: Tensor) -> Pair {
        guard a.dtype == b.dtype, a.shape == b.shape else {
            return Pair(name: name, mismatch: "\(a.dtype) \(a.shape) and \(b.dtype) \(b.shape)", relativeDifference: nil, isIdentical: false)
        }
        let isIdentical = a.dtype.isBitwise ? a.bytes.elementsEqual(b.bytes) : a == b
        guard let x = a.realNumbers, let y = b.realNumbers else {
            return Pair(name: name, mismatch: nil, relativeDifference: nil, isIdentical: isIdentical)
        }
        var (difference, magnitude) = (0.0, 0.0)
        for (p, q) in zip(x, y) where p != q && !(p.isNaN && q.isNaN) {
            difference = p.isFinite && q.isFinite ? max(difference, abs(p - q)) : .infinity
        }
        for value in [x, y].joined() where value.isFinite { magnitude = max(magnitude, abs(value)) }
        return Pair(name: name, mismatch: nil, relativeDifference: difference == 0 ? 0 : difference / magnitude, isIdentical: isIdentical)
    }
}
