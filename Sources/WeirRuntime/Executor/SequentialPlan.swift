import WeirGraph
import WeirTensor

/// The order in which one thread runs a partition, decided once.
///
/// Every output has its own slot. The slots, and the last use of each value, are known before the step. So the step needs no
/// pending counts, no queue and no atomics: a value is moved from its slot to the kernel that uses it last. A loop is one unit
/// in the order of its parent region; its iterations run in the order of its own region.
final class SequentialPlan: @unchecked Sendable {  // immutable after init
    /// Where an input comes from.
    struct Source {
        private var bits: Int32
        init(slot: Int, isLastUse: Bool) { bits = Int32(slot) << 1 | (isLastUse ? 1 : 0) }
        var slot: Int { Int(bits >> 1) }
        /// Whether no later instruction uses the value, so that it can be moved and its memory reused.
        var isLastUse: Bool { bits & 1 != 0 }
    }
    enum Kind: UInt8 {
        case kernel, pass, merge, enter, exit, nextIteration, argument, result, nothing
        /// A whole loop; `position` is its region.
        case loop
    }
    struct Instruction {
        var kind: Kind
        /// Whether an input or control edge may come from a branch that was not taken.
        var mayBeDead = false
        /// Whether the instruction must record that it was dead, because another node waits for it by a control edge.
        var recordsDeadness = false
        /// Whether an output is never used.
        var dropsOutputs = false
        var node: Int32
        var sourceStart: Int32 = 0
        var sourceCount: Int32 = 0
        var controlStart: Int32 = 0
        var controlCount: Int32 = 0
        var outputStart: Int32 = 0
        var outputCount: Int32 = 0
        /// The index of the argument or result, the region of the loop, or the slot in which a NextIteration stores its value
        /// until the iteration ends.
        var position: Int32 = 0
    }
    /// The graph outside of all loops, or one iteration of a loop.
    struct Region {
        fileprivate(set) var first = 0
        fileprivate(set) var count = 0
        /// For each NextIteration: the slot that stores its value until the iteration ends (`kept`), and the slot that the next
        /// iteration reads (`current`).
        fileprivate(set) var carried: [(kept: Int, current: Int)] = []
        /// The slots of values that only the first iteration reads.
        fileprivate(set) var entering: [Int] = []
        /// The slots of loop invariants, which every iteration reads.
        fileprivate(set) var invariant: [Int] = []
        /// The slots of the loop's results.
        fileprivate(set) var exits: [Int] = []
    }

    let regions: [Region]
    /// The instructions of all regions, region by region.
    let instructions: UnsafeMutablePointer<Instruction>
    let sources: UnsafeMutablePointer<Source>
    /// The nodes whose deadness makes an instruction dead through a control edge.
    let controls: UnsafeMutablePointer<Int32>
    /// How many inputs read each slot. An output without uses is dropped at once.
    let uses: UnsafeMutablePointer<Int32>
    let slotCount: Int
    /// Values that are the same in every step.
    let constants: [(slot: Int, value: Tensor)]
    let maximumSourceCount: Int

    /// - Returns: nil when the graph has a kernel that waits, a send or a receive, or when the form of a loop is not supported.
    ///   No front end writes such loops.
    init?(_ graph: Graph, _ table: NodeTable, _ frames: FrameAssignment, isHost: Bool) {
        for id in graph.nodes.indices {
            switch table.entries[id].kind {
            case .transfer: return nil
            case .argument, .result: continue
            default: if case .async = table.entries[id].kernel { return nil }
            }
        }
        var order = RegionOrder(graph, frames)
        guard let orders = order.sorted() else { return nil }
        var builder = Builder(graph, table, frames, isHost: isHost)
        guard builder.build(orders) else { return nil }
        regions = builder.regions
        instructions = SequentialPlan.copy(builder.instructions)
        sources = SequentialPlan.copy(builder.sources)
        controls = SequentialPlan.copy(builder.controls)
        uses = SequentialPlan.copy(builder.uses)
        slotCount = builder.slotCount
        constants = builder.constants
        maximumSourceCount = graph.nodes.reduce(1) { max($0, $1.inputs.count) }
    }
    deinit {
        instructions.deallocate()
        sources.deallocate()
        controls.deallocate()
        uses.deallocate()
    }

    /// Copies values to memory that is read without reference counting.
    private static func copy<T: BitwiseCopyable>(_ values: [T]) -> UnsafeMutablePointer<T> {
        let memory = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { memory.initialize(from: base, count: values.count) }
        }
        return memory
    }
}

extension SequentialPlan {
    /// Translates the sorted regions into instructions.
    private struct Builder {
        let graph: Graph
        let table: NodeTable
        let frames: FrameAssignment
        let isHost: Bool
        var regions: [Region] = []
        var instructions: [Instruction] = []
        var sources: [Source] = []
        var controls: [Int32] = []
        var constants: [(slot: Int, value: Tensor)] = []
        var slotCount = 0
        var uses: [Int32] = []
        private var firstSlot: [Int] = []
        private var mayBeDead: [Bool]
        private var isConstant: [Bool]
        private var isControlSource: [Bool]
        private var consumers: [[NodeID]]
        /// The index in `sources` of the last use of each slot so far.
        private var lastUse: [Int] = []

        init(_ graph: Graph, _ table: NodeTable, _ frames: FrameAssignment, isHost: Bool) {
            self.graph = graph
            self.table = table
            self.frames = frames
            self.isHost = isHost
            mayBeDead = [Bool](repeating: false, count: graph.nodes.count)
            isConstant = mayBeDead
            isControlSource = mayBeDead
            consumers = [[NodeID]](repeating: [], count: graph.nodes.count)
        }

