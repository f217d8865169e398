import WeirCluster
import WeirTensor
import WeirWire

extension TrainingOptions {
    /// The options, and a cluster, that put the whole training on one server, or in this process.
    ///
    /// The server may be the only task of its cluster, or any task of a larger one, of which the training uses no other. Its variables
    /// there are not shared with other sessions.
    /// - Throws: `unavailable` when the server does not answer; `invalidArgument` when the strategy needs job
    ///   `worker` and the server has another.
    func placed(on server: SweepServer) async throws(Status) -> (options: TrainingOptions, cluster: ClusterSpec) {
        guard case .address(let address) = server else { return (self, ClusterSpec()) }
        let devices: [DeviceAttributes]
        do throws(Status) { devices = try await ServerProbe.devices(address: address, timeout: .seconds(5)) } catch {
            throw .unavailable("Server \(address) does not answer: \(error.message)")
        }
        guard let name = devices.first?.name, let job = name.job, let task = name.task else {
            throw .invalidArgument("Server \(address): expected devices with the name of its task, found \(devices.map(\.name))")
        }
        var options = self
        options.isolatesState = true
        // The devices of this process are not the server's.
        options.localDevices = nil
        if strategy is SingleDevice {
            options.strategy = SingleDevice(task: DeviceName(job: job, replica: nil, task: task))
        } else if job != "worker" {
            throw .invalidArgument("Strategy '\(strategy.name)' on one server needs a task of job 'worker', found /job:\(job)/task:\(task) at \(address)")
        }
        return (options, try ClusterSpec([job: [task: address]]))
    }
}
