import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A function that a node calls. It is instantiated at the first call: a branch that is never taken costs nothing, and a
/// function may call itself.
final class NodeFunction: Sendable {
    private let reference: FunctionReference
    private let functions: any FunctionInstantiator
    private let instance = Mutex<(any CallableFunction)?>(nil)

    /// - Throws: `invalidArgument` when the attribute names no function.
    convenience init(_ request: KernelRequest, _ attribute: String) throws {
        guard let reference = request.attributes.function(attribute) else {
            throw Status.invalidArgument(
                "\(request.op.name) node '\(request.name)': attribute '\(attribute)' must be a function")
        }
        self.init(request, reference)
    }
    init(_ request: KernelRequest, _ reference: FunctionReference) {
        self.reference = reference
        functions = request.functions
    }

    func call(_ arguments: [Tensor], in step: StepContext, _ done: @escaping Completion<[Tensor]>) {
        do {
            try find().call(arguments, in: step, done)
        } catch {
            done(.failure(Status(error)))
        }
    }
    private func find() throws -> any CallableFunction {
        if let found = instance.withLock({ $0 }) { return found }
        // Instantiates without the lock: it may take long, and the function may contain this node.
        let made = try functions.instantiate(reference)
        return instance.withLock { instance in
            if let found = instance { return found }
            instance = made
            return made
        }
    }
}

/// Checks the results of a call against the node's output types and returns them as outputs.
func callOutputs(_ result: Result<[Tensor], Status>, _ types: [PortType]) -> Result<[EdgeValue], Status> {
    result.flatMap { tensors in
        guard tensors.count == types.count else {
            return .failure(.internalError("Expect to produce \(types.count) tensors, but only get \(tensors.count)"))
        }
        for (index, (tensor, type)) in zip(tensors, types).enumerated() where tensor.dtype != type.dtype {
            return .failure(
                .internalError("Expect \(index)-th output is of type \(type.dtype) but get \(tensor.dtype)"))
        }
        return .success(tensors.map { .value($0) })
    }
}
