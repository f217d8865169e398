import WeirGraph
import WeirTensor

extension Agent {
    /// Dense layers: hidden ones, and one for the outputs.
    func perceptron(_ hidden: [Int], outputCount: Int, activation: Activation) -> Sequential {
        let inner: [any Layer] = hidden.enumerated().map { Dense($1, activation: activation, name: "hidden_\($0 + 1)") }
        return Sequential(inner + [Dense(outputCount, name: "output")])
    }

    func require<Number: Comparable>(_ name: String, _ value: Number, in range: ClosedRange<Number>) throws(Status) {
        // NaN is in no range.
        guard range.contains(value) else {
            throw .invalidArgument("Agent '\(self.name)': \(name) must be between \(range.lowerBound) and \(range.upperBound), found \(value)")
        }
    }
    func requireUnits(_ hidden: [Int]) throws(Status) { for units in hidden { try require("units of a hidden layer", units, in: 1...65_536) } }
}

extension Sequential {
    /// Adds the layers in a scope.
    /// - Parameter pass: has the variables; nil declares new ones.
    /// - Returns: the output, and the pass with its variables.
    func applied(
        to input: Output, scope: String, in builder: GraphBuilder, seed: Int, _ pass: ModelPass = ModelPass(.training)
    ) -> (output: Output, pass: ModelPass) {
        let context = LayerContext(builder, pass, seed: seed, dtype: .float32)
        return (context.scope(scope) { self(input, context) }, pass)
    }
}
