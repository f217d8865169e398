import SwiftProtobuf
import Weir
import WeirProto

/// Mutated requests to every method of a server in this process, over its port.
struct MessagesFuzzer: FuzzKind {
    static let name = "messages"
    static let abstract = "Mutated requests to every method of the master and worker services."
    static let overlaps = true
    static let caseTimeout = Duration.seconds(8)

    private struct Call {
        var number: Int
        var path: String
        var stream: UInt32
        var start = ContinuousClock.now
        var used = ProcessorTime.own
        /// The calls to make after a successful response.
        var after: (([UInt8]) -> [MessageTemplate])?
    }
    private let session: FuzzSession
    private let server: Server
    private var connection: HTTP2Connection
    private var state = ServerState()
    private var block = -1
    private var calls: [Call] = []
    private let words = DefinitionsFuzzer.words([])
    private static let blockSize = 400
    /// The limit for a response: the call's deadline plus a margin.
    private static let limit = Duration.seconds(6)

    init(_ session: FuzzSession) async throws {
        self.session = session
        server = try await Server.createLocal()
        guard let connection = HTTP2Connection(port: server.port) else { throw FuzzFailure("cannot connect to the server") }
        self.connection = connection
    }

    mutating func finish() async throws {
        while !calls.isEmpty { collect() }
        await server.stop()
    }

    private func template(_ number: Int, _ random: inout SplitMix64) throws -> MessageTemplate {
        var template = try state.template(&random)
        var mutator = Mutator(SplitMix64(seed: random.next()))
        mutator.words =
            words + state.names.flatMap { [Array($0.utf8), Array("\($0):0".utf8), Array("\($0):1".utf8), Array("^\($0)".utf8)] } + [Array(state.session.utf8)]
        mutator.donors = [template.bytes]
        template.bytes = Array(mutator.message(template.bytes).prefix(256 << 10))
        return template
    }

