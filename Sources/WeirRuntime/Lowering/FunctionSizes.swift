import WeirGraph
import WeirTensor

/// The number of nodes of each function of a library after the functions that it calls are inlined into it.
struct FunctionSizes {
    /// The upper limit of sizes, and the size of an unknown function.
    static let unbounded = 1 << 40
    private var sizes: [String: Int] = [:]
    /// The functions that have a node, directly or through a call, that requests a job or task.
    private var onTasks = Set<String>()

    /// Visits each function once, without recursion, because chains of calls may be long.
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
                // A callee without a size yet calls itself recursively. It stays a call and counts as one node.
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
    /// The functions that its nodes call, one entry for each call.
    fileprivate func callees(in library: FunctionLibrary) -> [String] {
        nodes.flatMap { node in (library[node.op] == nil ? [] : [node.op]) + node.attributes.functionNames.filter { library[$0] != nil } }
    }
}
