import WeirGraph
import WeirKernels
import WeirTensor

/// The state of a staging map: tuples by key, whose components can be added and taken separately.
struct StagingMapState<Order: StagingMapOrder>: StagingArea {
    enum Operation: Sendable {
        case put(key: Int64, indices: [Int], values: [Tensor])
        /// Takes components of the tuple of a key, or only reads them if `keeping` is true.
        case take(key: Int64, indices: [Int], keeping: Bool)
        /// Takes components of any tuple. The first result is its key.
        case takeAny(indices: [Int])
    }
    private typealias Tuple = [Tensor?]

    private let limits: StagingLimits
    private let width: Int
    private var tuples: [Int64: Tuple] = [:]
    /// The keys of `tuples`, in ascending order.
    private var keys: [Int64] = []
    private var incomplete: [Int64: Tuple] = [:]
    private var bytes = 0

    init(_ limits: StagingLimits, width: Int) {
        self.limits = limits
        self.width = width
    }

    var count: Int { tuples.count }
    var incompleteCount: Int { incomplete.count }

    mutating func clear() {
        tuples = [:]
        keys = []
        incomplete = [:]
        bytes = 0
    }

    mutating func attempt(_ operation: Operation) -> Result<[Tensor], Status>? {
        do throws(Status) {
            switch operation {
            case .put(let key, let indices, let values): return try put(key, indices, values).map { .success($0) }
            case .take(let key, let indices, let keeping):
                try checkOrder(indices)
                guard tuples[key] != nil else { return nil }
                return .success(try take(key, indices, keeping: keeping))
            case .takeAny(let indices):
                try checkOrder(indices)
                guard let key = keys.first else { return nil }
                return .success([Tensor(key)] + (try take(key, indices, keeping: false)))
            }
        } catch {
            return .failure(error)
        }
    }

    /// - Returns: nil when the map is full, so that the operation must wait.
    private mutating func put(_ key: Int64, _ indices: [Int], _ values: [Tensor]) throws(Status) -> [Tensor]? {
        try checkOrder(indices)
        guard indices.count == values.count else {
            throw .invalidArgument("Expected as many values as indices, found \(values.count) and \(indices.count)")
        }
        for index in indices { try checkIndex(key, index) }
        let size = values.totalByteCount
        try limits.require(size)
        if indices.count == width {
            guard limits.allow(count: tuples.count + 1, bytes: bytes + size) else { return nil }
            if insert(key, values) { bytes += size }
            return []
        }
        guard limits.allow(bytes: bytes + size) else { return nil }
        var tuple = incomplete[key] ?? Tuple(repeating: nil, count: width)
        for (index, value) in zip(indices, values) {
            guard tuple[index] == nil else {
                throw .invalidArgument(
                    "The tensor for index '\(index)' for key '\(key)' was already initialized '\(width)'.")
            }
            tuple[index] = value
        }
        bytes += size
        if tuple.contains(where: { $0 == nil }) {
            incomplete[key] = tuple
        } else {
            incomplete[key] = nil
            if !insert(key, tuple) { bytes -= tuple.compactMap { $0 }.totalByteCount }
        }
        return []
    }

    /// Inserts a complete tuple.
    /// - Returns: false when the key is already there: its tuple is not replaced, and the new one is dropped.
    private mutating func insert(_ key: Int64, _ tuple: [Tensor?]) -> Bool {
        guard tuples[key] == nil else { return false }
        tuples[key] = tuple
        keys.insert(key, at: position(of: key))
        return true
    }

    private mutating func take(_ key: Int64, _ indices: [Int], keeping: Bool) throws(Status) -> [Tensor] {
        var tuple = tuples[key] ?? []
        var taken: [Tensor] = []
        for index in indices {
            try checkIndex(key, index)
            guard let value = tuple[index] else {
                throw .invalidArgument("Tensor at index '\(index)' for key '\(key)' has already been removed.")
            }
            taken.append(value)
            tuple[index] = nil
        }
        if keeping { return taken }
        bytes -= taken.totalByteCount
        if tuple.contains(where: { $0 != nil }) {
            tuples[key] = tuple
        } else {
            tuples[key] = nil
            keys.remove(at: position(of: key))
        }
        return taken
    }

    /// Returns the index of `key` in `keys`, or the index at which to insert it.
    private func position(of key: Int64) -> Int {
        var (low, high) = (0, keys.count)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func checkIndex(_ key: Int64, _ index: Int) throws(Status) {
        guard (0..<width).contains(index) else {
            throw .invalidArgument("Index '\(index)' for key '\(key)' was out of bounds '\(width)'.")
        }
    }
    private func checkOrder(_ indices: [Int]) throws(Status) {
        for (index, next) in zip(indices, indices.dropFirst()) where index >= next {
            throw .invalidArgument("Indices are not strictly ordered")
        }
    }
}

/// The order in which `takeAny` picks tuples. Both take the lowest key. The type parameter keeps the resource kinds of the
/// two apart.
protocol StagingMapOrder: Sendable {
    static var prefix: String { get }
}
enum AnyOrder: StagingMapOrder { static let prefix = "Map" }
enum KeyOrder: StagingMapOrder { static let prefix = "OrderedMap" }
