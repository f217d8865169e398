import WeirProto
import WeirTensor

extension RunOptions {
    /// Decodes options of a step.
    /// - Throws: `unimplemented` when they ask for a debugger.
    init(_ message: TFRunOptions) throws(Status) {
        self.init()
        guard message.debugOptions.debugTensorWatchOpts.isEmpty else {
            throw .unimplemented("Tensors cannot be watched (RunOptions.debug_options): Weir has no tfdbg")
        }
        if message.timeoutInMs > 0 { timeout = Duration.milliseconds(message.timeoutInMs).bounded }
        traces = message.traceLevel == .fullTrace
        returnsPartitionGraphs = message.outputPartitionGraphs
        collectiveGraphKey = Int(message.experimental.collectiveGraphKey)
    }
}

extension TFRunOptions {
    init(_ options: RunOptions) {
        self.init()
        if let timeout = options.timeout { timeoutInMs = timeout.milliseconds }
        if options.traces { traceLevel = .fullTrace }
        outputPartitionGraphs = options.returnsPartitionGraphs
        if options.collectiveGraphKey != 0 { experimental.collectiveGraphKey = Int64(options.collectiveGraphKey) }
    }
}
