import WeirCluster
import WeirGraph
import WeirTensor

// Checkpoints and evaluations of a client's training.
extension ClientLoop {
    /// Sets the variables that the client initializes, from a checkpoint or to their initial values.
    /// - Throws: `notFound` when there is no such checkpoint, or it lacks a variable; `invalidArgument` when it is of another model.
    func initialize(from checkpoint: String?) async throws {
        guard let initializer = client.lifecycle.initializer else { return }
        if run.attempt.keepsValues {
            if let resources = client.lifecycle.resourceInitializer { try await session.run(resources) }
            return
        }
        guard let checkpoint, let saver = client.saver else {
            try await session.run(initializer)
            return
        }
        // Before the variables, because the other workers begin when these are initialized.
        if let resources = client.lifecycle.resourceInitializer { try await session.run(resources) }
        do {
            try await saver.restore(session, from: checkpoint)
        } catch {
            throw Status(error).appending("; strategy '\(run.options.strategy.name)' cannot go on from this checkpoint")
        }
        if client.worker == 0 { run.progress.notice("training goes on from \(checkpoint)") }
    }

    /// The number of updates with which training begins.
    func firstStep() async throws -> Int {
        let beginsWithState = run.attempt.number > 1 || run.options.checkpoint.map { $0.source != .initialValues } ?? false
        return beginsWithState ? try await updateCount() : 0
    }

    /// The number of updates so far; 0 if another client has the state.
    func updateCount() async throws -> Int { if let state = client.state { try await updateCount(state) } else { 0 } }

    private func updateCount(_ state: TrainingState) async throws -> Int {
        Int(clamping: max(0, try await session.run(state.globalStep.value).scalar(of: Int64.self)))
    }

    /// Saves and evaluates if a milestone is after `last` and not after `count`.
    func pass(_ count: Int, after last: Int) async throws {
        if run.milestones.saves(after: last, at: count) || run.saveClock.isDue { try await save(count, next: run.nextSave(after: count)) }
        if run.milestones.evaluates(after: last, at: count) { try await evaluate(count) }
    }

    /// Saves and evaluates at the end of training.
    func finish(from first: Int) async throws {
        var count = run.options.stepCount
        // Of workers that do not wait for each other, the last updates may come after the number that was asked for.
        if client.saver != nil, let state = client.state { count = try await updateCount(state) }
        if count > first { try await save(count, next: nil) }
        if run.options.evaluationInterval != nil { try await evaluate(count) }
    }

    /// Saves the state. If it cannot be saved, because the disk is full for instance, training goes on: the checkpoints before stay.
    /// - Parameter next: when it is tried again; nil at the end.
    private func save(_ count: Int, next: String?) async throws {
        guard let saver = client.saver, let checkpoint = run.options.checkpoint else { return }
        run.saveClock.restart()
        do {
            run.progress.saved(try await saver.save(session, to: checkpoint.prefix, globalStep: count), step: count)
        } catch {
            let status = Status(error)
            // A lost task is no matter of the checkpoint.
            guard !status.mayBeLoss, !Task.isCancelled else { throw status }
            run.progress.notSaved("\(checkpoint.prefix)-\(count)", status, next: next)
        }
    }

    private func evaluate(_ count: Int) async throws {
        guard let evaluation = client.evaluation else { return }
        let names = evaluation.metrics.keys.sorted()
        let scalars = [evaluation.evaluationLoss] + names.compactMap { evaluation.metrics[$0] }
        let values = try await means(of: scalars, evaluation.inputs, run.test)
        guard let loss = values.first else { throw Status.internalError("an evaluation returned no loss") }
        run.progress.evaluated(
            TrainingEvaluation(
                step: count, testLoss: loss, testMetrics: Dictionary(zip(names, values.dropFirst()), uniquingKeysWith: { first, _ in first })))
        if run.options.reportsDetails { run.progress.reached(try await trainedValues(), step: count) }
    }

    /// The values of the trained variables, by their names in the model; empty if another client has them.
    func trainedValues() async throws(Status) -> [String: Tensor] { try await values(client.parameters) }

    private func values(_ outputs: [String: Output]) async throws(Status) -> [String: Tensor] {
        let names = outputs.keys.sorted()
        guard !names.isEmpty else { return [:] }
        let reply = try await session.run(fetches: names.compactMap { outputs[$0]?.name })
        return Dictionary(zip(names, reply.tensors.map(\.tensor)), uniquingKeysWith: { first, _ in first })
    }

    /// The values of all variables of the model with which it is evaluated, by their names in it: averages in place of variables that have
    /// them.
    /// - Throws: `unimplemented` when a variable that is not trained is cut, so that no client has its value.
    func modelValues() async throws(Status) -> [String: Tensor] {
        var values = try await values(client.parameters.merging(client.averages) { _, average in average })
        for variable in run.options.model.otherVariables {
            guard let declared = client.state?.variables.first(where: { $0.name == variable.name && $0.slice == nil }) else {
                throw .unimplemented(
                    "The values of the model cannot be returned: strategy '\(run.options.strategy.name)' has no whole variable '\(variable.name)'")
            }
            values[variable.name] = try await session.run(declared.value)
        }
        return values
    }
}
