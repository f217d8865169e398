import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Code that the random kernels share: it reads shapes, seeds and bounds, and fills tensors on several threads.

/// A function that fills a whole tensor, for a fixed distribution and element type.
typealias TensorFill = @Sendable (Tensor, Philox, ComputePool) -> Void

/// The distributions of floating-point numbers.
enum FloatDistribution: Sendable {
    case uniform, normal, truncatedNormal

    /// Returns the function that fills tensors of the dtype in `attribute`.
    /// - Throws: `unimplemented` if the dtype is not floating-point.
    func fill(_ request: KernelRequest, _ attribute: String) throws -> TensorFill {
        switch (self, try request.type(attribute)) {
        case (.uniform, .float32): RandomFill.tensor(UniformFloat())
        case (.uniform, .float64): RandomFill.tensor(UniformDouble())
        case (.uniform, .float16): RandomFill.tensor(UniformHalf())
        case (.uniform, .bfloat16): RandomFill.tensor(UniformBFloat16())
        case (.normal, .float32): RandomFill.tensor(NormalFloat(), grain: 512)
        case (.normal, .float64): RandomFill.tensor(NormalDouble(), grain: 512)
        case (.normal, .float16): RandomFill.tensor(NormalHalf(), grain: 512)
        case (.normal, .bfloat16): RandomFill.tensor(NormalBFloat16(), grain: 512)
        case (.truncatedNormal, .float32): RandomFill.tensor(TruncatedNormalFloat(), grain: 256)
        case (.truncatedNormal, .float64): RandomFill.tensor(TruncatedNormalDouble(), grain: 256)
        case (.truncatedNormal, .float16): RandomFill.tensor(TruncatedNormalHalf(), grain: 256)
        case (.truncatedNormal, .bfloat16): RandomFill.tensor(TruncatedNormalBFloat16(), grain: 256)
        default: throw request.unsupportedType(attribute)
        }
    }
}

extension RandomFill {
    /// Returns a function that fills tensors whose elements have the size of the distribution's elements.
    static func tensor<D: PhiloxDistribution>(_ distribution: D, grain: Int = 4096) -> TensorFill {
        { tensor, generator, pool in parallel(tensor, from: generator, with: distribution, on: pool, grain: grain) }
    }

    /// Fills a tensor on several threads.
    ///
    /// - Parameter grain: the least number of groups that is worth a thread.
    static func parallel<D: PhiloxDistribution>(
        _ tensor: Tensor, from generator: Philox, with distribution: D, on pool: ComputePool, grain: Int = 4096
    ) {
        let out = tensor.mutableElements(D.Group.Scalar.self)
        let width = D.Group.scalarCount
        pool.parallelFor((out.count + width - 1) / width, grain: grain) { groups in
            let range = groups.lowerBound * width..<min(groups.upperBound * width, out.count)
            let part = UnsafeMutableBufferPointer(rebasing: out[range])
            fill(part, from: generator, firstGroup: groups.lowerBound, with: distribution)
        }
    }
}

/// Functions for random integers between two bounds, which are inputs of the node.
enum IntegerBounds {
    /// Checks that the inputs `low` and `low + 1` are scalars.
    /// - Throws: `invalidArgument` if one is not.
    static func requireScalars(_ context: borrowing KernelContext, low: Int) throws {
        for (index, name) in [(low, "minval"), (low + 1, "maxval")] where context.shape(index).rank != 0 {
            throw Status.invalidArgument("\(name) must be 0-D, got shape \(context.shape(index))")
        }
    }

    /// Fills a tensor of int32 or int64 with integers between the scalars at inputs `low` and `low + 1`.
    ///
    /// - Parameter generator: evaluated only if the bounds are valid.
    /// - Throws: `invalidArgument` if no integer lies between the bounds.
    static func fill(
        _ tensor: Tensor, _ context: borrowing KernelContext, low: Int, from generator: @autoclosure () -> Philox
    ) throws {
        switch tensor.dtype {
        case .int32:
            let (low, high) = (context.elements(low, Int32.self)[0], context.elements(low + 1, Int32.self)[0])
            try require(low, below: high)
            RandomFill.parallel(tensor, from: generator(), with: UniformInt32(low, high), on: context.pool)
        default:
            let (low, high) = (context.elements(low, Int64.self)[0], context.elements(low + 1, Int64.self)[0])
            try require(low, below: high)
            RandomFill.parallel(tensor, from: generator(), with: UniformInt64(low, high), on: context.pool)
        }
    }

    /// The lower of the scalars at inputs `low` and `low + 1`, and the number of integers from it on, in the bits of a word.
    /// - Throws: `invalidArgument` if no integer lies between the bounds.
    static func range(_ context: borrowing KernelContext, _ dtype: DType, low: Int) throws -> (low: UInt64, range: UInt64) {
        func integers<I: FixedWidthInteger>(_ low: I, _ high: I) throws -> (UInt64, UInt64) {
            try require(low, below: high)
            return (UInt64(truncatingIfNeeded: low), UInt64(truncatingIfNeeded: high) &- UInt64(truncatingIfNeeded: low))
        }
        if dtype == .int32 { return try integers(context.elements(low, Int32.self)[0], context.elements(low + 1, Int32.self)[0]) }
        return try integers(context.elements(low, Int64.self)[0], context.elements(low + 1, Int64.self)[0])
    }

    private static func require<I: FixedWidthInteger>(_ low: I, below high: I) throws {
        guard low < high else { throw Status.invalidArgument("Need minval < maxval, got \(low) >= \(high)") }
    }
}

extension KernelContext {
    /// Reads input `index` as the shape of an output.
    /// - Throws: `invalidArgument` if it is not a vector, has a negative element, or is too large for a tensor.
    borrowing func outputShape(_ index: Int = 0) throws -> Shape {
        let tensor = input(index)
        guard tensor.rank == 1 else {
            throw Status.invalidArgument("shape must be a vector of {int32,int64}, got shape \(tensor.shape)")
        }
        let dimensions = try tensor.integers("shape")
        if let bad = dimensions.first(where: { $0 < 0 }) {
            throw Status.invalidArgument("Dimension \(bad) must be >= 0")
        }
        return try Shape(validating: dimensions)
    }

    /// Returns the generator for the two seeds at input `index`.
    /// - Throws: `invalidArgument` if the input does not have two elements, or its dtype is unsigned.
    borrowing func statelessGenerator(seed index: Int) throws -> Philox {
        let seed = input(index)
        guard seed.shape == [2] else {
            throw Status.invalidArgument("seed must have shape [2], not \(seed.shape)")
        }
        // The schema of `StatelessRandomUniformFullInt` allows unsigned seeds, but TensorFlow has no kernel for them.
        guard seed.dtype == .int32 || seed.dtype == .int64 else {
            throw Status.invalidArgument("Invalid seed type: \(seed.dtype)")
        }
        let values = try seed.integers("seed")
        return Philox(statelessSeed: UInt64(bitPattern: Int64(values[0])), UInt64(bitPattern: Int64(values[1])))
    }
}
