import WeirDevice
import WeirKernels
import WeirTensor

/// Computes a depthwise convolution or one of its gradients on this thread. Channels are last, and the inner loops run along
/// them.
func convolveDepthwise<E: MatrixElement>(
    _ result: ConvolutionResult, _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<E>
) {
    let (channels, multiplier) = (shape.inputChannels, shape.outputChannels / shape.inputChannels)
    switch result {
    case .output:
        arrays.output.update(repeating: .zero, count: shape.outputCount)
        forEachFilterElement(shape, arrays) { input, filter, output in
            if multiplier == 1 {
                for channel in 0..<channels { output[channel] = E.multiplyAdd(output[channel], input[channel], filter[channel]) }
                return
            }
            for channel in 0..<channels {
                for index in channel &* multiplier..<(channel &+ 1) &* multiplier {
                    output[index] = E.multiplyAdd(output[index], input[channel], filter[index])
                }
            }
        }
    case .inputGradient:
        arrays.input.update(repeating: .zero, count: shape.inputCount)
        forEachFilterElement(shape, arrays) { input, filter, output in
            if multiplier == 1 {
                for channel in 0..<channels { input[channel] = E.multiplyAdd(input[channel], output[channel], filter[channel]) }
                return
            }
            for channel in 0..<channels {
                var sum = input[channel]
                for index in channel &* multiplier..<(channel &+ 1) &* multiplier {
                    sum = E.multiplyAdd(sum, output[index], filter[index])
                }
                input[channel] = sum
            }
        }
    case .filterGradient:
        arrays.filter.update(repeating: .zero, count: shape.filterCount)
        forEachFilterElement(shape, arrays) { input, filter, output in
            if multiplier == 1 {
                for channel in 0..<channels { filter[channel] = E.multiplyAdd(filter[channel], input[channel], output[channel]) }
                return
            }
            for channel in 0..<channels {
                for index in channel &* multiplier..<(channel &+ 1) &* multiplier {
                    filter[index] = E.multiplyAdd(filter[index], input[channel], output[index])
                }
            }
        }
    }
}

/// Calls `body` for each output position and each filter position whose input element exists. The pointers address the channels
/// of the three arrays there.
@inline(__always)
private func forEachFilterElement<E>(
    _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<E>,
    _ body: (_ input: UnsafeMutablePointer<E>, _ filter: UnsafeMutablePointer<E>, _ output: UnsafeMutablePointer<E>) -> Void
) {
    for image in 0..<shape.batch {
        let here = arrays.from(image, shape)
        var output = here.output
        for outZ in 0..<shape.output.x {
            for outY in 0..<shape.output.y {
                for outX in 0..<shape.output.z {
                    let origin = SIMD3(outZ, outY, outX) &* shape.stride &- shape.before
                    for z in 0..<shape.kernel.x {
                        let plane = origin.x &+ z &* shape.dilation.x
                        guard plane >= 0, plane < shape.input.x else { continue }
                        for y in 0..<shape.kernel.y {
                            let row = origin.y &+ y &* shape.dilation.y
                            guard row >= 0, row < shape.input.y else { continue }
                            for x in 0..<shape.kernel.z {
                                let column = origin.z &+ x &* shape.dilation.z
                                guard column >= 0, column < shape.input.z else { continue }
                                let pixel = (plane &* shape.input.y &+ row) &* shape.input.z &+ column
                                let tap = (z &* shape.kernel.y &+ y) &* shape.kernel.z &+ x
                                body(
                                    here.input + pixel &* shape.inputChannels, here.filter + tap &* shape.outputChannels,
                                    output)
                            }
                        }
                    }
                    output += shape.outputChannels
                }
            }
        }
    }
}
