import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Extracts the patches of images that a convolution's window covers. The elements of a patch become channels.
    static let extractImagePatches = OpDefinition(
        "ExtractImagePatches", "(images: T) -> (patches: T)", "ksizes: list(int) >= 4", "strides: list(int) >= 4",
        "rates: list(int) >= 4",
        "T: {bfloat16, half, float, double, int8, int16, int32, int64, uint8, uint16, uint32, uint64, "
            + "complex64, complex128, bool}",
        "padding: {'SAME', 'VALID'}"
    )
    .shape { c in
        try c.requireRank(0, 4)
        let patches = try ImagePatches(c.attributes)
        let input = c.input(0)
        let area = patches.rows.size &* patches.columns.size
        c.setOutput(
            0,
            [
                input[0], try input[1].map { try patches.rows.places(in: $0, patches.isSame).count },
                try input[2].map { try patches.columns.places(in: $0, patches.isSame).count },
                input[3].flatMap { $0 < 1 << 31 && area < 1 << 31 ? $0 * area : nil },
            ])
    }
    .gradient(imagePatchesGradient)
    .kernel(["T": .numericOrBool], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool)]]) { request in
        let patches = try ImagePatches(request.attributes)
        return .sync { context in try patches.run(context) }
    }
    .cuda { request in
        let patches = try ImagePatches(request.attributes)
        let device = try request.cudaDevice()
        let module = try request.cudaModule("ExtractImagePatches", ["T": try request.type("T").cudaBits], patchSource)
        return .sync { context in
            let plan = try patches.plan(context.shape(0))
            let input = context.input(0)
            let output = try context.output(0, input.dtype, plan.shape)
            let (rows, columns) = (patches.rows, patches.columns)
            let words =
                Array(input.shape.dimensions.dropFirst()) + [
                    plan.height, plan.width, rows.size, columns.size, rows.stride, columns.stride, rows.rate, columns.rate, plan.above, plan.left,
                ]
            try device.launch(
                module.function("extract"), over: output.elementCount,
                [.elements(input), .elements(output), .int(output.elementCount), .ints(words)])
        }
    }
}

/// Returns the gradient: for each pixel the sum over all patches that hold it. As in TensorFlow, the op itself says which
/// pixel each element of a patch is, from an image of the pixels' numbers. They start with 1, because 0 is the padding.
@Sendable private func imagePatchesGradient(_ g: GradientContext) throws -> [Output?] {
    let kernel = g.attributes.ints("ksizes") ?? []
    guard kernel.count == 4 else {
        throw Status.invalidArgument("ExtractImagePatches requires 4 ksizes, found \(kernel.count)")
    }
    func product(_ a: Output, _ b: Output) -> Output { g.op("Mul", a, b) }
    func number(_ value: Int) -> Output { g.constant(Tensor(Int64(value))) }
    func reshape(_ value: Output, _ sizes: Output...) -> Output { g.op("Reshape", value, g.ops("Pack", sizes)[0]) }
    let (batch, rows) = (g.size(of: g.inputs[0], 0), g.size(of: g.inputs[0], 1))
    let (columns, depth) = (g.size(of: g.inputs[0], 2), g.size(of: g.inputs[0], 3))
    let (height, width) = (g.size(of: g.outputs[0], 1), g.size(of: g.outputs[0], 2))
    let (pixels, one, area) = (product(rows, columns), number(1), number(kernel[1] &* kernel[2]))
    let numbers = g.op("Range", one, g.op("AddV2", pixels, one), one)
    let attributes = Attributes(
        g.attributes.values.filter { ["ksizes", "strides", "rates", "padding"].contains($0.key) })
    let patches = g.op("ExtractImagePatches", reshape(numbers, one, rows, columns, one), attributes: attributes)
    let segments = g.op("Sub", g.op("Reshape", patches, g.constant([-1])), one)
    let parts = g.op("Transpose", reshape(g.gradient(), batch, height, width, area, depth), g.constant([1, 2, 3, 0, 4]))
    let flat = reshape(parts, product(product(height, width), area), product(batch, depth))
    let sums = reshape(g.op("UnsortedSegmentSum", flat, segments, pixels), rows, columns, batch, depth)
    let result = g.op("Transpose", sums, g.constant([2, 0, 1, 3]))
    g.builder.refineShape(of: result, g.inputs[0].shape)
    return [result]
}

private struct ImagePatches {
    /// The window along one axis: its size, stride and dilation rate.
    struct Window {
        var size, stride, rate: Int

