import Synchronization

/// Measures the first steps of a graph to choose between sequential and parallel execution.
final class SchedulingChooser: Sendable {
    enum Next {
        case decided(isSequential: Bool)
        case trial(isSequential: Bool)
    }
    /// How many steps of each kind are timed. The shortest time of each kind counts.
    private static let trialCount = 5
    /// In nanoseconds. For shorter steps a second thread gains nothing, so sequential execution is chosen at once.
    private static let smallStep = 60_000

    private let steps: Atomic<Int>
    private let bestSequential = Atomic<Int>(.max)
    private let bestParallel = Atomic<Int>(.max)

    /// - Parameter isOpen: whether both ways are possible; if not, execution is sequential.
    init(isOpen: Bool) { steps = Atomic(isOpen ? 0 : SchedulingChooser.trialCount * 2) }

    func next() -> Next {
        let number = steps.load(ordering: .relaxed)
        guard number < SchedulingChooser.trialCount * 2 else {
            // Sequential execution may be up to 5% slower, because it leaves the other threads to other steps.
            let sequential = bestSequential.load(ordering: .relaxed), parallel = bestParallel.load(ordering: .relaxed)
            return .decided(isSequential: sequential <= parallel || sequential - sequential / 20 <= parallel)
        }
        steps.wrappingAdd(1, ordering: .relaxed)
        return .trial(isSequential: number % 2 == 0)
    }

    func note(isSequential: Bool, _ nanoseconds: Int) {
        if isSequential {
            _ = bestSequential.min(nanoseconds, ordering: .relaxed)
            if nanoseconds < SchedulingChooser.smallStep { steps.store(SchedulingChooser.trialCount * 2, ordering: .relaxed) }
        } else {
            _ = bestParallel.min(nanoseconds, ordering: .relaxed)
        }
    }
}
