import ArgumentParser
import Weir

/// Every op, one after the other, with random attributes and inputs: it must compute outputs that match its schema, or fail.
struct OpsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: OpsFuzzer.name, abstract: OpsFuzzer.abstract)
    @OptionGroup var options: FuzzOptions
    @Option(help: "Only this op.") var op: String?
    @Flag(help: "Say at the end how many cases of each op computed something: what is always refused is not tested.") var rates = false

    func run() async throws {
        OpsFuzzer.choice.set(op, rates)
        try await fuzz(OpsFuzzer.self, options, extra: (op.map { ["--op", $0] } ?? []) + (rates ? ["--rates"] : []))
    }
}

struct OpsFuzzer: FuzzKind {
    static let name = "ops"
    static let abstract = "Every op with random shapes, values, attributes and types."
    /// Inputs and valid outputs are small; more memory means that an unchecked number was used as a size.
    static let memoryLimit = 1 << 30
    /// Set once, before cases run.
    final class Choice: @unchecked Sendable {
        private(set) var op: String?
        private(set) var showsRates = false
        func set(_ op: String?, _ showsRates: Bool) {
            self.op = op
            self.showsRates = showsRates
        }
    }
    static let choice = Choice()
    /// Ops that end the process by design.
    private static let excluded: Set<String> = ["Abort"]

    private let session: FuzzSession
    private let ops: [OpDefinition]
    private let families: [String: ResourceFamily]
    private let device = CPUDevice(name: DeviceName(job: "localhost", replica: 0, task: 0, type: "CPU", index: 0))
    private let graphs = OpInGraph()
    /// Runs and successes by op, and its last error.
    private var rates: [(runs: Int, successes: Int, refusal: String)]

    init(_ session: FuzzSession) async throws {
        self.session = session
        let all = OpRegistry.standard.definitions.filter { !OpsFuzzer.excluded.contains($0.name) && !$0.hostKernels.isEmpty }
        families = ResourceFamily.all(all)
        ops = OpsFuzzer.choice.op.map { name in all.filter { $0.name == name } } ?? all
        rates = ops.map { _ in (0, 0, "") }
        guard !ops.isEmpty else { throw FuzzFailure("no such op") }
    }

    mutating func finish() async throws {
        guard OpsFuzzer.choice.showsRates else { return }
        for (op, rate) in zip(ops, rates).sorted(by: { $0.1.successes * max(1, $1.1.runs) < $1.1.successes * max(1, $0.1.runs) }) {
            Console.line("NOTE\t\(op.name): \(rate.successes) of \(rate.runs); \(rate.refusal.prefix(150))")
        }
    }

    mutating func run(_ number: Int, _ random: inout SplitMix64) async throws -> Bool {
        let index = number % ops.count
        rates[index].runs += 1
        let isAccepted = run(number, ops[index], &random)
        if isAccepted { rates[index].successes += 1 }
        return isAccepted
    }

    private mutating func run(_ number: Int, _ op: OpDefinition, _ random: inout SplitMix64) -> Bool {
        var made = OpCase(op, &random)
        guard let node = made.node else { return false }
        let runner = KernelRunner(device: device)
        defer { runner.clear() }
        if session.explains { runner.onRun = { Console.line("CASE\t\(number)\t" + OpsFuzzer.words($0, $1)) } }
        guard let inputs = made.inputs(runner, families) else { return false }
        // In a graph first, where shape functions and passes also see the sizes.
        let isInGraph = random.chance(25)
        if isInGraph { runner.onRun?(node, inputs) }
        let inGraph = isInGraph ? graphs.run(node, inputs, runner.place) : nil
        switch runner.run(node, inputs) {
        case .outputs(let outputs):
            if let wrong = OutputCheck.check(node, outputs) {
                session.report(number, group: "\(op.name): \(wrong.kind)", OpsFuzzer.words(node, inputs) + " -> " + wrong.text)
            } else if let inGraph, let wrong = inGraph.contradiction(of: node, outputs) {
                session.report(number, group: "\(op.name): \(wrong.kind)", OpsFuzzer.words(node, inputs) + " -> " + wrong.text)
            }
            return true
        case .refused(let status):
            rates[number % ops.count].refusal = status.message
            if status.message.isEmpty { session.report(number, group: "\(op.name): refuses without a word", OpsFuzzer.words(node, inputs)) }
            return false
        case .waits: return true
        case .stuck:
            session.report(number, group: "\(op.name): cancelled and does not end", OpsFuzzer.words(node, inputs))
            return true
        }
    }

    func describe(_ number: Int, _ random: inout SplitMix64) async throws -> String { ops[number % ops.count].name }

    static func words(_ node: Node, _ inputs: [EdgeValue]) -> String {
        let attributes = node.attributes.sorted { $0.key < $1.key }.map { name, value -> String in
            if case .tensor(let tensor) = value { return "\(name)=\(tensor.sketch)" }
            return "\(name)=\(String(describing: value).prefix(80))"
        }
        let values = inputs.map { slot -> String in
            switch slot {
            case .value(let tensor): tensor.sketch
            case .reference(let cell): "ref(\(cell.value.map(\.sketch) ?? "uninitialized \(cell.dtype)"))"
            case .dead: "dead"
            case .empty: "empty"
            }
        }
        return "\(node.op.name) (\(values.joined(separator: "; "))) {\(attributes.joined(separator: ", "))}"
    }
}

/// A node and its inputs.
struct OpCase {
    private var attributes: AttributeMaker
    private var values: InputMaker
    private var make: TensorMaker
    let node: Node?
    /// Nodes with more inputs are skipped.
    private static let maximumInputs = 64

