import WeirTensor

/// The scope in which nodes are built: a name prefix, devices, control dependencies and colocation.
public struct BuildScope: Sendable {
    /// Returns the device of a node, given the node as built so far. TensorFlow's device functions.
    public typealias DeviceFunction = @Sendable (NodeDefinition) -> String

    /// The prefix of node names, without a slash at the end; empty at top level.
    public var name = ""
    /// The device scopes around the nodes.
    package var device = DeviceScope()
    /// The nodes that every new node waits for.
    public var controls: [NodeID] = []
    /// The colocation groups of new nodes: `loc:@` and a node's name.
    public var colocation: [String] = []
    /// The scope outside of all scopes.
    public init() {}
}

/// Nested device scopes. They are merged when a node is built: an inner scope's parts override an outer scope's.
package struct DeviceScope: Sendable {
    enum Layer: Sendable {
        case name(DeviceName)
        case function(BuildScope.DeviceFunction)
    }
    var layers: [Layer] = []

    /// The device of a node built here. The innermost scope comes first, and each outer scope adds the parts that are still
    /// missing.
    func device(for node: NodeDefinition) throws(Status) -> String {
        var merged = DeviceName()
        for layer in layers.reversed() {
            switch layer {
            case .name(let name): merged = name.overridden(by: merged)
            case .function(let choose):
                var definition = node
                definition.device = merged.description
                merged = try DeviceName(choose(definition)).overridden(by: merged)
            }
        }
        return merged.description
    }
}

extension GraphBuilder {
    /// Builds the nodes of `body` with names under `name/`. The scope's name is made unique.
    public func nameScope<R, E: Error>(_ name: String, _ body: () throws(E) -> R) throws(E) -> R {
        let unique = uniqueScope(name)
        return try scoped({ $0.name = unique }, body)
    }

    /// Builds the nodes of `body` for this device: a full or partial name, or nil to ignore the outer device scopes.
    public func device<R, E: Error>(_ name: String?, _ body: () throws(E) -> R) throws(E) -> R {
        guard let name else { return try scoped({ $0.device.layers = [] }, body) }
        let parsed: Result<DeviceName, Status> = Result { () throws(Status) -> DeviceName in try DeviceName(name) }
        switch parsed {
        case .success(let layer): return try scoped({ $0.device.layers.append(.name(layer)) }, body)
        case .failure(let status):
            record(status)
            return try body()
        }
    }

    /// Builds the nodes of `body` for the devices that `choose` returns. It is called with each node as built so far.
    public func device<R, E: Error>(_ choose: @escaping BuildScope.DeviceFunction, _ body: () throws(E) -> R) throws(E) -> R {
        try scoped({ $0.device.layers.append(.function(choose)) }, body)
    }

    /// Adds control edges from these operations to every node built in `body`.
    public func controlDependencies<R, E: Error>(_ operations: [Operation], _ body: () throws(E) -> R) throws(E) -> R {
        for operation in operations { if let status = missing(operation, "controlDependencies") { record(status) } }
        return try scoped({ scope in scope.controls += operations.filter { missing($0, "") == nil }.map(\.id) }, body)
    }

    /// Colocates the nodes built in `body` with this operation, whatever the device scopes say.
    public func colocate<R, E: Error>(with operation: Operation, _ body: () throws(E) -> R) throws(E) -> R {
        try scoped(
            {
                $0.colocation = ["loc:@\(operation.name)"]
                $0.device.layers = []
            }, body)
    }
}
