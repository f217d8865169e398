public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Sends its input to one of two outputs; the other is dead.
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
            .passingKernels(host: .switchHost, always: ["pred"], moved: ["data", "output_false", "output_true"]) { _ in
                .sync { context in
                    let predicate = context.input(1)
                    guard predicate.rank == 0 else { throw notScalar(predicate) }
                    let taken = predicate.elements(Bool.self)[0] ? 1 : 0
                    context.setOutput(taken, slot: context.slot(0))
                    context.setOutput(1 - taken, slot: .dead)
                }
            }
    }

    /// Sends its input to one of several outputs; the others are dead.
    static let switchN = OpDefinition(
        "_SwitchN", "(data: T, output_index: int32) -> (outputs: num_outs * T)", "num_outs: int >= 1", "T: type"
    )
    .role(.switch)
    .shape { c in
        try c.requireRank(1, 0)
        ShapeFunctions.unchanged(&c)
    }
    .passingKernels(host: .switchHost, always: ["output_index"], moved: ["data", "outputs"]) { _ in
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

/// What flows back is what came into the output that was taken.
@Sendable private func switchGradient(_ g: GradientContext) -> [Output?] {
    let branches = (0..<2).map { output in
        // Where nothing flows, zeros; dead ones if this output was dead. What flows may not know: a constant is alive
        // whichever way was taken.
        g.ops("Switch", [g.gradient(output), g.inputs[1]])[output]
    }
    return [g.op("Merge", branches[0], branches[1]), nil]
}

extension Output {
    /// This output in two copies, of which only one is alive in a step: `ifTrue` when the predicate holds, else
    /// `ifFalse`.
    public func switched(by predicate: Output, name: String? = nil) -> (ifFalse: Output, ifTrue: Output) {
        let node = builder.add(isReference ? "RefSwitch" : "Switch", [self, predicate], name: name)
        return (node[0], node[1])
    }
}
