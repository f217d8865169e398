import Synchronization
import WeirCluster
public import WeirGraph
public import WeirTensor

/// Watches a tensor, such as the loss, and fails or ends the training when it is not a number. TensorFlow's `NanTensorHook`.
public final class NaNTensorHook: SessionRunHook {
    private static let label = "tensor"
    private let tensor: Output
    private let failsOnNaN: Bool
    private let log: @Sendable (String) -> Void
    private let globalStep = Mutex<GlobalStepReader?>(nil)

    /// - Parameters:
    ///   - tensor: of a floating type and any shape.
    ///   - failsOnNaN: whether the step throws; otherwise the training ends without an error.
    ///   - log: is told when the training ends.
    public init(_ tensor: Output, failsOnNaN: Bool = true, log: @escaping @Sendable (String) -> Void = { _ in }) {
        self.tensor = tensor
        self.failsOnNaN = failsOnNaN
        self.log = log
    }

    /// - Throws: `invalidArgument` when the tensor is not of a floating type.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        guard [.float32, .float64, .float16, .bfloat16].contains(tensor.dtype) else {
            throw .invalidArgument("\(typeName): expected a tensor of a floating type, found \(tensor)")
        }
        // It only says when.
        guard builder.declaredGlobalStep != nil else { return }
        let reader = try GlobalStepReader(builder, for: typeName)
        globalStep.withLock { $0 = reader }
    }

    /// Fetches the tensor.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        SessionRunArgs(fetches: [NaNTensorHook.label: tensor])
    }

    /// - Throws: `invalidArgument` with the tensor's name and the number of updates when an element is not a number.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        guard let found = values.results[NaNTensorHook.label], let numbers = found.realNumbers else { return }
        let count = numbers.lazy.filter(\.isNaN).count
        if count == 0 { return }
        let what = found.rank == 0 ? "is not a number" : "has \(count) elements of \(numbers.count) that are not numbers"
        var text = "The model diverged: '\(tensor.name)' \(what)"
        if let globalStep = globalStep.withLock({ $0 }) { text += ", after update \(try await globalStep.read(context.session))" }
        if failsOnNaN { throw .invalidArgument(text) }
        log(text)
        context.requestStop()
    }
}
