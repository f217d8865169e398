import Glibc
import Synchronization
import Weir

/// Makes and runs one kernel at a time, as an executor does. Resources last for one case.
final class KernelRunner {
    let place: KernelEnvironment
    private let step: StepContext
    /// The time until a waiting kernel is cancelled, in milliseconds.
    private static let waitMilliseconds = 2

    init(device: any Device) {
        place = KernelEnvironment(device: device, resources: ResourceTable(defaultContainer: "localhost"))
        let collectives = CollectiveRunner(resolver: LocalCollectiveResolver(), transport: LocalCollectiveTransport()) { _ in 1 }
        step = StepContext(id: 1, rendezvous: LocalRendezvous(), collectives: collectives)
    }

    enum Outcome {
        case outputs([EdgeValue])
        case refused(Status)
        /// It waited and ended when it was cancelled.
        case waits
        /// It did not end when it was cancelled.
        case stuck
    }

    /// Called before each kernel runs.
    var onRun: ((Node, [EdgeValue]) -> Void)?

    func run(_ node: Node, _ inputs: [EdgeValue]) -> Outcome {
        onRun?(node, inputs)
        let kernel: Kernel
        do {
            guard let factory = node.op.hostKernel(node.attributes) else { throw Status.notFound("no kernel") }
            kernel = try factory.make(
                KernelRequest(
                    name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
                    place: place, functions: NoFunctions()))
        } catch { return .refused(Status(error)) }
        var slots = inputs
        var outputs = [EdgeValue](repeating: .empty, count: node.outputTypes.count)
        // Both arrays get at least one element, so that they have an address.
        slots.append(.empty)
        outputs.append(.empty)
        return slots.withUnsafeMutableBufferPointer { slots in
            outputs.withUnsafeMutableBufferPointer { outputs -> Outcome in
                guard let first = slots.baseAddress, let target = outputs.baseAddress else { return .stuck }
                let context = KernelContext(
                    inputs: first, inputCount: inputs.count, outputs: target, outputCount: node.outputTypes.count, step: step, place: place)
                switch kernel {
                case .sync(let body):
                    do { try body(context) } catch { return .refused(Status(error)) }
                    return .outputs(Array(outputs.dropLast()))
                case .enqueued: return .stuck  // The CPU has no stream.
                case .async(let body):
                    let answer = Answer()
                    body(context) { answer.finish($0) }
                    if let result = answer.wait(milliseconds: KernelRunner.waitMilliseconds) { return KernelRunner.outcome(result) }
                    step.cancellation.cancel()
                    step.rendezvous.abort(.cancelled("the fuzzer waits no longer"))
                    return answer.wait(milliseconds: 4000) == nil ? .stuck : .waits
                }
            }
        }
    }
    private static func outcome(_ result: Result<[EdgeValue], Status>) -> Outcome {
        switch result {
        case .success(let slots): .outputs(slots)
        case .failure(let status): .refused(status)
        }
    }

    /// Releases the case's resources.
    func clear() {
        step.cancellation.cancel()
        step.resources.clearAll()
        place.resources.clearAll()
    }

    private final class Answer: Sendable {
        private let result = Mutex<Result<[EdgeValue], Status>?>(nil)
        private let done = DoneSemaphore()
        func finish(_ value: Result<[EdgeValue], Status>) {
            result.withLock { $0 = value }
            done.signal()
        }
        func wait(milliseconds: Int) -> Result<[EdgeValue], Status>? {
            if let early = result.withLock({ $0 }) { return early }
            _ = done.wait(milliseconds: milliseconds)
            return result.withLock { $0 }
        }
    }
}

/// A semaphore with a timeout.
final class DoneSemaphore: @unchecked Sendable {  // `sem_t` is thread-safe
    private let semaphore: UnsafeMutablePointer<sem_t>
    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func signal() { sem_post(semaphore) }
    /// - Returns: false on timeout.
    func wait(milliseconds: Int) -> Bool {
        var limit = timespec()
        clock_gettime(CLOCK_REALTIME, &limit)
        let nanoseconds = limit.tv_nsec + milliseconds % 1000 * 1_000_000
        limit.tv_sec += milliseconds / 1000 + nanoseconds / 1_000_000_000
        limit.tv_nsec = nanoseconds % 1_000_000_000
        while sem_timedwait(semaphore, &limit) != 0 { guard errno == EINTR else { return false } }
        return true
    }
}
