import Synchronization
public import WeirTensor

/// The storage of a variable: a tensor, or nil before initialization, behind a lock.
///
/// A read returns the stored tensor itself. An update of a resource variable writes in place if nobody else holds the tensor,
/// and otherwise writes to a copy, so that tensors that were read never change. An update of a reference variable always writes
/// in place, as in TensorFlow: tensors that were read before show the update, and programs rely on this (a step counter that is
/// read, then incremented, then used). If no edge orders a read and an update, the read may then see a partial update.
public final class VariableStorage: Sendable {
    /// The name of the variable's node, for error messages.
    public let name: String
    /// The element type of the variable.
    public let dtype: DType
    /// Whether updates write to memory that other nodes may be reading.
    private let updatesInPlace: Bool
    private let content: Mutex<Tensor?>

    /// A variable, initialized if there is a value.
    /// - Parameters:
    ///   - value: if `updatesInPlace` is true, nobody else may hold this tensor.
    ///   - updatesInPlace: whether it is a reference variable. Strings, handles and variants are copied in any case, because they
    ///     cannot be read while they are written.
    public init(name: String, dtype: DType, value: Tensor? = nil, updatesInPlace: Bool = false) {
        self.name = name
        self.dtype = dtype
        self.updatesInPlace = updatesInPlace && dtype.isBitwise
        content = Mutex(value)
        if self.updatesInPlace { value?.markUpdatedInPlace() }
    }

    /// The current value; nil if the variable is not initialized.
    public var value: Tensor? { content.withLock { $0 } }
    /// Whether the variable has a value.
    public var isInitialized: Bool { content.withLock { $0 != nil } }

    /// The current value.
    /// - Throws: `failedPrecondition` when the variable is not initialized.
    public func read() throws -> Tensor {
        guard let value else { throw Status.failedPrecondition("Attempting to use uninitialized value \(name)") }
        return value
    }

    /// Makes the variable uninitialized.
    public func clear() { content.withLock { $0 = nil } }

    /// Sets the variable's value.
    ///
    /// - Parameters:
    ///   - value: is stored if nobody else holds it, and is copied otherwise.
    ///   - check: is called with the current value first. If it throws, the value does not change.
    /// - Throws: the errors of `check`; `invalidArgument` for a value of another type; `resourceExhausted` when there is no
    ///   memory for a copy.
    public func assign(_ value: consuming Tensor, in allocator: any Allocator, check: (Tensor?) throws -> Void) throws {
        var value = value
        guard value.dtype == dtype else {
            throw Status.invalidArgument("Variable '\(name)' is of type \(dtype); it cannot be given a \(value.dtype)")
        }
        guard updatesInPlace else {
            value = try value.snapshot()
            return try update { old in
                try check(old)
                old = value
            }
        }
        let isOwned = value.isUniquelyReferenced()
        try update { old in
            try check(old)
            if var mine = old {
                old = nil
                // A node that holds the old value must see the new one, so it is written in place.
                if mine.shape == value.shape, !(isOwned && mine.isUniquelyReferenced()) {
                    old = mine
                    return try mine.overwrite(with: value)
                }
                old = mine
            }
            let own = isOwned ? value : try value.copied(in: allocator)
            own.markUpdatedInPlace()
            old = own
        }
    }

    /// Reads and replaces the value atomically, under the lock.
    public func update<R>(_ body: (inout Tensor?) throws -> R) throws -> R {
        try content.withLock { (value: inout Tensor?) throws -> R in try body(&value) }
    }

    /// Changes the elements under the lock: in place, or, for resource variables whose tensor others hold, in a copy that
    /// replaces it.
    /// - Throws: `failedPrecondition` when the variable is not initialized.
    public func modify<R>(_ body: (Tensor) throws -> R) throws -> R {
        try update { value in
            guard var tensor = value else {
                throw Status.failedPrecondition("Attempting to use uninitialized value \(name)")
            }
            value = nil
            defer { value = tensor }
            try prepare(&tensor)
            return try body(tensor)
        }
    }
    /// Copies the tensor if its memory may not be written to.
    private func prepare(_ tensor: inout Tensor) throws {
        if !updatesInPlace, !tensor.isUniquelyReferenced() { tensor = try tensor.copied() }
    }

    /// Changes the elements of several variables atomically. All callers lock in the same order, so that they cannot deadlock.
    /// - Throws: `failedPrecondition` when a variable is not initialized; the errors of `body`.
    public static func modify<R>(_ cells: [VariableStorage], _ body: ([Tensor]) throws -> R) throws -> R {
        if cells.count == 1 { return try cells[0].modify { try body([$0]) } }
        return try withUnsafeTemporaryAllocation(of: Int.self, capacity: cells.count) { order in
            for index in 0..<cells.count {
                var place = index
                while place > 0, ObjectIdentifier(cells[order[place - 1]]) > ObjectIdentifier(cells[index]) {
                    order[place] = order[place - 1]
                    place -= 1
                }
                order[place] = index
            }
            var tensors = [Tensor](repeating: VariableStorage.nothing, count: cells.count)
            func lock(_ position: Int) throws -> R {
                guard position < order.count else { return try body(tensors) }
                let index = order[position]
                // A variable that occurs twice is locked once.
                if position > 0, cells[order[position - 1]] === cells[index] {
                    tensors[index] = tensors[order[position - 1]]
                    defer { tensors[index] = VariableStorage.nothing }
                    return try lock(position + 1)
                }
                return try cells[index].update { value in
                    guard var tensor = value else {
                        throw Status.failedPrecondition("Attempting to use uninitialized value \(cells[index].name)")
                    }
                    value = nil
                    defer { value = tensor }
                    try cells[index].prepare(&tensor)
                    tensors[index] = tensor
                    defer { tensors[index] = VariableStorage.nothing }
                    return try lock(position + 1)
                }
            }
            return try lock(0)
        }
    }
    /// Placeholder for the tensor of a variable that is not locked.
    private static let nothing = Tensor(Int32(0))
}
