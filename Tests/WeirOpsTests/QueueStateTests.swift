import Synchronization
import Testing
import WeirGraph
import WeirTensor

import WeirKernels
import WeirOps
@testable import WeirStateOps

/// What became of attempts, by name.
private final class Journal: Sendable {
    private let entries = Mutex<[String: Result<[Int], Status>]>([:])

    func note(_ name: String) -> Completion<[QueueElement]> {
        { result in
            let numbers = result.map { elements in elements.map { Int((try? $0[0].scalar(of: Int64.self)) ?? -1) } }
            self.entries.withLock { $0[name] = numbers }
        }
    }
    subscript(name: String) -> [Int]? { try? entries.withLock { $0[name] }?.get() }
    func failure(_ name: String) -> Status? {
        guard case .failure(let status)? = entries.withLock({ $0[name] }) else { return nil }
        return status
    }
    func isWaiting(_ name: String) -> Bool { entries.withLock { $0[name] == nil } }
}

private func element(_ number: Int) -> QueueElement { [Tensor(Int64(number))] }

extension QueueState {
    fileprivate init(
        capacity: Int = .max, store: any ElementStore = FirstInFirstOutStore(), reserve: Int = 0, whole: Bool = false
    ) {
        self.init(
            label: "FIFOQueue", name: "q", capacity: capacity, store: store, reserve: reserve, dequeuesBatchesAtomically: whole)
    }
    fileprivate mutating func put(_ numbers: [Int], _ done: @escaping Completion<[QueueElement]> = { _ in }) -> Ticket {
        let ticket = put(numbers.map(element), done)
        settle()
        return ticket
    }
    fileprivate mutating func take(_ count: Int, upTo: Bool, _ done: @escaping Completion<[QueueElement]>) -> Ticket {
        let ticket = take(count, allowsSmallBatch: upTo, done)
        settle()
        return ticket
    }
    fileprivate mutating func shut(_ done: @escaping Completion<[QueueElement]> = { _ in }) {
        _ = close(done)
        settle()
    }
    fileprivate mutating func settle() { for attempt in advance() { attempt.tell() } }
    fileprivate mutating func stop(_ ticket: Ticket) { for attempt in cancel(ticket) { attempt.tell() } }
}

@Suite struct QueueStateTests {
    private let journal = Journal()

    @Test func `Elements come out as they went in, across the ends of the ring`() {
        var queue = QueueState()
        for round in 0..<5 {
            _ = queue.put(Array(round * 3..<round * 3 + 3))
            _ = queue.take(2, upTo: false, journal.note("take \(round)"))
        }
        #expect((0..<5).map { journal["take \($0)"] } == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]])
        #expect(queue.count == 5)
    }

    @Test func `A full queue makes puts wait, in the order they came`() {
        var queue = QueueState(capacity: 2)
        _ = queue.put([1, 2, 3, 4], journal.note("first"))
        _ = queue.put([5], journal.note("second"))
        #expect(queue.count == 2 && journal.isWaiting("first") && journal.isWaiting("second"))
        _ = queue.take(3, upTo: false, journal.note("take"))
        #expect(journal["take"] == [1, 2, 3])
        #expect(journal["first"] == [] && journal["second"] == [])
        #expect(queue.count == 2)
    }

    @Test func `A waiting batch holds up those behind it and keeps what it has`() {
        var queue = QueueState(capacity: 2)
        _ = queue.take(3, upTo: false, journal.note("batch"))
        _ = queue.take(1, upTo: false, journal.note("one"))
        _ = queue.put([1, 2])
        #expect(queue.count == 0 && journal.isWaiting("batch") && journal.isWaiting("one"))
        _ = queue.put([3, 4])
        #expect(journal["batch"] == [1, 2, 3] && journal["one"] == [4])
    }

