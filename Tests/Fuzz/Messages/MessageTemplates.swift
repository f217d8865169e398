import SwiftProtobuf
import Weir
import WeirProto

/// A valid call of one of a server's methods.
struct MessageTemplate {
    var path: String
    var bytes: [UInt8]
}

/// The state that was created on a server, and calls that refer to it.
struct ServerState {
    var session = ""
    var graphHandle = ""
    var workerSession = ""
    var callable: Int64 = 0
    var partialRun = ""
    var graph = TFGraphDef()
    var feeds: [(String, TFTensorProto)] = []
    var names: [String] = []

    static let master = "/tensorflow.MasterService/"
    static let worker = "/tensorflow.WorkerService/"

    /// A call of any method that refers to this state.
    func template(_ random: inout SplitMix64) throws -> MessageTemplate {
        func tensorNames(_ count: Int, _ random: inout SplitMix64) -> [String] { (0..<count).map { _ in "\(random.pick(names)):0" } }
        func make(_ path: String, _ message: some SwiftProtobuf.Message) throws -> MessageTemplate {
            MessageTemplate(path: path, bytes: try message.serializedBytes())
        }
        switch random.below(34) {
        case 0, 1, 2, 3, 4, 5:
            var message = TFRunStepRequest()
            message.sessionHandle = session
            message.fetch = tensorNames(random.int(0...3), &random)
            message.target = (0..<random.int(0...1)).map { _ in random.pick(names) }
            message.feed = named(feeds)
            message.storeErrorsInResponseBody = random.chance(50)
            if random.chance(30) { message.options.traceLevel = .fullTrace; message.options.outputPartitionGraphs = true }
            if random.chance(20) { message.options.timeoutInMs = 100 }
            if random.chance(15) { message.partialRunHandle = partialRun }
            message.requestID = random.chance(50) ? 0 : Int64.random(in: .min ... .max, using: &random)
            return try make(Self.master + "RunStep", message)
        case 6, 7, 8, 9:
            var message = TFCreateSessionRequest()
            message.graphDef = graph
            message.target = "grpc://localhost"
            message.config.allowSoftPlacement = true
            if random.chance(30) {
                message.config.isolateSessionState = true
                message.config.operationTimeoutInMs = 1000
                message.config.deviceFilters = ["/job:localhost"]
            }
            return try make(Self.master + "CreateSession", message)
        case 10, 11:
            var message = TFExtendSessionRequest()
            message.sessionHandle = session
            message.graphDef = graph
            message.currentGraphVersion = Int64(random.below(3))
            return try make(Self.master + "ExtendSession", message)
        case 12:
            var message = TFPartialRunSetupRequest()
            message.sessionHandle = session
            message.feed = feeds.map(\.0)
            message.fetch = tensorNames(2, &random)
            return try make(Self.master + "PartialRunSetup", message)
        case 13, 14:
            var message = TFMakeCallableRequest()
            message.sessionHandle = session
            message.options.feed = feeds.map(\.0)
            message.options.fetch = tensorNames(2, &random)
            message.options.target = random.chance(30) ? [random.pick(names)] : []
            return try make(Self.master + "MakeCallable", message)
        case 15, 16:
            var message = TFRunCallableRequest()
            message.sessionHandle = session
            message.handle = callable
            message.feed = feeds.map(\.1)
            return try make(Self.master + "RunCallable", message)
        case 17:
            var message = TFReleaseCallableRequest()
            message.sessionHandle = session
            message.handle = callable
            return try make(Self.master + "ReleaseCallable", message)
        case 18:
            var message = TFListDevicesRequest()
            message.sessionHandle = random.chance(50) ? session : ""
            return try make(Self.master + "ListDevices", message)
        case 19:
            var message = TFCloseSessionRequest()
            message.sessionHandle = random.chance(3) ? session : "0123456789abcdef"
            return try make(Self.master + "CloseSession", message)
        case 20:
            var message = TFResetRequest()
            message.container = ["elsewhere"]
            message.deviceFilters = ["/job:elsewhere"]
            return try make(random.chance(5) ? Self.master + "Reset" : Self.master + "ListDevices", message)
        case 21, 22:
            var message = TFRegisterGraphRequest()
            message.sessionHandle = workerSession
            message.createWorkerSessionCalled = random.chance(90)
            message.graphDef = graph
            message.hasControlFlow_p = true
            return try make(Self.worker + "RegisterGraph", message)
        case 23, 24, 25:
            var message = TFRunGraphRequest()
            message.sessionHandle = workerSession
            message.createWorkerSessionCalled = true
            message.graphHandle = graphHandle
            message.stepID = Int64.random(in: 1 ... .max, using: &random)
            message.send = named(feeds)
            message.recvKey = ["/job:localhost/replica:0/task:0/device:CPU:0;0000000000000001;/job:localhost/replica:0/task:0/device:CPU:0;x:0;0:0"]
            message.storeErrorsInResponseBody = random.chance(50)
            message.isPartial = random.chance(20)
            message.execOpts.recordTimeline = random.chance(30)
            return try make(Self.worker + "RunGraph", message)
        case 26:
            var message = TFCreateWorkerSessionRequest()
            message.sessionHandle = random.chance(50) ? workerSession : "w\(random.below(50))"
            message.serverDef.jobName = "localhost"
            message.serverDef.protocol = "grpc"
            if random.chance(60) {
                var job = TFJobDef()
                job.name = "localhost"
                job.tasks = [0: "localhost:1"]
                message.serverDef.cluster.job = [job]
            }
            message.isolateSessionState = random.chance(50)
            return try make(Self.worker + "CreateWorkerSession", message)
        case 27:
            var message = TFDeregisterGraphRequest()
            message.sessionHandle = workerSession
            message.createWorkerSessionCalled = true
            message.graphHandle = random.chance(3) ? graphHandle : "nothing"
            return try make(Self.worker + "DeregisterGraph", message)
        case 28, 29:
            var message = TFRecvTensorRequest()
            message.stepID = Int64.random(in: .min ... .max, using: &random)
            message.rendezvousKey = random.pick([
                "/job:localhost/replica:0/task:0/device:CPU:0;0000000000000001;/job:localhost/replica:0/task:0/device:CPU:0;x:0;0:0",
                "a;b;c;d;e", ";;;;", "/job:localhost/replica:0/task:0/device:CPU:0;ffffffffffffffffff;/device:CPU:0;x;0:0",
            ])
            message.requestID = Int64.random(in: 1 ... .max, using: &random)
            return try make(Self.worker + "RecvTensor", message)
        case 30:
            var message = TFCleanupGraphRequest()
            message.stepID = Int64.random(in: .min ... .max, using: &random)
            return try make(Self.worker + "CleanupGraph", message)
        case 31:
            var message = TFLoggingRequest()
            message.enableRpcLogging = true
            message.fetchStepID = [1, 2]
            return try make(Self.worker + "Logging", message)
        case 32:
            var message = TFCompleteGroupRequest()
            message.groupKey = 1
            message.groupSize = 2
            return try make(
                Self.worker + random.pick(["CompleteGroup", "CompleteInstance", "RecvBuf", "GetStepSequence", "Tracing", "MarkRecvFinished"]), message)
        default:
            var message = TFCleanupAllRequest()
            message.container = ["elsewhere"]
            return try make(Self.worker + random.pick(["GetStatus", "CleanupAll"]), message)
        }
    }

    private func named(_ feeds: [(String, TFTensorProto)]) -> [TFNamedTensorProto] {
        feeds.map { name, tensor in
            var message = TFNamedTensorProto()
            message.name = name
            message.tensor = tensor
            return message
        }
    }
}
