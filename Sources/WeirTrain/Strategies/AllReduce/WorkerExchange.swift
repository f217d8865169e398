import WeirGraph
import WeirOps
import WeirTensor

/// What the workers of a training tell each other by collective operations: sums of gradients, initial values, and that something is
/// done. Each worker's client builds its side in a graph of its own; all call the same functions in the same order.
///
/// The devices of a worker that have variables are each in a group of their own, with the devices in the same place on the other
/// workers. So a sum never leaves the device of its variable but to the other workers.
struct WorkerExchange {
    private let builder: GraphBuilder
    /// The number of the worker whose graph this is.
    private let worker: Int
    private let workerCount: Int
    private let bucketByteCount: Int
    /// The groups by device.
    private var groups: [String: CollectiveNodes] = [:]
    /// The key of the last operation. Keys follow the order of calls, so that they are alike in all graphs.
    private var instance = 0

    /// - Parameters:
    ///   - runNumber: the same for all workers of a training, and no other training's: servers count the runs of each operation, and two
    ///     trainings with the same keys would get each other's sums.
    ///   - variables: the variables that the worker has; all workers have the same, in the same order.
    ///   - bucketByteCount: gradients are sent together when they have this many bytes.
    init(_ builder: GraphBuilder, worker: Int, of workerCount: Int, runNumber: Int, variables: [Variable], bucketByteCount: Int) {
        self.builder = builder
        self.worker = worker
        self.workerCount = workerCount
        self.bucketByteCount = bucketByteCount
        for variable in variables where groups[variable.requestedDevice] == nil {
            let key = WorkerExchange.groupKey(runNumber, groups.count)
            groups[variable.requestedDevice] = CollectiveNodes(builder, groupSize: workerCount, groupKey: key)
        }
    }

    /// The key of a group of a run: from 1 to `Int32.max`, different for the groups of a run, and almost surely for those of two runs.
    static func groupKey(_ runNumber: Int, _ group: Int) -> Int {
        // An odd factor and an offset permute the numbers of 31 bits. The key 0 is left out.
        let number = (UInt32(truncatingIfNeeded: runNumber) &* 0x9E37_79B1 &+ UInt32(truncatingIfNeeded: group)) & 0x7FFF_FFFF
        return max(1, Int(number))
    }

    /// Builds a collective operation in the group of a device; nil if there is one worker.
    private mutating func collective<R>(on device: String, _ build: (CollectiveNodes, _ instance: Int) -> R) -> R? {
        guard workerCount > 1 else { return nil }
        guard let group = groups[device] else {
            builder.record(.internalError("No variable that the workers share was declared on device '\(device)'"))
            return nil
        }
        instance += 1
        return builder.device(device) { build(group, instance) }
    }

    /// The means of the workers' gradients, all of them dense, on the variables' devices.
    mutating func means(_ gradients: [VariableGradient]) -> [VariableGradient] {
        let own = gradients.map { (variable: $0.variable, value: $0.dense()) }
        func dense(_ values: [Output]) -> [VariableGradient] {
            zip(gradients, values).map { VariableGradient($0.variable, .dense($1), partOf: $0.wholeName) }
        }
        guard workerCount > 1 else { return dense(own.map(\.value)) }
        let buckets = GradientBuckets(
            own.map { GradientBuckets.Member(dtype: $0.variable.dtype, elementCount: $0.variable.shape.elementCount, device: $0.variable.requestedDevice) },
            byteCount: bucketByteCount)
        let share = 1 / Double(workerCount)
        let means = builder.nameScope("all_reduce") {
            buckets.map(own, in: builder) { vector, device in
                let sum = collective(on: device) { $0.sum(vector, instance: $1) } ?? vector
                return builder.add("Mul", [sum, builder.scalar(share, sum.dtype)])[0]
            }
        }
        return dense(means)
    }

    /// Sets variables to the first worker's initial values, also where a random initial value has no seed.
    /// - Parameter before: what the first worker does before it sends any. The others end after it.
    mutating func initializers(_ variables: [Variable], after before: [Operation] = []) -> [Operation] {
        variables.map { initializer($0, on: $0.requestedDevice, after: before) }
    }

    /// The same for variables that begin with the values of others, beside which they are.
    mutating func initializers(ofCopies copies: [(variable: Variable, copy: Variable)]) -> [Operation] {
        copies.map { initializer($0.copy, on: $0.variable.requestedDevice, after: []) }
    }

    private mutating func initializer(_ variable: Variable, on device: String, after before: [Operation]) -> Operation {
        let isFirst = worker == 0
        let shared = collective(on: device) { [builder] group, instance in
            guard isFirst else { return variable.assign(group.receive(variable.dtype, variable.shape, instance: instance)) }
            return builder.controlDependencies([variable.initializer] + before) { group.send(variable.read(), instance: instance) }
        }
        return shared ?? variable.initializer
    }

    /// The first worker's value of a scalar, on the device of a variable in whose group it is sent.
    /// - Parameter own: the scalar; another worker's is not computed.
    mutating func shared(_ own: Output, beside variable: Variable) -> Output {
        let isFirst = worker == 0
        let dtype = own.dtype
        let result = collective(on: variable.requestedDevice) { [builder] group, instance -> Output in
            guard isFirst else { return group.receive(dtype, .scalar, instance: instance) }
            let sent = group.send(own, instance: instance)
            return builder.controlDependencies([sent]) { own.identity() }
        }
        return result ?? own
    }

    /// An operation that ends on every worker after the first worker has done these.
    /// - Parameters:
    ///   - done: empty on all workers but the first.
    ///   - variable: a variable in whose group the message is sent.
    mutating func completion(of done: [Operation], beside variable: Variable) -> Operation {
        let isFirst = worker == 0
        let message = collective(on: variable.requestedDevice) { [builder] group, instance in
            isFirst
                ? builder.controlDependencies(done) { group.send(builder.scalar(0, .float32), instance: instance) }
                : group.receive(.float32, .scalar, instance: instance).operation
        }
        return message ?? builder.colocate(with: variable.handle.operation) { builder.group(done, name: "completion") }
    }
}
