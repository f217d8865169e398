import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

// Ops that convert shapes and axes between data formats of images. TensorFlow's layout optimizer inserts them.

extension OpDefinition {
    /// Maps axes of `src_format` to axes of `dst_format`.
    static let dataFormatDimMap = OpDefinition(
        "DataFormatDimMap", "(x: T) -> (y: T)", "T: {int32, int64} = int32", "src_format: string = 'NHWC'",
        "dst_format: string = 'NCHW'"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["T": .index], gpu: ["T": .index]) { request in
        let formats = try ImageFormats(request)
        return try request.integer(
            "T", AxisMapVisitor(targets: formats.source.map { formats.target.firstIndex(of: $0) ?? 0 }))
    }
    .cuda { request in
        let formats = try ImageFormats(request)
        let device = try request.cudaDevice()
        let module = try request.cudaModule("DataFormat", ["T": try request.cudaType("T")], formatSource)
        let places = formats.source.map { formats.target.firstIndex(of: $0) ?? 0 }
        return .sync { context in
            let input = context.input(0)
            let output = try context.output(0, input.dtype, input.shape)
            try device.launch(
                module.function("map_axes"), over: input.elementCount,
                [.elements(input), .elements(output), .int(input.elementCount), places.format])
        }
    }

    /// Permutes a vector with one element per axis, or a matrix with one row per axis, from `src_format` to `dst_format`.
    static let dataFormatVecPermute = OpDefinition(
        "DataFormatVecPermute", "(x: T) -> (y: T)", "T: {int32, int64} = int32", "src_format: string = 'NHWC'",
        "dst_format: string = 'NCHW'"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["T": .index], gpu: ["T": .index]) { request in
        let formats = try ImageFormats(request)
        return .sync { context in try permute(context, formats) }
    }
    .cuda { request in
        let formats = try ImageFormats(request)
        let device = try request.cudaDevice()
        let module = try request.cudaModule("DataFormat", ["T": try request.cudaType("T")], formatSource)
        return .sync { context in
            let input = context.input(0)
            let (order, width) = try permutation(input.shape, formats)
            let output = try context.output(0, input.dtype, input.shape)
            try device.launch(
                module.function("permute"), over: input.elementCount,
                [.elements(input), .elements(output), .int(input.elementCount), .int(width), order.format])
        }
    }
}

/// Two orders of the same axes. A letter names an axis.
private struct ImageFormats {
    let source: [UInt8]
    let target: [UInt8]

    init(_ request: KernelRequest) throws {
        source = Array(try request.string("src_format").utf8)
        target = Array(try request.string("dst_format").utf8)
        func text(_ format: [UInt8]) -> String { String(decoding: format, as: UTF8.self) }
        guard source.count == 4 || source.count == 5 else {
            throw Status.invalidArgument(
                "Source format must be of length 4 or 5, received src_format = \(text(source))")
        }
        guard target.count == 4 || target.count == 5 else {
            throw Status.invalidArgument(
                "Destination format must be of length 4 or 5, received dst_format = \(text(target))")
        }
        guard source.count == target.count, Set(source).count == source.count, Set(source) == Set(target) else {
            throw Status.invalidArgument(
                "Destination and source format must determine a permutation, got \(text(source)) and \(text(target))")
        }
    }
}

private struct AxisMapVisitor: IntegerVisitor {
    let targets: [Int]

    func visit<E: IntegerElement>(_ type: E.Type) throws -> Kernel {
        .sync { [targets] context in
            let axes = context.elements(0, E.self)
            let output = try context.output(0, E.dtype, context.shape(0), reusing: 0).mutableElements(E.self)
            for (index, axis) in axes.enumerated() {
                let remainder = Int(truncatingIfNeeded: axis) % targets.count
                output[index] = E(truncatingIfNeeded: targets[remainder < 0 ? remainder + targets.count : remainder])
            }
        }
    }
}

private func permute(_ context: borrowing KernelContext, _ formats: ImageFormats) throws {
    let input = context.input(0)
    let (order, width) = try permutation(input.shape, formats)
    let output = try context.output(0, input.dtype, input.shape)
    RowCopy(dtype: input.dtype, width: width).runInOrder(order.count, from: input, to: output) { place in (order[place], place) }
}

extension [Int] {
    /// The structure `Format` of the kernels.
    fileprivate var format: CUDAArgument { .ints([count] + self + [Int](repeating: 0, count: 5 - count)) }
}

private let formatSource = """
    struct Format { int64 count, at[5]; };
    KERNEL map_axes(const T* in, T* out, int64 count, Format targets) {
        for (int64 i = first(); i < count; i += stride()) {
            int64 axis = (int64)in[i] % targets.count;
            out[i] = (T)targets.at[axis < 0 ? axis + targets.count : axis];
        }
    }
    KERNEL permute(const T* in, T* out, int64 count, int64 width, Format order) {
        for (int64 i = first(); i < count; i += stride()) out[i] = in[order.at[i / width] * width + i % width];
    }
    """

/// The row of the input that each row of the result is, and the number of elements in a row.
private func permutation(_ shape: Shape, _ formats: ImageFormats) throws -> (order: [Int], width: Int) {
    guard shape.rank == 1 || shape.rank == 2 else {
        throw Status.invalidArgument("input must be a vector or 2D tensor, but got shape \(shape)")
    }
    let (full, count) = (formats.source.count, shape[0])
    guard count == full || count == full - 2 else {
        throw Status.invalidArgument(
            shape.rank == 1
                ? "1D input must be of size \(full - 2) or \(full), but got shape \(shape)"
                : "First dimension of 2D input must be of size \(full - 2) or \(full), but got shape \(shape)")
    }
    let width = shape.elementCount / max(1, count)
    guard shape.rank == 1 || width == 2 else {
        throw Status.invalidArgument("Second dimension of 2D input must be of size 2, but got shape \(shape)")
    }
    // An input with two elements fewer has the spatial axes only.
    func kept(_ format: [UInt8]) -> [UInt8] {
        count == full ? format : format.filter { !Array("NC".utf8).contains($0) }
    }
    let (source, target) = (kept(formats.source), kept(formats.target))
    guard source.count == count else {
        throw Status.invalidArgument("formats must have the axes N and C to permute spatial axes alone")
    }
    return (target.map { source.firstIndex(of: $0) ?? 0 }, width)
}