    @Test func `A closed queue gives what it has, then says that it is closed`() {
        var queue = QueueState()
        _ = queue.put([1, 2])
        queue.shut()
        _ = queue.put([3], journal.note("late"))
        #expect(journal.failure("late") == .cancelled("FIFOQueue 'q' is closed."))
        _ = queue.take(1, upTo: false, journal.note("one"))
        #expect(journal["one"] == [1])
        _ = queue.take(2, upTo: false, journal.note("two"))
        #expect(
            journal.failure("two")
                == .outOfRange("FIFOQueue 'q' is closed and has insufficient elements (requested 2, current size 1)"))
        #expect(queue.count == 1)
        queue.shut(journal.note("again"))
        #expect(journal.failure("again") == .cancelled("Queue 'q' is already closed."))
    }

    @Test func `Closing gives back what a waiting batch had taken`() {
        var queue = QueueState()
        _ = queue.take(3, upTo: false, journal.note("batch"))
        _ = queue.put([1, 2])
        #expect(queue.count == 0)
        queue.shut()
        #expect(journal.failure("batch")?.code == .outOfRange)
        _ = queue.take(5, upTo: true, journal.note("rest"))
        #expect(journal["rest"] == [1, 2])
        _ = queue.take(5, upTo: true, journal.note("none"))
        #expect(journal.failure("none")?.code == .outOfRange)
    }

    @Test func `A small batch is what is left, but only once the queue is closed`() {
        var queue = QueueState()
        _ = queue.put([1, 2])
        _ = queue.take(3, upTo: true, journal.note("up to"))
        #expect(journal.isWaiting("up to"))
        queue.shut()
        #expect(journal["up to"] == [1, 2])
    }

    @Test func `Closing waits for the puts before it`() {
        var queue = QueueState(capacity: 1)
        _ = queue.put([1, 2], journal.note("put"))
        queue.shut(journal.note("close"))
        #expect(!queue.isClosed && journal.isWaiting("close"))
        _ = queue.take(1, upTo: false, journal.note("one"))
        #expect(queue.isClosed && journal["put"] == [] && journal["close"] == [])
        _ = queue.take(1, upTo: false, journal.note("two"))
        #expect(journal["one"] == [1] && journal["two"] == [2])
    }

    @Test func `Closing at once ends the puts that wait`() {
        var queue = QueueState(capacity: 1)
        _ = queue.put([1])
        _ = queue.put([2], journal.note("put"))
        for _ in 0..<2 { for attempt in queue.closeCancellingPending() { attempt.tell() } }
        #expect(journal.failure("put") == .cancelled("Enqueue operation was cancelled"))
        #expect(queue.isClosed && queue.count == 1)
    }

    @Test func `A cancelled attempt makes room for the next and loses what it had taken`() {
        var queue = QueueState()
        let batch = queue.take(3, upTo: false, journal.note("batch"))
        _ = queue.take(1, upTo: false, journal.note("one"))
        _ = queue.put([1, 2])
        queue.stop(batch)
        #expect(journal.failure("batch") == .cancelled("Dequeue operation was cancelled"))
        #expect(queue.count == 0 && journal.isWaiting("one"))
        _ = queue.put([3])
        #expect(journal["one"] == [3])
        queue.stop(batch)
    }

    @Test func `What is cancelled in the middle of the line leaves the others in order`() {
        var queue = QueueState()
        let tickets = (0..<4).map { queue.take(1, upTo: false, journal.note("\($0)")) }
        queue.stop(tickets[1])
        _ = queue.put([10, 11, 12])
        #expect(journal["0"] == [10] && journal["2"] == [11] && journal["3"] == [12])
        #expect(journal.failure("1")?.code == .cancelled)
    }

    @Test func `The lowest priority comes first, in batches too`() {
        var queue = QueueState(store: PriorityStore(), whole: true)
        _ = queue.put([5, 1, 4])
        _ = queue.take(4, upTo: false, journal.note("batch"))
        #expect(queue.count == 3 && journal.isWaiting("batch"))
        _ = queue.put([-2, 3])
        #expect(journal["batch"] == [-2, 1, 3, 4])
        queue.shut()
        _ = queue.take(3, upTo: true, journal.note("rest"))
        #expect(journal["rest"] == [5])
    }

    @Test func `A shuffling queue keeps its reserve while open and gives everything once`() {
        var queue = QueueState(store: ShuffleStore(Philox(seed: 3, seed2: 4)), reserve: 2)
        _ = queue.put(Array(0..<10))
        _ = queue.take(9, upTo: false, journal.note("nine"))
        #expect(journal.isWaiting("nine") && queue.count == 2)
        queue.shut()
        #expect(journal["nine"]?.count == 9)
        _ = queue.take(1, upTo: false, journal.note("last"))
        #expect(((journal["nine"] ?? []) + (journal["last"] ?? [])).sorted() == Array(0..<10))
    }

    @Test func `A shuffling queue chooses as TensorFlow does`() {
        // Dequeued one by one from ten elements, seeds 87654321 and 7.
        var store = ShuffleStore(Philox(seed: 87_654_321, seed2: 7))
        for number in 0..<10 { store.insert(element(number)) }
        let order = (0..<10).map { _ in Int((try? store.take()[0].scalar(of: Int64.self)) ?? -1) }
        #expect(order == [7, 1, 5, 6, 4, 3, 2, 0, 9, 8])
    }
}

