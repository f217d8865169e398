import Testing
import WeirGraph
import WeirTensor

@testable import WeirNeuralOps
import WeirOps

/// Max pooling and its gradient against their definition.
@Suite("Max pooling")
struct MaxPoolTests {
    /// Window, stride, padding, channels: apart, overlapping, with gaps; fewer and more channels than a vector has lanes.
    @Test(
        "what flows into a window goes to the first of its largest elements",
        arguments: [
            (2, 2, "VALID", 3), (3, 1, "SAME", 17), (3, 2, "SAME", 8), (2, 3, "VALID", 33), (1, 1, "SAME", 1),
        ])
    func gradient(_ window: Int, _ step: Int, _ padding: String, _ channels: Int) throws {
        let (batch, side) = (3, 11)
        let out = padding == "SAME" ? (side + step - 1) / step : (side - window) / step + 1
        let before = padding == "SAME" ? max(0, (out - 1) * step + window - side) / 2 : 0
        // Of few different values, so that many windows have several largest elements.
        let input = (0..<batch * side * side * channels).map { Float($0 &* 7919 % 7) - 3 }
        let flow = (0..<batch * out * out * channels).map { Float($0 &* 31 % 101) / 8 - 6 }
        var expected = [Float](repeating: 0, count: input.count), largest = [Float](repeating: 0, count: flow.count)
        for image in 0..<batch {
            for y in 0..<out {
                for x in 0..<out {
                    for channel in 0..<channels {
                        let rows = (y * step - before..<y * step - before + window).clamped(to: 0..<side)
                        let columns = (x * step - before..<x * step - before + window).clamped(to: 0..<side)
                        let places = rows.flatMap { row in columns.map { ((image * side + row) * side + $0) * channels + channel } }
                        let best = try #require(places.map { input[$0] }.max())
                        let place = try #require(places.first { input[$0] == best }), number = ((image * out + y) * out + x) * channels + channel
                        expected[place] += flow[number]
                        largest[number] = best
                    }
                }
            }
        }
        for threads in [1, 3] {
            let s = try TinySession([.maxPool, .maxPoolGrad], threads: threads)
            let attributes: Attributes = [
                "ksize": .ints([1, window, window, 1]), "strides": .ints([1, step, step, 1]), "padding": .string(ByteString(padding)),
            ]
            let x = s.feed(input, [batch, side, side, channels]), outShape = Shape([batch, out, out, channels])
            #expect(try s.run(s.add("MaxPool", [x], attributes)[0]).floats == largest)
            let gradient = s.add("MaxPoolGrad", [x, s.feed(largest, outShape), s.feed(flow, outShape)], attributes)[0]
            #expect(try s.run(gradient).floats == expected)
        }
    }
}
