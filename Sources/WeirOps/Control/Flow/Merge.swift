public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Merge`: outputs the first input that is not dead, and its index.
    static let merge = merging("Merge", "(inputs: N * T) -> (output: T, value_index: int32)")
    static let refMerge = merging("RefMerge", "(inputs: Ref(N * T)) -> (output: Ref(T), value_index: int32)")

    private static func merging(_ name: String, _ signature: String) -> OpDefinition {
        OpDefinition(name, signature, "T: type", "N: int >= 1")
            .role(.merge)
            .shape { c in
                c.setOutput(0, commonShape((0..<c.inputCount).map { c.input($0) }))
                c.setOutput(1, .scalar)
            }
            .gradient { g in
                // An input gets the gradient if it was the one that was taken, else a dead tensor.
                g.inputs.indices.map { index -> Output? in
                    let wasTaken = g.op("Equal", g.outputs[1], g.constant(Tensor(Int32(index))))
                    return g.ops("Switch", [g.gradient(), wasTaken])[1]
                }
            }
            .forwardingKernels(host: .flowHost, always: ["value_index"], moved: ["inputs", "output"]) { _ in
                .sync { context in
                    for index in 0..<context.inputCount {
                        switch context.slot(index) {
                        case .value, .reference:
                            context.setOutput(0, slot: context.slot(index))
                            if context.outputCount > 1 { context.setOutput(1, Tensor(Int32(index))) }
                            return
                        case .empty, .dead: continue
                        }
                    }
                    throw Status.internalError("Merge has no valid input.")
                }
            }
    }
}

/// Returns the most specific shape that all of these shapes match: dimensions that differ are unknown.
private func commonShape(_ shapes: [PartialShape]) -> PartialShape {
    guard var common = shapes.first?.dimensions else { return .unknown }
    for shape in shapes.dropFirst() {
        guard let dimensions = shape.dimensions, dimensions.count == common.count else { return .unknown }
        for (axis, size) in dimensions.enumerated() where common[axis] != size { common[axis] = nil }
    }
    return PartialShape(common)
}

extension GraphBuilder {
    /// Returns the one of `inputs` that is not dead, and its index, an `int32` scalar (`Merge`).
    public func merge(_ inputs: [Output], name: String? = nil) -> (output: Output, index: Output) {
        let node = add(inputs.allSatisfy(\.isReference) ? "RefMerge" : "Merge", inputs, name: name)
        return (node[0], node[1])
    }
}
