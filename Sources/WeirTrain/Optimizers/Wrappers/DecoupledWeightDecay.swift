public import WeirGraph
import WeirOps

/// An optimizer before whose updates the variables decay: `v -= rate · decay · v`. `Optimizer.decayed(_:)` makes it. Loshchilov and
/// Hutter, *Decoupled Weight Decay Regularization*, 2019. Keras's `weight_decay`.
///
/// Of a variable with a sparse gradient, the rows decay that have one.
public struct DecoupledWeightDecay: OptimizerWrapper {
    /// The optimizer of the updates.
    public var base: any Optimizer
    /// The decay, relative to the learning rate.
    public var decay: Double
    /// Whether a variable decays, by the name of the whole variable, in case it is cut into parts.
    public var includes: @Sendable (_ name: String) -> Bool
    /// Makes the optimizer.
    public init(_ base: any Optimizer, _ decay: Double, including includes: @escaping @Sendable (_ name: String) -> Bool = { _ in true }) {
        self.base = base
        self.decay = decay
        self.includes = includes
    }

    /// Builds the decay of each variable, and then the updates.
    public func updates(_ all: [VariableUpdate]) -> [Operation] {
        let decays = all.map { one -> Operation? in includes(one.wholeName) ? one.colocated { shrink(one) } : nil }
        let ready = zip(all, decays).map { one, decay -> VariableUpdate in
            guard let decay else { return one }
            // The gradient waits for the decay, and so does all that the update does with the variable.
            return one.after(decay)
        }
        return base.updates(ready)
    }

    /// Builds the decay and the update of one variable.
    public func update(_ update: VariableUpdate, gradient: Output) -> Operation {
        var one = update
        one.gradient = .dense(gradient)
        return update.builder.group(updates([one]))
    }

    /// Builds the decay and the update of rows of one variable.
    public func sparseUpdate(_ update: VariableUpdate, indices: Output, rows: Output) -> Operation {
        var one = update
        one.gradient = .sparse(indices: indices, rows: rows)
        return update.builder.group(updates([one]))
    }

    private func shrink(_ one: VariableUpdate) -> Operation {
        let builder = one.builder
        switch one.gradient {
        case .dense: return one.apply("ResourceApplyGradientDescent", [one.rate * decay, one.current(one.variable)])
        case .sparse(let indices, let rows):
            // The rows of the gradient say when.
            let own = builder.controlDependencies([rows.operation]) { one.variable.handle.gatherVariable(indices, one.variable.dtype) }
            return builder.add(
                "ResourceScatterSub", [one.variable.handle, indices, own * (one.rate * decay)], attributes: ["dtype": .type(one.variable.dtype)])
        }
    }
}

extension VariableUpdate {
    /// The same update, whose gradient is there after an operation.
    fileprivate func after(_ operation: Operation) -> VariableUpdate {
        var late = self
        late.gradient = colocated {
            builder.controlDependencies([operation]) { () -> VariableGradient.Value in
                switch gradient {
                case .dense(let output): .dense(output.identity())
                case .sparse(let indices, let rows): .sparse(indices: indices, rows: rows.identity())
                }
            }
        }
        return late
    }
}

extension Optimizer {
    /// The optimizer with decoupled weight decay.
    /// - Parameter includes: whether a variable decays, by its name. Biases and the parameters of normalizations often do not.
    public func decayed(_ decay: Double, including includes: @escaping @Sendable (_ name: String) -> Bool = { _ in true }) -> DecoupledWeightDecay {
        DecoupledWeightDecay(self, decay, including: includes)
    }
}
