public import WeirGraph
public import WeirOps
import WeirRuntime
public import WeirTensor

/// Compares symbolic gradients with finite differences, in float64.
public enum NumericGradient {
    /// The greatest error of the gradients of a weighted sum of the output, for all inputs, relative to the greatest numeric
    /// gradient of each input.
    ///
    /// - Parameters:
    ///   - inputs: values of type float64.
    ///   - function: builds the output from placeholders for the inputs.
    /// - Throws: `internalError` when an input has no gradient, or one of the wrong size.
    public static func error(
        _ inputs: [Tensor], registry: OpRegistry = .standard, _ function: (GraphBuilder, [Output]) -> Output
    ) throws -> Double {
        let builder = GraphBuilder(registry: registry)
        let places = inputs.enumerated().map { index, value in
            builder.add(
                "Placeholder", name: "input\(index)",
                attributes: ["dtype": .type(.float64), "shape": .shape(PartialShape(value.shape))])[0]
        }
        let output = function(builder, places)
        // Weights make the sum depend on each element differently, so that errors do not cancel out.
        let flat = builder.add("Reshape", [output, builder.constant(Tensor([Int32(-1)]))])[0]
        let count = builder.add("Size", [flat])[0]
        let steps = builder.add("Range", [builder.scalar(0, .int32), count, builder.scalar(1, .int32)])[0]
        let weights = builder.add("Cos", [builder.add("Cast", [steps], attributes: ["DstT": .type(.float64)])[0]])[0]
        let sum = builder.add("Sum", [builder.add("Mul", [flat, weights])[0], builder.constant(Tensor([Int32(0)]))])[0]
        let gradients = builder.gradients(of: [sum], with: places)
        let session = try DirectSession(try builder.graph(), registry: registry)
        func run(_ values: [Tensor], _ fetch: Output) throws -> Tensor {
            try session.run(feeds: zip(places, values).map { ($0.name, $1) }, fetches: [fetch.name])[0]
        }
        var worst = 0.0
        for (index, gradient) in gradients.enumerated() {
            guard let gradient else { throw Status.internalError("no gradient for input \(index)") }
            let analytic = try run(inputs, gradient).array(of: Double.self)
            var numeric: [Double] = []
            let base = try inputs[index].array(of: Double.self)
            for element in base.indices {
                let step = 1e-5 * max(1, abs(base[element]))
                func shifted(_ by: Double) throws -> Double {
                    var values = base
                    values[element] += by
                    var all = inputs
                    all[index] = Tensor(values, ofShape: inputs[index].shape)
                    return try run(all, sum).scalar(of: Double.self)
                }
                numeric.append((try shifted(step) - shifted(-step)) / (2 * step))
            }
            guard analytic.count == numeric.count else {
                throw Status.internalError("gradient of input \(index) has \(analytic.count) elements for \(numeric.count)")
            }
            let scale = max(numeric.map(abs).max() ?? 0, 1e-3)
            for (a, n) in zip(analytic, numeric) { worst = max(worst, a.isFinite ? abs(a - n) / scale : .infinity) }
        }
        return worst
    }
}
