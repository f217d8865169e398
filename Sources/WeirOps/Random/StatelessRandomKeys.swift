import WeirGraph
import WeirKernels
import WeirTensor

// Ops that turn a user's seeds into the inputs of the `V2` ops: key, counter, and the number of an algorithm.

extension OpDefinition {
    /// Outputs the key and the counter for two seeds.
    static let statelessRandomGetKeyCounter = OpDefinition(
        "StatelessRandomGetKeyCounter", "(seed: Tseed) -> (key: uint64, counter: uint64)",
        "Tseed: {int32, int64} = int64"
    )
    .shape(RandomShapes.keyAndCounter)
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["seed", "key", "counter"]) { _ in
        .sync { context in try context.setKeyAndCounter() }
    }

    /// Outputs the key, the counter and the number of the algorithm (Philox) for two seeds.
    static let statelessRandomGetKeyCounterAlg = OpDefinition(
        "StatelessRandomGetKeyCounterAlg", "(seed: Tseed) -> (key: uint64, counter: uint64, alg: int32)",
        "Tseed: {int32, int64} = int64"
    )
    .shape(RandomShapes.keyAndCounter)
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["seed", "key", "counter", "alg"]) { _ in
        .sync { context in
            try context.setKeyAndCounter()
            context.setOutput(2, Tensor(RandomAlgorithm.philox.rawValue))
        }
    }

    /// Outputs the number of the best algorithm for the device of the node, which is always Philox.
    static let statelessRandomGetAlg = OpDefinition("StatelessRandomGetAlg", "() -> (alg: int32)")
        .stateful()
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .kernel(gpu: [:], hostMemory: ["alg"]) { _ in
            let algorithm = Tensor(RandomAlgorithm.philox.rawValue)
            return .sync { context in context.setOutput(0, algorithm) }
        }
}

/// The algorithms that have a number in TensorFlow.
enum RandomAlgorithm: Int32 {
    case philox = 1
    /// Has a number but no kernel here, as in TensorFlow.
    case threefry = 2
    /// The best algorithm for the device.
    case automatic = 3
}

extension KernelContext {
    /// Returns the generator that inputs 1 to 3 describe: key, counter and algorithm.
    /// - Throws: `invalidArgument` if an input has a wrong shape, or the algorithm is neither Philox nor automatic.
    borrowing func keyedGenerator() throws -> Philox {
        try checkKeyed()
        let words = input(2).elements(UInt64.self)
        return Philox(key: input(1).elements(UInt64.self)[0], counterLow: words[0], counterHigh: words[1])
    }

    /// Checks the shapes of inputs 1 to 3, and the algorithm.
    borrowing func checkKeyed() throws {
        let (key, counter, algorithm) = (input(1), input(2), input(3))
        guard algorithm.rank == 0 else {
            throw Status.invalidArgument("input 3 (0-based) must have shape [], not \(algorithm.shape)")
        }
        guard key.shape == [1] else {
            throw Status.invalidArgument(
                "key must have shape [1], not \(key.shape). (Note that batched keys are not supported yet.)")
        }
        guard counter.rank == 1, counter.elementCount >= 2 else {
            throw Status.invalidArgument(
                "counter must be a vector with length at least 2; got shape: \(counter.shape). "
                    + "(Note that batched counters are not supported yet.)")
        }
        let number = algorithm.elements(Int32.self)[0]
        guard number == RandomAlgorithm.philox.rawValue || number == RandomAlgorithm.automatic.rawValue else {
            throw Status.invalidArgument("Unsupported algorithm id: \(number)")
        }
    }

    fileprivate borrowing func setKeyAndCounter() throws {
        let generator = try statelessGenerator(seed: 0)
        setOutput(0, Tensor([generator.key]))
        setOutput(1, Tensor([generator.counterLow, generator.counterHigh]))
    }
}
