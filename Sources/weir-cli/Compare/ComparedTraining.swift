import Glibc
import Weir

/// One training of a comparison, before it runs.
struct ComparedTraining: Sendable {
    /// The network's name; nil if all trainings have the same one.
    let network: String?
    let options: TrainingOptions
    private let place: ComparedPlace
    var strategy: any Strategy { options.strategy }
    /// Where it trains, for the table.
    let label: String
    /// What tells it from the others.
    var name: String { [network, strategy.name, label].compactMap { $0 }.joined(separator: ", ") }
    /// Whether it has a client that calls a server.
    private let usesCluster: Bool
    /// Why it is not run; nil if it is.
    let refusal: Status?

    /// Makes the plan of the training, to see whether the strategy suits the place. Nothing starts.
    /// - Throws: an error of the strategy that does not say that it is unsuitable.
    init(_ options: TrainingOptions, network: String? = nil, at place: ComparedPlace) throws {
        self.network = network
        var options = options
        options.devices = place.devices.scopes
        self.options = options
        self.place = place
        let cluster = try place.plannedCluster()
        do throws(Status) {
            let plan = try Trainer(options, cluster: cluster).checkedPlan()
            usesCluster = plan.clients.contains { $0.master != nil }
            refusal = nil
        } catch {
            guard error.code == .invalidArgument else { throw error }
            usesCluster = !cluster.tasks.isEmpty
            refusal = error
        }
        label = place.label(usesCluster: usesCluster)
    }

    /// Trains, with servers and devices of its own, and tests on the first fold.
    func run(onEvent: @escaping Trainer.OnEvent) async -> StrategyComparison.Entry {
        if let refusal { return StrategyComparison.Entry(network: network, strategy: strategy.name, cluster: label, outcome: .inapplicable(refusal)) }
        do {
            return try await train(onEvent: onEvent)
        } catch {
            return StrategyComparison.Entry(network: network, strategy: strategy.name, cluster: label, outcome: .failed(Status(error)))
        }
    }

    private func train(onEvent: @escaping Trainer.OnEvent) async throws -> StrategyComparison.Entry {
        var options = self.options
        let servers = usesCluster ? try place.start() : nil
        defer { servers?.end() }
        var knowsPeak = false
        if !usesCluster {
            options.localDevices = try place.devices.local()
            do throws(Status) {
                try ProcessMemory.resetPeak()
                knowsPeak = true
            } catch {
                onEvent(.notice("the greatest memory of this process is not known: \(error.message)"))
            }
        }
        let cluster = try usesCluster ? servers?.spec ?? place.plannedCluster() : ClusterSpec()
        let report = try await Trainer(options, cluster: cluster, onEvent: onEvent).run()
        // Read while the servers run: the system forgets it when they end.
        var memory: [String: Int] = [:]
        for process in servers?.processes ?? [] {
            // A backup worker may have been lost, and the training is right without it.
            do throws(Status) {
                memory[process.name] = try ProcessMemory.peak.byteCount(of: process.pid)
            } catch {
                onEvent(.notice("the greatest memory of \(process.name) is not known: \(error.message)"))
            }
        }
        if knowsPeak { memory["this process"] = try ProcessMemory.peak.byteCount(of: getpid()) }
        return StrategyComparison.Entry(network: network, strategy: strategy.name, cluster: label, outcome: .trained(report), memory: memory)
    }
}
