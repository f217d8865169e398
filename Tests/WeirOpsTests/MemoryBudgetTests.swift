import Testing
import WeirArrayOps
import WeirGraph
import WeirOps
import WeirTensor

/// More memory than there is, which Linux would promise and then end the process for. Whole servers that are asked for it
/// are in `Tests/Interop/topics/memory.py`.
@Suite("Memory that is not there")
struct MemoryBudgetTests {
    @Test("more bytes than the machine has are refused at once")
    func refused() {
        let error = #expect(throws: Status.self) { try MemoryBudget.take(1 << 50) }
        #expect(error?.code == .resourceExhausted && error?.message.contains("left on this machine") == true)
    }

    @Test("however much is asked for, it is refused, as often as it is")
    func most() { for _ in 0..<3 { #expect(throws: Status.self) { try MemoryBudget.take(.max) } } }

    @Test("lists of index rows are counted, which may be larger than the indices and the output", arguments: ["GatherNd", "ScatterNd", "Unique"])
    func indexRows(_ op: String) async {
        // In a process of its own, because the limit is one of the process.
        let result = await #expect(processExitsWith: .success) { [op] in
            let session = try TinySession(arrayOps.filter { $0.name == op })
            let count = 1 << 20
            let indices = session.feed(Tensor([Int16](repeating: 1, count: count), ofShape: Shape(count, 1)))
            let values = session.feed(Tensor([UInt8](repeating: 7, count: op == "GatherNd" ? 4 : count)))
            let inputs =
                switch op {
                case "GatherNd": [values, indices]
                case "Unique": [values]
                default: [indices, values, session.feed(Tensor([Int16(4)]))]
                }
            let output = session.add(op, inputs)[0]
            MemoryBudget.setLimit(1)
            let status = try failure { try session.run(output) }
            guard status.code == .resourceExhausted else { throw status }
        }
        #expect(result != nil)
    }

    @Test("a limit of less than 64 MB is refused", arguments: [-1, 0, 5, (64 << 20) - 1])
    func tooSmall(_ byteCount: Int) {
        let error = #expect(throws: Status.self) { try MemoryLimit.set(byteCount) }
        #expect(error?.code == .invalidArgument && error?.message.hasSuffix("found \(byteCount) bytes") == true)
    }

    @Test("an allocation above the limit of the process is refused, and is made when the limit is removed")
    func limit() async {
        let result = await #expect(processExitsWith: .success) {
            try MemoryLimit.set(MemoryLimit.minimum)
            let status = try failure { try MemoryBudget.take(MemoryLimit.minimum) }
            guard status.code == .resourceExhausted else { throw status }
            try MemoryLimit.set(nil)
            try MemoryBudget.take(MemoryLimit.minimum)
        }
        #expect(result != nil)
    }

    @Test("memory that is there is given")
    func given() throws { for _ in 0..<100 { try MemoryBudget.take(1 << 20) } }
}
