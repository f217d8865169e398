import WeirGraph
import WeirOps
import WeirTensor

/// Gradients in groups of about one size, each group one flat tensor, so that the sum over workers is few large messages, and the
/// first group is sent while the backward pass computes the others. Li et al., *PyTorch Distributed*, 2020.
struct GradientBuckets {
    /// For each bucket, the indices of its gradients.
    let buckets: [[Int]]

    /// Groups gradients in the order in which the backward pass computes them: from the last variable to the first.
    /// - Parameters:
    ///   - gradients: type and number of elements of each, in the order of the variables.
    ///   - byteCount: a bucket is closed when it has at least this many bytes.
    init(_ gradients: [(dtype: DType, elementCount: Int)], byteCount: Int) {
        var open: [DType: (members: [Int], bytes: Int)] = [:]
        var closed: [[Int]] = []
        for index in gradients.indices.reversed() {
            let (dtype, count) = gradients[index]
            var bucket = open[dtype] ?? ([], 0)
            bucket.members.append(index)
            let (sum, overflow) = bucket.bytes.addingReportingOverflow(count.multipliedReportingOverflow(by: dtype.byteCount).partialValue)
            bucket.bytes = overflow ? .max : sum
            if bucket.bytes >= byteCount {
                closed.append(bucket.members)
                open[dtype] = nil
            } else {
                open[dtype] = bucket
            }
        }
        closed += open.values.map(\.members).sorted { $0[0] > $1[0] }
        buckets = closed
    }

    /// Applies `combine` to each bucket as one vector, and cuts the results into tensors of the gradients' shapes.
    /// - Parameter combine: takes a bucket's number and vector.
    func map(_ gradients: [(shape: Shape, value: Output)], in builder: GraphBuilder, _ combine: (Int, Output) -> Output) -> [Output] {
        var results = gradients.map(\.value)
        for (number, members) in buckets.enumerated() {
            builder.nameScope("bucket\(number)") {
                let flat = members.map { gradients[$0].value.reshaped(to: [-1]) }
                let whole = combine(number, flat.count == 1 ? flat[0] : builder.concatenated(flat, axis: 0))
                let parts = flat.count == 1 ? [whole] : whole.split(sizes: members.map { gradients[$0].shape.elementCount })
                for (member, part) in zip(members, parts) { results[member] = part.reshaped(to: gradients[member].shape.dimensions) }
            }
        }
        return results
    }
}

extension GraphBuilder {
    /// The sum of outputs of one shape, as a balanced binary tree: ((0 + 1) + (2 + 3)) + …. With a power of two of them, the sum
    /// of the sums of equal consecutive parts has the same bits as the sum of all.
    func treeSum(of parts: [Output]) -> Output {
        guard let first = parts.first else { return scalar(0, .float32) }
        guard parts.count > 1 else { return first }
        let half = parts.count / 2
        return treeSum(of: Array(parts[..<half])) + treeSum(of: Array(parts[half...]))
    }
}