        /// Returns the number of windows along an axis of `length` elements, and the padding before the axis.
        func places(in length: Int, _ isSame: Bool) throws -> (count: Int, before: Int) {
            let reach = (size - 1) * rate + 1
            if isSame {
                let count = (length + stride - 1) / stride
                return (count, max(0, (count - 1) * stride + reach - length) / 2)
            }
            return (max(0, (length - reach + stride) / stride), 0)
        }
    }
    let rows: Window
    let columns: Window
    let isSame: Bool

    init(_ attributes: Attributes) throws {
        var numbers: [[Int]] = []
        for name in ["ksizes", "strides", "rates"] {
            let list = attributes.ints(name) ?? []
            guard list.count == 4 else {
                throw Status.invalidArgument(
                    "ExtractImagePatches requires the \(name) attribute to contain 4 values, but got: \(list.count)")
            }
            guard list[0] == 1, list[3] == 1 else {
                throw Status.unimplemented("Only support \(name) across space.")
            }
            guard list[1] >= 1, list[2] >= 1, list.allSatisfy({ $0 < 1 << 30 }) else {
                throw Status.outOfRange("\(name) is out of range.")
            }
            numbers.append(list)
        }
        rows = Window(size: numbers[0][1], stride: numbers[1][1], rate: numbers[2][1])
        columns = Window(size: numbers[0][2], stride: numbers[1][2], rate: numbers[2][2])
        isSame = attributes.string("padding") == "SAME"
    }

    /// The result's shape, the number of windows, and the padding before the image.
    func plan(_ input: Shape) throws -> (shape: Shape, height: Int, width: Int, above: Int, left: Int) {
        guard input.rank == 4 else { throw Status.invalidArgument("input must be 4-dimensional\(input)") }
        let sizes = input.dimensions
        let (height, above) = try rows.places(in: sizes[1], isSame)
        let (width, left) = try columns.places(in: sizes[2], isSame)
        let (depth, overflow) = sizes[3].multipliedReportingOverflow(by: rows.size * columns.size)
        guard !overflow else { throw Status.invalidArgument("patches of shape \(input) are too large") }
        return (try Shape(validating: [sizes[0], height, width, depth]), height, width, above, left)
    }

    func run(_ context: borrowing KernelContext) throws {
        let input = context.input(0)
        let (shape, height, width, above, left) = try plan(input.shape)
        let sizes = input.shape.dimensions
        let output = try context.output(0, input.dtype, shape)
        guard shape.elementCount > 0 else { return }
        if isSame { output.clearElements() }
        let from = StridedCopy.strides(of: sizes), to = StridedCopy.strides(of: shape.dimensions)
        let steps = [from[0], from[1] &* rows.stride, from[2] &* columns.stride, 1]
        // Each element of the window takes one strided copy, of all patches in which this element lies in the image.
        for row in 0..<rows.size {
            let y = seen(rows, row, above, height, sizes[1])
            for column in 0..<columns.size {
                let x = seen(columns, column, left, width, sizes[2])
                StridedCopy([sizes[0], y.count, x.count, sizes[3]], from: steps, to: to).run(
                    from: input, skipping: y.start * from[1] + x.start * from[2], to: output,
                    at: y.first * to[1] + x.first * to[2] + (row * columns.size + column) * sizes[3], in: context.pool)
            }
        }
    }

    /// Returns the windows along an axis whose element `offset` lies in the image: the first of them, their number, and the
    /// position of the first one's element in the image.
    private func seen(
        _ window: Window, _ offset: Int, _ before: Int, _ windows: Int, _ length: Int
    ) -> (first: Int, count: Int, start: Int) {
        let shift = offset * window.rate - before
        let first = shift >= 0 ? 0 : (-shift + window.stride - 1) / window.stride
        let end = min(windows, max(0, (length - shift + window.stride - 1) / window.stride))
        return (first, max(0, end - first), first * window.stride + shift)
    }
}

private let patchSource = """
    struct Patches { int64 rows, columns, depth, height, width, patch_rows, patch_columns, down, right, row_rate, column_rate, above, left; };
    KERNEL extract(const T* in, T* out, int64 count, Patches p) {
        T zero = {};
        for (int64 i = first(); i < count; i += stride()) {
            int64 channel = i % p.depth, rest = i / p.depth;
            int64 c = rest % p.patch_columns;
            rest /= p.patch_columns;
            int64 r = rest % p.patch_rows;
            rest /= p.patch_rows;
            int64 x = rest % p.width * p.right + c * p.column_rate - p.left;
            rest /= p.width;
            int64 y = rest % p.height * p.down + r * p.row_rate - p.above;
            rest /= p.height;
            bool inside = x >= 0 && x < p.columns && y >= 0 && y < p.rows;
            out[i] = inside ? in[((rest * p.rows + y) * p.columns + x) * p.depth + channel] : zero;
        }
    }
    """