@Suite struct BarrierStateTests {
    private let journal = Journal()

    private func barrier() -> BarrierState {
        BarrierState(name: "b", types: [.int64, .float32], shapes: [.scalar, .scalar])
    }
    private func keys(_ names: String...) -> [ByteString] { names.map { ByteString($0) } }
    private func tell(_ finished: [QueueState.Finished]) { for attempt in finished { attempt.tell() } }

    @Test func `Tuples are ready when they are whole, in the order their keys first came`() throws {
        var barrier = barrier()
        tell(barrier.insert(0, keys("a", "b"), [Tensor(Int64(1)), Tensor(Int64(2))]).0)
        tell(barrier.insert(0, keys("c"), [Tensor(Int64(3))]).0)
        #expect(barrier.readyCount == 0 && barrier.incompleteCount == 3)
        tell(barrier.insert(1, keys("c", "a"), [Tensor(Float(3)), Tensor(Float(1))]).0)
        #expect(barrier.readyCount == 2 && barrier.incompleteCount == 1)
        _ = try barrier.take(2, allowsSmallBatch: false) { result in
            let elements = (try? result.get()) ?? []
            #expect(elements.map { $0[1].element(0) } == ["a", "c"])
            #expect(elements.map { try? $0[0].scalar(of: Int64.self) } == [.min, .min + 1])
            #expect(elements.map { try? $0[3].scalar(of: Float.self) } == [1, 3])
        }
        tell(barrier.advance())
        #expect(barrier.readyCount == 0)
    }

    @Test func `A component is given once`() {
        var barrier = barrier()
        _ = barrier.insert(0, keys("a"), [Tensor(Int64(1))])
        let (_, failure) = barrier.insert(0, keys("z", "a"), [Tensor(Int64(1)), Tensor(Int64(1))])
        #expect(failure == .invalidArgument("Key a already has a value for component 0 in barrier b"))
        #expect(barrier.incompleteCount == 2)
    }

    @Test func `A closed barrier completes what it has and refuses what is new`() throws {
        var barrier = barrier()
        tell(barrier.insert(0, keys("a"), [Tensor(Int64(1))]).0)
        tell(try barrier.close(cancelsPending: false))
        #expect(barrier.insert(0, keys("b"), [Tensor(Int64(1))]).1?.code == .cancelled)
        _ = try barrier.take(1, allowsSmallBatch: false, journal.note("one"))
        tell(barrier.advance())
        #expect(journal.isWaiting("one"))
        tell(barrier.insert(1, keys("a"), [Tensor(Float(1))]).0)
        #expect(journal["one"]?.count == 1)
        #expect(
            throws: Status.outOfRange("Barrier 'b' is closed and has insufficient elements (requested 1, total size 0)")
        ) {
            _ = try barrier.take(1, allowsSmallBatch: false) { _ in }
        }
        #expect(throws: Status.cancelled("Barrier 'b' is already closed.")) {
            _ = try barrier.close(cancelsPending: false)
        }
    }

    @Test func `Closing with cancellation forgets what is not whole`() throws {
        var barrier = barrier()
        tell(barrier.insert(0, keys("a"), [Tensor(Int64(1))]).0)
        tell(try barrier.close(cancelsPending: true))
        #expect(barrier.incompleteCount == 0)
        #expect(barrier.insert(1, keys("a"), [Tensor(Float(1))]).1?.code == .cancelled)
    }
}

