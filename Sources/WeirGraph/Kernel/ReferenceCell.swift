import Synchronization
public import WeirTensor

/// A variable's place: a tensor, or nothing yet, behind a lock.
///
/// Reading takes a share of the tensor; an update writes in place when nobody else has one, and otherwise into a copy,
/// so that what was read never changes.
public final class ReferenceCell: Sendable {
    /// The name that errors give it: the variable's node.
    public let name: String
    public let dtype: DType
    private let content: Mutex<Tensor?>

    public init(name: String, dtype: DType, value: Tensor? = nil) {
        self.name = name
        self.dtype = dtype
        content = Mutex(value)
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

    public func assign(_ tensor: Tensor?) { content.withLock { $0 = tensor } }

    /// Looks at and replaces the value as one step, under the lock.
    public func update<R>(_ body: (inout Tensor?) throws -> R) throws -> R {
        try content.withLock { (value: inout Tensor?) throws -> R in try body(&value) }
    }

    /// Changes the elements under the lock: in place when nobody else holds the tensor, else in a copy that replaces it.
    /// - Throws: `failedPrecondition` when it was never assigned.
    public func modify<R>(_ body: (Tensor) throws -> R) throws -> R {
        try update { value in
            guard var tensor = value else {
                throw Status.failedPrecondition("Attempting to use uninitialized value \(name)")
            }
            value = nil
            defer { value = tensor }
            if !tensor.isUniquelyReferenced() { tensor = try tensor.copied() }
            return try body(tensor)
        }
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
                    if !tensor.isUniquelyReferenced() { tensor = try tensor.copied() }
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