        mutating func build(_ orders: [[RegionOrder.Unit]]) -> Bool {
            for node in graph.nodes {
                firstSlot.append(slotCount)
                slotCount += node.outputTypes.count
                for control in node.controlInputs { isControlSource[control] = true }
            }
            for (id, node) in graph.nodes.enumerated() { for input in node.inputs { consumers[input.node].append(id) } }
            uses = [Int32](repeating: 0, count: slotCount)
            for node in graph.nodes { for input in node.inputs { uses[firstSlot[input.node] + input.index] += 1 } }
            lastUse = [Int](repeating: -1, count: slotCount)
            regions = [Region](repeating: Region(), count: orders.count)
            findDeadNodes(orders)
            for (region, units) in orders.enumerated() {
                regions[region].first = instructions.count
                defer { regions[region].count = instructions.count - regions[region].first }
                for unit in units {
                    switch unit {
                    case .loop(let child):
                        instructions.append(Instruction(kind: .loop, node: -1, position: Int32(child)))
                    case .node(let id):
                        guard append(id, to: region) else { return false }
                    }
                }
            }
            for slot in lastUse.indices where lastUse[slot] >= 0 {
                sources[lastUse[slot]] = Source(slot: slot, isLastUse: true)
            }
            return true
        }

        /// Finds the nodes that may be in a branch that is not taken.
        private mutating func findDeadNodes(_ orders: [[RegionOrder.Unit]]) {
            // Parent regions come before their children. The results of a loop count as possibly dead.
            for units in orders {
                for case .node(let id) in units {
                    let node = graph.nodes[id]
                    func isDead(_ source: NodeID) -> Bool {
                        mayBeDead[source] || graph.nodes[source].op.mayOutputDead || graph.nodes[source].role == .exit
                    }
                    if table.entries[id].kind == .merge {
                        // A value need not reach the next iteration although the loop continues.
                        mayBeDead[id] =
                            node.inputs.contains { graph.nodes[$0.node].role == .nextIteration }
                            || node.inputs.allSatisfy { isDead($0.node) }
                    } else if table.entries[id].kind != .controlTrigger {
                        mayBeDead[id] = node.inputs.contains { isDead($0.node) } || node.controlInputs.contains { isDead($0) }
                    }
                }
            }
        }

        /// Whether the value of a constant can stay in its slot for all steps and iterations.
        private func staysInPlace(_ id: NodeID) -> Bool {
            // A constant that may be dead can stay if each of its consumers can be dead instead.
            !mayBeDead[id] || consumers[id].allSatisfy { table.entries[$0].kind == .ordinary } && !isControlSource[id]
        }

        private mutating func append(_ id: NodeID, to region: Int) -> Bool {
            let node = graph.nodes[id]
            let entry = table.entries[id]
            var instruction = Instruction(
                kind: .kernel, mayBeDead: mayBeDead[id], node: Int32(id), outputStart: Int32(firstSlot[id]),
                outputCount: Int32(node.outputTypes.count))
            switch entry.kind {
            case .merge: instruction.kind = .merge
            case .enter, .constantEnter:
                guard let child = frames.enteredFrame[id] else { return false }
                instruction.kind = .enter
                if entry.kind == .constantEnter {
                    regions[child].invariant.append(firstSlot[id])
                } else {
                    regions[child].entering.append(firstSlot[id])
                }
            case .exit:
                instruction.kind = .exit
                regions[region].exits.append(firstSlot[id])
            case .nextIteration:
                instruction.kind = .nextIteration
                instruction.position = Int32(slotCount)
                regions[region].carried.append((kept: slotCount, current: firstSlot[id]))
                slotCount += 1
            case .argument:
                instruction.kind = .argument
                instruction.position = entry.position
            case .result:
                instruction.kind = .result
                instruction.position = entry.position
            case .controlTrigger, .ordinary:
                if node.role == .noOp || entry.kind == .controlTrigger {
                    // The node only orders other nodes, and their order is already decided.
                    guard mayBeDead[id], isControlSource[id] else { return true }
                    instruction.kind = .nothing
                } else if node.op.passThrough == .identity || node.op.passThrough == .value {
                    instruction.kind = .pass
                } else if node.role == .constant, isHost, staysInPlace(id), let value = node.attributes.tensor("value") {
                    constants.append((firstSlot[id], value))
                    isConstant[id] = true
                    return true
                }
            case .transfer: return false
            }
            instruction.recordsDeadness = isControlSource[id] && mayBeDead[id]
            instruction.dropsOutputs = node.outputTypes.indices.contains { uses[firstSlot[id] + $0] == 0 }
            instruction.sourceStart = Int32(sources.count)
            instruction.sourceCount = Int32(node.inputs.count)
            for input in node.inputs {
                let slot = firstSlot[input.node] + input.index
                // A constant stays in its slot for the next step, an invariant for the next iteration.
                if !isConstant[input.node], table.entries[input.node].kind != .constantEnter { lastUse[slot] = sources.count }
                sources.append(Source(slot: slot, isLastUse: false))
                // The value of an Enter exists only in the first iteration. Of all nodes, only a Merge can run without it
                // later.
                if table.entries[input.node].kind == .enter, instruction.kind != .merge { return false }
            }
            instruction.controlStart = Int32(controls.count)
            if entry.kind != .merge {
                // The consumers of a constant inherit its control inputs, so that they are dead when the constant would have
                // been.
                let inherited = node.inputs.filter { isConstant[$0.node] }.flatMap { graph.nodes[$0.node].controlInputs }
                controls += (node.controlInputs + inherited).filter { mayBeDead[$0] }.map(Int32.init)
            }
            instruction.controlCount = Int32(controls.count) - instruction.controlStart
            instructions.append(instruction)
            return true
        }
    }
}
