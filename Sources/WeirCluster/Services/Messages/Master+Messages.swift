import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

// Encodes and decodes requests and replies of a master. Decoding throws `invalidArgument` for malformed messages.

extension CreateSession {
    init(_ message: TFCreateSessionRequest, variants: VariantDecoders) throws(Status) {
        self.init(
            graph: try GraphDefinition(message.graphDef, variants: variants),
            configuration: try SessionConfiguration(message.config), target: message.target)
    }
}

extension TFCreateSessionRequest {
    init(_ request: CreateSession) throws(Status) {
        self.init()
        graphDef = try TFGraphDef(request.graph)
        config = try TFConfigProto(request.configuration)
        target = request.target
    }
}

extension RunStep {
    init(_ message: TFRunStepRequest, variants: VariantDecoders) throws(Status) {
        var decoder = MessageDecoder(variants: variants)
        self.init(
            session: message.sessionHandle, feeds: try decoder.namedTensors(message.feed), fetches: message.fetch,
            targets: message.target)
        options = try RunOptions(message.options)
        partialRunHandle = message.partialRunHandle
        requestID = Int(message.requestID)
    }

    /// Decodes the setup of a partial run. It has only the names of feeds, so their tensors are empty.
    init(_ message: TFPartialRunSetupRequest) {
        self.init(
            session: message.sessionHandle, feeds: message.feed.map { NamedTensor($0, ReceiveTensorCoder.empty) },
            fetches: message.fetch, targets: message.target)
        requestID = Int(message.requestID)
    }
}

extension TFRunStepRequest {
    init(_ request: RunStep) throws(Status) {
        self.init()
        sessionHandle = request.session
        feed = try TFNamedTensorProto.messages(request.feeds)
        fetch = request.fetches
        target = request.targets
        options = TFRunOptions(request.options)
        partialRunHandle = request.partialRunHandle
        requestID = Int64(request.requestID)
        storeErrorsInResponseBody = true
    }
}

extension TFPartialRunSetupRequest {
    init(_ request: RunStep) {
        self.init()
        sessionHandle = request.session
        feed = request.feedNames
        fetch = request.fetches
        target = request.targets
        requestID = Int64(request.requestID)
    }
}

extension TFRunStepResponse {
    init(_ reply: RunStepReply) throws(Status) {
        self.init()
        tensor = try TFNamedTensorProto.messages(reply.tensors)
        metadata = try TFRunMetadata(reply.metadata ?? RunMetadata())
    }

    /// Encodes a failure for clients that want it in the response body, where its message is not truncated.
    init(failure status: Status) {
        self.init()
        statusCode = TFErrorCode(status.code)
        statusErrorMessage = status.message
    }
}

extension RunStepReply {
    /// Decodes a reply.
    /// - Parameter fetches: the fetches of the request; a peer may reply in any order.
    /// - Throws: the status in the body; `internalError` when a fetch is missing.
    init(_ message: TFRunStepResponse, fetches: [String], variants: VariantDecoders) throws(Status) {
        if let failure = Status(wireCode: message.statusCode.rawValue, message: message.statusErrorMessage) {
            throw failure
        }
        var decoder = MessageDecoder(variants: variants)
        let found = try decoder.namedTensors(message.tensor)
        let byName = Dictionary(found.map { ($0.name, $0) }) { first, _ in first }
        var tensors: [NamedTensor] = []
        for name in fetches {
            guard let tensor = byName[name] else {
                throw .internalError("The master's answer has no tensor '\(name)', which was to be fetched")
            }
            tensors.append(tensor)
        }
        let metadata = try RunMetadata(message.metadata, variants: variants)
        self.init(tensors: tensors, metadata: metadata.isEmpty ? nil : metadata)
    }
}

extension TFRunCallableResponse {
    init(_ reply: RunStepReply) throws(Status) {
        self.init()
        for named in reply.tensors { fetch.append(try TFTensorProto(named.tensor, objects: .content)) }
        metadata = try TFRunMetadata(reply.metadata ?? RunMetadata())
    }
}

extension RunStepReply {
    /// Decodes the reply of a callable, whose fetches are identified by position and have no names.
    init(_ message: TFRunCallableResponse, variants: VariantDecoders) throws(Status) {
        var decoder = MessageDecoder(variants: variants)
        let metadata = try RunMetadata(message.metadata, variants: variants)
        self.init(
            tensors: try decoder.tensors(message.fetch).map { NamedTensor("", $0) },
            metadata: metadata.isEmpty ? nil : metadata)
    }
}
