import WeirGraph
import WeirOps
import WeirTensor

/// Brings gradients of variables on parameter servers from the workers to the first worker's update. Each variable has a queue for
/// each other worker, on the variable's device.
///
/// A worker adds one gradient in a step, and the update takes one from each, so that a gradient is neither dropped nor used twice. The
/// update takes them in the order of the workers, whatever the order in which they come: sums have the same bits in every run.
struct GradientQueues {
    private let builder: GraphBuilder
    private let workerCount: Int
    private let runSuffix: String
    /// Operations that destroy the queues, which would stay on the servers with what they hold.
    private(set) var removals: [Operation] = []

    /// - Parameter runSuffix: the end of the queues' names, which no other training has. So a step of a training that was killed cannot
    ///   add its gradient, however late, to the queues of the next.
    init(_ builder: GraphBuilder, workerCount: Int, runSuffix: String) {
        self.builder = builder
        self.workerCount = workerCount
        self.runSuffix = runSuffix
    }

    /// The queue of a worker's gradients of a variable. It is the same in all clients.
    private func queue(_ gradient: VariableGradient, of worker: Int) -> TensorQueue {
        let name = "\(gradient.variable.name)/gradients/worker_\(worker)\(runSuffix)"
        return builder.fifoQueue(types: gradient.value.components.map(\.dtype), sharedName: name, name: name)
    }

    /// Adds this worker's gradient. At most one is in the queue, because the worker's step ends after the update.
    func send(_ gradient: VariableGradient, from worker: Int) -> Operation {
        builder.colocate(with: gradient.variable.handle.operation) { queue(gradient, of: worker).enqueue(gradient.value.components) }
    }

    /// The mean of all workers' gradients: the first worker's own, and one from each queue. They have equal numbers of rows.
    mutating func mean(_ own: VariableGradient) -> VariableGradient {
        let variable = own.variable
        let device = variable.requestedDevice
        let others = (1..<max(1, workerCount)).map { worker in
            builder.colocate(with: variable.handle.operation) { () -> VariableGradient.Value in
                let queue = queue(own, of: worker)
                removals.append(builder.add("DestroyResourceOp", [queue.handle]))
                let taken = queue.dequeue()
                for (output, sent) in zip(taken, own.value.components) { builder.refineShape(of: output, sent.shape.replacing(0, with: nil)) }
                var components = taken.makeIterator()
                return own.value.mapped { components.next() ?? $0 }
            }
        }
        return builder.colocate(with: variable.handle.operation) {
            VariableGradient.mean(variable, ([own.value] + others).map { ($0, device) })
        }
    }
}

extension VariableGradient.Value {
    /// The tensors.
    var components: [Output] {
        switch self {
        case .dense(let output): [output]
        case .sparse(let indices, let rows): [indices, rows]
        }
    }
    /// The same with each tensor replaced, in the order of `components`.
    func mapped(_ replace: (Output) -> Output) -> Self {
        switch self {
        case .dense(let output): return .dense(replace(output))
        case .sparse(let indices, let rows):
            let newIndices = replace(indices)
            return .sparse(indices: newIndices, rows: replace(rows))
        }
    }
}
