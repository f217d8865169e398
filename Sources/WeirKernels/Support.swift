package import WeirGraph
package import WeirTensor

// Helpers that several op families share.

extension DTypeSet {
    /// The dtypes of TensorFlow's GPU kernels that only move elements. int32 is excluded because it stays in host memory.
    package static let gpuMovable: DTypeSet = [numeric.subtracting(DTypeSet(.int32)), DTypeSet(.bool)]
    package static let int32 = DTypeSet(.int32)
    package static let floatingOrComplex: DTypeSet = [floating, complex]
    package static let numericOrBool: DTypeSet = [numeric, DTypeSet(.bool)]
    /// All dtypes except the quantized ones.
    package static let unquantized: DTypeSet = all.subtracting(quantized)
}

/// Returns the axis counted from the front, or nil when it is out of range. Negative axes count from the back.
package func nonNegativeAxis(_ axis: Int, rank: Int) -> Int? {
    guard axis >= -rank, axis < rank else { return nil }
    return axis < 0 ? axis + rank : axis
}

/// Converts sizes from a client to a shape.
/// - Throws: `invalidArgument` with TensorFlow's message.
package func shapeFromInput(_ sizes: [Int]) throws -> Shape {
    if let bad = sizes.first(where: { $0 < 0 }) { throw Status.invalidArgument("Dimension \(bad) must be >= 0") }
    do {
        return try Shape(validating: sizes)
    } catch {
        let list = sizes.map(String.init).joined(separator: ",")
        throw Status.invalidArgument("Shape [\(list)] would have more than 2**63 - 1 elements")
    }
}

/// Returns the product. It is exact for every shape that a tensor can have, and wraps instead of trapping for others.
@inlinable package func wrappingProduct(_ sizes: some Sequence<Int>) -> Int { sizes.reduce(1, &*) }

/// Returns the number of bytes of a list of `count` integers, for `MemoryBudget`.
package func listBytes(_ count: Int) -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Int>.stride)
    return overflow ? .max : bytes
}

/// Returns the index of the element at a flat position as in TensorFlow's messages: `[1,2]`, or nothing for a scalar.
package func coordinatesText(_ flat: Int, in shape: Shape) -> String {
    guard shape.rank > 0 else { return "" }
    var rest = flat
    var position = [Int](repeating: 0, count: shape.rank)
    for axis in (0..<shape.rank).reversed() where shape[axis] > 0 {
        position[axis] = rest % shape[axis]
        rest /= shape[axis]
    }
    return "[" + position.map(String.init).joined(separator: ",") + "]"
}

/// Keeps a value alive up to this call.
///
/// The compiler releases a local tensor after its last mention, which may be before the last use of its elements' memory. Code
/// that reads or writes the elements of a local tensor through pointers must use `defer { keepAlive(tensor) }`. Inputs and
/// outputs of a kernel do not need it: the context holds them.
@inlinable @inline(__always) package func keepAlive<T>(_ value: T) { withExtendedLifetime(value) {} }

extension KernelContext {
    /// Sets output `index` to a block of a tensor: a view if the block is contiguous, otherwise a copy.
    package func setOutput(_ index: Int, _ shape: Shape, _ block: StridedCopy, of source: Tensor, at offset: Int) throws {
        let count = shape.elementCount
        if count > 0, block.isContiguous {
            if count == source.elementCount { return setOutput(index, source.shaped(shape)) }
            // Copies a small block, which fits behind a tensor's header, because a view would keep the whole source alive.
            if count * source.dtype.byteCount > 256 {
                let flat = source.reshaped(Shape(source.elementCount))
                return setOutput(index, flat.rows(offset..<offset + count).shaped(shape))
            }
        }
        let output = try output(index, source.dtype, shape)
        block.run(from: source, skipping: offset, to: output, in: pool)
    }
}

extension Tensor {
    /// The approximate number of bytes of the elements as text.
    package var textSize: Int {
        dtype == .string ? elements(ByteString.self).reduce(0) { $0 &+ $1.count } : elementCount &* 8
    }
    /// Returns the same elements in another shape, or the tensor itself if it already has that shape.
    package func shaped(_ shape: Shape) -> Tensor { self.shape == shape ? self : reshaped(shape) }
}

