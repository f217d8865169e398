import Testing
import WeirGraph
import WeirProto
import WeirRuntime
import WeirTensor
import WeirWire

@testable import WeirCluster

@Suite("Messages of collective operations")
struct CollectiveMessagesTests {
    private let run = CollectiveRun(group: -3, generation: .max - 1, instance: 7, number: 12)
    private func member(_ task: Int) -> CollectiveGroup.Member {
        CollectiveGroup.Member(
            device: DeviceName(job: "worker", replica: 0, task: task, type: "CPU", index: 1), incarnation: 0xfedc_ba98_7654_3210)
    }

    @Test("a request for a tensor keeps its fields over a link and over gRPC")
    func receiveBuffer() throws {
        let key = CollectiveKey(run: run, source: 2, destination: 0, part: 5)
        var request = ReceiveBuffer(key: key, byteCount: 1 << 40, source: member(2))
        // Over a link the peer knows its own job and task.
        let read = try ReceiveBuffer(linkHead: request.linkHead)
        #expect(read.key == key && read.byteCount == 1 << 40 && read.source.incarnation == request.source.incarnation)
        #expect(read.source.device == DeviceName(type: "CPU", index: 1))
        request.requestID = 9
        #expect(try ReceiveBuffer(TFRecvBufRequest(request)) == request)
        for count in 0..<request.linkHead.count { #expect(throws: Status.self) { try ReceiveBuffer(linkHead: Array(request.linkHead.prefix(count))) } }
    }

    @Test("other keys are errors", arguments: ["", "1:2:3", "1:2:3:4:5:6:7:8", "1:x:3:4:5:6:y", "1:-2:3:4:5:6:7", "1:1:0:0", "a:1:3:4:5:6:7"])
    func wrongKeys(_ text: String) {
        #expect(throws: Status.self) { try CollectiveKey(text: text) }
    }

    @Test("the end of a group and its watch keep their fields")
    func ends() throws {
        let end = EndGroup(groupKey: 4, generation: 1 << 63, status: Status(.aborted, "why", isDerived: true))
        #expect(try EndGroup(linkHead: end.linkHead) == end)
        let watch = WatchGroup(groupKey: 4, generation: 1 << 63, task: member(1).device.taskName)
        #expect(try WatchGroup(linkHead: watch.linkHead) == watch)
        for count in 0..<end.linkHead.count { #expect(throws: Status.self) { try EndGroup(linkHead: Array(end.linkHead.prefix(count))) } }
    }

    @Test("a device joins with its rank, and the group comes back with its generation", arguments: [nil, 0, 2] as [Int?])
    func groups(_ rank: Int?) throws {
        let request = CompleteGroup(groupKey: 5, groupSize: 3, member: member(2), rank: rank)
        #expect(try CompleteGroup(TFCompleteGroupRequest(request)) == request)
        let group = CollectiveGroup(key: 5, members: (0..<3).map(member), generation: 0x0102_0304_0506_0708)
        let reply = TFCompleteGroupResponse(group)
        #expect(reply.numTasks == 3 && reply.groupSize == 3 && reply.deviceType == "CPU")
        #expect(try CollectiveGroup(reply, for: request) == group)
        var other = request
        other.groupSize = 4
        #expect(throws: Status.self) { try CollectiveGroup(reply, for: other) }
    }

    @Test("requests and replies of TensorFlow's servers are errors that say so")
    func mixed() throws {
        var request = TFCompleteGroupRequest(CompleteGroup(groupKey: 5, groupSize: 3, member: member(2)))
        request.collectiveType = 0
        #expect(throws: Status.self) { try CompleteGroup(request) }
        #expect(throws: Status.self) { try CompleteGroup(TFCompleteGroupRequest()) }
        var reply = TFCompleteGroupResponse(CollectiveGroup(key: 5, members: (0..<3).map(member), generation: 1))
        reply.communicatorKey.removeAll()
        #expect(throws: Status.self) { try CollectiveGroup(reply, for: CompleteGroup(groupKey: 5, groupSize: 3, member: member(2))) }
    }

    @Test("a broadcast keeps its fields", arguments: [true, false])
    func broadcast(_ isSource: Bool) throws {
        let operation = CollectiveOperation(
            .broadcast(isSource: isSource), groupKey: 5, groupSize: 3, instanceKey: 6, dtype: .int64, shape: [2, 3], device: member(1).device, name: "n")
        let read = try CompleteInstance(TFCompleteInstanceRequest(CompleteInstance(operation, generation: .max)))
        #expect(read.generation == .max && read.operation.kind == operation.kind && read.operation.dtype == .int64)
        #expect(read.operation.shape == [2, 3] && read.operation.device == operation.device && read.operation.instanceKey == 6)
        #expect(throws: Status.self) { try CompleteInstance(TFCompleteInstanceRequest()) }
    }

    @Test("the leader and the key of a step are in the options as TensorFlow has them")
    func options() throws {
        var configuration = SessionConfiguration()
        configuration.collectiveGroupLeader = "/job:worker/replica:0/task:0"
        let message = try TFConfigProto(configuration)
        #expect(message.experimental.collectiveGroupLeader == "/job:worker/replica:0/task:0")
        #expect(try SessionConfiguration(message).collectiveGroupLeader == configuration.collectiveGroupLeader)
        var options = RunOptions()
        options.collectiveGraphKey = -8
        #expect(try RunOptions(TFRunOptions(options)).collectiveGraphKey == -8)
    }

    @Test("graphs have one key if their operations have the same, and none without")
    func graphKeys() throws {
        func key(_ instances: [Int]) throws -> Int {
            let b = GraphBuilder(registry: .standard)
            for instance in instances {
                _ = b.add(
                    "CollectiveGather", [b.constant(Tensor([1] as [Float]))],
                    attributes: [
                        "T": .type(.float32), "group_size": .int(2), "group_key": .int(1), "instance_key": .int(instance), "shape": .shape([2]),
                    ])
            }
            _ = b.constant(Tensor([1] as [Float]))
            return try b.graph().collectiveGraphKey(.standard)
        }
        #expect(try key([]) == 0)
        let (one, two, both, again) = (try key([1]), try key([2]), try key([1, 2]), try key([2, 1, 1]))
        #expect(both == again && one != two && one != 0)
    }
}
