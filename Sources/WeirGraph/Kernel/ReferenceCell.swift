import Synchronization
public import WeirTensor

/// A variable's place: a tensor, or nothing yet, behind a lock.
///
/// Reading takes a share of the tensor. An update of a resource variable writes in place when nobody else has a share, and
/// otherwise into a copy, so that what was read never changes. An update of a reference variable always writes in place, as
/// TensorFlow's do: what was read before shows it, and programs rely on that (a step counter that is read, then increased,
/// then used). Reads and updates that no edge orders may then see parts of each other.
public final class ReferenceCell: Sendable {
    /// The name that errors give it: the variable's node.
    public let name: String
    public let dtype: DType
    /// Whether updates write to memory that is being read.
    private let showsUpdates: Bool
    private let content: Mutex<Tensor?>

    /// - Parameters:
    ///   - value: when `showsUpdates`, nobody else may hold it.
    ///   - showsUpdates: whether it is a reference variable's. Strings, handles and variants are copied all the same: they
    ///     cannot be read while they are written.
    public init(name: String, dtype: DType, value: Tensor? = nil, showsUpdates: Bool = false) {
        self.name = name
        self.dtype = dtype
        self.showsUpdates = showsUpdates && dtype.isBitwise
        content = Mutex(value)
        if self.showsUpdates { value?.beginsUpdatesInPlace() }
    }

    /// The value now, or nil when it was never assigned.
    public var value: Tensor? { content.withLock { $0 } }
    public var isInitialized: Bool { content.withLock { $0 != nil } }

    /// The value now.
    /// - Throws: `failedPrecondition` when it was never assigned.
    public func read() throws -> Tensor {
        guard let value else { throw Status.failedPrecondition("Attempting to use uninitialized value \(name)") }
        return value
    }

    /// Takes the value away.
    public func clear() { content.withLock { $0 = nil } }

    /// Gives the variable a value.
    ///
    /// - Parameters:
    ///   - value: becomes the variable's own when nobody else holds it, and is copied otherwise.
    ///   - check: looks at the present value first; what it throws leaves that in place.
    /// - Throws: what `check` throws; `invalidArgument` for a value of another type; `resourceExhausted` when memory for a
    ///   copy is not to be had.
    public func assign(_ value: consuming Tensor, in allocator: any Allocator, check: (Tensor?) throws -> Void) throws {
        var value = value
        guard value.dtype == dtype else {
            throw Status.invalidArgument("Variable '\(name)' is of type \(dtype); it cannot be given a \(value.dtype)")
        }
        guard showsUpdates else {
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
                // Who reads the old value sees the new one.
                if mine.shape == value.shape, !(isOwned && mine.isUniquelyReferenced()) {
                    mine.copyElements(from: value)
                    old = mine
                    return
                }
                old = mine
            }
            let own = isOwned ? value : try value.copied(in: allocator)
            own.beginsUpdatesInPlace()
            old = own
        }
    }

    /// Looks at and replaces the value as one step, under the lock.
    public func update<R>(_ body: (inout Tensor?) throws -> R) throws -> R {
        try content.withLock { (value: inout Tensor?) throws -> R in try body(&value) }
    }

    /// Changes the elements under the lock: in place, or, where what was read must not change, in a copy that replaces it.
    /// - Throws: `failedPrecondition` when it was never assigned.
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
    /// Makes a tensor's memory fit to be written to.
    private func prepare(_ tensor: inout Tensor) throws {
        if !showsUpdates, !tensor.isUniquelyReferenced() { tensor = try tensor.copied() }
    }

    /// Changes several variables' elements as one step; locks in one order for all, so that two such cannot deadlock.
    public static func modify<R>(_ cells: [ReferenceCell], _ body: ([Tensor]) throws -> R) throws -> R {
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
            var tensors = [Tensor](repeating: ReferenceCell.nothing, count: cells.count)
            func lock(_ position: Int) throws -> R {
                guard position < order.count else { return try body(tensors) }
                let index = order[position]
                // One variable given twice is locked once.
                if position > 0, cells[order[position - 1]] === cells[index] {
                    tensors[index] = tensors[order[position - 1]]
                    defer { tensors[index] = ReferenceCell.nothing }
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
                    defer { tensors[index] = ReferenceCell.nothing }
                    return try lock(position + 1)
                }
            }
            return try lock(0)
        }
    }
    /// Holds a variable's place while it is not locked.
    private static let nothing = Tensor(Int32(0))
}
