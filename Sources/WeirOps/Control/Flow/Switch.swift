public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Switch`: passes its input to the output that `pred` selects. The other output is dead.
    static let `switch` = switching("Switch", "(data: T, pred: bool) -> (output_false: T, output_true: T)")
    static let refSwitch = switching(
        "RefSwitch", "(data: Ref(T), pred: bool) -> (output_false: Ref(T), output_true: Ref(T))"
    )
    .allowingUninitializedInput()

    private static func switching(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(name, signature, "T: type")
            .role(.switch)
            .shape { c in
                try c.requireRank(1, 0)
                ShapeFunctions.unchanged(&c)
                if let handle = c.handle(0) { for output in 0..<2 { c.setHandle(output, handle.dtype, handle.shape) } }
            }
            .gradient(switchGradient)
            .forwardingKernels(host: .switchHost, always: ["pred"], moved: ["data", "output_false", "output_true"]) { _ in
                .sync { context in
                    let predicate = context.input(1)
                    guard predicate.rank == 0 else { throw notScalar(predicate) }
                    let taken = predicate.elements(Bool.self)[0] ? 1 : 0
                    context.setOutput(taken, slot: context.slot(0))
                    context.setOutput(1 - taken, slot: .dead)
                }
            }
    }

    /// `_SwitchN`: passes its input to the output with the given index, or to the last if the index is out of range. The
    /// others are dead.
    static let switchN = OpDefinition(
        "_SwitchN", "(data: T, output_index: int32) -> (outputs: num_outs * T)", "num_outs: int >= 1", "T: type"
    )
    .role(.switch)
    .shape { c in
        try c.requireRank(1, 0)
        ShapeFunctions.unchanged(&c)
    }
    .forwardingKernels(host: .switchHost, always: ["output_index"], moved: ["data", "outputs"]) { _ in
        .sync { context in
            let index = context.input(1)
            guard index.rank == 0 else { throw notScalar(index) }
            let last = context.outputCount - 1
            var taken = Int(index.elements(Int32.self)[0])
            if taken < 0 || taken > last { taken = last }
            for output in 0...last { context.setOutput(output, slot: output == taken ? context.slot(0) : .dead) }
        }
    }
}

private func notScalar(_ tensor: Tensor) -> Status {
    .invalidArgument("The second input must be a scalar, but it has shape \(tensor.shape)")
}

/// The gradient of `Switch` is the gradient of the output that was taken.
@Sendable private func switchGradient(_ g: GradientContext) -> [Output?] {
    let branches = (0..<2).map { output in
        // A missing gradient is zeros. The `Switch` makes the gradient of the dead output dead: on its own it may be alive,
        // for example a constant.
        g.ops("Switch", [g.gradient(output), g.inputs[1]])[output]
    }
    return [g.op("Merge", branches[0], branches[1]), nil]
}

extension Output {
    /// Returns two outputs with this value, of which one is dead in each step (`Switch`).
    /// - Parameter predicate: a bool scalar. `ifTrue` is alive when it is true, else `ifFalse`.
    public func switched(by predicate: Output, name: String? = nil) -> (ifFalse: Output, ifTrue: Output) {
        let node = builder.add(isReference ? "RefSwitch" : "Switch", [self, predicate], name: name)
        return (node[0], node[1])
    }
}
