import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A stack of tensors that lives as long as its step.
final class StackResource: Resource {
    static let kind = "N10tensorflow5StackE"
    static let container = "_stacks"

    let name: String
    let dtype: DType
    private let limit: Int
    /// The tensors, the top last. Nil after the stack is closed.
    private let tensors = Mutex<[Tensor]?>([])

    init(name: String, dtype: DType, limit: Int) {
        self.name = name
        self.dtype = dtype
        self.limit = limit
    }

    func push(_ tensor: Tensor) throws(Status) {
        try tensors.withLock { (tensors: inout [Tensor]?) throws(Status) in
            guard let count = tensors?.count else { throw closed }
            guard count < limit else { throw .invalidArgument("Stack[\(name)] overflowed its max_size (\(limit))") }
            tensors?.append(tensor)
        }
    }
    func pop() throws(Status) -> Tensor {
        try tensors.withLock { (tensors: inout [Tensor]?) throws(Status) -> Tensor in
            guard tensors != nil else { throw closed }
            guard let tensor = tensors?.popLast() else {
                throw .invalidArgument("Stack[\(name)] is empty when calling Pop().")
            }
            return tensor
        }
    }
    func close() { tensors.withLock { $0 = nil } }

    private var closed: Status { .invalidArgument("Stack[\(name)] has already been closed.") }
}
