import WeirGraph

/// Sorts a graph topologically for one thread, region by region: the nodes outside of all loops, and the nodes of one iteration
/// of each loop.
///
/// Among ready nodes, the one that was built first comes first. This is the usual order of a program: forward pass, backward
/// pass, updates.
struct RegionOrder {
    enum Unit {
        case node(NodeID)
        /// A whole loop with all its iterations; the value is its frame.
        case loop(Int)
    }
    private let graph: Graph
    private let frames: FrameAssignment
    private var pending: [Int]
    private var consumers: [[Int]]

    init(_ graph: Graph, _ frames: FrameAssignment) {
        self.graph = graph
        self.frames = frames
        let unitCount = graph.nodes.count + frames.frames.count
        pending = [Int](repeating: 0, count: unitCount)
        consumers = [[Int]](repeating: [], count: unitCount)
    }

    private func unit(ofLoop frame: Int) -> Int { graph.nodes.count + frame }

    /// - Returns: the units of each region in order; nil when a loop depends on its own results.
    mutating func sorted() -> [[Unit]]? {
        connect()
        var first = [Int](repeating: graph.nodes.count, count: frames.frames.count)
        for (enter, frame) in frames.enteredFrame { first[frame] = min(first[frame], enter) }
        var orders = [[Unit]](repeating: [], count: frames.frames.count)
        var heap = Heap()
        for id in graph.nodes.indices where pending[id] == 0 { heap.insert(priority: id, unit: id) }
        for frame in frames.frames.indices.dropFirst() where pending[unit(ofLoop: frame)] == 0 { return nil }
        var done = 0
        while let next = heap.removeFirst() {
            done += 1
            if next >= graph.nodes.count {
                let frame = next - graph.nodes.count
                orders[frames.frames[frame].parent].append(.loop(frame))
            } else {
                orders[frames.frameOfNode[next]].append(.node(next))
            }
            for consumer in consumers[next] {
                pending[consumer] -= 1
                guard pending[consumer] == 0 else { continue }
                heap.insert(priority: consumer < graph.nodes.count ? consumer : first[consumer - graph.nodes.count], unit: consumer)
            }
        }
        return done == graph.nodes.count + frames.frames.count - 1 ? orders : nil
    }

    private mutating func connect() {
        func add(_ source: Int, _ target: Int) {
            consumers[source].append(target)
            pending[target] += 1
        }
        for (id, node) in graph.nodes.enumerated() {
            let frame = frames.frameOfNode[id]
            for source in node.inputs.map(\.node) + node.controlInputs {
                let other = graph.nodes[source]
                if other.role == .nextIteration, node.role == .merge { continue }
                if other.role == .exit {
                    add(unit(ofLoop: frames.frameOfNode[source]), id)
                } else if other.role == .enter, frames.enteredFrame[source] == frame {
                    continue  // The value exists when the iteration begins.
                } else {
                    add(source, id)
                }
            }
            if let entered = frames.enteredFrame[id] { add(id, unit(ofLoop: entered)) }
        }
    }

    /// A binary heap with the smallest priority first.
    private struct Heap {
        private var items: [(priority: Int, unit: Int)] = []

        mutating func insert(priority: Int, unit: Int) {
            items.append((priority, unit))
            var child = items.count - 1
            while child > 0, items[(child - 1) / 2].priority > items[child].priority {
                items.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        }
        mutating func removeFirst() -> Int? {
            guard let first = items.first else { return nil }
            items.swapAt(0, items.count - 1)
            items.removeLast()
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2]
                where child < items.count && items[child].priority < items[least].priority { least = child }
                guard least != parent else { return first.unit }
                items.swapAt(parent, least)
                parent = least
            }
        }
    }
}