@Suite struct StagingStateTests {
    @Test func `A staging area is bounded by tuples and by bytes`() throws {
        var area = StagingState(StagingLimits(capacity: 2, byteCount: 24))
        let tuple = [Tensor(Int64(1))]
        #expect(area.attempt(.take) == nil)
        #expect(area.attempt(.put(tuple)) != nil && area.attempt(.put(tuple)) != nil)
        #expect(area.attempt(.put(tuple)) == nil)
        #expect(try area.attempt(.peek(1))?.get() == tuple && area.attempt(.peek(2)) == nil)
        #expect(try area.attempt(.take)?.get() == tuple)
        #expect(area.attempt(.put([Tensor([Int64](repeating: 0, count: 3))])) == nil)
        #expect(throws: Status.self) { try area.attempt(.put([Tensor([Int64](repeating: 0, count: 4))]))?.get() }
        area.clear()
        #expect(area.count == 0 && area.attempt(.put([Tensor([Int64](repeating: 0, count: 3))])) != nil)
    }

    @Test func `A staging map puts tuples together and gives them apart`() throws {
        var map = StagingMapState<KeyOrder>(StagingLimits(), width: 2)
        let (a, b) = (Tensor(Int64(1)), Tensor(Int64(2)))
        #expect(map.attempt(.put(key: 7, indices: [1], values: [b])) != nil)
        #expect(map.count == 0 && map.incompleteCount == 1)
        #expect(map.attempt(.take(key: 7, indices: [0], keeping: false)) == nil)
        #expect(map.attempt(.put(key: 7, indices: [0], values: [a])) != nil)
        #expect(map.attempt(.put(key: 3, indices: [0, 1], values: [a, b])) != nil)
        #expect(try map.attempt(.take(key: 7, indices: [0, 1], keeping: true))?.get() == [a, b])
        #expect(try map.attempt(.takeAny(indices: [0, 1]))?.get() == [Tensor(Int64(3)), a, b])
        #expect(try map.attempt(.take(key: 7, indices: [1], keeping: false))?.get() == [b])
        #expect(map.count == 1)
        #expect(throws: Status.self) { try map.attempt(.take(key: 7, indices: [1], keeping: false))?.get() }
        #expect(throws: Status.self) { try map.attempt(.take(key: 7, indices: [1, 0], keeping: false))?.get() }
        #expect(throws: Status.self) { try map.attempt(.put(key: 9, indices: [5], values: [a]))?.get() }
        #expect(try map.attempt(.take(key: 7, indices: [0], keeping: false))?.get() == [a])
        #expect(map.count == 0)
    }

    @Test func `A tuple whose key is already in a staging map is dropped and takes no memory`() throws {
        var map = StagingMapState<AnyOrder>(StagingLimits(byteCount: 32), width: 2)
        let (a, b) = (Tensor(Int64(1)), Tensor(Int64(2)))
        for _ in 0..<3 {
            #expect(map.attempt(.put(key: 7, indices: [0, 1], values: [a, b])) != nil)
            #expect(map.attempt(.put(key: 7, indices: [0, 1], values: [b, a])) != nil)
            #expect(map.attempt(.put(key: 7, indices: [1], values: [a])) != nil && map.incompleteCount == 1)
            #expect(map.attempt(.put(key: 7, indices: [0], values: [b])) != nil && map.incompleteCount == 0)
            #expect(map.count == 1)
            #expect(try map.attempt(.take(key: 7, indices: [0, 1], keeping: false))?.get() == [a, b])
        }
        // All of the memory is free again.
        let large = Tensor([1, 2, 3] as [Int64])
        #expect(map.attempt(.put(key: 1, indices: [0, 1], values: [large, a])) != nil)
        #expect(map.attempt(.put(key: 2, indices: [0], values: [a])) == nil)
    }

    @Test func `A staging area that was dropped fails operations that would wait`() {
        let area = StagingResource(StagingState(StagingLimits(capacity: 1)))
        let results = Mutex<[Result<[Tensor], Status>]>([])
        func perform(_ operation: StagingState.Operation) {
            area.perform(operation, Cancellation()) { result in results.withLock { $0.append(result) } }
        }
        perform(.take)
        area.close()
        for operation in [.take, .peek(0), .put([Tensor(Int64(1))])] as [StagingState.Operation] { perform(operation) }
        let failures = results.withLock { $0.filter { (try? $0.get()) == nil } }
        #expect(failures.count == 4)
    }
}
