public import WeirGraph
import WeirKernels
import WeirTensor

// Ops that move the pixels of square blocks to channels, and back.

extension OpDefinition {
    static let spaceToDepth = spaceDepthOp("SpaceToDepth", back: "DepthToSpace", gpu: DTypeSet(.qint8, .uint8))
    static let depthToSpace = spaceDepthOp("DepthToSpace", back: "SpaceToDepth", gpu: DTypeSet(.qint8))

    private static func spaceDepthOp(_ name: String, back: String, gpu: DTypeSet) -> OpDefinition {
        let toDepth = name == "SpaceToDepth"
        return OpDefinition(
            name, "(input: T) -> (output: T)", "T: type", "block_size: int >= 2",
            "data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'"
        )
        .shape { c in
            let format = c.attributes.string("data_format") ?? "NHWC"
            try c.requireRank(0, format == "NCHW_VECT_C" ? 5 : 4)
            guard format != "NCHW_VECT_C", let size = c.attributes.int("block_size"), c.input(0).rank != nil else {
                return c.setOutput(0, .ofRank(format == "NCHW_VECT_C" ? 5 : 4))
            }
            c.setOutput(0, try SpaceDepthLayout(format: format, size: size, toDepth: toDepth).shape(c.input(0)))
        }
        .gradient { g in
            let format = g.attributes["data_format"] ?? "NHWC"
            guard format != "NCHW_VECT_C" else {
                throw Status.invalidArgument(
                    "Cannot compute \(name) gradient with NCHW_VECT_C. NCHW_VECT_C requires qint8 data type.")
            }
            return [g.op(back, g.gradient(), attributes: ["block_size": g.blockSize, "data_format": format])]
        }
        .kernel(
            ["T": toDepth ? [.unquantized, DTypeSet(.qint8)] : .unquantized],
            gpu: ["T": [DTypeSet(.float16, .bfloat16, .float32), gpu]],
            moving: { request in
                let layout = SpaceDepthLayout(
                    format: try request.string("data_format"), size: try request.int("block_size"), toDepth: toDepth)
                guard layout.size > 1 else {
                    throw Status.invalidArgument("Block size should be > 1, but was: \(layout.size)")
                }
                guard layout.format == "NHWC" || layout.format == "NCHW" else {
                    throw Status.invalidArgument("Only NHWC data_format supported on CPU. Got \(layout.format)")
                }
                return { context, mover in try layout.run(context, mover) }
            })
    }
}

/// Blocks of `size` times `size` pixels in images of a data format.
private struct SpaceDepthLayout {
    let format: String
    let size: Int
    let toDepth: Bool

    var channelsLast: Bool { format == "NHWC" }
    var square: Int { size &* size }
    /// The positions of height, width and channels among the dimensions.
    var axes: (height: Int, width: Int, channels: Int) { channelsLast ? (1, 2, 3) : (2, 3, 1) }

    func shape(_ input: PartialShape) throws -> PartialShape {
        guard size <= 1 << 30 else { throw Status.invalidArgument("Block size \(size) is too large") }
        var result = input
        func divided(_ value: Int?, _ by: Int) throws -> Int? {
            try value.map {
                guard $0 % by == 0 else {
                    throw Status.invalidArgument("Dimension size must be evenly divisible by \(by) but is \($0)")
                }
                return $0 / by
            }
        }
        func times(_ value: Int?, _ by: Int) -> Int? { value.flatMap { $0 < 1 << 31 ? $0 * by : nil } }
        for axis in [axes.height, axes.width] {
            result = result.replacing(axis, with: toDepth ? try divided(input[axis], size) : times(input[axis], size))
        }
        let channels = input[axes.channels]
        return result.replacing(axes.channels, with: toDepth ? times(channels, square) : try divided(channels, square))
    }

    func run(_ context: borrowing KernelContext, _ mover: ElementMover) throws {
        let input = context.input(0)
        guard input.rank == 4 else {
            throw Status.invalidArgument(
                toDepth
                    ? "Input rank should be 4 instead of \(input.rank)"
                    : "Input rank should be: 4 instead of: \(input.rank)")
        }
        guard size <= 1 << 30 else { throw Status.invalidArgument("Block size \(size) is too large") }
        let sizes = input.shape.dimensions
        let (height, width, channels) = (sizes[axes.height], sizes[axes.width], sizes[axes.channels])
        if toDepth {
            guard height % size == 0, width % size == 0 else {
                throw Status.invalidArgument(
                    "Image width \(width) and height \(height) should be divisible by block_size: \(size)")
            }
        } else {
            guard channels % square == 0 else {
                throw Status.invalidArgument("Input depth dimension \(channels) should be divisible by: \(square)")
            }
        }
        guard let known = try shape(PartialShape(sizes.map { $0 })).known else {
            throw Status.invalidArgument("Images of shape \(input.shape) are too large")
        }
        let output = try context.output(0, input.dtype, Shape(validating: known.dimensions))
        guard input.elementCount > 0 else { return }
        // Both tensors have the same six dimensions: batch, block row, row in the block, block column, column in the block, and
        // channel of the spatial tensor.
        let space = toDepth ? sizes : known.dimensions
        let depth = toDepth ? known.dimensions : sizes
        let split = [
            space[0], depth[axes.height], size, depth[axes.width], size, space[axes.channels],
        ]
        let s = StridedCopy.strides(of: space), d = StridedCopy.strides(of: depth)
        let inSpace = [
            s[0], s[axes.height] * size, s[axes.height], s[axes.width] * size, s[axes.width], s[axes.channels],
        ]
        let channel = d[axes.channels] * space[axes.channels]
        let inDepth = [d[0], d[axes.height], channel * size, d[axes.width], channel, d[axes.channels]]
        try mover.copy(StridedCopy(split, from: toDepth ? inSpace : inDepth, to: toDepth ? inDepth : inSpace), from: input, to: output)
    }
}

extension Output {
    /// Moves the pixels of square blocks to channels (`SpaceToDepth`).
    public func spaceToDepth(blockSize: Int) -> Output {
        builder.add("SpaceToDepth", [self], attributes: ["block_size": .int(blockSize)])[0]
    }
    /// Moves channels to the pixels of square blocks (`DepthToSpace`).
    public func depthToSpace(blockSize: Int) -> Output {
        builder.add("DepthToSpace", [self], attributes: ["block_size": .int(blockSize)])[0]
    }
}
