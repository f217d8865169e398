import GRPCCore
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

/// The gRPC service `tensorflow.MasterService`. It decodes requests, calls a `MasterEndpoint` and encodes its replies.
struct MasterService: RPCService {
    let master: any MasterEndpoint
    var variants = VariantDecoders.none
    /// Where steps begin. The default is the thread of the call.
    var dispatch = StepDispatch.inline

    func register(with table: inout RPCTable) {
        table.unary(MasterMethod.createSession, createSession)
        table.unary(MasterMethod.extendSession, extendSession)
        table.unary(MasterMethod.partialRunSetup, partialRunSetup)
        table.unary(MasterMethod.runStep, runStep)
        table.unary(MasterMethod.closeSession, closeSession)
        table.unary(MasterMethod.listDevices, listDevices)
        table.unary(MasterMethod.reset, reset)
        table.unary(MasterMethod.makeCallable, makeCallable)
        table.unary(MasterMethod.runCallable, runCallable)
        table.unary(MasterMethod.releaseCallable, releaseCallable)
    }

    private func createSession(_ message: TFCreateSessionRequest) async throws -> TFCreateSessionResponse {
        let request = try CreateSession(message, variants: variants)
        var reply = TFCreateSessionResponse()
        reply.sessionHandle = try await awaitResult { try await master.createSession(request, cancellation: $0) }
        return reply
    }

    private func extendSession(_ message: TFExtendSessionRequest) async throws -> TFExtendSessionResponse {
        let graph = try GraphDefinition(message.graphDef, variants: variants)
        var reply = TFExtendSessionResponse()
        let version = Int(message.currentGraphVersion)
        reply.newGraphVersion = Int64(
            try await master.extendSession(message.sessionHandle, graph: graph, version: version))
        return reply
    }

    private func partialRunSetup(_ message: TFPartialRunSetupRequest) async throws -> TFPartialRunSetupResponse {
        var reply = TFPartialRunSetupResponse()
        reply.partialRunHandle = try await master.setUpPartialRun(RunStep(message))
        return reply
    }

    private func runStep(_ message: TFRunStepRequest) async throws -> TFRunStepResponse {
        do {
            let request = try RunStep(message, variants: variants)
            return try TFRunStepResponse(
                try await awaitCompletion(on: dispatch) { master.runStep(request, cancellation: $0, $1) })
        } catch  where message.storeErrorsInResponseBody {
            return TFRunStepResponse(failure: WeirTensor.Status(anyError: error))
        }
    }

    private func closeSession(_ message: TFCloseSessionRequest) async throws -> TFCloseSessionResponse {
        try await master.closeSession(message.sessionHandle)
        return TFCloseSessionResponse()
    }

    private func listDevices(_ message: TFListDevicesRequest) async throws -> TFListDevicesResponse {
        let devices = try await master.listDevices(message.sessionHandle)
        var reply = TFListDevicesResponse()
        reply.localDevice = devices.local.map { TFDeviceAttributes($0) }
        reply.remoteDevice = devices.remote.map { TFDeviceAttributes($0) }
        return reply
    }

    private func reset(_ message: TFResetRequest) async throws -> TFResetResponse {
        try await master.reset(containers: message.container, deviceFilters: message.deviceFilters)
        return TFResetResponse()
    }

    private func makeCallable(_ message: TFMakeCallableRequest) async throws -> TFMakeCallableResponse {
        let options = try CallableOptions(message.options)
        var reply = TFMakeCallableResponse()
        reply.handle = Int64(
            try await master.makeCallable(message.sessionHandle, options: options, requestID: Int(message.requestID)))
        return reply
    }

    private func runCallable(_ message: TFRunCallableRequest) async throws -> TFRunCallableResponse {
        var decoder = MessageDecoder(variants: variants)
        let feeds = try decoder.tensors(message.feed)
        return try TFRunCallableResponse(
            try await awaitCompletion(on: dispatch) {
                master.runCallable(
                    message.sessionHandle, callable: Int(message.handle), feeds: feeds,
                    requestID: Int(message.requestID), cancellation: $0, $1)
            })
    }

    private func releaseCallable(_ message: TFReleaseCallableRequest) async throws -> TFReleaseCallableResponse {
        try await master.releaseCallable(message.sessionHandle, callable: Int(message.handle))
        return TFReleaseCallableResponse()
    }
}
