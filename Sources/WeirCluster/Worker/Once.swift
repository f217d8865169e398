import Synchronization
import WeirTensor

/// A completion that several callers may finish. It is called once, with the first result.
final class Once<T: Sendable>: Sendable {
    private let done: Mutex<Completion<T>?>
    init(_ done: @escaping Completion<T>) { self.done = Mutex(done) }

    func finish(_ result: Result<T, Status>) {
        let done = done.withLock { done in
            defer { done = nil }
            return done
        }
        done?(result)
    }
}
