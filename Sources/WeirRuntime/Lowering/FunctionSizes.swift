import WeirGraph
import WeirTensor

/// How many nodes the body of each function of a library comes to when the bodies of what it calls are put into it.
struct FunctionSizes {
    /// What counts as too many to be told.
    static let unbounded = 1 << 40
    private var sizes: [String: Int] = [:]
    /// Those in whose bodies, or in the bodies of what they call, a node is asked to be on some task.
    private var onTasks = Set<String>()

    /// Visits each function once, without recursion: functions that call functions may be many.
    init(_ library: FunctionLibrary) {
        var isOpen = Set<String>()
        for name in library.functions.keys where sizes[name] == nil {
            var stack = [name]
            while let next = stack.last {
                guard sizes[next] == nil, let function = library[next] else {
                    stack.removeLast()
                    continue
                }
                let callees = function.callees(in: library)
                if isOpen.insert(next).inserted {
                    let pending = callees.filter { sizes[$0] == nil && !isOpen.contains($0) }
                    if !pending.isEmpty {
                        stack += pending
                        continue
                    }
                }
                // One that is still open calls itself: it stays a call there, and counts as one node.
                if callees.contains(where: onTasks.contains) || function.nodes.contains(where: { $0.namesTask }) { onTasks.insert(next) }
                sizes[next] = callees.reduce(function.nodes.count) { min(FunctionSizes.unbounded, $0 + (sizes[$1] ?? 1)) }
                stack.removeLast()
            }
        }
    }

    func namesTasks(_ name: String) -> Bool { onTasks.contains(name) }
    subscript(name: String) -> Int { sizes[name] ?? FunctionSizes.unbounded }
}

extension NodeDefinition {
    fileprivate var namesTask: Bool {
        guard !device.isEmpty, let name = try? DeviceName(device) else { return false }
        return name.job != nil || name.task != nil
    }
}

extension FunctionDefinition {
    /// The functions that its nodes call, as often as they do.
    fileprivate func callees(in library: FunctionLibrary) -> [String] {
        nodes.flatMap { node in (library[node.op] == nil ? [] : [node.op]) + node.attributes.functionNames.filter { library[$0] != nil } }
    }
}
