import WeirDevice
import WeirKernels
import WeirTensor

// Loops of batch normalization over rows of channels, for floats with the channels last.

/// `rows` rows of `channels` floats, and the thread pool to process them on.
struct ChannelRows {
    let rows: Int
    let channels: Int
    let pool: ComputePool

    /// Calls `body` with ranges of rows, on several threads if there are many rows.
    func forEachPart(_ body: (Range<Int>) -> Void) {
        pool.parallelFor(rows, grain: max(1, (1 << 15) / max(channels, 1)), body)
    }

    /// Returns for each channel the sum of terms over all rows. Each task sums a range of rows.
    ///
    /// - Parameter add: adds the terms of the row at `offset` to `sums`.
    func sums(_ add: (_ offset: Int, _ sums: UnsafeMutablePointer<Float>) -> Void) throws -> Tensor {
        let parts = max(1, min(pool.threadCount, rows * channels / (1 << 16)))
        let partial = try Tensor.zeros(.float32, Shape(parts + 1, channels))
        // Sums rows in blocks and then the sums of the blocks, which keeps the precision with many rows.
        let scratch = try Tensor(.float32, Shape(parts, channels))
        defer { keepAlive((partial, scratch)) }
        let (totals, blocks) = (partial.mutableElements(Float.self).start, scratch.mutableElements(Float.self).start)
        let share = UncheckedSendablePointers(totals, blocks)
        pool.parallelFor(parts, grain: 1) { range in
            for part in range {
                let (total, block) = (share.first + (part + 1) * channels, share.second + part * channels)
                var row = rows * part / parts
                let end = rows * (part + 1) / parts
                while row < end {
                    block.update(repeating: 0, count: channels)
                    let stop = min(end, row + 256)
                    while row < stop {
                        add(row &* channels, block)
                        row &+= 1
                    }
                    for channel in 0..<channels { total[channel] += block[channel] }
                }
            }
        }
        for part in 1...parts {
            for channel in 0..<channels { totals[channel] += totals[part * channels + channel] }
        }
        return partial.rows(0..<1).reshaped(Shape(channels))
    }
}

/// Two pointers shared by the tasks of one loop, which write disjoint parts.
struct UncheckedSendablePointers: @unchecked Sendable {
    let first: UnsafeMutablePointer<Float>
    let second: UnsafeMutablePointer<Float>
    init(_ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>) { (self.first, self.second) = (first, second) }
}

extension ChannelRows {
    /// Returns the mean and the biased variance of each channel.
    func moments(_ x: UnsafePointer<Float>) throws -> (mean: Tensor, variance: Tensor) {
        let (channels, scale) = (channels, 1 / Float(rows))
        let mean = try sums { offset, sums in
            let source = x + offset
            for channel in 0..<channels { sums[channel] += source[channel] }
        }
        defer { keepAlive(mean) }
        let means = mean.mutableElements(Float.self).start
        for channel in 0..<channels { means[channel] *= scale }
        let variance = try sums { offset, sums in
            let source = x + offset
            for channel in 0..<channels {
                let distance = source[channel] - means[channel]
                sums[channel] = sums[channel].addingProduct(distance, distance)
            }
        }
        defer { keepAlive(variance) }
        let variances = variance.mutableElements(Float.self)
        for channel in 0..<channels { variances[channel] *= scale }
        return (mean, variance)
    }

    /// Computes `(x - mean) · scale / sqrt(variance + epsilon) + offset`. `y` may be the same memory as `x`.
    func normalize(
        _ x: UnsafePointer<Float>, _ mean: UnsafeBufferPointer<Float>, _ variance: UnsafeBufferPointer<Float>,
        _ scale: UnsafeBufferPointer<Float>, _ offset: UnsafeBufferPointer<Float>, _ epsilon: Float,
        _ y: UnsafeMutablePointer<Float>
    ) {
        let channels = channels
        withUnsafeTemporaryAllocation(of: Float.self, capacity: channels) { factors in
            for channel in 0..<channels { factors[channel] = scale[channel] / (variance[channel] + epsilon).squareRoot() }
            forEachPart { range in
                for row in range {
                    let (source, target) = (x + row &* channels, y + row &* channels)
                    for channel in 0..<channels {
                        target[channel] = offset[channel].addingProduct(source[channel] - mean[channel], factors[channel])
                    }
                }
            }
        }
    }
}
