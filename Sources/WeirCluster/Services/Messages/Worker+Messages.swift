import SwiftProtobuf
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

// Encodes and decodes requests and replies of a worker. Decoding throws `invalidArgument` for malformed messages.

extension CreateWorkerSession {
    init(_ message: TFCreateWorkerSessionRequest) throws(Status) {
        let server = message.serverDef
        self.init(
            session: message.sessionHandle,
            cluster: server.cluster.job.isEmpty ? nil : try ClusterSpec(server.cluster),
            job: server.jobName, task: Int(server.taskIndex), isolatesState: message.isolateSessionState,
            masterTask: message.masterTask, masterIncarnation: UInt64(bitPattern: message.masterIncarnation),
            configuration: try server.defaultSessionConfig.serialized())
    }
}

extension TFCreateWorkerSessionRequest {
    init(_ request: CreateWorkerSession) throws(Status) {
        self.init()
        sessionHandle = request.session
        serverDef.protocol = "grpc"
        serverDef.jobName = request.job
        serverDef.taskIndex = Int32(clamping: request.task)
        if let cluster = request.cluster { serverDef.cluster = TFClusterDef(cluster) }
        if !request.configuration.isEmpty {
            serverDef.defaultSessionConfig = try TFConfigProto(read: request.configuration)
        }
        isolateSessionState = request.isolatesState
        masterTask = request.masterTask
        masterIncarnation = Int64(bitPattern: request.masterIncarnation)
    }
}

extension RegisterGraph {
    /// Decodes a request.
    /// - Throws: `unimplemented` when it asks for a debugger.
    init(_ message: TFRegisterGraphRequest, variants: VariantDecoders) throws(Status) {
        guard message.debugOptions.debugTensorWatchOpts.isEmpty else {
            throw .unimplemented("Tensors cannot be watched (RegisterGraph's debug_options): Weir has no tfdbg")
        }
        // Masters before TensorFlow 2.1 send only the graph options.
        var options = message.configProto
        if !message.hasConfigProto { options.graphOptions = message.graphOptions }
        self.init(
            session: message.sessionHandle, graph: try GraphDefinition(message.graphDef, variants: variants),
            configuration: try SessionConfiguration(options))
        hasSession = message.createWorkerSessionCalled
        hasControlFlow = message.hasControlFlow_p
        collectiveGraphKey = Int(message.collectiveGraphKey)
    }
}

extension TFRegisterGraphRequest {
    init(_ request: RegisterGraph) throws(Status) {
        self.init()
        sessionHandle = request.session
        graphDef = try TFGraphDef(request.graph)
        hasControlFlow_p = request.hasControlFlow
        configProto = try TFConfigProto(request.configuration)
        graphOptions = configProto.graphOptions
        createWorkerSessionCalled = request.hasSession
        collectiveGraphKey = Int64(request.collectiveGraphKey)
    }
}

extension RunGraph {
    init(_ message: TFRunGraphRequest, variants: VariantDecoders) throws(Status) {
        var decoder = MessageDecoder(variants: variants)
        self.init(
            session: message.sessionHandle, graph: message.graphHandle, step: Int(message.stepID),
            sends: try decoder.namedTensors(message.send), receives: message.recvKey)
        hasSession = message.createWorkerSessionCalled
        isPartial = message.isPartial
        isLastPartial = message.isLastPartialRun
        recordsTimes = message.execOpts.recordTimeline
        recordsPartitionGraphs = message.execOpts.recordPartitionGraphs
        requestID = Int(message.requestID)
    }
}

extension TFRunGraphRequest {
    init(_ request: RunGraph) throws(Status) {
        self.init()
        sessionHandle = request.session
        createWorkerSessionCalled = request.hasSession
        graphHandle = request.graph
        stepID = Int64(request.step)
        send = try TFNamedTensorProto.messages(request.sends)
        recvKey = request.receives
        execOpts.recordTimeline = request.recordsTimes
        execOpts.recordPartitionGraphs = request.recordsPartitionGraphs
        isPartial = request.isPartial
        isLastPartialRun = request.isLastPartial
        requestID = Int64(request.requestID)
        storeErrorsInResponseBody = true
    }
}

extension TFRunGraphResponse {
    init(_ reply: RunGraphReply) throws(Status) {
        self.init()
        recv = try TFNamedTensorProto.messages(reply.received)
        if !reply.times.isEmpty || reply.call != nil { stepStats = TFStepStats(reply.times, calls: reply.call.map { [$0] } ?? []) }
        costGraph = TFCostGraphDef()  // Present even when empty, as in TensorFlow.
        partitionGraph = try TFGraphDef.messages(reply.partitionGraphs)
    }

    /// Encodes a failure for masters that want it in the response body.
    init(failure status: Status) {
        self.init()
        statusCode = TFErrorCode(status.code)
        statusErrorMessage = status.message
        costGraph = TFCostGraphDef()
    }
}

extension RunGraphReply {
    /// Decodes a reply.
    /// - Throws: the status in the body.
    init(_ message: TFRunGraphResponse, variants: VariantDecoders) throws(Status) {
        if let failure = Status(wireCode: message.statusCode.rawValue, message: message.statusErrorMessage) {
            throw failure
        }
        var decoder = MessageDecoder(variants: variants)
        self.init(
            received: try decoder.namedTensors(message.recv), times: NodeTime.all(in: message.stepStats),
            partitionGraphs: try MessageDecoder.graphs(message.partitionGraph, variants))
        call = StepCall.all(in: message.stepStats).first
    }
}

extension ReceiveTensor {
    init(_ message: TFRecvTensorRequest) {
        self.init(
            step: Int(message.stepID), key: RendezvousKey(message.rendezvousKey), requestID: Int(message.requestID))
    }
}

extension TFRecvTensorRequest {
    init(_ request: ReceiveTensor) {
        self.init()
        stepID = Int64(request.step)
        rendezvousKey = request.key.text
        requestID = Int64(request.requestID)
    }
}
