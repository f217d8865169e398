import Foundation
package import WeirDevice
package import WeirGraph
import WeirRuntime
import WeirTensor

/// A way to run a case; the results must not depend on it.
package enum Schedule: String, CaseIterable {
    /// Inputs are fed; no optimizer; sequential executor.
    case plain = "as it is, one node after the other"
    /// Inputs are constants, so the optimizer folds much of the graph; parallel executor.
    case optimized = "constants, optimized, on several threads"
    /// On a simulated GPU with delayed streams, for ops with a GPU kernel.
    case gpu = "on a simulated GPU that is late"
    /// On a CUDA card, emulated unless another is given, for ops with a GPU kernel.
    case cuda = "on a CUDA card"

    func options(_ cuda: CUDARuntime?, gpu: Int) -> RuntimeOptions {
        var options = RuntimeOptions()
        options.allowsSoftPlacement = true
        switch self {
        case .plain:
            options.execution.optimizer = .none
            options.execution.scheduling = .sequential
        case .optimized: options.execution.scheduling = .parallel
        case .gpu:
            options.simulatedGPUCount = 1
            options.simulatedGPUDelays = SimulatedDelays(seed: 1, longest: 20)
        case .cuda:
            options.cuda = cuda ?? EmulatedCUDA.runtime
            options.gpus = GPUOptions(visibleDevices: [gpu])
        }
        return options
    }
    var isOnGPU: Bool { self == .gpu || self == .cuda }
    var device: String { isOnGPU ? "/device:GPU:0" : "" }
}

