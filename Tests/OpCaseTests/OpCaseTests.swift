import OpCaseRunner
import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// Compares every op with TensorFlow: the cases of `Tests/OpCases` (its README says how they are recorded).
@Suite("Ops compared with TensorFlow", .timeLimit(.minutes(10)))
struct OpCaseTests {
    static let families = [
        "array", "control", "io", "linear", "math", "nn", "queue", "random", "state", "strings", "training",
    ]

    @Test("the values and gradients of the table, unoptimized", arguments: families)
    func plain(_ family: String) throws { try compare(family, .plain) }

    @Test("the values and gradients of the table, optimized", arguments: families)
    func optimized(_ family: String) throws { try compare(family, .optimized) }

    @Test("the values and gradients of the table, on a GPU with delayed streams", arguments: families)
    func gpu(_ family: String) throws { try compare(family, .gpu) }

    @Test("the values and gradients of the table, on an emulated CUDA card", arguments: families)
    func cuda(_ family: String) throws { try compare(family, .cuda) }

    private func compare(_ family: String, _ schedule: Schedule) throws {
        let outcome = try CaseRunner(registry: .standard, schedule: schedule).run(family)
        guard !outcome.differences.isEmpty else { return }
        let text = "\(outcome.differences.count) differences \(schedule.rawValue):\n\(outcome.differences.prefix(60).joined(separator: "\n"))"
        // The text may contain strings of arbitrary bytes.
        Issue.record(Comment(rawValue: String(decoding: text.utf8.map { $0 == 10 || (32..<127).contains($0) ? $0 : 63 }, as: UTF8.self)))
    }

    /// Ops that cannot be recorded, because TensorFlow rejects them from clients, because they need several devices, or because
    /// TensorFlow has kernels of them on GPUs only; and the tests that cover them.
    static let unrecorded = [
        "_DeviceRetval": "FunctionCallTests", "CollectiveBcastRecv": "CollectiveOpsTests", "CollectiveBcastRecvV2": "CollectiveOpsTests",
        "CollectiveReduceScatterV2": "CollectiveOpsTests", "CollectiveAllToAllV2": "CollectiveOpsTests",
        "CollectiveInitializeCommunicator": "CollectiveOpsTests", "CollectiveReduceV3": "CollectiveOpsTests",
        "CollectiveAllToAllV3": "CollectiveOpsTests", "CollectivePermute": "CollectiveOpsTests",
    ]

    @Test("every op has a case")
    func coverage() throws {
        var tried = Set<String>()
        for family in OpCaseTests.families {
            for item in try OpCase.all(family, registry: .standard) { tried.formUnion([item.op] + item.also) }
        }
        let missing = OpRegistry.standard.definitions.map(\.name).filter { !tried.contains($0) && OpCaseTests.unrecorded[$0] == nil }
        #expect(missing.isEmpty, "no case of \(missing.joined(separator: ", ")): add one in Tests/OpCases/families and record it")
    }
}
