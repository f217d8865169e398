import Weir

/// A wrong output of an op.
struct WrongOutput {
    var kind: String
    var text: String
}

/// Checks a kernel's outputs against its node's declaration.
enum OutputCheck {
    /// Ops that may leave outputs empty or dead.
    private static let choosers: Set<String> = ["Switch", "RefSwitch", "_SwitchN", "Merge", "RefMerge", "_Recv", "_HostRecv", "Recv"]

    /// Ops whose outputs are uninitialized memory.
    private static let unwritten: Set<String> = ["Empty", "_ParallelConcatStart"]

    static func check(_ node: Node, _ outputs: [EdgeValue]) -> WrongOutput? {
        for (index, (type, slot)) in zip(node.outputTypes, outputs).enumerated() {
            switch slot {
            case .value(let tensor):
                guard tensor.dtype == type.dtype else {
                    return WrongOutput(kind: "output of another type", text: "output \(index) is \(tensor.dtype) for \(type)")
                }
                guard tensor.elementCount == tensor.shape.dimensions.reduce(1, { $0 &* $1 }) else {
                    return WrongOutput(kind: "shape and count differ", text: "output \(index) has \(tensor.elementCount) elements in \(tensor.shape)")
                }
                if tensor.shape.dimensions.contains(where: { $0 < 0 }) {
                    return WrongOutput(kind: "negative dimension", text: "output \(index) is \(tensor.shape)")
                }
                if !unwritten.contains(node.op.name), !isReadable(tensor) {
                    return WrongOutput(kind: "bool that is neither", text: "output \(index) \(tensor.shape)")
                }
            case .reference(let cell):
                guard cell.dtype == type.dtype else {
                    return WrongOutput(kind: "reference of another type", text: "output \(index) is a \(cell.dtype) for \(type)")
                }
            case .dead, .empty:
                guard choosers.contains(node.op.name) else { return WrongOutput(kind: "no output", text: "output \(index) is missing") }
            }
        }
        return nil
    }

    /// Reads every element, so that invalid memory crashes; bools must be 0 or 1.
    private static func isReadable(_ tensor: Tensor) -> Bool {
        switch tensor.dtype {
        case .string: return tensor.elements(ByteString.self).reduce(0) { $0 &+ $1.count } >= 0
        case .resource: return tensor.elements(ResourceHandle.self).reduce(0) { $0 &+ $1.name.utf8.count } >= 0
        case .variant: return tensor.elements(Variant.self).reduce(0) { $0 &+ ($1.value == nil ? 0 : 1) } >= 0
        case .bool: return tensor.bytes.reduce(0, |) <= 1
        default: return tensor.bytes.reduce(0 as UInt64) { $0 &+ UInt64($1) } < .max
        }
    }
}
