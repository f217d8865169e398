import WeirGraph
import WeirRuntime
import WeirTensor

extension PartitionRun {
    /// Runs one call of a partial run. The first call starts the partition. Each call sends and receives some tensors. The last
    /// call waits until the partition ends.
    func runPartially(_ outer: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        let (partial, begins) = step.partialRun()
        if begins {
            let context = context(partial.cancellation, nil)
            session.devices.client.pool.submit { [graph] in graph.run(context) { partial.finish($0) } }
        }
        let cancel: @Sendable () -> Void = { [step] in
            partial.cancellation.cancel()
            step.rendezvous.abort(Status.cancelled("PartialRun was cancelled").derived)
        }
        let token = outer.register(cancel)
        if token == nil { cancel() }
        let isLast = request.isLastPartial
        let barrier = CompletionBarrier<NamedTensor>(request.receives.count) { result in
            switch result {
            case .failure(let status):
                if let token { outer.deregister(token) }
                // A derived status means that the partition has failed. The cause is known when the partition has ended.
                guard status.isDerived else { return done(.failure(status)) }
                partial.whenFinished { result in
                    if case .failure(let cause) = result { done(.failure(cause)) } else { done(.failure(status)) }
                }
            case .success(let tensors):
                let reply = RunGraphReply(received: tensors)
                guard isLast else {
                    if let token { outer.deregister(token) }
                    return done(.success(reply))
                }
                partial.whenFinished { result in
                    if let token { outer.deregister(token) }
                    done(result.map { reply })
                }
            }
        }
        for (index, key) in request.receives.enumerated() {
            step.rendezvous.receive(RendezvousKey(key)) { [step] result in
                do throws(Status) {
                    let item = try result.get()
                    try PartitionRun.checkAlive(item, key, step: step.id)
                    item.download { tensor in barrier.finish(index, tensor.map { NamedTensor(key, $0) }) }
                } catch {
                    barrier.finish(index, .failure(error))
                }
            }
        }
    }
}
