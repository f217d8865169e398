import WeirGraph
import WeirTensor
import Synchronization

/// The functions that one graph calls, on all devices that call them. TensorFlow's `ProcessFunctionLibraryRuntime`.
///
/// Function bodies that call functions share these tables, so each function is instantiated once per device and set of
/// attributes. The graph closes the tables when it is released, because bodies may retain each other.
final class ProcessFunctionLibraryRuntime: Sendable {
    private struct State {
        var byDevice: [DeviceName: FunctionLibraryRuntime] = [:]
        var count = 0
    }
    private let state = Mutex(State())

    /// More than real programs have. Functions that call themselves with ever new attributes reach the limit.
    private static let maximumCount = 10_000
    /// How deeply functions may be nested in the attributes of functions.
    private static let maximumNesting = 64

    /// Returns the table of a device; makes it at the first request.
    func table(at device: DeviceName, make: () -> FunctionLibraryRuntime) -> FunctionLibraryRuntime {
        state.withLock { state in
            if let known = state.byDevice[device] { return known }
            let made = make()
            state.byDevice[device] = made
            return made
        }
    }

    /// Counts an instantiated function.
    /// - Throws: `resourceExhausted` when there are too many, or when functions are nested too deeply in its attributes.
    func count(_ reference: FunctionReference) throws(Status) {
        guard ProcessFunctionLibraryRuntime.isShallow(reference, ProcessFunctionLibraryRuntime.maximumNesting) else {
            throw .resourceExhausted(
                "Function '\(reference.name)': its attributes name functions more than \(ProcessFunctionLibraryRuntime.maximumNesting) deep in each other")
        }
        let count = state.withLock { state in
            state.count += 1
            return state.count
        }
        guard count <= ProcessFunctionLibraryRuntime.maximumCount else {
            throw .resourceExhausted(
                "Function '\(reference.name)': more than \(ProcessFunctionLibraryRuntime.maximumCount) functions with different attributes are called")
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