    mutating func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String {
        try prepare(number)
        let template = try template(number, &random)
        return
            "\(template.path.split(separator: "/").last ?? "") \(template.bytes.count) bytes: \(template.bytes.prefix(600).map { String($0, radix: 16) }.joined(separator: " "))"
    }

    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        try prepare(number)
        let template = try template(number, &random)
        let names = state.names
        var choice = SplitMix64(seed: random.next())
        var after: (([UInt8]) -> [MessageTemplate])?
        switch template.path {
        case ServerState.master + "CreateSession":
            let feeds = state.feeds
            after = { reply in
                guard let handle = try? TFCreateSessionResponse(serializedBytes: reply).sessionHandle else { return [] }
                var step = TFRunStepRequest()
                step.sessionHandle = handle
                step.fetch = (0..<2).map { _ in "\(choice.pick(names)):0" }
                step.feed = feeds.map { name, tensor in
                    var message = TFNamedTensorProto()
                    message.name = name
                    message.tensor = tensor
                    return message
                }
                var close = TFCloseSessionRequest()
                close.sessionHandle = handle
                return [(ServerState.master + "RunStep", try? step.serializedBytes()), (ServerState.master + "CloseSession", try? close.serializedBytes())]
                    .compactMap { path, bytes in
                        bytes.map { MessageTemplate(path: path, bytes: $0) }
                    }
            }
        case ServerState.worker + "RegisterGraph":
            let session = state.workerSession
            after = { reply in
                guard let handle = try? TFRegisterGraphResponse(serializedBytes: reply).graphHandle else { return [] }
                var run = TFRunGraphRequest()
                run.sessionHandle = session
                run.createWorkerSessionCalled = true
                run.graphHandle = handle
                run.stepID = Int64.random(in: 1 ... .max, using: &choice)
                var drop = TFDeregisterGraphRequest()
                drop.sessionHandle = session
                drop.createWorkerSessionCalled = true
                drop.graphHandle = handle
                return [(ServerState.worker + "RunGraph", try? run.serializedBytes()), (ServerState.worker + "DeregisterGraph", try? drop.serializedBytes())]
                    .compactMap { path, bytes in
                        bytes.map { MessageTemplate(path: path, bytes: $0) }
                    }
            }
        default: break
        }
        begin(number, template, after)
        while calls.count >= session.window { collect() }
        if session.explains { while !calls.isEmpty { collect() } }
        // `collect` counts it later if it is accepted.
        return false
    }

    private mutating func begin(_ number: Int, _ template: MessageTemplate, _ after: (([UInt8]) -> [MessageTemplate])? = nil) {
        if calls.isEmpty { session.counter.oldest = number }
        for _ in 0..<3 {
            if let stream = connection.call(template.path, template.bytes, headers: [("grpc-timeout", "1500m")]) {
                calls.append(Call(number: number, path: template.path, stream: stream, after: after))
                return
            }
            // Pending calls on the old connection are lost.
            calls = []
            guard let fresh = HTTP2Connection(port: server.port) else {
                session.report(number, group: "does not accept connections", template.path)
                return
            }
            connection = fresh
        }
    }

    private mutating func collect() {
        connection.receive(milliseconds: 50)
        session.counter.beat += 1
        for index in calls.indices.reversed() {
            let call = calls[index]
            if let reply = connection.take(call.stream) {
                calls.remove(at: index)
                guard reply.data.count >= 5 else { continue }
                session.counter.accepted += 1
                for next in call.after?(Array(reply.data.dropFirst(5))) ?? [] { begin(call.number, next) }
            } else if ContinuousClock.now - call.start > MessagesFuzzer.limit,
                // Not counted as hanging while other processes use the processors.
                ProcessorTime.own - call.used > 2 || ContinuousClock.now - call.start > MessagesFuzzer.limit * 6
            {
                calls.remove(at: index)
                session.report(call.number, group: "\(call.path): no answer", "nothing for \(MessagesFuzzer.limit), with a deadline of 1.5 s")
            }
        }
        if !connection.isOpen { calls = [] }
        if let oldest = calls.map(\.number).min() { session.counter.oldest = oldest }
    }

    /// Creates a session, a registered graph and other state for cases, anew for each block of `blockSize`.
    private mutating func prepare(_ number: Int) throws {
        let wanted = number / MessagesFuzzer.blockSize
        guard wanted != block else { return }
        block = wanted
        while !calls.isEmpty { collect() }
        _ = try? ask(ServerState.master + "Reset", TFResetRequest(), TFResetResponse.self)
        var made: GraphCase?
        for attempt in 0..<50 where made == nil {
            let random = SplitMix64(seed: session.seed &+ UInt64(attempt), case: -1 - wanted)
            let next = try? GraphCase(random, devices: ["/job:localhost/replica:0/task:0/device:CPU:0"], prefix: "b\(wanted)_", omits: ["large"])
            if let next, next.graph.nodes.count < 40 { made = next }
        }
        guard let made else { return }
        var graph = made.graph.definition
        for index in graph.nodes.indices { graph.nodes[index].device = "/job:localhost/replica:0/task:0/device:CPU:0" }
        state = ServerState()
        state.graph = try TFGraphDef(graph)
        state.feeds = try made.feeds.map { ($0.0, try TFTensorProto($0.1)) }
        state.names = made.graph.nodes.map(\.name)
        var create = TFCreateSessionRequest()
        create.graphDef = state.graph
        create.config.allowSoftPlacement = true
        state.session = try ask(ServerState.master + "CreateSession", create, TFCreateSessionResponse.self).sessionHandle
        var callable = TFMakeCallableRequest()
        callable.sessionHandle = state.session
        callable.options.feed = state.feeds.map(\.0)
        callable.options.fetch = [made.steps[0].fetches.first ?? "\(state.names.last ?? ""):0"]
        state.callable = (try? ask(ServerState.master + "MakeCallable", callable, TFMakeCallableResponse.self).handle) ?? 0
        var partial = TFPartialRunSetupRequest()
        partial.sessionHandle = state.session
        partial.feed = callable.options.feed
        partial.fetch = callable.options.fetch
        state.partialRun = (try? ask(ServerState.master + "PartialRunSetup", partial, TFPartialRunSetupResponse.self).partialRunHandle) ?? ""
        var worker = TFCreateWorkerSessionRequest()
        worker.sessionHandle = "fuzz-worker-\(wanted)"
        worker.serverDef.jobName = "localhost"
        _ = try? ask(ServerState.worker + "CreateWorkerSession", worker, TFCreateWorkerSessionResponse.self)
        state.workerSession = worker.sessionHandle
        var register = TFRegisterGraphRequest()
        register.sessionHandle = worker.sessionHandle
        register.createWorkerSessionCalled = true
        register.graphDef = state.graph
        state.graphHandle = (try? ask(ServerState.worker + "RegisterGraph", register, TFRegisterGraphResponse.self).graphHandle) ?? ""
    }

    private mutating func ask<Reply: SwiftProtobuf.Message>(_ path: String, _ message: some SwiftProtobuf.Message, _ type: Reply.Type) throws -> Reply {
        if !connection.isOpen, let fresh = HTTP2Connection(port: server.port) { connection = fresh }
        guard let stream = connection.call(path, try message.serializedBytes(), headers: [("grpc-timeout", "4S")]) else { throw FuzzFailure("no connection") }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(5) {
            if let reply = connection.take(stream) {
                guard reply.data.count >= 5 else { throw FuzzFailure("\(path) is refused") }
                return try Reply(serializedBytes: Array(reply.data.dropFirst(5)))
            }
            connection.receive(milliseconds: 100)
        }
        throw FuzzFailure("\(path) is not answered")
    }
}
