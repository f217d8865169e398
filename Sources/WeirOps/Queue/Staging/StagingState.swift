import WeirGraph
import WeirKernels
import WeirTensor

/// The limits of a staging area. 0 means no limit of the number of tuples, or of bytes.
struct StagingLimits: Sendable {
    let capacity: Int
    let byteCount: Int

    init(_ request: KernelRequest) throws {
        capacity = try request.int("capacity")
        byteCount = try request.int("memory_limit")
    }
    init(capacity: Int = 0, byteCount: Int = 0) {
        self.capacity = capacity
        self.byteCount = byteCount
    }

    func allow(count: Int, bytes: Int) -> Bool { (capacity <= 0 || count <= capacity) && allow(bytes: bytes) }
    func allow(bytes: Int) -> Bool { byteCount <= 0 || bytes <= byteCount }

    /// - Throws: `resourceExhausted` when `bytes` is above the limit, so that the operation could never succeed.
    func require(_ bytes: Int) throws(Status) {
        guard byteCount <= 0 || bytes <= byteCount else {
            throw .resourceExhausted(
                "Attempted to insert tensors with combined size of '\(bytes)' bytes into Staging Area with a memory "
                    + "limit of '\(byteCount)'.")
        }
    }
}

extension [Tensor] {
    var totalByteCount: Int { reduce(0) { $0 + $1.byteCount } }
}

/// The state of a staging area: a bounded queue of tuples.
struct StagingState: StagingArea {
    enum Operation: Sendable {
        case put([Tensor])
        case take
        case peek(Int)
    }

    private let limits: StagingLimits
    private var tuples = RingBuffer<[Tensor]>()
    private var bytes = 0

    init(_ limits: StagingLimits) { self.limits = limits }

    var count: Int { tuples.count }

    mutating func attempt(_ operation: Operation) -> Result<[Tensor], Status>? {
        switch operation {
        case .put(let tuple):
            let size = tuple.totalByteCount
            guard limits.allow(bytes: size) else {
                return Result { () throws(Status) -> [Tensor] in
                    try limits.require(size)
                    return []
                }
            }
            guard limits.allow(count: tuples.count + 1, bytes: bytes + size) else { return nil }
            tuples.append(tuple)
            bytes += size
            return .success([])
        case .take:
            guard let tuple = tuples.popFirst() else { return nil }
            bytes -= tuple.totalByteCount
            return .success(tuple)
        case .peek(let index):
            guard index >= 0 else { return .failure(.invalidArgument("StagePeek takes an index >= 0, found \(index)")) }
            return index < tuples.count ? .success(tuples[index]) : nil
        }
    }

    mutating func clear() {
        tuples = RingBuffer()
        bytes = 0
    }
}
