import Synchronization
public import WeirGraph
import WeirKernels
public import WeirTensor

/// A variable that graphs access by a resource handle (`VarHandleOp`).
public final class ResourceVariable: Resource, CacheableResource {
    /// The name of the C++ type that TensorFlow writes into handles.
    public static var kind: String { "N10tensorflow3VarE" }
    /// The storage of the value, which is empty until the first assignment.
    public let cell: VariableStorage
    private let closed = Atomic<Bool>(false)

    /// Makes a variable, without a value if `value` is nil.
    public init(name: String, dtype: DType, value: Tensor? = nil) {
        cell = VariableStorage(name: name, dtype: dtype, value: value)
    }
    /// The dtype of the value.
    public var dtype: DType { cell.dtype }
    /// Whether the variable was dropped from its table.
    public var isClosed: Bool { closed.load(ordering: .acquiring) }
    /// Drops the value. Kernels may still refer to a variable that was dropped, so its memory is freed here.
    public func close() {
        closed.store(true, ordering: .releasing)
        cell.clear()
    }

    /// - Throws: `invalidArgument` when the node's dtype is not that of the variable.
    func require(_ dtype: DType) throws {
        guard dtype == self.dtype else {
            throw Status.invalidArgument(
                "Trying to read variable with wrong dtype. Expected \(dtype) got \(self.dtype)")
        }
    }
}

/// The input of a kernel that is a variable: a reference or a resource handle.
struct VariableInput: Sendable {
    private let index: Int
    private let lookup: HandleLookup<ResourceVariable>?

    init(_ request: KernelRequest, _ index: Int = 0) {
        self.index = index
        lookup = request.inputTypes[index].isReference ? nil : HandleLookup()
    }

    var isReference: Bool { lookup == nil }

    /// Returns the storage of the variable.
    /// - Throws: `notFound` when the variable does not exist; `invalidArgument` when it has another dtype.
    func cell(_ context: borrowing KernelContext, _ dtype: DType) throws -> VariableStorage {
        guard let lookup else {
            let cell = try context.reference(index)
            guard cell.dtype == dtype else {
                throw Status.invalidArgument("Variable '\(cell.name)' is of type \(cell.dtype), not \(dtype)")
            }
            return cell
        }
        let variable = try lookup.find(context.input(index), context)
        try variable.require(dtype)
        return variable.cell
    }

    /// Passes a reference to output 0. Ops on resource handles have no output.
    func passOn(_ context: borrowing KernelContext) {
        if isReference { context.setOutput(0, slot: context.slot(index)) }
    }
}
