import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

extension Duration {
    /// Whole milliseconds, rounded up: a timeout must not become the 0 that means none.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, isTooMuch) = whole.addingReportingOverflow((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        return overflow || isTooMuch ? .max : sum
    }
}

extension RunOptions {
    /// - Throws: `unimplemented` when a debugger is asked for.
    init(_ message: TFRunOptions) throws(Status) {
        self.init()
        guard message.debugOptions.debugTensorWatchOpts.isEmpty else {
            throw .unimplemented("Tensors cannot be watched (RunOptions.debug_options): Weir has no tfdbg")
        }
        if message.timeoutInMs > 0 { timeout = Duration.milliseconds(message.timeoutInMs).bounded }
        traces = message.traceLevel == .fullTrace
        returnsPartitionGraphs = message.outputPartitionGraphs
    }
}

extension TFRunOptions {
    init(_ options: RunOptions) {
        self.init()
        if let timeout = options.timeout { timeoutInMs = timeout.milliseconds }
        if options.traces { traceLevel = .fullTrace }
        outputPartitionGraphs = options.returnsPartitionGraphs
    }
}

extension RunMetadata {
    init(_ message: TFRunMetadata, variants: VariantDecoders) throws(Status) {
        self.init(
            times: NodeTime.all(in: message.stepStats),
            partitionGraphs: try MessageDecoder.graphs(message.partitionGraphs, variants))
    }
    var isEmpty: Bool { times.isEmpty && partitionGraphs.isEmpty }
}

extension TFRunMetadata {
    init(_ metadata: RunMetadata) throws(Status) {
        self.init()
        if !metadata.times.isEmpty { stepStats = TFStepStats(metadata.times) }
        partitionGraphs = try TFGraphDef.messages(metadata.partitionGraphs)
    }
}

extension CallableOptions {
    init(_ message: TFCallableOptions) throws(Status) {
        self.init(feeds: message.feed, fetches: message.fetch, targets: message.target)
        options = try RunOptions(message.runOptions)
        connections = message.tensorConnection.map { (from: $0.fromTensor, to: $0.toTensor) }
        hasFeedOrFetchDevices = !message.feedDevices.isEmpty || !message.fetchDevices.isEmpty
    }
}

extension TFCallableOptions {
    init(_ callable: CallableOptions) {
        self.init()
        feed = callable.feeds
        fetch = callable.fetches
        target = callable.targets
        runOptions = TFRunOptions(callable.options)
        tensorConnection = callable.connections.map { from, to in
            var connection = TFTensorConnection()
            connection.fromTensor = from
            connection.toTensor = to
            return connection
        }
    }
}
