import Synchronization
import WeirTensor

/// An object that outlives a step: a variable, a queue, a table. TensorFlow's `ResourceBase`.
public protocol Resource: AnyObject, Sendable {
    /// The kind of resource, for keys and error messages. Resources of different kinds may have the same name.
    static var kind: String { get }
    /// Called when the resource is removed from its table. It must wake all waiting callers.
    func close()
}
extension Resource {
    /// Does nothing, for resources without waiting callers.
    public func close() {}
}

/// The resources of one device by container, kind and name. TensorFlow's `ResourceMgr`.
public final class ResourceTable: Sendable {
    private struct Key: Hashable {
        let container: String
        let kind: String
        let name: String
    }
    private let resources = Mutex<[Key: any Resource]>([:])
    /// The container of resources that do not name one: in a cluster, the task's job.
    public let defaultContainer: String

    /// An empty table.
    public init(defaultContainer: String) { self.defaultContainer = defaultContainer }

    private func resolve(_ container: String) -> String { container.isEmpty ? defaultContainer : container }

    /// The resource of this name.
    /// - Throws: `notFound` with TensorFlow's message when there is none.
    public func lookup<R: Resource>(_ type: R.Type, container: String = "", name: String) throws -> R {
        let container = resolve(container)
        let key = Key(container: container, kind: R.kind, name: name)
        let (found, containerExists) = resources.withLock { table in
            (table[key], table[key] != nil || table.keys.contains { $0.container == container })
        }
        if let found = found as? R { return found }
        throw containerExists
            ? Status.notFound("Resource \(container)/\(name)/\(R.kind) does not exist.")
            : Status.notFound("Container \(container) does not exist. (Could not find resource: \(container)/\(name))")
    }
    /// The resource of this name; nil if there is none.
    public func find<R: Resource>(_ type: R.Type, container: String = "", name: String) -> R? {
        let key = Key(container: resolve(container), kind: R.kind, name: name)
        return resources.withLock { $0[key] } as? R
    }
    /// The resource of this name. If there is none, `make` creates it. `make` is called under the table's lock.
    public func lookupOrCreate<R: Resource>(_ type: R.Type, container: String = "", name: String, make: () throws -> R) throws -> R {
        let key = Key(container: resolve(container), kind: R.kind, name: name)
        return try resources.withLock { (table: inout [Key: any Resource]) throws -> R in
            if let found = table[key] as? R { return found }
            let made = try make()
            table[key] = made
            return made
        }
    }
    /// Adds a resource.
    /// - Throws: `alreadyExists` when the name is taken.
    public func create<R: Resource>(_ resource: R, container: String = "", name: String) throws {
        let key = Key(container: resolve(container), kind: R.kind, name: name)
        let taken = resources.withLock { table -> Bool in
            if table[key] != nil { return true }
            table[key] = resource
            return false
        }
        if taken { throw Status.alreadyExists("Resource \(key.container)/\(name)/\(R.kind) already exists.") }
    }
    /// Removes and closes one resource.
    /// - Throws: `notFound` when there is no such resource.
    public func remove(kind: String, container: String = "", name: String) throws {
        let key = Key(container: resolve(container), kind: kind, name: name)
        guard let resource = resources.withLock({ $0.removeValue(forKey: key) }) else {
            throw Status.notFound("Resource \(key.container)/\(name)/\(kind) does not exist.")
        }
        resource.close()
    }
    /// Removes and closes every resource of these containers, or of the default container if the list is empty.
    public func clear(containers: [String]) {
        let names = Set(containers.isEmpty ? [defaultContainer] : containers)
        let dropped = resources.withLock { table -> [any Resource] in
            let keys = table.keys.filter { names.contains($0.container) }
            return keys.compactMap { table.removeValue(forKey: $0) }
        }
        for resource in dropped { resource.close() }
    }
    /// Removes and closes every resource.
    public func clearAll() {
        let dropped = resources.withLock { table -> [any Resource] in
            defer { table = [:] }
            return Array(table.values)
        }
        for resource in dropped { resource.close() }
    }
    /// The number of resources.
    public var count: Int { resources.withLock { $0.count } }
}
