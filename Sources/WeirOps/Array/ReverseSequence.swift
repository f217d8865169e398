import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Reverses in slice i along `batch_dim` the first `seq_lengths[i]` elements along `seq_dim`.
    static let reverseSequence = OpDefinition(
        "ReverseSequence", "(input: T, seq_lengths: Tlen) -> (output: T)", "seq_dim: int", "batch_dim: int = 0",
        "T: type", "Tlen: {int32, int64} = int64"
    )
    .shape(reverseSequenceShape)
    .gradient { g in
        let attributes: Attributes = [
            "seq_dim": .int(g.attributes.int("seq_dim") ?? 0), "batch_dim": .int(g.attributes.int("batch_dim") ?? 0),
        ]
        return [g.op("ReverseSequence", g.gradient(), g.inputs[1], attributes: attributes), nil]
    }
    .kernel(
        ["T": [.numericOrBool, DTypeSet(.string)]], gpu: ["T": [.floating, DTypeSet(.bool)]],
        make: reverseSequenceKernel
    )
    .cuda(reverseSequenceCUDAKernel)
}

@Sendable private func reverseSequenceShape(_ c: inout ShapeContext) throws {
    try c.requireRank(1, 1)
    var shape = c.input(0)
    guard let rank = shape.rank else { return }
    let sequence = c.attributes.int("seq_dim") ?? 0
    let batch = c.attributes.int("batch_dim") ?? 0
    guard batch < rank else { throw Status.invalidArgument("batch_dim must be < input rank: \(batch) vs. \(rank)") }
    guard sequence < rank else { throw Status.invalidArgument("seq_dim must be < input rank: \(sequence) vs. \(rank)") }
    if let size = shape[batch], let count = c.input(1)[0], size != count {
        throw Status.invalidArgument("Dimensions must be equal, but are \(size) and \(count)")
    }
    if batch >= 0 { shape = shape.replacing(batch, with: shape[batch] ?? c.input(1)[0]) }
    c.setOutput(0, shape)
}

@Sendable private func reverseSequenceKernel(_ request: KernelRequest) throws -> Kernel {
    let (sequence, batch) = (try request.int("seq_dim"), try request.int("batch_dim"))
    return .sync { context in
        let (input, lengths) = (context.input(0), context.input(1))
        try checkSequences(context, sequence, batch)
        let counts = try lengths.integers("seq_lens")
        for (index, count) in counts.enumerated() {
            guard count >= 0 else { throw Status.invalidArgument("seq_lens(\(index)) < 0") }
            guard count <= input.dimension(sequence) else {
                throw Status.invalidArgument("seq_lens(\(index)) > input.dims(\(sequence))")
            }
        }
        let output = try context.output(0, input.dtype, input.shape)
        guard input.elementCount > 0 else { return }
        let strides = StridedCopy.strides(of: input.shape.dimensions)
        var sizes = input.shape.dimensions
        let whole = sizes[sequence]
        sizes[batch] = 1
        var backward = strides
        backward[sequence] = -strides[sequence]
        for (index, count) in counts.enumerated() {
            let start = index * strides[batch]
            sizes[sequence] = count
            StridedCopy(sizes, from: backward, to: strides).run(
                from: input, skipping: start + max(0, count - 1) * strides[sequence], to: output, at: start,
                in: context.pool)
            sizes[sequence] = whole - count
            let rest = start + count * strides[sequence]
            StridedCopy(sizes, from: strides, to: strides).run(
                from: input, skipping: rest, to: output, at: rest, in: context.pool)
        }
    }
}

/// Checks the shapes and the axes.
private func checkSequences(_ context: borrowing KernelContext, _ sequence: Int, _ batch: Int) throws {
    let (input, lengths) = (context.input(0), context.input(1))
    guard lengths.rank == 1 else { throw Status.invalidArgument("seq_lengths must be 1-dim, not \(lengths.rank)") }
    guard batch != sequence else { throw Status.invalidArgument("batch_dim == seq_dim == \(sequence)") }
    guard sequence >= 0 else { throw Status.invalidArgument("Invalid seq_dim \(sequence)") }
    guard batch >= 0 else { throw Status.invalidArgument("Invalid batch_dim \(batch)") }
    guard sequence < input.rank else {
        throw Status.invalidArgument("seq_dim must be < input rank ( \(sequence) vs. \(input.rank))")
    }
    guard batch < input.rank else {
        throw Status.invalidArgument("batch_dim must be < input rank ( \(batch) vs. \(input.rank))")
    }
    guard lengths.elementCount == input.dimension(batch) else {
        throw Status.invalidArgument(
            "Length of seq_lengths != input.dims(\(batch)), (\(lengths.elementCount) vs. \(input.dimension(batch)))"
        )
    }
}

/// The same on a card, which cannot fail for a length: a negative one is 0, and one that is too large is that of the axis.
@Sendable private func reverseSequenceCUDAKernel(_ request: KernelRequest) throws -> Kernel {
    let (sequence, batch) = (try request.int("seq_dim"), try request.int("batch_dim"))
    let (dtype, device) = (try request.type("T"), try request.cudaDevice())
    let module = try request.cudaModule(
        "ReverseSequence", ["T": dtype.cudaBits, "I": try request.cudaType("Tlen")],
        """
        KERNEL reverse(const T* in, const I* lengths, T* out, int64 count, int64 size, int64 step, int64 batches, int64 batch_step) {
            for (int64 i = first(); i < count; i += stride()) {
                int64 at = i / step % size, length = (int64)lengths[i / batch_step % batches];
                if (length > size) length = size;
                out[i] = at < length ? in[i + (length - 1 - 2 * at) * step] : in[i];
            }
        }
        """)
    return .sync { context in
        try checkSequences(context, sequence, batch)
        let input = context.input(0)
        let output = try context.output(0, dtype, input.shape)
        let strides = StridedCopy.strides(of: input.shape.dimensions)
        try device.launch(
            module.function("reverse"), over: input.elementCount,
            [
                .elements(input), .elements(context.input(1)), .elements(output), .int(input.elementCount), .int(input.dimension(sequence)),
                .int(strides[sequence]), .int(input.dimension(batch)), .int(strides[batch]),
            ])
    }
}

extension Output {
    /// Reverses in slice i along `batchAxis` the first `lengths[i]` elements along `sequenceAxis` (`ReverseSequence`).
    public func reversedSequences(lengths: Output, sequenceAxis: Int, batchAxis: Int = 0) -> Output {
        builder.add(
            "ReverseSequence", [self, lengths],
            attributes: ["seq_dim": .int(sequenceAxis), "batch_dim": .int(batchAxis)])[0]
    }
}
