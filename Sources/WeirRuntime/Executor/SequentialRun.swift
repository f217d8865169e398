import WeirGraph
import WeirTensor

/// One step of a `SequentialPlan`. It runs completely on the thread that calls `run`.
struct SequentialRun: ~Copyable {
    private let plan: SequentialPlan
    private let table: NodeTable
    private let place: KernelEnvironment
    private let step: StepContext
    /// The step's cancellation, which `step` keeps alive. Unmanaged, because it is read before every kernel and needs no
    /// reference counting.
    private let cancellation: Unmanaged<Cancellation>
    private let call: CallFrame?
    private let memory: SequentialState
    private let slots: UnsafeMutablePointer<EdgeValue>
    private let inputs: UnsafeMutablePointer<EdgeValue>
    private let isDead: UnsafeMutablePointer<Bool>
    private var frame = FrameIteration.root
    private var failure: Status?

    init(_ plan: SequentialPlan, _ table: NodeTable, _ place: KernelEnvironment, _ step: StepContext, _ call: CallFrame?, _ memory: SequentialState) {
        self.plan = plan
        self.table = table
        self.place = place
        self.step = step
        cancellation = .passUnretained(step.cancellation)
        self.call = call
        self.memory = memory
        slots = memory.slots
        inputs = memory.inputs
        isDead = memory.isDead
    }

    private var isCancelled: Bool { cancellation._withUnsafeGuaranteedRef { $0.isCancelled } }

    mutating func run() -> Status? {
        if !run(region: 0) { memory.clear(plan) }
        return failure
    }

    private mutating func run(region: Int) -> Bool {
        var instruction = UnsafePointer(plan.instructions + plan.regions[region].first)
        let end = instruction + plan.regions[region].count
        while instruction < end {
            if instruction.pointee.kind == .loop {
                guard runLoop(Int(instruction.pointee.position)) else { return false }
            } else {
                guard execute(instruction) else { return false }
            }
            instruction += 1
        }
        return true
    }

    /// Runs a loop until no value is passed to another iteration.
    private mutating func runLoop(_ region: Int) -> Bool {
        let outer = frame
        defer { frame = outer }
        frame.frame = UInt64(region) << 32 &+ UInt64(truncatingIfNeeded: outer.iteration)
        frame.iteration = 0
        for exit in plan.regions[region].exits { slots[exit] = .dead }
        while true {
            guard run(region: region) else { return false }
            guard !isCancelled else {
                failure = .cancelled("Loop execution was cancelled.")
                return false
            }
            var goesOn = false
            for (kept, current) in plan.regions[region].carried {
                slots[current] = .empty
                switch slots[kept] {
                case .value, .reference:
                    (slots + current).moveUpdate(from: slots + kept, count: 1)
                    (slots + kept).initialize(to: .empty)
                    goesOn = true
                case .dead, .empty:
                    slots[current] = .dead
                    slots[kept] = .empty
                }
            }
            if frame.iteration == 0 { for slot in plan.regions[region].entering { slots[slot] = .dead } }
            guard goesOn else { break }
            frame.iteration += 1
        }
        for slot in plan.regions[region].invariant { slots[slot] = .empty }
        for (_, current) in plan.regions[region].carried { slots[current] = .empty }
        return true
    }

    @inline(__always)
    private mutating func execute(_ instruction: UnsafePointer<SequentialPlan.Instruction>) -> Bool {
        let inputCount = Int(instruction.pointee.sourceCount)
        let first = plan.sources + Int(instruction.pointee.sourceStart)
        for index in 0..<inputCount {
            let source = first[index]
            if source.isLastUse {
                (inputs + index).moveInitialize(from: slots + source.slot, count: 1)
                (slots + source.slot).initialize(to: .empty)
            } else {
                (inputs + index).initialize(to: slots[source.slot])
            }
        }
        if instruction.pointee.mayBeDead || instruction.pointee.kind == .merge {
            let dies = isDead(instruction, inputCount)
            if instruction.pointee.recordsDeadness { isDead[Int(instruction.pointee.node)] = dies }
            if dies {
                for index in 0..<inputCount { inputs[index] = .empty }
                if instruction.pointee.kind != .exit, instruction.pointee.kind != .nextIteration {
                    let outputs = slots + Int(instruction.pointee.outputStart)
                    for index in 0..<Int(instruction.pointee.outputCount) { outputs[index] = .dead }
                }
                return true
            }
        }
        let entry = table.entries + Int(instruction.pointee.node)
        if entry.pointee.dereferences, let status = table.dereference(instruction.pointee.node, inputs, inputCount) {
            return fail(instruction, status)
        }
        let outputs = slots + Int(instruction.pointee.outputStart)
        switch instruction.pointee.kind {
        case .merge: merge(instruction, inputCount, outputs)
        case .kernel:
            guard runKernel(instruction, entry, inputCount, outputs) else { return false }
        case .pass, .enter, .exit:
            outputs[0] = .empty
            (outputs).moveUpdate(from: inputs, count: 1)
            inputs.initialize(to: .empty)
        case .nextIteration:
            (slots + Int(instruction.pointee.position)).moveUpdate(from: inputs, count: 1)
            inputs.initialize(to: .empty)
            return true
        case .argument:
            let position = Int(instruction.pointee.position)
            guard let call, position < call.arguments.count else {
                return fail(instruction, .internalError("no argument \(position) was given"))
            }
            let value = call.arguments[position]
            guard value.dtype == table.types[Int(entry.pointee.typeStart)].dtype else {
                return fail(instruction, .internalError("output 0 must be \(table.types[Int(entry.pointee.typeStart)].dtype), found \(value.dtype)"))
            }
            outputs[0] = .value(value)
        case .result:
            call?.set(Int(instruction.pointee.position), inputs[0])
            inputs[0] = .empty
        case .nothing, .loop: break
        }
        if instruction.pointee.dropsOutputs {
            for index in 0..<Int(instruction.pointee.outputCount) where plan.uses[Int(instruction.pointee.outputStart) + index] == 0 {
                outputs[index] = .empty
            }
        }
        return true
    }