/// Runs cases and reports differences from the table.
package struct CaseRunner {
    let registry: OpRegistry
    let schedule: Schedule
    /// The devices of all cases, each with resources of its own.
    private let devices: LocalDevices
    private let options: RuntimeOptions

    /// - Parameters:
    ///   - cuda: the driver of the card; the emulated one if nil.
    ///   - gpu: its number of the card.
    package init(registry: OpRegistry, schedule: Schedule, cuda: CUDARuntime? = nil, gpu: Int = 0) throws {
        self.registry = registry
        self.schedule = schedule
        options = schedule.options(cuda, gpu: gpu)
        devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: options)
    }

    /// What running the cases of a family has given.
    package struct Outcome {
        /// How many cases were compared.
        package var count = 0
        /// The differences that are not known.
        package var differences: [String] = []
    }

    /// Runs the cases of a family.
    /// - Parameter folder: where the table is; that of the sources if nil.
    package func run(_ family: String, folder: String? = nil) throws -> Outcome {
        var outcome = Outcome()
        for item in try OpCase.all(family, registry: registry, folder: folder) {
            let differences = differences(item)
            if schedule == .cuda, let missing = PendingCUDA.op(differences) {
                if !PendingCUDA.ops.contains(missing) { outcome.differences.append("\(item.label): \(missing) has no CUDA kernel any more") }
                continue
            }
            outcome.count += 1
            guard let gap = KnownGap.all.first(where: { $0.covers(item, schedule) }) else {
                outcome.differences += differences.map { "\(item.label): \($0)" }
                continue
            }
            if differences.isEmpty { outcome.differences.append("\(item.label) no longer differs: take it off the known gaps (\(gap.reason))") }
        }
        return outcome
    }

    /// Descriptions of the differences from the table; empty if there are none.
    private func differences(_ item: OpCase) -> [String] {
        do {
            switch item.kind {
            case .single(let single): return try run(single, item)
            case .graph(let graph, let runs): return try run(graph, runs, item)
            }
        } catch {
            guard let expected = item.failure else { return ["\(error)"] }
            let status = Status(error)
            return status.code.description == expected ? [] : ["expected \(expected), found \(status.code.description): \(status.message)"]
        }
    }

    private func run(_ single: OpCase.Single, _ item: OpCase) throws -> [String] {
        let b = GraphBuilder(registry: registry)
        var feeds: [(String, Tensor)] = []
        let isFed = schedule == .plain || item.failure != nil
        let inputs = single.inputs.enumerated().map { index, value -> Output in
            guard isFed else { return b.constant(value) }
            feeds.append(("in\(index):0", value))
            return b.placeholder(value.dtype, shape: item.failure == nil ? PartialShape(value.shape) : .unknown, name: "in\(index)")
        }
        let outputs = b.device(schedule.device) { b.add(item.op, inputs, name: "node", attributes: single.attributes) }.outputs
        var fetches = outputs, expected = single.outputs
        if !single.inputGradients.isEmpty {
            let flowing = outputs.indices.filter { single.outputGradients.indices.contains($0) && single.outputGradients[$0] != nil }
            let found = b.device(schedule.device) {
                b.gradients(
                    of: flowing.map { outputs[$0] }, with: inputs, initial: flowing.map { single.outputGradients[$0].map { b.constant($0) } })
            }
            for (index, (gradient, value)) in zip(found, single.inputGradients).enumerated() {
                guard let value else { continue }
                guard let gradient else {
                    if !isZero(value) { return ["no gradient for input \(index)"] }
                    continue
                }
                fetches.append(gradient)
                expected.append(OpCase.Expected(value: value))
            }
        }
        let session = try DirectSession(b.graph(), registry: registry, devices: devices.isolated(), options: options)
        let found = try session.run(feeds: feeds, fetches: fetches.map(\.name), targets: ["node"])
        if let failure = item.failure { return ["expected \(failure), found values"] }
        guard found.count == expected.count else { return ["expected \(expected.count) outputs, found \(found.count)"] }
        return zip(found, expected).enumerated().compactMap { index, pair in
            difference(pair.0, pair.1, item.tolerance).map { "\(index < outputs.count ? "output \(index)" : "a gradient"): \($0)" }
        }
    }
    private func isZero(_ tensor: Tensor) -> Bool { tensor.bytes.allSatisfy { $0 == 0 } }

    private func run(_ graph: GraphDefinition, _ runs: [OpCase.Run], _ item: OpCase) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("weir-op-case-\(UUID().uuidString)")
        let text = "\(graph) \(runs)"
        let usesFiles = text.contains("{dir}")
        if usesFiles { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
        defer { if usesFiles { try? FileManager.default.removeItem(at: folder) } }
        let marks = ["{dir}": folder.path, "{device}": "/job:localhost/replica:0/task:0" + (schedule.isOnGPU ? "/device:GPU:0" : "/device:CPU:0")]
        var graph = graph
        for index in graph.nodes.indices {
            graph.nodes[index].attributes = graph.nodes[index].attributes.replacing(marks)
            if graph.nodes[index].device.isEmpty { graph.nodes[index].device = schedule.device }
        }
        let session = try DirectSession(Graph(graph, registry: registry), registry: registry, devices: devices.isolated(), options: options)
        var differences: [String] = []
        for (number, run) in runs.enumerated() {
            let prefix = "run \(number): "
            do {
                let feeds = run.feeds.map { ($0.0, $0.1.replacing(marks)) }
                let found = try session.run(feeds: feeds, fetches: run.fetches, targets: run.targets)
                if let failure = run.failure {
                    differences.append(prefix + "expected \(failure), found values")
                    continue
                }
                guard found.count == run.outputs.count else { return [prefix + "\(found.count) outputs"] }
                for (index, (value, expected)) in zip(found, run.outputs).enumerated() {
                    var expected = expected
                    expected.value = expected.value.replacing(marks)
                    if let difference = difference(value, expected, item.tolerance) {
                        differences.append(prefix + "\(run.fetches[index]): \(difference)")
                    }
                }
            } catch {
                let status = Status(error)
                if status.code.description != run.failure {
                    differences.append(prefix + "expected \(run.failure ?? "values"), found \(status.code.description): \(status.message)")
                }
            }
        }
        return differences
    }
}

extension Tensor {
    /// The tensor with the marks (the keys, such as `{dir}`) replaced in its strings.
    func replacing(_ marks: [String: String]) -> Tensor {
        guard dtype == .string, elements(ByteString.self).contains(where: { $0.bytes.contains(UInt8(ascii: "{")) }) else { return self }
        return Tensor(elements(ByteString.self).map { $0.replacing(marks) }, ofShape: shape)
    }
}
extension ByteString {
    fileprivate func replacing(_ marks: [String: String]) -> ByteString {
        guard let text = String(validating: bytes, as: UTF8.self) else { return self }
        return ByteString(marks.reduce(text) { $0.replacingOccurrences(of: $1.key, with: $1.value) })
    }
}
extension Attributes {
    fileprivate func replacing(_ marks: [String: String]) -> Attributes {
        Attributes(
            values.mapValues { value in
                switch value {
                case .string(let text): .string(text.replacing(marks))
                case .tensor(let tensor): .tensor(tensor.replacing(marks))
                default: value
                }
            })
    }
}
