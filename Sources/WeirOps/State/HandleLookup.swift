import Synchronization
import WeirGraph
import WeirKernels
import WeirTensor

extension ResourceHandle {
    /// Makes a handle of a resource of kind `R` on this device.
    init<R: Resource>(
        _ type: R.Type, container: String, name: String, on place: KernelEnvironment,
        dtypesAndShapes: [(dtype: DType, shape: PartialShape)] = [], object: (any AnyObject & Sendable)? = nil
    ) {
        self.init(
            device: place.device.name.description, container: container, name: name, typeName: R.kind,
            hashCode: kindHash(R.kind), dtypesAndShapes: dtypesAndShapes, object: object)
    }

    /// - Throws: `invalidArgument` when the handle is of a resource of another device or kind.
    func require(kind: String, on place: KernelEnvironment) throws {
        let here = place.device.name.description
        guard device.isEmpty || device == here else {
            throw Status.invalidArgument(
                "Trying to access resource \(name) located in device \(device) from device \(here)")
        }
        guard typeName.isEmpty || typeName == kind else { throw wrongKind(kind) }
    }

    fileprivate func wrongKind(_ kind: String) -> Status {
        .invalidArgument(
            "Trying to access a handle's resource using the wrong type. The handle points to a resource "
                + "(name '\(name)') of type '\(readableKind(typeName))' (hash code \(hashCode)) but you are trying to "
                + "access the resource as type '\(readableKind(kind))' (hash code \(kindHash(kind)))")
    }
}

/// Returns a hash (FNV-1a) of a kind, equal on all tasks. Peers only return it unchanged.
private func kindHash(_ kind: String) -> UInt64 {
    kind.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

/// Returns the C++ name of a mangled type: `tensorflow::Var` for `N10tensorflow3VarE`.
private func readableKind(_ kind: String) -> String {
    guard kind.hasPrefix("N"), kind.hasSuffix("E") else { return kind }
    var rest = kind.dropFirst().dropLast()
    var parts: [Substring] = []
    while !rest.isEmpty {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int(digits), count <= rest.count - digits.count else { return kind }
        parts.append(rest.dropFirst(digits.count).prefix(count))
        rest = rest.dropFirst(digits.count + count)
    }
    return parts.joined(separator: "::")
}

/// Finds the resource of a handle. It caches the last one, because most nodes always get the same handle.
final class HandleLookup<R: CacheableResource>: Sendable {
    private struct Found {
        let handle: Tensor
        let resource: R
    }
    private let last = Mutex<Found?>(nil)

    /// Returns the resource of the handle in `tensor`.
    /// - Throws: `notFound` when there is none; `invalidArgument` when the handle is of another device or kind.
    func find(_ tensor: Tensor, _ context: borrowing KernelContext) throws -> R {
        if let known = known(tensor) { return known }
        let handle = try HandleLookup.element(tensor)
        if let own = try HandleLookup.own(handle) { return own }
        try handle.require(kind: R.kind, on: context.place)
        return keep(tensor, try context.resources.lookup(R.self, container: handle.container, name: handle.name))
    }

    /// Returns the resource of the handle in `tensor`. Creates it if there is none.
    func findOrCreate(
        _ tensor: Tensor, _ context: borrowing KernelContext, make: (ResourceHandle) throws -> R
    ) throws -> R {
        if let known = known(tensor) { return known }
        let handle = try HandleLookup.element(tensor)
        if let own = try HandleLookup.own(handle) { return own }
        try handle.require(kind: R.kind, on: context.place)
        let made = try context.resources.lookupOrCreate(R.self, container: handle.container, name: handle.name) {
            try make(handle)
        }
        return keep(tensor, made)
    }

    /// Returns the only handle in a tensor.
    /// - Throws: `invalidArgument` when `tensor` does not hold exactly one handle.
    static func element(_ tensor: Tensor) throws -> ResourceHandle {
        guard tensor.dtype == .resource, tensor.elementCount == 1 else {
            throw Status.invalidArgument(
                "Expected a resource handle, found a \(tensor.dtype) tensor of shape \(tensor.shape)")
        }
        return tensor.elements(ResourceHandle.self)[0]
    }

    /// Returns the resource that an anonymous handle refers to. It is not cached, so that it is freed with its handle.
    private static func own(_ handle: ResourceHandle) throws -> R? {
        guard let object = handle.object else { return nil }
        guard let resource = object as? R else { throw handle.wrongKind(R.kind) }
        return resource
    }

    private func known(_ tensor: Tensor) -> R? {
        last.withLock { last in
            guard let last, last.handle.sharesMemory(with: tensor), tensor.elementCount == 1, !last.resource.isClosed
            else { return nil }
            return last.resource
        }
    }
    private func keep(_ tensor: Tensor, _ resource: R) -> R {
        last.withLock { $0 = Found(handle: tensor, resource: resource) }
        return resource
    }
}

/// Finds the resource of input 0 of an op that exists for resource handles and for references to two strings.
struct ResourceInput<R: CacheableResource>: Sendable {
    private let lookup: HandleLookup<R>?

    /// Makes the lookup for input 0 of the node.
    init(_ request: KernelRequest) {
        lookup = request.inputTypes.first?.isReference == true ? nil : HandleLookup()
    }

    func find(_ context: borrowing KernelContext) throws -> R {
        if let lookup { return try lookup.find(context.input(0), context) }
        let text = try context.reference(0).read()
        guard text.dtype == .string, text.elementCount == 2 else {
            throw Status.invalidArgument("Resource handle must have 2 elements, but had shape: \(text.shape)")
        }
        let parts = text.elements(ByteString.self)
        let (container, name) = (parts[0].description, parts[1].description)
        return try withExtendedLifetime(text) { try context.resources.lookup(R.self, container: container, name: name) }
    }
}
