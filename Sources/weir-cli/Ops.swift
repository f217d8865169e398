import ArgumentParser
import Weir

struct Ops: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the ops: all names, or one op's schema and kernels.")

    @Argument(help: "An op's name.") var name: String?

    func run() throws {
        guard let name else {
            for op in OpRegistry.standard.definitions { Terminal.line(op.name) }
            return
        }
        guard let op = OpRegistry.standard[name] else {
            let similar = name.nearest(among: OpRegistry.standard.definitions.map(\.name))
            let hint = similar.isEmpty ? "`weir ops` lists all" : "did you mean \(similar.joined(separator: " or "))?"
            throw Status.notFound("There is no op '\(name)'; \(hint)")
        }
        let schema = op.schema
        Terminal.line(op.name + (op.isStateful ? " (stateful)" : ""))
        for (title, arguments) in [("inputs", schema.inputs), ("outputs", schema.outputs)] where !arguments.isEmpty {
            Terminal.line("  \(title): " + arguments.map { "\($0.name): \(describe($0))" }.joined(separator: ", "))
        }
        for attribute in schema.attributes {
            var text = "  \(attribute.name): \(attribute.kind.rawValue)"
            if let types = attribute.allowedTypes { text += " in {\(types.types.map(\.name).joined(separator: ", "))}" }
            if let strings = attribute.allowedStrings { text += " in {\(strings.joined(separator: ", "))}" }
            if let minimum = attribute.minimum { text += " >= \(minimum)" }
            if let value = attribute.defaultValue { text += " = \(value)" }
            Terminal.line(text)
        }
        Terminal.line("  gradient: \(op.gradient != nil ? "yes" : "no")")
        for kernel in op.supports { Terminal.line("  kernel: \(kernel.summary)") }
    }

    private func describe(_ argument: OpSchema.Argument) -> String {
        var text =
            switch argument.type {
            case .fixed(let dtype): dtype.name
            case .attribute(let name), .list(let name): name
            }
        if let count = argument.countAttribute { text = "\(count) * \(text)" }
        return argument.isReference ? "Ref(\(text))" : text
    }
}
