import Testing
import WeirGraph
import WeirTensor

@testable import WeirRuntime

@Suite("The tensors of collective operations that wait for their receivers")
struct CollectiveMailboxTests {
    private let mailbox = CollectiveMailbox()
    private let results: AsyncStream<Result<Tensor, Status>>
    private let received: AsyncStream<Result<Tensor, Status>>.Continuation
    private let acknowledgements: AsyncStream<Status?>
    private let sent: AsyncStream<Status?>.Continuation

    init() {
        (results, received) = AsyncStream.makeStream()
        (acknowledgements, sent) = AsyncStream.makeStream()
    }
    private func key(_ part: Int = 0, generation: UInt64 = 1) -> CollectiveKey {
        CollectiveKey(run: CollectiveRun(group: 1, generation: generation, instance: 1, number: 0), source: 0, destination: 1, part: part)
    }
    private func send(_ tensor: Tensor, _ key: CollectiveKey) { mailbox.send(CollectiveBuffer(tensor) { [sent] in sent.yield($0) }, key) }
    private func receive(_ key: CollectiveKey, byteCount: Int = 4, cancellation: Cancellation = Cancellation()) {
        mailbox.receive(key, byteCount: byteCount, cancellation: cancellation) { [received] result in
            if case .success(let buffer) = result { buffer.sent?(nil) }
            received.yield(result.map(\.tensor))
        }
    }
    private func nextResult() async throws -> Result<Tensor, Status> { try #require(await results.first(where: { _ in true })) }
    private func nextAcknowledgement() async throws -> Status? { try #require(await acknowledgements.first(where: { _ in true })) }

    @Test("a tensor meets its receiver, whichever comes first", arguments: [true, false])
    func meeting(_ sendsFirst: Bool) async throws {
        let tensor = Tensor([1] as [Float])
        if sendsFirst { send(tensor, key()) } else { receive(key()) }
        #expect(mailbox.count == 1)
        if sendsFirst { receive(key()) } else { send(tensor, key()) }
        #expect(try await nextResult().get().sharesMemory(with: tensor))
        #expect(try await nextAcknowledgement() == nil)
        #expect(mailbox.count == 0)
    }

    @Test("a tensor of another size is an error of both")
    func size() async throws {
        send(Tensor([1, 2] as [Float]), key())
        receive(key())
        #expect(mailbox.count == 0)
        let result = try await nextResult()
        guard case .failure(let status) = result else { throw Status.unknown("expected a failure") }
        #expect(status.code == .invalidArgument)
        #expect(try await nextAcknowledgement()?.code == .invalidArgument)
    }

    @Test("a receiver that is cancelled does not wait, and another may take its place")
    func cancellation() async throws {
        let cancellation = Cancellation()
        receive(key(), cancellation: cancellation)
        cancellation.cancel()
        guard case .failure(let status) = try await nextResult() else { throw Status.unknown("expected a failure") }
        #expect(status.code == .cancelled && status.isDerived && mailbox.count == 0)
        receive(key(), cancellation: cancellation)
        guard case .failure = try await nextResult() else { throw Status.unknown("expected a failure") }
        receive(key())
        send(Tensor([1] as [Float]), key())
        _ = try await nextResult().get()
    }

    @Test("two tensors, or two receivers, of one key are an error of the second")
    func duplicates() async throws {
        send(Tensor([1] as [Float]), key())
        send(Tensor([2] as [Float]), key())
        #expect(try await nextAcknowledgement()?.code == .internalError)
        receive(key())
        #expect(try await nextResult().get() == Tensor([1] as [Float]))
        #expect(try await nextAcknowledgement() == nil)
        receive(key(1))
        receive(key(1))
        guard case .failure(let status) = try await nextResult() else { throw Status.unknown("expected a failure") }
        #expect(status.code == .internalError && mailbox.count == 1)
    }

    @Test("the end of a generation fails what waits and what comes, and no other generation")
    func end() async throws {
        receive(key(0, generation: 2))
        receive(key(1))
        send(Tensor([1] as [Float]), key(2))
        #expect(mailbox.fail(1, 1, .dataLoss("reason")))
        #expect(!mailbox.fail(1, 1, .aborted("another reason")))
        #expect(mailbox.end(of: 1, 1) == .dataLoss("reason") && mailbox.end(of: 1, 2) == nil)
        guard case .failure(let status) = try await nextResult() else { throw Status.unknown("expected a failure") }
        #expect(status == .dataLoss("reason"))
        #expect(try await nextAcknowledgement() == .dataLoss("reason"))
        receive(key(3))
        guard case .failure(let late) = try await nextResult() else { throw Status.unknown("expected a failure") }
        #expect(late == .dataLoss("reason"))
        send(Tensor([1] as [Float]), key(4))
        #expect(try await nextAcknowledgement() == .dataLoss("reason"))
        #expect(mailbox.count == 1)
        send(Tensor([1] as [Float]), key(0, generation: 2))
        _ = try await nextResult().get()
    }
}
