import SwiftProtobuf
import WeirProto
public import WeirTensor

extension TFConfigProto {
    /// Decodes a `ConfigProto`.
    /// - Throws: `invalidArgument` when the bytes are something else.
    init(read bytes: [UInt8]) throws(Status) {
        do {
            try self.init(serializedBytes: bytes)
        } catch {
            throw .invalidArgument("Session options are not a ConfigProto: \(error)")
        }
    }

    func serialized() throws(Status) -> [UInt8] {
        do {
            return try serializedBytes()
        } catch {
            throw .invalidArgument("Cannot serialize session options: \(error)")
        }
    }

    /// Encodes a configuration: its original `ConfigProto`, overwritten with the current values of Weir's properties.
    init(_ configuration: SessionConfiguration) throws(Status) {
        try self.init(read: configuration.serialized)
        allowSoftPlacement = configuration.allowsSoftPlacement
        logDevicePlacement = configuration.logsPlacement
        isolateSessionState = configuration.isolatesState
        deviceFilters = configuration.deviceFilters
        if let cluster = configuration.cluster { clusterDef = TFClusterDef(cluster) } else { clearClusterDef() }
        operationTimeoutInMs = configuration.operationTimeout?.milliseconds ?? 0
        usePerSessionThreads = configuration.usesPerSessionThreads
        if !configuration.hasThreadPoolOptions { sessionInterOpThreadPool = [] }
        if configuration.collectiveGroupLeader != experimental.collectiveGroupLeader {
            experimental.collectiveGroupLeader = configuration.collectiveGroupLeader
        }
        if configuration.optimizes != optimizes {
            graphOptions.optimizerOptions.optLevel = configuration.optimizes ? .l1 : .l0
            graphOptions.rewriteOptions.disableMetaOptimizer = !configuration.optimizes
        }
    }

    fileprivate var optimizes: Bool {
        graphOptions.optimizerOptions.optLevel != .l0 && !graphOptions.rewriteOptions.disableMetaOptimizer
    }
}

extension SessionConfiguration {
    init(_ message: TFConfigProto) throws(Status) {
        self.init()
        allowsSoftPlacement = message.allowSoftPlacement
        logsPlacement = message.logDevicePlacement
        isolatesState = message.isolateSessionState
        deviceFilters = message.deviceFilters
        if !message.clusterDef.job.isEmpty { cluster = try ClusterSpec(message.clusterDef) }
        if message.operationTimeoutInMs > 0 { operationTimeout = Duration.milliseconds(message.operationTimeoutInMs).bounded }
        usesPerSessionThreads = message.usePerSessionThreads
        hasThreadPoolOptions = !message.sessionInterOpThreadPool.isEmpty
        optimizes = message.optimizes
        collectiveGroupLeader = message.experimental.collectiveGroupLeader
        serialized = try message.serialized()
    }

    /// Decodes a `ConfigProto`.
    /// - Throws: `invalidArgument` when the bytes are something else.
    public init(serialized bytes: [UInt8]) throws(Status) {
        try self.init(try TFConfigProto(read: bytes))
    }

    /// Merges these options over a server's defaults by protobuf's rules, as TensorFlow does. Lists are concatenated, and a
    /// false or zero value does not override a default.
    package func merged(over defaults: SessionConfiguration) throws(Status) -> SessionConfiguration {
        try SessionConfiguration(
            serialized: try TFConfigProto(defaults).serialized() + TFConfigProto(self).serialized())
    }
}
