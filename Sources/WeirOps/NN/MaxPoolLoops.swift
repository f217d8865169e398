import WeirDevice
import WeirKernels
import WeirTensor

// Loops of max pooling.

/// The largest element of each window; in TensorFlow's pooling of images no less than the lowest finite number.
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

/// The largest elements of one window, one a channel.
struct WindowMaxima<E> {
    /// Which window of its image.
    var number: Int
    /// The corners of what it covers.
    var from: SIMD3<Int>
    var to: SIMD3<Int>
    var best: UnsafePointer<E>
    /// Where in the image they lie, as the number of the pixel; -1 when the window covers none.
    var pixels: UnsafePointer<Int32>
}

/// Calls `body` with the largest elements of each window of an image.
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
                        // Two loops: of one, the compiler makes a store under a mask, on which most of the gradient's time was spent.
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

/// Adds what flows into each window to the place of its largest element: the first of several, or all of them. `result` is all of the input's gradient.
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
                // All of its pixels in turn, which vectors can do, in place of one write a channel where its maximum lies.
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

/// For each window the element of `values` that lies where the input's largest does.
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
