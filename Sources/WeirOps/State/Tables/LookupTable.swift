import Synchronization
public import WeirGraph
import WeirKernels
public import WeirTensor

/// A table of keys and values that outlives steps.
public final class LookupTable: Resource, CacheableResource {
    /// The name of the C++ type that TensorFlow writes into handles.
    public static var kind: String { "N10tensorflow6lookup15LookupInterfaceE" }

    /// The kind of a table: when it may be written.
    enum Kind: Sendable {
        /// Written once, under the lock. Afterwards any number of threads read it without the lock.
        case initializable
        case mutable
    }

    /// The container and the name in error messages.
    let container: String
    let name: String
    let kind: Kind
    /// The dtype of the keys.
    public let keyType: DType
    /// The dtype of the values.
    public let valueType: DType
    /// The shape of one value.
    public let valueShape: Shape
    private let closed = Atomic<Bool>(false)

    // Changed only under the lock. An initialized table of the kind `initializable` is also read without it.
    private struct Guarded: @unchecked Sendable {
        var storage: any TableStorage
        var isInitialized: Bool
    }
    private let guarded: Mutex<Guarded>

    /// - Parameter storage: the empty storage; nil for the one that `makeTableStorage` makes.
    init(
        container: String, name: String, _ kind: Kind, _ keyType: DType, _ valueType: DType,
        _ valueShape: Shape = .scalar, storage: (any TableStorage)? = nil
    ) throws {
        self.container = container
        self.name = name
        self.kind = kind
        self.keyType = keyType
        self.valueType = valueType
        self.valueShape = valueShape
        let storage = try storage ?? makeTableStorage(keyType, valueType, valueShape)
        guarded = Mutex(Guarded(storage: storage, isInitialized: kind == .mutable))
    }

    /// Whether the table was dropped from its resource table.
    public var isClosed: Bool { closed.load(ordering: .acquiring) }
    /// Drops the keys and values.
    public func close() {
        closed.store(true, ordering: .releasing)
        // Kernels may still refer to a table that was dropped, so its memory is freed here.
        guard let empty = try? makeTableStorage(keyType, valueType, valueShape) else { return }
        guarded.withLock { $0 = Guarded(storage: empty, isInitialized: kind == .mutable) }
    }

    /// The number of keys.
    public var count: Int { guarded.withLock { $0.isInitialized ? $0.storage.count : 0 } }

    /// Returns the value of each key, or the default.
    /// - Parameter fallback: one default for all keys, or one for each key.
    func find(_ keys: Tensor, _ fallback: Tensor) throws -> Tensor {
        try requireTypes(keys.dtype, fallback.dtype, result: true)
        let shape = try Shape(validating: keys.shape.dimensions + valueShape.dimensions)
        guard fallback.shape == valueShape || fallback.shape == shape else {
            throw Status.invalidArgument(
                "Expected shape \(valueShape) or \(shape) for default value, got \(fallback.shape)")
        }
        let initialized = guarded.withLock { table -> Guarded? in
            kind == .initializable && table.isInitialized ? table : nil
        }
        guard initialized != nil || kind == .mutable else { throw Status.failedPrecondition("Table not initialized.") }
        let output = try Tensor(valueType, shape)
        if let initialized {
            initialized.storage.find(keys, fallback, into: output)
        } else {
            guarded.withLock { $0.storage.find(keys, fallback, into: output) }
        }
        return output
    }

    /// - Parameter clearing: whether the keys replace all that are in the table.
    func insert(_ keys: Tensor, _ values: Tensor, clearing: Bool = false) throws {
        guard kind == .mutable else {
            if clearing { return try initialize(keys, values) }
            throw Status.unimplemented("Insert not supported by InitializableLookupTable implementations")
        }
        try requireTypes(keys.dtype, values.dtype)
        let shape = try Shape(validating: keys.shape.dimensions + valueShape.dimensions)
        guard values.shape == shape else {
            throw Status.invalidArgument("Expected shape \(shape) for value, got \(values.shape)")
        }
        try guarded.withLock { table in
            if clearing { table.storage.removeAll() }
            try table.storage.insert(keys, values)
        }
    }

    func remove(_ keys: Tensor) throws {
        guard kind == .mutable else {
            throw Status.unimplemented("Remove not supported by InitializableLookupTable implementations")
        }
        guard keys.dtype == keyType else {
            throw Status.invalidArgument("Keys must be of type \(keyType), found \(keys.dtype)")
        }
        guarded.withLock { $0.storage.remove(keys) }
    }

    /// Fills an initializable table. If the table is already filled, it must have the same number of keys. A table that could
    /// not be filled is empty again.
    func initialize(_ keys: Tensor, _ values: Tensor) throws {
        try requireTypes(keys.dtype, values.dtype)
        guard keys.elementCount == values.elementCount else {
            throw Status.invalidArgument(
                "Keys and values must have the same size \(keys.elementCount) vs \(values.elementCount)")
        }
        try guarded.withLock { table in
            if table.isInitialized {
                guard table.storage.count == keys.elementCount else {
                    throw Status.failedPrecondition("Table was already initialized with different data.")
                }
                return
            }
            do {
                try table.storage.insert(keys, values)
            } catch {
                // Otherwise a later call with other keys would keep those that were inserted before the error.
                table.storage.removeAll()
                throw error
            }
            if table.storage.count < keys.elementCount, let conflict = table.storage.conflict(keys, values) {
                table.storage.removeAll()
                throw Status.failedPrecondition(
                    "HashTable has different value for same key. Key \(conflict.key) has \(conflict.value) and trying "
                        + "to add value \(conflict.other)")
            }
            table.isInitialized = true
        }
    }
    var isInitialized: Bool { guarded.withLock { $0.isInitialized } }

    func export() throws -> (keys: Tensor, values: Tensor) {
        try guarded.withLock { table throws -> (keys: Tensor, values: Tensor) in
            guard table.isInitialized else { throw Status.aborted("HashTable is not initialized.") }
            return try table.storage.export()
        }
    }

    /// - Throws: `invalidArgument` when a node expects other dtypes.
    func require(_ key: DType, _ value: DType) throws {
        guard key == keyType, value == valueType else {
            throw Status.invalidArgument(
                "Conflicting key/value dtypes \(key)->\(value) with \(keyType)-\(valueType) for table \(name)")
        }
    }

    private func requireTypes(_ key: DType, _ value: DType, result: Bool = false) throws {
        guard key == keyType, value == valueType else {
            throw Status.invalidArgument(
                "Signature mismatch, have: resource, \(key), \(value)->\(result ? value.name : "") expected: resource, "
                    + "\(keyType), \(valueType)->\(result ? valueType.name : "")")
        }
    }
}
