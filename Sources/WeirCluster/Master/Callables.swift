import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The callables of a session: steps whose feeds and fetches a client names once and then runs by a handle.
///
/// A client may forget to release its callables, so the number of them is limited. The least recently used ones are evicted.
final class Callables: Sendable {
    private struct State {
        var callables = LRUCache<Int, CallableOptions>(capacity: 10_000)
        var nextHandle = 0
    }
    private let state = Mutex(State())

    /// - Throws: `unimplemented` for options that TensorFlow's distributed sessions do not support either.
    static func checkSupported(_ options: CallableOptions) throws(Status) {
        guard !options.hasFeedOrFetchDevices else {
            throw .unimplemented("feed_devices and fetch_devices are not supported in distributed sessions")
        }
        guard options.connections.isEmpty else {
            throw .unimplemented("tensor_connection is not supported in distributed sessions")
        }
    }

    /// - Returns: the handle of the new callable.
    func add(_ options: CallableOptions) -> Int {
        state.withLock { state in
            defer { state.nextHandle += 1 }
            _ = state.callables.insert(state.nextHandle, options)
            return state.nextHandle
        }
    }

    /// Returns the step that a callable runs with these feeds.
    /// - Throws: `invalidArgument` when there is no such callable, or it has another number of feeds.
    func step(_ handle: Int, feeds: [Tensor], session: String) throws(Status) -> RunStep {
        let (options, wasReleased) = state.withLock { ($0.callables.use(handle), (0..<$0.nextHandle).contains(handle)) }
        guard let options else {
            throw .invalidArgument(
                wasReleased ? "Attempted to run callable after handle was released: \(handle)" : "No such callable handle: \(handle)")
        }
        guard feeds.count == options.feeds.count else {
            throw .invalidArgument("Expected \(options.feeds.count) feed tensors, but got \(feeds.count)")
        }
        var step = RunStep(
            session: session, feeds: zip(options.feeds, feeds).map { NamedTensor($0, $1) }, fetches: options.fetches, targets: options.targets)
        step.options = options.options
        return step
    }

    func release(_ handle: Int) {
        state.withLock { _ = $0.callables.remove(handle) }
    }
}