    /// Forwards the live input. There is exactly one.
    private func merge(_ instruction: UnsafePointer<SequentialPlan.Instruction>, _ inputCount: Int, _ outputs: UnsafeMutablePointer<EdgeValue>) {
        var taken = 0
        while taken < inputCount - 1, inputs[taken].isDead || inputs[taken].isEmpty { taken += 1 }
        outputs.moveUpdate(from: inputs + taken, count: 1)
        (inputs + taken).initialize(to: .empty)
        for index in 0..<inputCount { inputs[index] = .empty }
        if instruction.pointee.outputCount > 1, plan.uses[Int(instruction.pointee.outputStart) + 1] > 0 {
            outputs[1] = .value(Tensor(Int32(taken)))
        }
    }

    @inline(__always)
    private mutating func runKernel(
        _ instruction: UnsafePointer<SequentialPlan.Instruction>, _ entry: UnsafeMutablePointer<NodeTable.Entry>, _ inputCount: Int,
        _ outputs: UnsafeMutablePointer<EdgeValue>
    ) -> Bool {
        guard !isCancelled else { return fail(instruction, .cancelled("Step was cancelled")) }
        let outputCount = Int(instruction.pointee.outputCount)
        let context = KernelContext(
            inputs: inputs, inputCount: inputCount, outputs: outputs, outputCount: outputCount, step: step, place: place,
            frame: frame)
        let start = step.trace == nil ? 0 : StepClock.now()
        guard let body = entry.pointee.body else {
            return fail(instruction, .internalError("a kernel that waits in a step of one thread"))
        }
        do {
            try body._withUnsafeGuaranteedRef { try $0.run(context) }
        } catch {
            for index in 0..<outputCount { outputs[index] = .empty }
            return fail(instruction, Status(error))
        }
        if start != 0 { table.record(instruction.pointee.node, start, outputs, outputCount, step, place) }
        for index in 0..<inputCount { inputs[index] = .empty }
        if let status = table.check(instruction.pointee.node, outputs, outputCount) { return fail(instruction, status) }
        return true
    }

    /// Whether the node is in a branch that was not taken.
    private func isDead(_ instruction: UnsafePointer<SequentialPlan.Instruction>, _ inputCount: Int) -> Bool {
        if instruction.pointee.kind == .merge {
            for index in 0..<inputCount {
                switch inputs[index] {
                case .value, .reference: return false
                case .dead, .empty: continue
                }
            }
            return true
        }
        for index in 0..<inputCount where inputs[index].isDead { return true }
        for index in 0..<Int(instruction.pointee.controlCount) where isDead[Int(plan.controls[Int(instruction.pointee.controlStart) + index])] {
            return true
        }
        return false
    }

    private mutating func fail(_ instruction: UnsafePointer<SequentialPlan.Instruction>, _ status: Status) -> Bool {
        for index in 0..<Int(instruction.pointee.sourceCount) { inputs[index] = .empty }
        var status = table.naming(instruction.pointee.node, status)
        if step.cancellation.isCancelled, status.code == .cancelled || status.code == .aborted { status.isDerived = true }
        failure = status
        step.rendezvous.abort(status.derived)
        step.cancellation.cancel()
        return false
    }
}

/// The slots of one step, reused by later steps.
final class SequentialState: @unchecked Sendable {  // only one step uses it at a time
    let slots: UnsafeMutablePointer<EdgeValue>
    let inputs: UnsafeMutablePointer<EdgeValue>
    let isDead: UnsafeMutablePointer<Bool>
    private let slotCount: Int

    init(_ plan: SequentialPlan, nodeCount: Int) {
        slotCount = plan.slotCount
        slots = .allocate(capacity: max(slotCount, 1))
        slots.initialize(repeating: .empty, count: slotCount)
        inputs = .allocate(capacity: plan.maximumSourceCount)
        inputs.initialize(repeating: .empty, count: plan.maximumSourceCount)
        isDead = .allocate(capacity: max(nodeCount, 1))
        isDead.initialize(repeating: false, count: nodeCount)
        fill(plan)
    }
    private func fill(_ plan: SequentialPlan) { for (slot, value) in plan.constants { slots[slot] = .value(value) } }

    /// Resets all slots after a failed step.
    func clear(_ plan: SequentialPlan) {
        for slot in 0..<slotCount { slots[slot] = .empty }
        fill(plan)
    }
    deinit {
        slots.deinitialize(count: slotCount)
        slots.deallocate()
        inputs.deallocate()
        isDead.deallocate()
    }
}
