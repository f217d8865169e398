import Testing
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

    @Test("memory that is there is given")
    func given() throws { for _ in 0..<100 { try MemoryBudget.take(1 << 20) } }
}
