import ArgumentParser
import OpCaseRunner
import Weir
import WeirDevice
import WeirRuntime

/// Checks Weir on a GPU; see `Scripts/check-gpu`.
@main
struct CheckGPU: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir-check-gpu", abstract: "Check Weir's kernels on a GPU against recorded results, let them fail, and time them.")

    @Option(help: "The folder of the recorded cases of ops; that of the sources when not given.") var cases: String?
    @Option(help: "The driver's number of the card.") var gpu = 0
    @Flag(help: "Leave the timings out.") var untimed = false

    func run() throws {
        let runtime = CUDARuntime.shared
        let card = try runtime.open(gpu).card
        print("GPU \(gpu): \(card.name), compute capability \(card.capability), \(card.memory >> 20) MiB, driver \(try card.driver.version())")
        for entry in CUDALibraries.shared.entries { print("\(entry.name): \(entry.found.map { "\($0.version), \($0.path)" } ?? entry.reason ?? "not found")") }
        var tally = Tally()
        try checkOps(runtime, &tally)
        try FaultCheck(runtime: runtime, gpu: gpu).run(&tally)
        if !untimed { try Timings(runtime: runtime, gpu: gpu).run() }
        print("\(tally.passed) passed, \(tally.failed) failed")
        if tally.failed > 0 { throw ExitCode.failure }
    }

    /// Runs every recorded case of every op that has a kernel for GPUs.
    private func checkOps(_ runtime: CUDARuntime, _ tally: inout Tally) throws {
        let families = ["array", "control", "io", "linear", "math", "nn", "queue", "random", "state", "strings", "training"]
        for family in families {
            let outcome = try CaseRunner(registry: .standard, schedule: .cuda, cuda: runtime, gpu: gpu).run(family, folder: cases)
            print("ops, \(family): \(outcome.count) cases, \(outcome.differences.count) differ")
            for difference in outcome.differences.prefix(20) { print("    \(difference)") }
            tally.passed += outcome.count - outcome.differences.count
            tally.failed += outcome.differences.count
        }
    }
}

/// How many checks held.
struct Tally {
    var passed = 0
    var failed = 0

    /// Counts a check, and prints it if it does not hold.
    mutating func expect(_ holds: Bool, _ what: String) {
        if holds { passed += 1 } else { failed += 1 }
        print("\(holds ? "holds" : "FAILS"): \(what)")
    }
}
