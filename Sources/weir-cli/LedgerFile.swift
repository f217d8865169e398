import Glibc
import Synchronization
import Weir

/// A file with one JSON object for each update: how many gradients of variables of each worker it used. At the end it has one for
/// each fold, with the totals.
final class LedgerFile: Sendable {
    private struct State {
        var file: UnsafeMutablePointer<FILE>?
        /// Why the file is incomplete; nil if it is not.
        var failure: Status?
    }
    private let path: String
    private let state: Mutex<State>

    /// Creates the file.
    /// - Throws: `permissionDenied` when it cannot be created.
    init(_ path: String) throws(Status) {
        guard let file = fopen(path, "w") else {
            throw Status(.permissionDenied, "--ledger must be a file that can be written; cannot create \(path): \(String(cString: strerror(errno)))")
        }
        self.path = path
        state = Mutex(State(file: file))
    }

    /// Adds the line of one update. Workers without a gradient in it are left out.
    func write(_ entry: GradientLedger.Entry, fold: Int) {
        let workers = entry.used.enumerated().filter { $0.element > 0 }.map { "\"\($0.offset)\":\($0.element)" }.joined(separator: ",")
        append("{\"fold\":\(fold),\"step\":\(entry.step),\"workers\":{\(workers)},\"variables\":\(entry.contributions.count)}\n")
    }

    /// Adds the totals of a fold.
    func write(_ ledger: GradientLedger, fold: Int) {
        let workers = ledger.used.indices.map { worker in
            let dropped = ledger.dropped[worker].map(String.init) ?? "null"
            return "\"\(worker)\":{\"begun\":\(ledger.begun[worker]),\"used\":\(ledger.used[worker]),\"dropped\":\(dropped)}"
        }
        append(
            "{\"fold\":\(fold),\"steps\":\(ledger.stepCount),\"variables\":\(ledger.variableCount),\"totals\":{\(workers.joined(separator: ","))}}\n")
    }

    private func append(_ line: String) {
        state.withLock { state in
            guard let file = state.file, state.failure == nil else { return }
            if fputs(line, file) < 0 { state.failure = .dataLoss("cannot write \(path): \(String(cString: strerror(errno)))") }
        }
    }

    /// Closes the file.
    /// - Throws: `dataLoss` when not all lines could be written.
    func close() throws(Status) {
        let failure = state.withLock { state -> Status? in
            guard let file = state.file else { return state.failure }
            state.file = nil
            let isClosed = fclose(file) == 0
            return state.failure ?? (isClosed ? nil : .dataLoss("cannot write \(path): \(String(cString: strerror(errno)))"))
        }
        if let failure { throw failure }
    }
}
