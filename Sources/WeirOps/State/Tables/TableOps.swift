public import WeirGraph
import WeirKernels
import WeirTensor

// Ops on tables. Each exists in an older form, for a reference to two strings, and a newer one, for a resource handle.

extension OpDefinition {
    /// `LookupTableFindV2`: the value of each key, or a default for keys that are not in the table.
    static let lookupTableFind = tableOp("LookupTableFind", find, findTypes, shape: findShape, run: runFind)
    static let lookupTableFindV2 = tableOp("LookupTableFindV2", find, findTypes, shape: findShape, run: runFind)
    /// `LookupTableInsertV2`: sets the values of keys.
    static let lookupTableInsert = tableOp("LookupTableInsert", write, writeTypes, run: runInsert)
    static let lookupTableInsertV2 = tableOp("LookupTableInsertV2", write, writeTypes, run: runInsert)
    /// `LookupTableImportV2`: replaces all keys and values.
    static let lookupTableImport = tableOp("LookupTableImport", write, writeTypes, run: runImport)
    static let lookupTableImportV2 = tableOp("LookupTableImportV2", write, writeTypes, run: runImport)
    /// `LookupTableRemoveV2`: removes keys. Keys that are not in the table are ignored.
    static let lookupTableRemoveV2 = tableOp(
        "LookupTableRemoveV2", "(table_handle: resource, keys: Tin) -> ()", ["Tin: type"]
    ) { table, context in try table.remove(context.input(1)) }
    /// `LookupTableSizeV2`: the number of keys.
    static let lookupTableSize = tableOp(
        "LookupTableSize", sizeSignature, [], shape: ShapeFunctions.scalar, run: runSize)
    static let lookupTableSizeV2 = tableOp(
        "LookupTableSizeV2", sizeSignature, [], shape: ShapeFunctions.scalar, run: runSize)
    /// `LookupTableExportV2`: all keys and values.
    static let lookupTableExport = tableOp(
        "LookupTableExport", export, exportTypes, shape: exportShape, make: makeExport)
    static let lookupTableExportV2 = tableOp(
        "LookupTableExportV2", export, exportTypes, shape: exportShape, make: makeExport)
    /// `InitializeTableV2`: fills a table that is filled once.
    static let initializeTable = tableOp("InitializeTable", fillSignature, fillTypes, run: runInitialize)
    static let initializeTableV2 = tableOp("InitializeTableV2", fillSignature, fillTypes, run: runInitialize)
}

private let find = "(table_handle: resource, keys: Tin, default_value: Tout) -> (values: Tout)"
private let write = "(table_handle: resource, keys: Tin, values: Tout) -> ()"
private let sizeSignature = "(table_handle: resource) -> (size: int64)"
private let export = "(table_handle: resource) -> (keys: Tkeys, values: Tvalues)"
private let fillSignature = "(table_handle: resource, keys: Tkey, values: Tval) -> ()"
private let findTypes = ["Tin: type", "Tout: type"]
private let writeTypes = findTypes
private let exportTypes = ["Tkeys: type", "Tvalues: type"]
private let fillTypes = ["Tkey: type", "Tval: type"]

typealias TableBody = @Sendable (LookupTable, borrowing KernelContext) throws -> Void

/// Makes an op on the table at input 0. It takes a resource handle if the name ends with `V2`, else a reference to two
/// strings.
func tableOp(
    _ name: String, _ signature: String, _ attributes: [String],
    shape: @escaping OpDefinition.ShapeFunction = { _ in }, run: @escaping TableBody
) -> OpDefinition {
    tableOp(name, signature, attributes, shape: shape) { _ in run }
}
/// Makes an op on the table at input 0 whose body depends on the node.
func tableOp(
    _ name: String, _ signature: String, _ attributes: [String],
    shape: @escaping OpDefinition.ShapeFunction = { _ in },
    make: @escaping @Sendable (KernelRequest) throws -> TableBody
) -> OpDefinition {
    let isNew = name.hasSuffix("V2")
    let signature =
        isNew ? signature : "(table_handle: Ref(string)" + signature.dropFirst("(table_handle: resource".count)
    let definition = OpDefinition(name, signature, attributes: attributes)
    return (isNew ? definition.stateful() : definition)
        .shape(shape)
        .noGradient()
        .kernel { request in
            let handle = ResourceInput<LookupTable>(request)
            let run = try make(request)
            return .sync { context in try run(handle.find(context), context) }
        }
}

@Sendable private func findShape(_ c: inout ShapeContext) {
    if let value = c.handle(0) { c.setOutput(0, c.input(1).concatenating(value.shape)) }
}
@Sendable private func exportShape(_ c: inout ShapeContext) {
    c.setOutput(0, .vector(nil))
    if let value = c.handle(0) { c.setOutput(1, PartialShape([nil]).concatenating(value.shape)) }
}

@Sendable private func runFind(_ table: LookupTable, _ context: borrowing KernelContext) throws {
    context.setOutput(0, try table.find(context.input(1), context.input(2)))
}
@Sendable private func runInsert(_ table: LookupTable, _ context: borrowing KernelContext) throws {
    try table.insert(context.input(1), context.input(2))
}
@Sendable private func runImport(_ table: LookupTable, _ context: borrowing KernelContext) throws {
    try table.insert(context.input(1), context.input(2), clearing: true)
}
@Sendable private func runSize(_ table: LookupTable, _ context: borrowing KernelContext) {
    context.setOutput(0, Tensor(Int64(table.count)))
}
@Sendable private func makeExport(_ request: KernelRequest) throws -> TableBody {
    let (key, value) = (try request.type("Tkeys"), try request.type("Tvalues"))
    return { table, context in
        try table.require(key, value)
        let (keys, values) = try table.export()
        context.setOutput(0, keys)
        context.setOutput(1, values)
    }
}

@Sendable private func runInitialize(_ table: LookupTable, _ context: borrowing KernelContext) throws {
    let (keys, values) = (context.input(1), context.input(2))
    try table.requireInitializable()
    guard keys.rank == 1 else { throw Status.invalidArgument("Keys must be a vector, but received shape\(keys.shape)") }
    guard values.rank == 1 else {
        throw Status.invalidArgument("Values must be a vector, but received shape\(values.shape)")
    }
    try table.initialize(keys, values)
}

extension LookupTable {
    func requireInitializable() throws {
        guard kind == .initializable else {
            throw Status.invalidArgument("Table \(container) \(name) is not initializable")
        }
    }
}

extension Output {
    /// Returns the values of `keys` in the table of this handle, or the default.
    public func lookup(_ keys: Output, default value: Output) -> Output {
        builder.add("LookupTableFindV2", [self, keys, value])[0]
    }
    /// Sets the values of keys in the mutable table of this handle.
    @discardableResult
    public func insertInTable(_ keys: Output, _ values: Output) -> Operation {
        builder.add("LookupTableInsertV2", [self, keys, values])
    }
    /// Fills the table of this handle.
    @discardableResult
    public func initializeTable(_ keys: Output, _ values: Output) -> Operation {
        builder.add("InitializeTableV2", [self, keys, values])
    }
    /// Returns the number of keys in the table of this handle, an `int64` scalar.
    public func tableSize() -> Output { builder.add("LookupTableSizeV2", [self])[0] }
}
