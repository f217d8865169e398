import BenchmarkCases
import Glibc

/// Runs one case for `count.py`, which runs this program under valgrind and counts the instructions, allocations and objects of
/// `weir_measured`.
///
/// The argument is the name of the case. A process runs only one case, so that no case depends on the memory of another.
/// Without an argument, prints the name, iterations and parts of each case, separated by tabs.
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
            for item in BenchmarkCase.all { print(item.name, item.iterations, item.parts, separator: "\t") }
            return
        }
        guard arguments.count == 1, let item = BenchmarkCase.all.first(where: { $0.name == name }) else {
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

/// The input of `weir_measured`. A class, because it is passed through C as a pointer.
final class Measurement {
    let iterations: Int
    let body: () throws -> Void
    var failure: (any Error)?

    init(_ iterations: Int, _ body: @escaping () throws -> Void) {
        self.iterations = iterations
        self.body = body
    }
}

/// Runs the work that is counted. valgrind finds the function by its C name, also when Swift code calls it.
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
