import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("Sessions of a worker, and the keys that it accepts", .timeLimit(.minutes(1)))
struct WorkerSessionTableTests {
    private let task = DeviceName(job: "worker", replica: 0, task: 0)
    private let worker: Worker

    init() throws {
        worker = Worker(
            cluster: try ClusterSpec(["worker": ["localhost:1"]]), task: task, devices: try LocalDevices(task: task), registry: .standard,
            metrics: .disabled, connect: { _, _ in FakeWorker() })
    }
    private func table() -> WorkerSessionTable { WorkerSessionTable(task: task, devices: worker.devices, steps: StepTable()) }

    @Test("a master that has restarted replaces its sessions, not those of other masters")
    func restart() throws {
        let table = table()
        func create(_ handle: String, master: String, incarnation: UInt64) throws {
            try table.create(
                CreateWorkerSession(session: handle, job: "", task: 0, masterTask: master, masterIncarnation: incarnation), peers: worker.peers)
        }
        for handle in ["a", "b"] { try create(handle, master: "m", incarnation: 1) }
        try create("c", master: "n", incarnation: 7)
        try create("d", master: "m", incarnation: 2)
        #expect(table.count == 2 && table.peek("a") == nil && table.peek("c") != nil && table.peek("d") != nil)
        #expect(throws: Status.self) { try table.session("a", isNamed: true, peers: worker.peers) }
        // The same handle again keeps the session.
        let session = try table.session("d", isNamed: true, peers: worker.peers)
        try create("d", master: "m", incarnation: 2)
        #expect(table.peek("d") === session)
        table.delete("d")
        #expect(table.count == 1)
    }

    @Test("masters that make no sessions share one")
    func shared() throws {
        let table = table()
        let session = try table.session("a", isNamed: false, peers: worker.peers)
        #expect(try table.session("b", isNamed: false, peers: worker.peers) === session)
    }

    @Test("a session with its own cluster knows the devices by the names of that cluster")
    func ownCluster() throws {
        let table = table()
        let request = CreateWorkerSession(session: "a", cluster: try ClusterSpec(["view": ["localhost:1"]]), job: "view", task: 0)
        try table.create(request, peers: worker.peers)
        let session = try table.session("a", isNamed: true, peers: worker.peers)
        #expect(session.devices.client.device.name.job == "view")
        #expect(session.peers !== worker.peers)
    }

    @Test("keys of this task's devices are valid, whatever the cluster calls them")
    func keys() throws {
        let device = worker.devices.client.device
        let validator = RendezvousKeyValidator(task: task, devices: worker.devices)
        func code(_ source: String, _ incarnation: UInt64) -> Status.Code? {
            do throws(Status) {
                try validator.validate(RendezvousKey(source: source, incarnation: incarnation, destination: device.name.description, tensor: "x"))
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(device.name.description, device.incarnation) == nil)
        #expect(code("/job:view/replica:0/task:3/device:CPU:0", device.incarnation) == nil)
        #expect(code(device.name.description, device.incarnation ^ 1) == .aborted)
        #expect(code("/job:worker/replica:0/task:0/device:TPU:0", device.incarnation) == .invalidArgument)
        #expect(throws: Status.self) { try validator.validate(RendezvousKey("x;y")) }
    }
}
