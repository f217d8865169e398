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
            let similar = similarNames(name)
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

    /// Returns the op with this name in other upper and lower case; otherwise up to three ops whose names differ in few letters.
    private func similarNames(_ name: String) -> [String] {
        let asked = Array(name.lowercased().utf8)
        let distances = OpRegistry.standard.definitions.map { ($0.name, editDistance(asked, Array($0.name.lowercased().utf8))) }
        guard let best = distances.map(\.1).min(), best <= min(3, asked.count / 3) else { return [] }
        return Array(distances.filter { $0.1 == best }.map(\.0).prefix(3))
    }

    /// Returns the number of bytes to insert, delete or replace to make one text from another (Levenshtein).
    private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let replaced = diagonal + (x == y ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
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
