import BenchmarkCases
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Runs a case for `count.py`, which runs this under valgrind and counts what happens in `weir_measured`.
///
/// The argument is the case's name: one case a process, so that none depends on what another left in memory. Without it,
/// the cases are listed: name, iterations and parts, separated by tabs.
@main
struct CountCases {
    static func main() {
        do {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            let message = Array("count-cases: \(error)\n".utf8)
            _ = write(STDERR_FILENO, message, message.count)
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        guard let name = arguments.first else {
            for item in Case.all { print(item.name, item.iterations, item.parts, separator: "\t") }
            return
        }
        guard arguments.count == 1, let item = Case.all.first(where: { $0.name == name }) else {
            throw UnknownCase(description: "expected one case's name, found \(arguments)")
        }
        let body = try item.prepare()
        for _ in 0..<item.warmUp { try body() }
        let measurement = Measurement(item.iterations, body)
        weirMeasured(Unmanaged.passUnretained(measurement).toOpaque())
        if let failure = measurement.failure { throw failure }
    }
}

struct UnknownCase: Error, CustomStringConvertible {
    let description: String
}

/// What `weir_measured` runs: a class, to go through C as a pointer.
final class Measurement {
    let iterations: Int
    let body: () throws -> Void
    var failure: (any Error)?

    init(_ iterations: Int, _ body: @escaping () throws -> Void) {
        self.iterations = iterations
        self.body = body
    }
}

/// Everything that is counted happens in here: valgrind knows it by its C name, which calls in Swift use too.
@c(weir_measured) @inline(never)
public func weirMeasured(_ pointer: UnsafeMutableRawPointer) {
    let measurement = Unmanaged<Measurement>.fromOpaque(pointer).takeUnretainedValue()
    let body = measurement.body
    do {
        for _ in 0..<measurement.iterations { try body() }
    } catch {
        measurement.failure = error
    }
}
