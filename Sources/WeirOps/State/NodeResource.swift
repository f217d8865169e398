import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

/// A resource that knows whether it was dropped from its table. So kernels may cache it.
protocol CacheableResource: Resource {
    /// Whether the resource was dropped from its table.
    var isClosed: Bool { get }
}

/// The container and name of the resource of a stateful node. By TensorFlow's rules the container is the attribute
/// `container`, else the default of the table. The name is `shared_name`, else the name of the node or a unique private
/// name.
struct NodeResourceName: Sendable {
    let container: String
    let name: String
    /// Whether only this kernel knows the name, so that the resource is dropped with the kernel.
    let isPrivate: Bool

    private static let counter = Atomic<Int>(0)

    /// - Parameter nodeNameIsShared: whether the node's name replaces a missing `shared_name`. Otherwise it is a private
    ///   name.
    /// - Throws: `invalidArgument` for names that TensorFlow does not allow.
    init(_ request: KernelRequest, nodeNameIsShared: Bool) throws {
        let container = try request.string("container")
        guard container.isEmpty || NodeResourceName.isContainer(container) else {
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
            let number = NodeResourceName.counter.wrappingAdd(1, ordering: .relaxed).oldValue
            name = "_\(number)_\(request.name)"
        }
    }

    /// Returns whether a name is a letter, digit or period, followed by any of those, underscores, hyphens and slashes.
    private static func isContainer(_ text: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 46
        }
        guard let first = text.utf8.first, isPlain(first) else { return false }
        return text.utf8.allSatisfy { isPlain($0) || $0 == 95 || $0 == 45 || $0 == 47 }
    }
}

/// The resource of a stateful node. It is found or created at the first execution, and cached until it is dropped from its
/// table.
final class NodeResource<R: CacheableResource>: Sendable {
    let name: NodeResourceName
    private let table: ResourceTable
    private let make: @Sendable (NodeResourceName) throws -> R
    private let check: @Sendable (R) throws -> Void
    private let kept = Mutex<R?>(nil)

    /// - Parameter check: throws when a resource that another node created does not match this node.
    init(
        _ request: KernelRequest, nodeNameIsShared: Bool, check: @escaping @Sendable (R) throws -> Void = { _ in },
        make: @escaping @Sendable (NodeResourceName) throws -> R
    ) throws {
        name = try NodeResourceName(request, nodeNameIsShared: nodeNameIsShared)
        table = request.place.resources
        self.make = make
        self.check = check
    }

    /// Returns the resource. Creates it if there is none.
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
        // This fails if the node never ran or the table was cleared before. Then there is nothing to drop.
        try? table.remove(kind: R.kind, container: name.container, name: name.name)
    }

    /// Returns the older form of a handle: a reference to two strings, the container and the name.
    func stringHandle(_ request: KernelRequest) -> VariableStorage {
        let text = Tensor([ByteString(name.container), ByteString(name.name)])
        return VariableStorage(name: request.name, dtype: .string, value: text)
    }

    /// Returns the resource handle as a tensor, which is the same in every step.
    func handle(_ request: KernelRequest, _ dtypesAndShapes: [(dtype: DType, shape: PartialShape)] = []) -> Tensor {
        Tensor(
            ResourceHandle(
                R.self, container: name.container, name: name.name, on: request.place,
                dtypesAndShapes: dtypesAndShapes))
    }
}
