import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A resource that can tell whether it was dropped from its table, so that kernels may keep what they once found.
protocol KeptResource: Resource {
    var isClosed: Bool { get }
}

/// Which resource a stateful node stands for, by TensorFlow's rules: the container it names, else the table's own; the
/// name it shares, else the node's name, else one that is nobody else's.
struct StateResourceName: Sendable {
    let container: String
    let name: String
    /// Whether only this kernel knows the name, so that the resource goes when the kernel does.
    let isPrivate: Bool

    private static let counter = Atomic<Int>(0)

    /// - Parameter nodeNameIsShared: what stands in for a missing `shared_name`: the node's name, or a private one.
    /// - Throws: `invalidArgument` for names that TensorFlow does not allow.
    init(_ request: KernelRequest, nodeNameIsShared: Bool) throws {
        let container = try request.string("container")
        guard container.isEmpty || StateResourceName.isContainer(container) else {
            throw Status.invalidArgument("container contains invalid characters: \(container)")
        }
        self.container = container.isEmpty ? request.place.resources.defaultContainer : container
        let shared = try request.string("shared_name")
        guard !shared.hasPrefix("_") else {
            throw Status.invalidArgument("shared_name cannot start with '_':\(shared)")
        }
        isPrivate = shared.isEmpty && !nodeNameIsShared
        if !shared.isEmpty {
            name = shared
        } else if nodeNameIsShared {
            name = request.name
        } else {
            let number = StateResourceName.counter.wrappingAdd(1, ordering: .relaxed).oldValue
            name = "_\(number)_\(request.name)"
        }
    }

    /// A letter, digit or period, then any of those, underscores, hyphens and slashes.
    private static func isContainer(_ text: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 46
        }
        guard let first = text.utf8.first, isPlain(first) else { return false }
        return text.utf8.allSatisfy { isPlain($0) || $0 == 95 || $0 == 45 || $0 == 47 }
    }
}

/// The resource of a stateful node: found or made when the node first runs, kept until it is dropped from its table.
final class StateResource<R: KeptResource>: Sendable {
    let name: StateResourceName
    private let table: ResourceTable
    private let make: @Sendable (StateResourceName) throws -> R
    private let check: @Sendable (R) throws -> Void
    private let kept = Mutex<R?>(nil)

    /// - Parameter check: throws when a resource that somebody else made does not fit this node.
    init(
        _ request: KernelRequest, nodeNameIsShared: Bool, check: @escaping @Sendable (R) throws -> Void = { _ in },
        make: @escaping @Sendable (StateResourceName) throws -> R
    ) throws {
        name = try StateResourceName(request, nodeNameIsShared: nodeNameIsShared)
        table = request.place.resources
        self.make = make
        self.check = check
    }

    func get() throws -> R {
        try kept.withLock { kept throws -> R in
            if let kept, !kept.isClosed { return kept }
            let found = try table.lookupOrCreate(R.self, container: name.container, name: name.name) { try make(name) }
            try check(found)
            kept = found
            return found
        }
    }

    deinit {
        guard name.isPrivate else { return }
        // Nothing to drop where the node never ran or the table was cleared before.
        try? table.remove(kind: R.kind, container: name.container, name: name.name)
    }

    /// The old kind of handle: a reference to two strings, container and name.
    func stringHandle(_ request: KernelRequest) -> VariableStorage {
        let text = Tensor([ByteString(name.container), ByteString(name.name)])
        return VariableStorage(name: request.name, dtype: .string, value: text)
    }

    /// A handle as a tensor, the same at every run.
    func handle(_ request: KernelRequest, _ dtypesAndShapes: [(dtype: DType, shape: PartialShape)] = []) -> Tensor {
        Tensor(
            ResourceHandle(
                R.self, container: name.container, name: name.name, on: request.place,
                dtypesAndShapes: dtypesAndShapes))
    }
}
