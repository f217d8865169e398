import Synchronization

/// Finds out which of two ways of running a graph is the faster, from its first steps.
final class EngineChoice: Sendable {
    enum Next {
        case decided(isSequential: Bool)
        case trial(isSequential: Bool)
    }
    /// Steps of each kind that are timed; the best of each counts.
    private static let trialCount = 5
    /// Below this there is nothing to gain from a second thread.
    private static let smallStep = 60_000

    private let steps: Atomic<Int>
    private let bestSequential = Atomic<Int>(.max)
    private let bestParallel = Atomic<Int>(.max)

    /// - Parameter isOpen: whether there is anything to choose; if not, one thread it is.
    init(isOpen: Bool) { steps = Atomic(isOpen ? 0 : EngineChoice.trialCount * 2) }

    func next() -> Next {
        let number = steps.load(ordering: .relaxed)
        guard number < EngineChoice.trialCount * 2 else {
            // A few per cent are left to the way that leaves the other threads to other steps.
            let sequential = bestSequential.load(ordering: .relaxed), parallel = bestParallel.load(ordering: .relaxed)
            return .decided(isSequential: sequential <= parallel || sequential - sequential / 20 <= parallel)
        }
        steps.wrappingAdd(1, ordering: .relaxed)
        return .trial(isSequential: number % 2 == 0)
    }

    func note(isSequential: Bool, _ nanoseconds: Int) {
        if isSequential {
            _ = bestSequential.min(nanoseconds, ordering: .relaxed)
            if nanoseconds < EngineChoice.smallStep { steps.store(EngineChoice.trialCount * 2, ordering: .relaxed) }
        } else {
            _ = bestParallel.min(nanoseconds, ordering: .relaxed)
        }
    }
}
