import ArgumentParser
import Glibc
import Weir

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start a local cluster as child processes, print its targets as JSON, and keep it up.",
        discussion: "Ends all of it on Ctrl-C, on SIGTERM, or when standard input ends.")

    @Argument(help: "Jobs and how many tasks each has.") var jobs = "ps=1,worker=2"
    @Option(parsing: .unconditional, help: "Simulated GPUs in each server.") var simulateGpus = 0
    @OptionGroup var gpus: GPUArguments

    func validate() throws { try require("--simulate-gpus", simulateGpus, in: OptionRange.simulatedGPUs) }

    func run() async throws {
        let simulated = simulateGpus > 0 ? ["--simulate-gpus", "\(simulateGpus)"] : []
        let cluster = try LocalCluster(jobs, serverArguments: simulated + gpus.serverArguments)
        // Signals are handled only when all servers run. Before that, Ctrl-C kills this process, and the servers end with it.
        let end = try TerminationRequest(input: STDIN_FILENO)
        let targets = cluster.spec.tasks.map { "\"/job:\($0.job)/task:\($0.task)\":\"grpc://\($0.address)\"" }
        let processes = cluster.processes.map { "\"\($0.name)\":\($0.pid)" }
        Terminal.line(
            "{\"cluster\":\(cluster.spec.json),\"targets\":{\(targets.joined(separator: ","))},\"pids\":{\(processes.joined(separator: ","))}}")
        try cluster.whenServerEnded { name, pid, how in Terminal.error("weir: \(name) (pid \(pid)) \(how)") }
        await end.wait()
        cluster.end()
    }
}
