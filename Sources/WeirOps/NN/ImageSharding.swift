import WeirGraph

// How ops on images and volumes can be divided. Windows overlap, so that spatial dimensions are whole.

extension ShardingRule {
    /// The labels of images: `n` for the batch, `channels` for the channels.
    private static func images(_ rank: Int, _ attributes: Attributes, channels: DimensionLabel) -> [DimensionLabel] {
        var labels = [DimensionLabel](repeating: .whole, count: rank)
        labels[0] = DimensionLabel("n")
        labels[attributes.string("data_format")?.hasPrefix("NC") == true ? 1 : rank - 1] = channels
        return labels
    }

    /// A convolution: the filter's input channels are summed over, unless they are those of one of several groups.
    static func convolution(_ c: ShardingContext, spatialRank: Int) -> ShardingRule? {
        let rank = spatialRank + 2
        guard c.input(0).rank == rank, c.input(1).rank == rank else { return nil }
        let channelAxis = c.attributes.string("data_format")?.hasPrefix("NC") == true ? 1 : rank - 1
        let (depth, features) = (DimensionLabel("i"), DimensionLabel("o"))
        guard let total = c.input(0)[channelAxis], total == c.input(1)[rank - 2] else {
            let batch = images(rank, c.attributes, channels: .whole)
            return ShardingRule(inputs: [batch, []], outputs: [batch])
        }
        let filter = [DimensionLabel](repeating: .whole, count: spatialRank) + [depth, features]
        return ShardingRule(
            inputs: [images(rank, c.attributes, channels: depth), filter], outputs: [images(rank, c.attributes, channels: features)], sums: [depth])
    }

    /// A convolution of each channel separately. The filter is `[height, width, channels, multiplier]`; the outputs of one channel
    /// follow each other.
    @Sendable static func depthwiseConvolution(_ c: ShardingContext) -> ShardingRule? {
        let labels = images(4, c.attributes, channels: DimensionLabel("c"))
        return ShardingRule(inputs: [labels, [.whole, .whole, DimensionLabel("c"), .whole]], outputs: [labels])
    }

    /// Pooling of each channel of each image; windows do not span images or channels.
    @Sendable static func pooling(_ c: ShardingContext) -> ShardingRule? {
        guard let rank = c.input(0).rank, rank >= 3, c.attributes.string("data_format") != "NCHW_VECT_C" else { return nil }
        let labels = images(rank, c.attributes, channels: DimensionLabel("c"))
        let size = c.attributes.ints("ksize") ?? c.integers(1)
        guard let size, size.count == rank, labels.indices.allSatisfy({ labels[$0] == .whole || size[$0] == 1 }) else { return nil }
        return ShardingRule(inputs: [labels] + Array(repeating: [], count: max(0, c.inputCount - 1)), outputs: [labels])
    }

    /// Normalization of each channel by its moments over the batch.
    @Sendable static func batchNormalization(_ c: ShardingContext) -> ShardingRule? {
        guard let rank = c.input(0).rank, rank >= 3, c.inputCount == 5 else { return nil }
        let channels = DimensionLabel("c")
        var labels = images(rank, c.attributes, channels: channels)
        labels[0] = .whole
        return ShardingRule(
            inputs: [labels] + Array(repeating: [channels], count: 4), outputs: [labels] + Array(repeating: [channels], count: c.outputCount - 1))
    }

    /// A value for each row of input 0, and of the other inputs, which have as many rows. The other dimensions are whole.
    @Sendable static func rows(_ c: ShardingContext) -> ShardingRule? {
        let row = [DimensionLabel("n")]
        let rows = c.input(0)[0]
        // Operands that are broadcast along the rows are not cut.
        let inputs = (0..<c.inputCount).map { index in
            c.input(index).rank == 0 || (c.input(index)[0] == 1 && rows != 1) || c.input(index).rank == nil ? [] : row
        }
        guard inputs.first == row, c.input(0).rank != nil, c.input(0)[0] == c.output()[0] else { return nil }
        return ShardingRule(inputs: inputs, outputs: Array(repeating: row, count: c.outputCount))
    }
}
