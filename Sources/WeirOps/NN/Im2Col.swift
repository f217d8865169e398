import WeirDevice
import WeirKernels
import WeirTensor

// Convolutions of element types that oneDNN does not support (im2col). A bounded number of windows is copied to rows of a
// matrix, which is multiplied by the filter.

/// The most elements that are copied to the window matrix at once.
private let windowBufferSize = 1 << 19

func convolveIm2Col<E: MatrixElement>(
    _ result: ConvolutionResult, _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<E>
) throws {
    guard shape.channelsFirst else {
        // With one group per channel there are no matrices to multiply, so direct loops are used.
        if shape.groups > 1, shape.groups == shape.inputChannels { return convolveDepthwise(result, shape, arrays) }
        return try Im2Col(shape).run(result, arrays)
    }
    // The code below supports only channels last, so the arrays are transposed.
    var last = shape
    last.channelsFirst = false
    let input = try Tensor(E.dtype, Shape(validating: [shape.inputCount]))
    let output = try Tensor(E.dtype, Shape(validating: [shape.outputCount]))
    defer { keepAlive((input, output)) }
    var plain = ConvolutionArrays(input, input, output, E.self)
    plain.filter = arrays.filter
    func swap(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>, _ rows: Int, _ columns: Int) {
        for image in 0..<shape.batch {
            transposeMatrix(source + image * rows * columns, target + image * rows * columns, rows, columns)
        }
    }
    if result != .inputGradient { swap(arrays.input, plain.input, shape.inputChannels, shape.input.volume) }
    if result != .output { swap(arrays.output, plain.output, shape.outputChannels, shape.output.volume) }
    try convolveIm2Col(result, last, plain)
    if result == .inputGradient { swap(plain.input, arrays.input, shape.input.volume, shape.inputChannels) }
    if result == .output { swap(plain.output, arrays.output, shape.output.volume, shape.outputChannels) }
}

/// Writes the transpose of a `rows × columns` matrix.
func transposeMatrix<E>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>, _ rows: Int, _ columns: Int) {
    for row in 0..<rows {
        for column in 0..<columns { target[column &* rows &+ row] = source[row &* columns &+ column] }
    }
}

private struct Im2Col<E: MatrixElement> {
    private let shape: ConvolutionShape
    /// The number of channels of one group, and of elements in one window of a group.
    private let (depth, width): (Int, Int)
    private let outputDepth: Int
    /// The number of windows that are copied at once.
    private let chunk: Int

    init(_ shape: ConvolutionShape) {
        self.shape = shape
        depth = shape.inputChannels / shape.groups
        width = shape.kernel.volume * depth
        outputDepth = shape.outputChannels / shape.groups
        chunk = max(1, min(shape.output.volume, windowBufferSize / width))
    }

    func run(_ result: ConvolutionResult, _ arrays: ConvolutionArrays<E>) throws {
        let buffer = try Tensor(E.dtype, Shape(validating: [chunk, width]))
        defer { keepAlive(buffer) }
        let windows = buffer.mutableElements(E.self).start
        // For the filter's gradient the product of each chunk is a partial sum.
        let part = try Tensor(E.dtype, Shape(validating: [result == .filterGradient ? width * outputDepth : 0]))
        defer { keepAlive(part) }
        let sum = part.mutableElements(E.self).start
        if result == .filterGradient { arrays.filter.update(repeating: .zero, count: shape.filterCount) }
        if result == .inputGradient { arrays.input.update(repeating: .zero, count: shape.inputCount) }
        for image in 0..<shape.batch {
            let here = arrays.from(image, shape)
            for group in 0..<shape.groups {
                for start in stride(from: 0, to: shape.output.volume, by: chunk) {
                    let count = min(chunk, shape.output.volume - start)
                    product(result, here, group, start, count, windows, sum)
                }
            }
        }
    }

    private func product(
        _ result: ConvolutionResult, _ arrays: ConvolutionArrays<E>, _ group: Int, _ start: Int, _ count: Int,
        _ windows: UnsafeMutablePointer<E>, _ sum: UnsafeMutablePointer<E>
    ) {
        let channels = shape.outputChannels
        let output = arrays.output + start * channels + group * outputDepth
        let filter = arrays.filter + group * outputDepth
        switch result {
        case .output:
            eachWindow(arrays.input, group, start, count, windows, gathers: true)
            E.multiply(
                count, outputDepth, width, MatrixOperand(base: windows, stride: width),
                MatrixOperand(base: filter, stride: channels), output, stride: channels)
        case .inputGradient:
            E.multiply(
                count, width, outputDepth, MatrixOperand(base: output, stride: channels),
                MatrixOperand(base: filter, stride: channels, isTransposed: true), windows, stride: width)
            eachWindow(arrays.input, group, start, count, windows, gathers: false)
        case .filterGradient:
            eachWindow(arrays.input, group, start, count, windows, gathers: true)
            E.multiply(
                width, outputDepth, count, MatrixOperand(base: windows, stride: width, isTransposed: true),
                MatrixOperand(base: output, stride: channels), sum, stride: outputDepth)
            for row in 0..<width {
                let (target, source) = (filter + row * channels, sum + row * outputDepth)
                for column in 0..<outputDepth { target[column] = E.plus(target[column], source[column]) }
            }
        }
    }

    /// Copies windows to the matrix with zeros beyond the edges (im2col), or adds them back to the input (col2im).
    private func eachWindow(
        _ input: UnsafeMutablePointer<E>, _ group: Int, _ start: Int, _ count: Int, _ windows: UnsafeMutablePointer<E>,
        gathers: Bool
    ) {
        var window = windows
        for place in start..<start + count {
            let output = SIMD3(
                place / (shape.output.z * shape.output.y), place / shape.output.z % shape.output.y, place % shape.output.z)
            let origin = output &* shape.stride &- shape.before
            for z in 0..<shape.kernel.x {
                let plane = origin.x + z * shape.dilation.x
                for y in 0..<shape.kernel.y {
                    let row = origin.y + y * shape.dilation.y
                    let isInside = plane >= 0 && plane < shape.input.x && row >= 0 && row < shape.input.y
                    for x in 0..<shape.kernel.z {
                        let column = origin.z + x * shape.dilation.z
                        if isInside, column >= 0, column < shape.input.z {
                            let pixel = (plane * shape.input.y + row) * shape.input.z + column
                            let source = input + pixel * shape.inputChannels + group * depth
                            if gathers {
                                window.update(from: source, count: depth)
                            } else {
                                for channel in 0..<depth { source[channel] = E.plus(source[channel], window[channel]) }
                            }
                        } else if gathers {
                            window.update(repeating: .zero, count: depth)
                        }
                        window += depth
                    }
                }
            }
        }
    }
}
