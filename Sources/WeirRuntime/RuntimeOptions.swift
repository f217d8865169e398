public import WeirDevice
public import WeirGraph

/// Every size and count of the runtime that a user may set, in one place.
public struct RuntimeOptions: Sendable {
    /// CPU devices in this process; they share its cores.
    public var cpuCount = 1
    /// Simulated GPUs in this process, and the memory each has.
    public var simulatedGPUCount = 0
    public var simulatedGPUMemory = 1 << 30
    /// How long their streams sit idle between pieces of work, to find waits that are missing.
    public var simulatedGPUDelays: SimulatedDelays?
    /// Whether a node whose device has no kernel for it may go to another device of its task.
    public var allowsSoftPlacement = false
    /// Whether a table of who goes where is written to the log when a graph is placed.
    public var logsPlacement = false
    public var execution = ExecutionOptions()
    public init() {}
}

/// How graphs are prepared and run. Results do not depend on it.
public struct ExecutionOptions: Sendable {
    /// Which threads run the nodes of a step.
    public enum Scheduling: Sendable {
        /// The first steps try both ways; the faster one is kept.
        case measured
        /// Nodes run one after the other; large kernels still divide their own work.
        case sequential
        /// Nodes run as soon as they can, on whichever thread is free.
        case parallel
    }
    /// What is done to graphs before they run; `.none` runs them as they are.
    public var optimizer = GraphOptimizer.standard
    public var scheduling = Scheduling.measured
    public init() {}
}
