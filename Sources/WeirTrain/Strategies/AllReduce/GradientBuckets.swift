import WeirGraph
import WeirOps
import WeirTensor

/// Gradients in groups of about one size, each group one flat tensor, so that the sum over workers is few large messages, and the
/// first group is sent while the backward pass computes the others. Li et al., *PyTorch Distributed*, 2020.
struct GradientBuckets {
    /// What a gradient is to its bucket. All of a bucket have one type and one device.
    struct Member {
        var dtype: DType
        var elementCount: Int
        /// The device of the variable.
        var device = ""
    }
    /// For each bucket, the indices of its gradients.
    let buckets: [[Int]]

    /// Groups gradients in the order in which the backward pass computes them: from the last variable to the first.
    /// - Parameters:
    ///   - gradients: in the order of the variables.
    ///   - byteCount: a bucket is closed when it has at least this many bytes.
    init(_ gradients: [Member], byteCount: Int) {
        struct Kind: Hashable {
            let dtype: DType
            let device: String
        }
        var open: [Kind: (members: [Int], bytes: Int)] = [:]
        var closed: [[Int]] = []
        for (index, gradient) in gradients.enumerated().reversed() {
            let kind = Kind(dtype: gradient.dtype, device: gradient.device)
            var bucket = open[kind] ?? ([], 0)
            bucket.members.append(index)
            let (bytes, isTooLarge) = gradient.elementCount.multipliedReportingOverflow(by: gradient.dtype.byteCount)
            let (sum, overflow) = bucket.bytes.addingReportingOverflow(bytes)
            bucket.bytes = isTooLarge || overflow ? .max : sum
            if bucket.bytes >= byteCount {
                closed.append(bucket.members)
                open[kind] = nil
            } else {
                open[kind] = bucket
            }
        }
        closed += open.values.map(\.members).sorted { $0[0] > $1[0] }
        buckets = closed
    }

    /// The number of bytes at which a bucket is closed.
    /// - Throws: `invalidArgument` when it is less than 1.
    static func checked(_ byteCount: Int) throws(Status) -> Int {
        guard byteCount > 0 else { throw .invalidArgument("A bucket of gradients needs at least 1 byte, found \(byteCount)") }
        return byteCount
    }

    /// Applies `combine` to each bucket as one vector on the bucket's device, and cuts the results into tensors of the variables'
    /// shapes.
    /// - Parameters:
    ///   - gradients: those of `init`, with their variables.
    ///   - combine: takes a bucket's vector and device.
    func map(_ gradients: [(variable: Variable, value: Output)], in builder: GraphBuilder, _ combine: (Output, _ device: String) -> Output) -> [Output] {
        var results = gradients.map(\.value)
        for (number, members) in buckets.enumerated() {
            guard let device = members.first.map({ gradients[$0].variable.requestedDevice }) else { continue }
            builder.device(device) {
                builder.nameScope("bucket\(number)") {
                    let flat = members.map { gradients[$0].value.reshaped(to: [-1]) }
                    let whole = combine(flat.count == 1 ? flat[0] : builder.concatenated(flat, axis: 0), device)
                    let parts = flat.count == 1 ? [whole] : whole.split(sizes: members.map { gradients[$0].variable.shape.elementCount })
                    for (member, part) in zip(members, parts) { results[member] = part.reshaped(to: gradients[member].variable.shape.dimensions) }
                }
            }
        }
        return results
    }
}

extension Variable {
    /// The device that was asked for where the variable was declared; empty if none was.
    var requestedDevice: String { handle.builder.node(handle.endpoint.node).requestedDevice }
}
