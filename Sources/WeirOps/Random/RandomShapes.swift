import WeirGraph
import WeirKernels
import WeirTensor

// The shape functions of the random ops.

enum RandomShapes {
    /// Infers the shape that input 0 holds.
    @Sendable static func fromInput(_ c: inout ShapeContext) throws {
        try c.requireRank(0, 1)
        if let bad = try c.constant(0)?.integers("shape").first(where: { $0 < -1 }) {
            throw Status.invalidArgument("Invalid value in tensor used for shape: \(bad)")
        }
        c.setOutput(0, c.constantShape(0))
    }

    /// Like `fromInput`, with bounds at inputs 1 and 2.
    @Sendable static func bounded(_ c: inout ShapeContext) throws {
        try requireBounds(c, 1)
        try fromInput(&c)
    }

    /// Like `fromInput`, with seeds at input 1.
    @Sendable static func stateless(_ c: inout ShapeContext) throws {
        try requireSeed(c, 1)
        try fromInput(&c)
    }

    /// Like `stateless`, with bounds at inputs 2 and 3.
    @Sendable static func statelessBounded(_ c: inout ShapeContext) throws {
        try requireBounds(c, 2)
        try stateless(&c)
    }

    /// Like `fromInput`, with key, counter and algorithm at inputs 1 to 3.
    @Sendable static func keyed(_ c: inout ShapeContext) throws {
        try c.requireRank(1, 1)
        try requireDimension(c.input(1)[0], 1)
        try c.requireRank(2, 1)
        try c.requireRank(3, 0)
        try fromInput(&c)
    }

    /// Like `keyed`, with bounds at inputs 4 and 5.
    @Sendable static func keyedBounded(_ c: inout ShapeContext) throws {
        try requireBounds(c, 4)
        try keyed(&c)
    }

    /// Infers the shapes of key, counter and, for a third output, algorithm. The seeds are input 0.
    @Sendable static func keyAndCounter(_ c: inout ShapeContext) throws {
        try requireSeed(c, 0)
        c.setOutput(0, .vector(1))
        c.setOutput(1, .vector(2))
        c.setOutput(2, .scalar)
    }

    /// Infers a matrix with a row for each row of input 0, and as many columns as input 1 says.
    @Sendable static func multinomial(_ c: inout ShapeContext) throws {
        try c.requireRank(0, 2)
        try c.requireRank(1, 0)
        let samples = try c.constant(1)?.integer("num_samples")
        if let samples, samples < 0 {
            throw Status.invalidArgument(
                "Dimension size, given by scalar input 1, must be non-negative but is \(samples)")
        }
        c.setOutput(0, .matrix(c.input(0)[0], samples))
    }

    /// Like `multinomial`, with seeds at input 2.
    @Sendable static func statelessMultinomial(_ c: inout ShapeContext) throws {
        try requireSeed(c, 2)
        try multinomial(&c)
    }

    /// Infers the shape that input 0 holds, followed by the shape of input 1.
    @Sendable static func gamma(_ c: inout ShapeContext) throws {
        try fromInput(&c)
        c.setOutput(0, c.outputs[0].concatenating(c.input(1)))
    }

    private static func requireSeed(_ c: ShapeContext, _ index: Int) throws {
        try c.requireRank(index, 1)
        try requireDimension(c.input(index)[0], 2)
    }

    private static func requireDimension(_ found: Int?, _ expected: Int) throws {
        if let found, found != expected {
            throw Status.invalidArgument("Dimension must be \(expected) but is \(found)")
        }
    }

    private static func requireBounds(_ c: ShapeContext, _ low: Int) throws {
        for (index, name) in [(low, "minval"), (low + 1, "maxval")] {
            if let rank = c.input(index).rank, rank != 0 {
                throw Status.invalidArgument("\(name) must be a scalar; got a tensor of shape \(c.input(index))")
            }
        }
    }
}
