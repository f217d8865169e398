import Synchronization
import WeirTensor

/// Tells the user of steps that do not end, so that no wait is silent: a step of a replica may wait for tasks and for other workers.
final class StepWatch: Sendable {
    private let begun = Atomic<Int>(0)
    private let ended = Atomic<Int>(0)

    func begin() { begun.wrappingAdd(1, ordering: .relaxed) }
    func end() { ended.wrappingAdd(1, ordering: .relaxed) }

    /// Calls `report` whenever the same step has run for another interval, until the task is cancelled.
    func reporting(every interval: Duration, _ report: @escaping @Sendable (_ waited: Duration) -> Void) -> Task<Void, Never> {
        Task {
            var (seen, times) = (0, 0)
            while (try? await Task<Never, Never>.sleep(for: interval)) != nil {
                let (number, done) = (begun.load(ordering: .relaxed), ended.load(ordering: .relaxed))
                times = number == seen && done < number ? times + 1 : 0
                seen = number
                if times > 0 { report(interval * times) }
            }
        }
    }
}
