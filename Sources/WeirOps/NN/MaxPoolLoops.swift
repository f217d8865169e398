import WeirDevice
import WeirKernels
import WeirTensor

// The loops of max pooling.

/// Writes the maximum of each window, but at least `lowest`. In TensorFlow's 2-D pooling that is the lowest finite number.
func maxPoolWindows<E: RealElement>(
    _ shape: PoolShape, _ input: UnsafePointer<E>, _ output: UnsafeMutablePointer<E>, atLeast lowest: E, _ pool: ComputePool
) {
    let channels = shape.channels
    pool.parallelFor(shape.batch, grain: shape.grain) { images in
        for image in images {
            let source = input + image * shape.input.volume * channels
            let target = output + image * shape.output.volume * channels
            shape.forEachWindow { number, from, to in
                let best = target + number &* channels
                best.update(repeating: lowest, count: channels)
                shape.forEachPixel(from, to) { pixel in
                    let values = source + pixel &* channels
                    for channel in 0..<channels { best[channel] = values[channel] > best[channel] ? values[channel] : best[channel] }
                }
            }
        }
    }
}

/// The maxima of one window, one per channel.
struct WindowMaxima<E> {
    /// The index of the window in its image.
    var number: Int
    /// The corners of the covered part of the input: the first position, and one past the last in each dimension.
    var from: SIMD3<Int>
    var to: SIMD3<Int>
    var best: UnsafePointer<E>
    /// The index of the pixel of each maximum in the image; -1 when the window covers no pixel.
    var pixels: UnsafePointer<Int32>
}

/// Calls `body` with the maxima of each window of an image.
@inline(__always)
func forEachMaximum<E: RealElement>(_ shape: PoolShape, _ source: UnsafePointer<E>, _ body: (WindowMaxima<E>) -> Void) {
    let channels = shape.channels
    withUnsafeTemporaryAllocation(of: E.self, capacity: channels) { best in
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: channels) { pixels in
            let (best, pixels) = (best.start, pixels.start)
            shape.forEachWindow { number, from, to in
                var isFirst = true
                shape.forEachPixel(from, to) { pixel in
                    let values = source + pixel &* channels
                    let mark = Int32(truncatingIfNeeded: pixel)
                    if isFirst {
                        isFirst = false
                        best.update(from: values, count: channels)
                        pixels.update(repeating: mark, count: channels)
                    } else {
                        // Two loops: from a single one the compiler makes masked stores, which took most of the gradient's
                        // time.
                        for channel in 0..<channels { pixels[channel] = best[channel] < values[channel] ? mark : pixels[channel] }
                        for channel in 0..<channels { best[channel] = values[channel] > best[channel] ? values[channel] : best[channel] }
                    }
                }
                if isFirst {
                    best.update(repeating: .lowest, count: channels)
                    pixels.update(repeating: -1, count: channels)
                }
                body(WindowMaxima(number: number, from: from, to: to, best: best, pixels: pixels))
            }
        }
    }
}

/// Adds the gradient of each window at the position of its maximum: the first of equal elements, or all of them if `toAll` is
/// true. Overwrites all of `result`.
func maxPoolGradient<E: RealElement>(
    _ shape: PoolShape, _ input: UnsafePointer<E>, _ gradient: UnsafePointer<E>, _ result: UnsafeMutablePointer<E>,
    toAll: Bool, _ pool: ComputePool
) {
    let channels = shape.channels
    let (inputSize, outputSize) = (shape.input.volume * channels, shape.output.volume * channels)
    pool.parallelFor(shape.batch, grain: shape.grain) { images in
        for image in images {
            let source = input + image * inputSize
            let target = result + image * inputSize, flow = gradient + image * outputSize
            target.update(repeating: .zero, count: inputSize)
            forEachMaximum(shape, source) { window in
                let pixels = window.pixels, terms = flow + window.number &* channels
                // Visits all pixels of the window, which vectorises, instead of one write per channel at its maximum.
                shape.forEachPixel(window.from, window.to) { pixel in
                    let (place, mark) = (target + pixel &* channels, Int32(truncatingIfNeeded: pixel))
                    if toAll {
                        let (values, best) = (source + pixel &* channels, window.best)
                        for channel in 0..<channels where values[channel] == best[channel] { place[channel] = E.plus(place[channel], terms[channel]) }
                        return
                    }
                    for channel in 0..<channels {
                        let sum = E.plus(place[channel], terms[channel])
                        place[channel] = pixels[channel] == mark ? sum : place[channel]
                    }
                }
            }
        }
    }
}

/// Writes for each window the element of `values` at the position of the input's maximum.
func maxPoolGather<E: RealElement>(
    _ shape: PoolShape, _ input: UnsafePointer<E>, _ values: UnsafePointer<E>, _ result: UnsafeMutablePointer<E>,
    _ pool: ComputePool
) {
    let channels = shape.channels
    let (inputSize, outputSize) = (shape.input.volume * channels, shape.output.volume * channels)
    pool.parallelFor(shape.batch, grain: shape.grain) { images in
        for image in images {
            let source = values + image * inputSize, target = result + image * outputSize
            forEachMaximum(shape, input + image * inputSize) { window in
                for channel in 0..<channels {
                    let pixel = Int(window.pixels[channel])
                    target[window.number &* channels &+ channel] = pixel < 0 ? .zero : source[pixel &* channels &+ channel]
                }
            }
        }
    }
}
