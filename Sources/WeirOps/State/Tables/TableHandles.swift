public import WeirGraph
import WeirKernels
public import WeirTensor

// Ops that output handles of tables. They create the table if there is none.

extension OpDefinition {
    /// `HashTableV2`: a table that is filled once.
    static let hashTable = oldTable("HashTable", .initializable)
    static let hashTableV2 = table("HashTableV2", .initializable)
    static let anonymousHashTable = anonymousTable("AnonymousHashTable", .initializable)
    /// `MutableHashTableV2`: a table that can be written at any time.
    static let mutableHashTable = oldTable("MutableHashTable", .mutable).holdingParameters()
    static let mutableHashTableV2 = table("MutableHashTableV2", .mutable).holdingParameters()
    static let anonymousMutableHashTable = anonymousTable("AnonymousMutableHashTable", .mutable)
    /// `MutableHashTableOfTensorsV2`: a mutable table whose values are vectors.
    static let mutableHashTableOfTensors = oldTable("MutableHashTableOfTensors", .mutable, vectors: true).holdingParameters()
    static let mutableHashTableOfTensorsV2 = table("MutableHashTableOfTensorsV2", .mutable, vectors: true).holdingParameters()
    static let anonymousMutableHashTableOfTensors = anonymousTable(
        "AnonymousMutableHashTableOfTensors", .mutable, vectors: true)
}

private let typeAttributes = ["key_dtype: type", "value_dtype: type"]
private let namingAttributes = [
    "container: string = ''", "shared_name: string = ''", "use_node_name_sharing: bool = false",
]
private let shapeAttributes = ["value_shape: shape = {}"]
private let keyTypes = DTypeSet(.string, .int32, .int64, .float32, .float64)

private func table(_ name: String, _ kind: LookupTable.Kind, vectors: Bool = false) -> OpDefinition {
    OpDefinition(
        name, "() -> (table_handle: resource)",
        attributes: namingAttributes + typeAttributes + (vectors ? shapeAttributes : [])
    )
    .stateful()
    .shape(tableShape)
    .noGradient()
    .kernel(["key_dtype": keyTypes]) { request in
        let table = try tableOf(request, kind, vectors)
        let handle = table.handle(request)
        return .sync { context in
            _ = try table.get()
            context.setOutput(0, handle)
        }
    }
}

private func oldTable(_ name: String, _ kind: LookupTable.Kind, vectors: Bool = false) -> OpDefinition {
    OpDefinition(
        name, "() -> (table_handle: Ref(string))",
        attributes: namingAttributes + typeAttributes + (vectors ? shapeAttributes : [])
    )
    .stateful()
    .shape { c in c.setOutput(0, .vector(2)) }
    .noGradient()
    .kernel(["key_dtype": keyTypes]) { request in
        let table = try tableOf(request, kind, vectors)
        let handle = table.stringHandle(request)
        return .sync { context in
            _ = try table.get()
            context.setOutput(0, reference: handle)
        }
    }
}

private func anonymousTable(_ name: String, _ kind: LookupTable.Kind, vectors: Bool = false) -> OpDefinition {
    OpDefinition(
        name, "() -> (table_handle: resource)", attributes: typeAttributes + (vectors ? shapeAttributes : [])
    )
    .stateful()
    .shape(tableShape)
    .noGradient()
    .kernel(["key_dtype": keyTypes]) { request in
        let make = try tableMaker(request, kind, vectors)
        let place = request.place
        let name = request.name
        return .sync { context in
            let table = try make("Anonymous", name)
            let handle = ResourceHandle(
                LookupTable.self, container: table.container, name: table.name, on: place, object: table)
            context.setOutput(0, Tensor(handle))
        }
    }
}

@Sendable private func tableShape(_ c: inout ShapeContext) {
    c.setOutput(0, .scalar)
    guard let type = c.attributes.type("value_dtype") else { return }
    c.setHandle(0, type, c.attributes.shape("value_shape") ?? .scalar)
}

private func tableMaker(
    _ request: KernelRequest, _ kind: LookupTable.Kind, _ vectors: Bool
) throws -> @Sendable (_ container: String, _ name: String) throws -> LookupTable {
    let (key, value) = (try request.type("key_dtype"), try request.type("value_dtype"))
    var shape = Shape.scalar
    if vectors {
        let given = try request.shape("value_shape")
        guard given.rank == 1, let known = given.known else {
            throw Status.invalidArgument("Default value must be a vector, got shape \(given)")
        }
        shape = try Shape(validating: known.dimensions)
    }
    return { [shape] container, name in
        try LookupTable(container: container, name: name, kind, key, value, shape)
    }
}

private func tableOf(
    _ request: KernelRequest, _ kind: LookupTable.Kind, _ vectors: Bool
) throws -> NodeResource<LookupTable> {
    let (key, value) = (try request.type("key_dtype"), try request.type("value_dtype"))
    let make = try tableMaker(request, kind, vectors)
    return try NodeResource(
        request, nodeNameIsShared: request.bool("use_node_name_sharing"), check: { try $0.require(key, value) },
        make: { try make($0.container, $0.name) })
}

extension GraphBuilder {
    /// Adds a table that is filled once, by `initializeTable` (`HashTableV2`).
    public func hashTable(_ keys: DType, _ values: DType, name: String = "hash_table") -> Output {
        let types: Attributes = ["key_dtype": .type(keys), "value_dtype": .type(values), "use_node_name_sharing": true]
        return add("HashTableV2", name: name, attributes: types)[0]
    }
    /// Adds a table that can be written at any time (`MutableHashTableV2`).
    public func mutableHashTable(_ keys: DType, _ values: DType, name: String = "MutableHashTable") -> Output {
        let types: Attributes = ["key_dtype": .type(keys), "value_dtype": .type(values), "use_node_name_sharing": true]
        return add("MutableHashTableV2", name: name, attributes: types)[0]
    }
}
