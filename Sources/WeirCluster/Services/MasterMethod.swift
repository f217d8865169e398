import GRPCCore

/// The RPCs of `tensorflow.MasterService`.
enum MasterMethod {
    static let createSession = method("CreateSession")
    static let extendSession = method("ExtendSession")
    static let partialRunSetup = method("PartialRunSetup")
    static let runStep = method("RunStep")
    static let closeSession = method("CloseSession")
    static let listDevices = method("ListDevices")
    static let reset = method("Reset")
    static let makeCallable = method("MakeCallable")
    static let runCallable = method("RunCallable")
    static let releaseCallable = method("ReleaseCallable")

    private static func method(_ name: String) -> MethodDescriptor {
        MethodDescriptor(fullyQualifiedService: "tensorflow.MasterService", method: name, type: .unary)
    }
}
