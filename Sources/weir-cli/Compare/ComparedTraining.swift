import Glibc
import Weir

/// One training of a comparison, before it runs.
struct ComparedTraining: Sendable {
    let strategy: any Strategy
    let place: ComparedPlace
    /// Where it trains, for the table.
    let label: String
    /// Whether it has a client that calls a server.
    let usesCluster: Bool
    /// Why it is not run; nil if it is.
    let refusal: Status?

    /// Makes the plan of the training, to see whether the strategy suits the place. Nothing starts.
    /// - Throws: an error of the strategy that does not say that it is unsuitable.
    init(_ strategy: any Strategy, at place: ComparedPlace, _ options: TrainingOptions) throws {
        self.strategy = strategy
        self.place = place
        let cluster = try place.plannedCluster()
        do throws(Status) {
            let plan = try Trainer(ComparedTraining.options(options, strategy, place), cluster: cluster).checkedPlan()
            usesCluster = plan.clients.contains { $0.master != nil }
            refusal = nil
        } catch {
            guard error.code == .invalidArgument else { throw error }
            usesCluster = !cluster.tasks.isEmpty
            refusal = error
        }
        label = place.label(usesCluster: usesCluster)
    }

    private static func options(_ options: TrainingOptions, _ strategy: any Strategy, _ place: ComparedPlace) -> TrainingOptions {
        var options = options
        options.strategy = strategy
        options.devices = place.devices.scopes
        return options
    }

    /// Trains, with servers and devices of its own, and tests on the first fold.
    func run(_ options: TrainingOptions, onEvent: @escaping Trainer.OnEvent) async -> StrategyComparison.Entry {
        if let refusal { return StrategyComparison.Entry(strategy: strategy.name, cluster: label, outcome: .inapplicable(refusal)) }
        do {
            return try await train(options, onEvent: onEvent)
        } catch {
            return StrategyComparison.Entry(strategy: strategy.name, cluster: label, outcome: .failed(Status(error)))
        }
    }

    private func train(_ options: TrainingOptions, onEvent: @escaping Trainer.OnEvent) async throws -> StrategyComparison.Entry {
        var options = ComparedTraining.options(options, strategy, place)
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
        return StrategyComparison.Entry(strategy: strategy.name, cluster: label, outcome: .trained(report), memory: memory)
    }
}
