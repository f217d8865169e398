public import WeirGraph
public import WeirTensor

// What the ops of this family share.

extension DTypeSet {
    /// What TensorFlow's GPU kernels that only move elements take: int32 is not among them, it stays in host memory.
    package static let gpuMovable: DTypeSet = [numeric.subtracting(DTypeSet(.int32)), DTypeSet(.bool)]
    package static let int32 = DTypeSet(.int32)
    package static let floatingOrComplex: DTypeSet = [floating, complex]
    package static let numericOrBool: DTypeSet = [numeric, DTypeSet(.bool)]
    /// Every type but the quantized ones.
    package static let unquantized: DTypeSet = all.subtracting(quantized)
}

/// An axis counted from the front, or nil when there is none such; negative ones count from the back.
package func frontAxis(_ axis: Int, rank: Int) -> Int? {
    guard axis >= -rank, axis < rank else { return nil }
    return axis < 0 ? axis + rank : axis
}

/// A client's sizes as a shape.
/// - Throws: `invalidArgument` in TensorFlow's words.
package func clientShape(_ sizes: [Int]) throws -> Shape {
    if let bad = sizes.first(where: { $0 < 0 }) { throw Status.invalidArgument("Dimension \(bad) must be >= 0") }
    do {
        return try Shape(validating: sizes)
    } catch {
        let list = sizes.map(String.init).joined(separator: ",")
        throw Status.invalidArgument("Shape [\(list)] would have more than 2**63 - 1 elements")
    }
}

/// A product that wraps: right wherever there are elements, and harmless where there are none.
package func wrappingProduct(_ sizes: some Sequence<Int>) -> Int { sizes.reduce(1, &*) }

/// Where the element at a flat position lies, as TensorFlow's messages say it: `[1,2]`, nothing for a scalar.
package func positionText(_ flat: Int, in shape: Shape) -> String {
    guard shape.rank > 0 else { return "" }
    var rest = flat
    var position = [Int](repeating: 0, count: shape.rank)
    for axis in (0..<shape.rank).reversed() where shape[axis] > 0 {
        position[axis] = rest % shape[axis]
        rest /= shape[axis]
    }
    return "[" + position.map(String.init).joined(separator: ",") + "]"
}

extension KernelContext {
    /// Makes a block of a tensor output `index`: a view where the block has no gaps, else a copy.
    package func setOutput(_ index: Int, _ shape: Shape, _ block: StridedCopy, of source: Tensor, at offset: Int) throws {
        let count = shape.elementCount
        if count > 0, block.isContiguous {
            if count == source.elementCount { return setOutput(index, source.shaped(shape)) }
            // What fits behind a tensor's header is copied, so as not to hold the whole for a little.
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
    /// About how many bytes its elements take as text.
    package var textSize: Int {
        dtype == .string ? elements(ByteString.self).reduce(0) { $0 &+ $1.count } : elementCount &* 8
    }
    /// The same elements in another shape; itself when it has that shape already.
    package func shaped(_ shape: Shape) -> Tensor { self.shape == shape ? self : reshaped(shape) }
}

extension ShapeContext {
    /// The shape that input `index` says.
    /// - Throws: `invalidArgument` when it is no vector, or a size is below -1.
    package func shapeArgument(_ index: Int) throws -> PartialShape {
        try requireRank(index, 1)
        if let bad = try? constant(index)?.integers().first(where: { $0 < -1 }) {
            throw Status.invalidArgument("Invalid value in tensor used for shape: \(bad)")
        }
        return constantShape(index)
    }
    /// The one integer that input `index` is, when it is known while building.
    package func integer(_ index: Int) -> Int? { try? constant(index)?.integer() }
    /// The integers that input `index` is, when they are known while building.
    package func integers(_ index: Int) -> [Int]? { try? constant(index)?.integers() }
    /// Hands the type and shape of the variable behind input `input` on to an output.
    package mutating func passHandle(from input: Int = 0, to output: Int = 0) {
        if let handle = handle(input) { setHandle(output, handle.dtype, handle.shape) }
    }
}

extension GradientContext {
    /// An output's shape in a type of integers, as a constant where it is known.
    package func shape(_ output: Output, _ dtype: DType) -> Output {
        if dtype == .int64 {
            if let known = output.shape.known { return constant(Tensor(known.dimensions.map { Int64($0) })) }
            return op("Shape", output, attributes: ["out_type": .type(.int64)])
        }
        return shape(output)
    }
    /// A value in another type.
    package func cast(_ output: Output, to dtype: DType) -> Output {
        output.dtype == dtype ? output : op("Cast", output, attributes: ["DstT": .type(dtype)])
    }
    /// Tensors one after another along an axis; one alone is itself.
    package func joined(_ parts: [Output], along axis: Output) -> Output {
        parts.count == 1 ? parts[0] : ops("ConcatV2", parts + [axis])[0]
    }
    package func integer(_ value: Int) -> Output { constant(Tensor(Int32(clamping: value))) }
    package func reshape(_ output: Output, like other: Output) -> Output { op("Reshape", output, shape(other)) }
}

extension PartialShape {
    /// - Throws: `invalidArgument` when the known dimensions alone are more than any tensor has elements.
    package func requiringSaneSize() throws(Status) -> PartialShape {
        if let dimensions { _ = try Shape(validating: dimensions.map { $0 ?? 1 }) }
        return self
    }
}
