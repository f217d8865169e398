import WeirGraph
import WeirTensor
import Synchronization

/// The functions that one graph calls, on every device that calls them.
///
/// Bodies that call functions take them from here too: however many bodies call a function, on a device it is made ready
/// once for each set of attributes. The graph closes the tables when it goes: bodies may hold each other.
final class FunctionTables: Sendable {
    private struct State {
        var byDevice: [DeviceName: FunctionTable] = [:]
        var count = 0
    }
    private let state = Mutex(State())

    /// More than any program has; functions that call themselves with other attributes each time come here.
    private static let maximumCount = 10_000
    /// How deep functions may stand in each other's attributes.
    private static let maximumNesting = 64

    /// The table of a device, made when it is first asked for.
    func table(at device: DeviceName, make: () -> FunctionTable) -> FunctionTable {
        state.withLock { state in
            if let known = state.byDevice[device] { return known }
            let made = make()
            state.byDevice[device] = made
            return made
        }
    }

    /// Counts one more function that is made ready.
    /// - Throws: `resourceExhausted` when there are too many, or its attributes name functions within functions without end.
    func count(_ reference: FunctionReference) throws(Status) {
        guard FunctionTables.isShallow(reference, FunctionTables.maximumNesting) else {
            throw .resourceExhausted(
                "Function '\(reference.name)': its attributes name functions more than \(FunctionTables.maximumNesting) deep in each other")
        }
        let count = state.withLock { state in
            state.count += 1
            return state.count
        }
        guard count <= FunctionTables.maximumCount else {
            throw .resourceExhausted(
                "Function '\(reference.name)': more than \(FunctionTables.maximumCount) functions with different attributes are called")
        }
    }

    private static func isShallow(_ reference: FunctionReference, _ depth: Int) -> Bool {
        guard depth > 0 else { return false }
        return reference.attributes.values.allSatisfy { value in
            switch value {
            case .function(let inner): isShallow(inner, depth - 1)
            case .functions(let inner): inner.allSatisfy { isShallow($0, depth - 1) }
            default: true
            }
        }
    }

    func close() {
        let tables = state.withLock { state in
            defer { state.byDevice = [:] }
            return state.byDevice.values
        }
        for table in tables { table.close() }
    }
}
