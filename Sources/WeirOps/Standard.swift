@_exported import WeirArrayOps
@_exported import WeirControlOps
public import WeirGraph
@_exported import WeirMathOps
@_exported import WeirNeuralOps
@_exported import WeirStateOps
@_exported import WeirTextOps

extension OpRegistry {
    /// The registry of all ops and variant types of Weir.
    public static let standard = OpRegistry(
        mathOps + linearOps + arrayOps + neuralOps + stateOps + trainingOps + controlOps + queueOps + randomOps + ioOps + stringOps,
        variants: .standard)
}
