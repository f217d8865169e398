import Synchronization
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

@testable import WeirCluster

@Suite("Groups of collective operations on a task")
struct WorkerCollectivesTests {
    private let worker: Worker
    private let group: CollectiveGroup

    init() throws {
        let task = DeviceName(job: "worker", replica: 0, task: 0)
        worker = Worker(
            cluster: try ClusterSpec(["worker": ["localhost:1"]]), task: task, devices: try LocalDevices(task: task), registry: .standard,
            metrics: .disabled, connect: { _, _ in FakeWorker() })
        let device = DeviceName(job: "worker", replica: 0, task: 0, type: "CPU", index: 0)
        group = CollectiveGroup(key: 1, members: [CollectiveGroup.Member(device: device, incarnation: 1)], generation: 7)
    }

    @Test("a group of whose end a task was told before it knew the group ends when it is joined")
    func endBeforeJoin() {
        let collectives = WorkerCollectives()
        collectives.end(EndGroup(groupKey: 1, generation: 7, status: .invalidArgument("a member failed")))
        let ended = Mutex<Status?>(nil)
        collectives.join(group, peers: worker.peers, leader: worker.task) { status in ended.withLock { $0 = status } }
        #expect(ended.withLock { $0?.message } == "a member failed")
        #expect(collectives.groupCount == 0)
    }
}
