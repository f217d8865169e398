import OpCaseRunner
import Testing
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

/// Runs a graph on the CPU and on an emulated card, and compares the results.
struct CUDAComparison {
    /// The largest difference of a number, relative to the CPU's; 0 for the same bits (but any NaN for NaN).
    var tolerance = 0.0
    /// Whether the graph is optimized first.
    var isOptimized = false

    private func run(_ inputs: [Tensor], onCard: Bool, _ body: (GraphBuilder, [Output]) -> [Output]) throws -> [Tensor] {
        let b = GraphBuilder(registry: .standard)
        let places = inputs.enumerated().map { b.placeholder($1.dtype, shape: PartialShape($1.shape), name: "in\($0)") }
        let outputs = b.device(onCard ? "/device:GPU:0" : "/device:CPU:0") { body(b, places) }
        var options = onCard ? EmulatedCUDA.options : RuntimeOptions()
        // What has no kernel on the card must not run elsewhere unseen.
        options.allowsSoftPlacement = false
        if !isOptimized { options.execution.optimizer = .none }
        let session = try DirectSession(b.graph(), registry: .standard, options: options)
        return try session.run(feeds: zip(places, inputs).map { ($0.name, $1) }, fetches: outputs.map(\.name))
    }

    /// Records an issue for each output that differs.
    func callAsFunction(
        _ title: String, _ inputs: [Tensor], at location: SourceLocation = #_sourceLocation, _ body: (GraphBuilder, [Output]) -> [Output]
    ) throws {
        let host = try run(inputs, onCard: false, body)
        let card = try run(inputs, onCard: true, body)
        #expect(host.count == card.count, sourceLocation: location)
        for (index, (x, y)) in zip(card, host).enumerated() {
            if let difference = difference(x, y) { Issue.record("\(title), output \(index): \(difference)", sourceLocation: location) }
        }
    }

    /// The first difference of two tensors; nil if there is none.
    private func difference(_ found: Tensor, _ expected: Tensor) -> String? {
        guard found.dtype == expected.dtype, found.shape == expected.shape else {
            return "expected \(expected.dtype) \(expected.shape), found \(found.dtype) \(found.shape)"
        }
        if found.bytes.elementsEqual(expected.bytes) { return nil }
        guard let given = numbers(found), let wanted = numbers(expected) else {
            let size = found.dtype.byteCount
            let place = (zip(found.bytes, expected.bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0) / size
            func text(_ tensor: Tensor) -> String { "\(Array(tensor.bytes[place * size..<(place + 1) * size]))" }
            return "element \(place): expected bytes \(text(expected)), found \(text(found))"
        }
        for (index, (x, y)) in zip(given, wanted).enumerated() {
            if x.isNaN && y.isNaN || x == y && x.sign == y.sign { continue }
            guard tolerance > 0, x.isFinite, y.isFinite, abs(x - y) <= tolerance * max(abs(y), 1e-30) else {
                return "element \(index): expected \(y), found \(x)"
            }
        }
        return nil
    }
}
