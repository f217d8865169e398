import GRPCCore

/// The RPCs of `tensorflow.WorkerService`.
enum WorkerMethod {
    static let getStatus = method("GetStatus")
    static let createWorkerSession = method("CreateWorkerSession")
    static let deleteWorkerSession = method("DeleteWorkerSession")
    static let registerGraph = method("RegisterGraph")
    static let deregisterGraph = method("DeregisterGraph")
    static let runGraph = method("RunGraph")
    static let cleanupGraph = method("CleanupGraph")
    static let cleanupAll = method("CleanupAll")
    static let recvTensor = method("RecvTensor")
    static let markRecvFinished = method("MarkRecvFinished")
    static let logging = method("Logging")
    static let tracing = method("Tracing")
    static let recvBuf = method("RecvBuf")
    static let getStepSequence = method("GetStepSequence")
    static let completeGroup = method("CompleteGroup")
    static let completeInstance = method("CompleteInstance")

    private static func method(_ name: String) -> MethodDescriptor {
        MethodDescriptor(fullyQualifiedService: "tensorflow.WorkerService", method: name, type: .unary)
    }
}
