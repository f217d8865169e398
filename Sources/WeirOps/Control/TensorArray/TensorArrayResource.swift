import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A tensor array, which lives as long as its step, and its gradient arrays.
final class TensorArrayResource: Resource {
    static let kind = "N10tensorflow11TensorArrayE"
    static let container = "_tensor_arrays"
    static let gradientContainer = "_tensor_array_grads"

    let name: String
    let dtype: DType
    let isGradient: Bool
    private let state: Mutex<TensorArrayState>
    /// The gradient arrays by source: one for each differentiation of the graph.
    private let gradients = Mutex<[String: TensorArrayResource]>([:])

    init(_ state: TensorArrayState) {
        name = state.name
        dtype = state.dtype
        isGradient = state.isGradient
        self.state = Mutex(state)
    }

    func withState<R: Sendable>(_ body: (inout TensorArrayState) throws -> R) throws -> R {
        try state.withLock { state throws -> R in try body(&state) }
    }
    func close() { state.withLock { $0.close() } }

    /// - Throws: `invalidArgument` when an op writes another dtype.
    func requireWritten(_ dtype: DType) throws {
        guard dtype == self.dtype else {
            throw Status.invalidArgument("TensorArray dtype is \(self.dtype) but Op is trying to write dtype \(dtype).")
        }
    }
    /// - Throws: `invalidArgument` when an op reads another dtype.
    func requireRead(_ dtype: DType) throws {
        guard dtype == self.dtype else {
            throw Status.invalidArgument("TensorArray dtype is \(self.dtype) but Op requested dtype \(dtype).")
        }
    }

    /// Returns the array that accumulates the gradients of this one. The first call for a source creates it. Afterwards the
    /// size of this array is fixed.
    /// - Parameter prefix: the dimensions to put before the shape of each element.
    func gradient(source: String, prepending prefix: Shape?) throws -> TensorArrayResource {
        let forward = try withState { state throws -> TensorArrayState in
            state.fixSize()
            try state.requireOpen()
            return state
        }
        return try gradients.withLock { gradients throws -> TensorArrayResource in
            if let found = gradients[source] { return found }
            let elementShape =
                try prefix.map { try PartialShape($0).concatenating(forward.elementShape).validatedSize() }
                ?? forward.elementShape
            var state = TensorArrayState(
                name: "\(name)@\(source)", dtype: dtype, count: forward.count, elementShape: elementShape,
                hasIdenticalShapes: forward.hasIdenticalShapes, isGradient: true, markedSize: forward.markedSize)
            try state.adoptShapes(of: forward, prepending: prefix ?? .scalar)
            let made = TensorArrayResource(state)
            gradients[source] = made
            return made
        }
    }
}
