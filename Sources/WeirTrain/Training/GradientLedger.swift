import WeirTensor

/// Which gradients synchronous training used: for each worker, how many of its gradients went into the updates, and how many were
/// dropped because they were late.
///
/// A worker's step computes one gradient for each variable. The accumulators of two variables may use gradients of different
/// workers, so gradients of variables are counted. Parts of a variable that is cut count as variables.
public struct GradientLedger: Sendable, Equatable {
    /// One update: an entry of the ledger.
    public struct Entry: Sendable, Equatable {
        /// The number of the update, from 1.
        public var step: Int
        /// For each variable, how many gradients of each worker its update used. More than were required were used if others
        /// arrived before the update began.
        public var contributions: [[Int]]

        /// For each worker, how many gradients of variables the update used.
        public var used: [Int] {
            contributions.reduce(into: [Int](repeating: 0, count: contributions.first?.count ?? 0)) { sums, row in
                for (worker, count) in row.enumerated() where sums.indices.contains(worker) { sums[worker] += count }
            }
        }
    }

    /// The number of variables.
    public internal(set) var variableCount: Int = 0
    /// The number of updates.
    public internal(set) var stepCount: Int = 0
    /// For each worker, how many gradients of variables the updates used.
    public internal(set) var used: [Int]
    /// For each worker, how many gradients of variables it began to compute: one for each variable in each step, also in one that
    /// did not end. Zero for workers whose client runs in another process.
    public var begun: [Int] { begunSteps.map { $0 * variableCount } }
    /// For each worker, how many gradients of variables were not used: they were too late for their update, or training or the
    /// worker ended. nil for workers whose client runs in another process.
    public var dropped: [Int?] { zip(begun, used).map { begun, used in begun == 0 ? nil : begun - used } }

    var begunSteps: [Int]

    init(workerCount: Int) {
        used = [Int](repeating: 0, count: workerCount)
        begunSteps = used
    }

    mutating func add(_ entry: Entry) {
        variableCount = entry.contributions.count
        stepCount += 1
        for (worker, count) in entry.used.enumerated() where used.indices.contains(worker) { used[worker] += count }
    }

    /// Removes updates that were undone. Their gradients were not used.
    mutating func remove(_ updates: [[Int]]) {
        stepCount -= updates.count
        for update in updates { for (worker, count) in zip(used.indices, update) { used[worker] -= count } }
    }
}

extension GradientLedger.Entry {
    /// Reads the tensor of an `UpdateLoop`.
    /// - Throws: `invalidArgument` when it is not an `int32` matrix.
    init(step: Int, _ tensor: Tensor) throws(Status) {
        guard tensor.dtype == .int32, tensor.shape.rank == 2 else {
            throw .invalidArgument("The contributions to an update must be an int32 matrix, found \(tensor.dtype) of shape \(tensor.shape)")
        }
        let counts = try tensor.array(of: Int32.self).map(Int.init)
        let width = tensor.shape[1]
        self.init(step: step, contributions: (0..<tensor.shape[0]).map { Array(counts[$0 * width..<($0 + 1) * width]) })
    }
}
