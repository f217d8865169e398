import WeirGraph
import WeirTensor

/// The error messages of the placer.
enum PlacementErrors {
    static func parse(_ node: Node) throws -> DeviceName {
        do {
            return try DeviceName(node.requestedDevice)
        } catch {
            throw Status.invalidArgument("Malformed device specification '\(node.requestedDevice)' in node: {{node \(node.name)}}")
        }
    }

    // The last line has the plain name. Clients print a traceback for each `{{node name}}` tag, and one is enough.
    static func error(_ node: Node, _ text: String) -> Status {
        .invalidArgument("Cannot assign a device for operation \(node.name): \(text)\n\t [[\(node.name)]]")
    }

    static func noKernel(_ node: Node, _ placer: Placer) -> Status {
        let attributes = node.attributes.sorted { $0.key < $1.key }.compactMap { key, value -> String? in
            if case .type(let type) = value { "\(key)=\(type)" } else { nil }
        }
        return .invalidArgument(
            "No OpKernel was registered to support Op '\(node.op.name)' used by {{node \(node.name)}} with these attrs: "
                + "[\(attributes.joined(separator: ", "))]\nRegistered devices: [\(placer.allTypes.joined(separator: ", "))]\n"
                + "Registered kernels:\n\(kernels(node))\n\t [[\(node.name)]]")
    }

    /// The error for two nodes that must be colocated but cannot be.
    static func cannotColocate(_ node: Node, _ other: Node, _ reason: String) -> Status {
        .invalidArgument(
            "Cannot colocate nodes {{colocation_node \(node.name)}} and {{colocation_node \(other.name)}}\(reason)\n\t [[\(node.name)]]")
    }

    /// No device fits the request of a node's group: there is no such device, or it has no kernel.
    static func noDevice(_ node: Node, _ spec: DeviceName, _ types: [String], _ placer: Placer) -> Status {
        let matching = placer.devices.filter { $0.name.matches(spec) }
        guard !matching.isEmpty else {
            let available = placer.devices.map(\.name.description).sorted().joined(separator: ", ")
            let hint =
                spec.type == "GPU" && !placer.devices.contains { $0.type == "GPU" }
                ? " The requested device appears to be a GPU, but CUDA is not enabled." : ""
            return error(
                node,
                "{{node \(node.name)}} was explicitly assigned to \(spec) but available devices are [ \(available) ]. "
                    + "Make sure the device specification refers to a valid device.\(hint)")
        }
        let type = spec.type ?? matching[0].type
        let dtype = node.attributes.type("dtype") ?? node.attributes.type("T")
        return error(
            node,
            "Could not satisfy explicit device specification '\(spec)' because no supported kernel for \(type) devices is available.\n"
                + "Op \(node.op.name)\(dtype.map { " of \($0)" } ?? ""), asked to go there by "
                + (node.requestedDevice.isEmpty ? "the nodes it is colocated with" : "its own device '\(node.requestedDevice)'") + ".\n"
                + "Registered kernels:\n\(kernels(node))\n"
                + "Pin it to a CPU ('/cpu:0'), or set allow_soft_placement to let it go where a kernel exists.")
    }

    /// The kernels of an op, in at most three lines.
    private static func kernels(_ node: Node) -> String {
        if node.op.supports.isEmpty { return "  <no registered kernels>" }
        let lines = node.op.supports.map { "  \($0.summary)" }
        return (lines.prefix(2) + (lines.count > 2 ? ["  and \(lines.count - 2) more"] : [])).joined(separator: "\n")
    }
}