    init(_ op: OpDefinition, _ random: inout SplitMix64) {
        make = TensorMaker(SplitMix64(seed: random.next()))
        attributes = AttributeMaker(make: TensorMaker(SplitMix64(seed: random.next())))
        values = InputMaker(TensorMaker(SplitMix64(seed: random.next())))
        node = try? Node(name: "fuzzed", op: op, attributes: attributes.attributes(of: op))
    }

    /// The inputs. Handles refer to resources that were made for the case, and perhaps used.
    mutating func inputs(_ runner: KernelRunner, _ families: [String: ResourceFamily]) -> [EdgeValue]? {
        guard let node, node.inputTypes.count <= OpCase.maximumInputs else { return nil }
        var handles: [EdgeValue] = []
        if let family = families[node.op.name], !family.makers.isEmpty {
            // Type attributes of the same name mostly get the same value, so that the handle fits the op.
            var shared = Attributes()
            for (name, value) in node.attributes {
                switch value {
                case .type, .types: if make.random.chance(90) { shared[name] = value }
                default: break
                }
            }
            for (mine, theirs) in [
                ("T", "dtype"), ("dtype", "T"), ("element_dtype", "dtype"), ("Tcomponents", "component_types"), ("Tin", "key_dtype"),
                ("Tout", "value_dtype"), ("Tcomponents", "dtypes"), ("component_types", "dtypes"), ("T", "elem_type"), ("elem_type", "T"),
            ] {
                if let value = node.attributes[mine], shared[theirs] == nil { shared[theirs] = value }
            }
            handles = make.random.chance(3) ? [] : makeHandles(family, shared, runner)
            for _ in 0..<make.random.int(0...3) where !family.users.isEmpty {
                let user = make.random.pick(family.users)
                guard let used = try? Node(name: "earlier", op: user, attributes: attributes.attributes(of: user, given: shared)),
                    used.inputTypes.count <= OpCase.maximumInputs
                else { continue }
                if case .outputs(let outputs) = runner.run(used, slots(of: used, handles)) {
                    for (argument, slot) in zip(OpCase.arguments(user.schema.outputs, used), outputs) where argument.map(ResourceFamily.isHandle) == true {
                        handles.append(slot)
                    }
                }
            }
        }
        return slots(of: node, handles)
    }

    private mutating func makeHandles(_ family: ResourceFamily, _ shared: Attributes, _ runner: KernelRunner) -> [EdgeValue] {
        var handles: [EdgeValue] = []
        for attempt in 0..<6 where handles.count < 2 {
            let maker = make.random.pick(family.makers)
            var given = shared
            given["container"] = .string("")
            given["shared_name"] = .string("r\(attempt)")
            if make.random.chance(60) { given["shape"] = .shape(.unknown); given["element_shape"] = .shape(.unknown); given["shapes"] = .emptyList }
            if make.random.chance(70) { given["capacity"] = .int(make.random.int(1...8)) }
            guard let node = try? Node(name: "made\(attempt)", op: maker, attributes: attributes.attributes(of: maker, given: given)),
                node.inputTypes.count <= OpCase.maximumInputs, case .outputs(let outputs) = runner.run(node, slots(of: node, []))
            else { continue }
            for (argument, slot) in zip(OpCase.arguments(maker.schema.outputs, node), outputs) where argument.map(ResourceFamily.isHandle) == true {
                handles.append(slot)
                if maker.name == "VarHandleOp", make.random.chance(85) { assign(slot, node.attributes, runner) }
            }
        }
        return handles
    }
    private mutating func assign(_ handle: EdgeValue, _ attributes: Attributes, _ runner: KernelRunner) {
        guard let dtype = attributes.type("dtype"), let op = OpRegistry.standard["AssignVariableOp"],
            let node = try? Node(name: "assigned", op: op, attributes: ["dtype": .type(dtype)])
        else { return }
        let value = make.random.chance(70) ? values.tensor("value", 0, dtype) : make.tensor(dtype)
        _ = runner.run(node, [handle, .value(value)])
    }

    /// The argument of each port.
    static func arguments(_ arguments: [OpSchema.Argument], _ node: Node) -> [OpSchema.Argument?] {
        guard let ranges = try? node.op.schema.ranges(arguments, node.attributes) else { return [] }
        return zip(arguments, ranges).flatMap { argument, range in range.map { _ in argument } }
    }

    private mutating func slots(of node: Node, _ handles: [EdgeValue]) -> [EdgeValue] {
        let arguments = OpCase.arguments(node.op.schema.inputs, node)
        return node.inputTypes.enumerated().map { position, type in
            let name = arguments[position]?.name ?? ""
            if let argument = arguments[position], ResourceFamily.isHandle(argument), !handles.isEmpty {
                return OpCase.fit(make.random.pick(handles), type, make.tensor(type.dtype))
            }
            let tensor = values.tensor(name, position, type.dtype)
            guard type.isReference else { return .value(tensor) }
            let isEmpty = node.op.allowsUninitializedInput && make.random.chance(20)
            return .reference(VariableStorage(name: "v\(position)", dtype: type.dtype, value: isEmpty ? nil : tensor))
        }
    }
    /// Converts a handle to the port's type, as an executor does with references.
    private static func fit(_ handle: EdgeValue, _ type: PortType, _ other: Tensor) -> EdgeValue {
        switch handle {
        case .value(let tensor) where tensor.dtype == type.dtype:
            return type.isReference ? .reference(VariableStorage(name: "handle", dtype: type.dtype, value: tensor)) : handle
        case .reference(let cell) where cell.dtype == type.dtype:
            return type.isReference ? handle : .value(cell.value ?? other)
        default:
            return type.isReference ? .reference(VariableStorage(name: "handle", dtype: type.dtype, value: other)) : .value(other)
        }
    }
}
