public import WeirDevice
package import WeirGraph

/// All sizes and limits of the runtime that users can set.
public struct RuntimeOptions: Sendable {
    /// The number of CPU devices of this process. They share its cores. 0 counts as 1.
    public var cpuCount: Int
    /// Which GPUs this process uses; by default all, but none in the jobs `ps` and `master`, or where simulated GPUs are asked for.
    public var gpus: GPUOptions
    /// The number of simulated GPUs of this process.
    public var simulatedGPUCount: Int
    /// The memory of each simulated GPU, in bytes.
    public var simulatedGPUMemory: Int
    /// Random delays in the streams of the simulated GPUs, to find code that does not wait for an event. Nil for none.
    package var simulatedGPUDelays: SimulatedDelays?
    /// Whether a node may be placed on another device of its task when the device that it requests does not exist or has no
    /// kernel for it. TensorFlow's `allow_soft_placement`.
    public var allowsSoftPlacement: Bool
    /// Whether the placement of a graph is logged. TensorFlow's `log_device_placement`.
    public var logsPlacement: Bool
    /// The driver whose cards are used.
    package var cuda = CUDARuntime.shared
    /// How graphs are optimized and run.
    package var execution = ExecutionOptions()
    /// Makes options, by default for one CPU device.
    public init(
        cpuCount: Int = 1, simulatedGPUCount: Int = 0, simulatedGPUMemory: Int = 1 << 30, allowsSoftPlacement: Bool = false,
        logsPlacement: Bool = false, gpus: GPUOptions = GPUOptions()
    ) {
        self.gpus = gpus
        self.cpuCount = cpuCount
        self.simulatedGPUCount = simulatedGPUCount
        self.simulatedGPUMemory = simulatedGPUMemory
        self.allowsSoftPlacement = allowsSoftPlacement
        self.logsPlacement = logsPlacement
    }
}

/// How graphs are optimized and run. The results do not depend on it.
package struct ExecutionOptions: Sendable {
    /// Which threads run the nodes of a step.
    package enum Scheduling: Sendable {
        /// The first steps time both ways; the faster one is kept.
        case measured
        /// One thread runs the nodes one after the other. Large kernels still use several threads.
        case sequential
        /// Each node runs as soon as its inputs have arrived, on any free thread.
        case parallel
    }
    /// The optimizer of graphs before they run; `.none` leaves them unchanged.
    package var optimizer = GraphOptimizer.standard
    /// Which threads run the nodes of a step.
    package var scheduling = Scheduling.measured
    /// The default options.
    package init() {}
}
