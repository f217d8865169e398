import Synchronization
public import WeirGraph
import WeirKernels
public import WeirTensor

/// A variable that graphs reach by a handle.
public final class ResourceVariable: Resource, KeptResource {
    public static var kind: String { "N10tensorflow3VarE" }
    /// Its value, empty until it is first assigned.
    public let cell: VariableStorage
    private let closed = Atomic<Bool>(false)

    public init(name: String, dtype: DType, value: Tensor? = nil) {
        cell = VariableStorage(name: name, dtype: dtype, value: value)
    }
    public var dtype: DType { cell.dtype }
    public var isClosed: Bool { closed.load(ordering: .acquiring) }
    /// Kernels may hold on to a variable that is gone, but not to its memory.
    public func close() {
        closed.store(true, ordering: .releasing)
        cell.clear()
    }

    /// - Throws: `invalidArgument` when it is of another type than a node says.
    func require(_ dtype: DType) throws {
        guard dtype == self.dtype else {
            throw Status.invalidArgument(
                "Trying to read variable with wrong dtype. Expected \(dtype) got \(self.dtype)")
        }
    }
}

/// How a kernel reaches a variable that is one of its inputs: as a reference, or by a handle.
struct VariableInput: Sendable {
    private let index: Int
    private let lookup: HandleLookup<ResourceVariable>?

    init(_ request: KernelRequest, _ index: Int = 0) {
        self.index = index
        lookup = request.inputTypes[index].isReference ? nil : HandleLookup()
    }

    var isReference: Bool { lookup == nil }

    /// - Throws: `notFound` when there is no variable, `invalidArgument` when it is of another type.
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

    /// Makes a reference also the op's output; ops on handles have none.
    func passOn(_ context: borrowing KernelContext) {
        if isReference { context.setOutput(0, slot: context.slot(index)) }
    }
}