extension ShapeContext {
    /// Returns the shape that input `index` holds.
    /// - Throws: `invalidArgument` when the input is not a vector, or a size is below -1.
    package func shapeArgument(_ index: Int) throws -> PartialShape {
        try requireRank(index, 1)
        if let bad = try? constant(index)?.integers().first(where: { $0 < -1 }) {
            throw Status.invalidArgument("Invalid value in tensor used for shape: \(bad)")
        }
        return constantShape(index)
    }
    /// Returns the rank of input `index`. If it is unknown, the length of dimension 0 of input `other` is the rank.
    /// - Throws: `invalidArgument` when the rank is above `Shape.maximumRank`. Shape functions make an array of so many
    ///   dimensions, and a client may send any length.
    package func rank(_ index: Int, countedBy other: Int) throws -> Int? {
        guard let rank = input(index).rank ?? input(other)[0] else { return nil }
        guard rank <= Shape.maximumRank else { throw Status.invalidArgument("Too many dimensions: \(rank)") }
        return rank
    }
    /// Returns the value of a scalar integer input if it is constant.
    package func integer(_ index: Int) -> Int? { try? constant(index)?.integer() }
    /// Returns the values of an integer input if they are constant.
    package func integers(_ index: Int) -> [Int]? { try? constant(index)?.integers() }
    /// Passes the dtype and shape of the variable behind handle input `input` to an output.
    package mutating func passHandle(from input: Int = 0, to output: Int = 0) {
        if let handle = handle(input) { setHandle(output, handle.dtype, handle.shape) }
    }
}

extension GradientContext {
    /// Returns an output's shape as a tensor of the integer type `dtype`; a constant if the shape is known.
    package func shape(_ output: Output, _ dtype: DType) -> Output {
        if dtype == .int64 {
            if let known = output.shape.known { return constant(Tensor(known.dimensions.map { Int64($0) })) }
            return op("Shape", output, attributes: ["out_type": .type(.int64)])
        }
        return shape(output)
    }
    /// Casts a value to another dtype, if it differs.
    package func cast(_ output: Output, to dtype: DType) -> Output {
        output.dtype == dtype ? output : op("Cast", output, attributes: ["DstT": .type(dtype)])
    }
    /// Concatenates tensors along an axis. A single tensor is returned as it is.
    package func joined(_ parts: [Output], along axis: Output) -> Output {
        parts.count == 1 ? parts[0] : ops("ConcatV2", parts + [axis])[0]
    }
    /// Returns an int32 constant, clamped to its range.
    package func integer(_ value: Int) -> Output { constant(Tensor(Int32(clamping: value))) }
    /// Reshapes an output to the shape of another.
    package func reshape(_ output: Output, like other: Output) -> Output { op("Reshape", output, shape(other)) }
}

extension GraphBuilder {
    /// Returns an int32 constant. A value that does not fit is an error of the graph, not another value.
    /// - Parameter name: the name of the value in the error.
    package func int32(_ value: Int, _ name: String) -> Output {
        let number = Int32(exactly: value)
        if number == nil { record(.invalidArgument("\(name) must fit in an int32, found \(value)")) }
        return constant(Tensor(number ?? 0))
    }
    /// Returns an int32 vector constant. A value that does not fit is an error of the graph, not another value.
    package func int32(_ values: [Int], _ name: String) -> Output {
        if let bad = values.first(where: { Int32(exactly: $0) == nil }) {
            record(.invalidArgument("\(name) must fit in an int32, found \(bad)"))
        }
        return constant(Tensor(values.map { Int32(exactly: $0) ?? 0 }))
    }
}

extension PartialShape {
    /// Returns this shape after a check of its size.
    /// - Throws: `invalidArgument` when the product of the known dimensions exceeds the largest element count.
    package func validatedSize() throws(Status) -> PartialShape {
        if let dimensions { _ = try Shape(validating: dimensions.map { $0 ?? 1 }) }
        return self
    }
}
