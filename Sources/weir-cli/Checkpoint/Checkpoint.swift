import ArgumentParser
import Weir

struct Checkpoint: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, show, compare and convert the tensors of checkpoints.",
        discussion: """
            PATH is a checkpoint without suffixes (run/model-1000), the folder of a training, of which the latest is taken, the folder of a \
            SavedModel, or a .safetensors or .npz file.
            """,
        subcommands: [CheckpointList.self, CheckpointShow.self, CheckpointDiff.self, CheckpointConvert.self])
}

struct CheckpointList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List names, types, shapes and bytes.")
    @Argument(help: "The checkpoint.") var path: String
    @Flag(help: "Print one JSON object a line.") var json = false

    func run() throws {
        let file = try CheckpointFile(path)
        if json {
            for entry in file.entries {
                let shape = JSONValue.array(entry.shape.dimensions.map { .integer($0) })
                Terminal.line(
                    "\(JSONValue(members: ["name": .text(entry.name), "dtype": .text(entry.dtype.name), "shape": shape, "bytes": .integer(entry.byteCount), "slices": .integer(entry.sliceCount)]))"
                )
            }
            return
        }
        let rows = file.entries.map { entry in
            [entry.name, entry.dtype.name, "\(entry.shape)", "\(entry.byteCount)", entry.sliceCount > 1 ? "\(entry.sliceCount) slices" : ""]
        }
        for line in table([["name", "type", "shape", "bytes", ""]] + rows) { Terminal.line(line) }
        let total = file.entries.reduce(0) { $0 &+ $1.byteCount }
        Terminal.line("\(file.entries.count) tensors, \(total) bytes in \(file.path)")
    }
}

struct CheckpointShow: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "cat", abstract: "Show a tensor's values and what they are like.")
    @Argument(help: "The checkpoint.") var path: String
    @Argument(help: "The names of the tensors.") var names: [String]

    func run() throws {
        let file = try CheckpointFile(path)
        for name in names {
            let tensor = try file.tensor(name)
            Terminal.line("\(name): \(tensor.dtype) \(tensor.shape), \(tensor.elementCount) elements")
            if let text = TensorStatistics(tensor)?.description { Terminal.line(text) }
            Terminal.line(tensor.description)
        }
    }
}

struct CheckpointDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Compare two checkpoints.",
        discussion: """
            Prints what one of the two has alone, and for each tensor that differs the greatest difference, relative to the greatest magnitude. \
            The exit status is 1 when they differ.
            """)
    @Argument(help: "The first checkpoint.") var first: String
    @Argument(help: "The second checkpoint.") var second: String
    @Option(parsing: .unconditional, help: "Relative difference up to which values count as equal.") var tolerance = 0.0
    @Flag(help: "Print tensors that are equal, too.") var all = false

    func validate() throws { try require("--tolerance", tolerance, in: 0...Double.greatestFiniteMagnitude) }

    func run() throws {
        let difference = try CheckpointDifference(try CheckpointFile(first), try CheckpointFile(second))
        for name in difference.onlyInFirst { Terminal.line("only in \(first): \(name)") }
        for name in difference.onlyInSecond { Terminal.line("only in \(second): \(name)") }
        var rows: [[String]] = []
        for pair in difference.pairs {
            if let mismatch = pair.mismatch {
                rows.append([pair.name, mismatch])
            } else if let relative = pair.relativeDifference, !pair.isIdentical, relative > tolerance {
                rows.append([pair.name, "differs by \(relative)"])
            } else if pair.relativeDifference == nil, !pair.isIdentical {
                rows.append([pair.name, "differs"])
            } else if all {
                rows.append([pair.name, pair.isIdentical ? "identical" : "differs by \(pair.relativeDifference ?? 0)"])
            }
        }
        for line in table(rows) { Terminal.line(line) }
        guard difference.isWithin(tolerance) else { throw ExitCode(1) }
        Terminal.line("\(difference.pairs.count) tensors are equal\(tolerance > 0 ? " up to \(tolerance)" : "")")
    }
}

struct CheckpointConvert: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write the tensors to another file: a checkpoint, .safetensors or .npz.")
    @Argument(help: "The file to read.") var source: String
    @Argument(help: "The file to write. Its suffix says the format; a checkpoint has none.") var destination: String

    func run() throws {
        let file = try CheckpointFile(source)
        let left = try file.convert(to: destination)
        Terminal.line("\(file.entries.count - left.count) tensors written to \(destination)")
        if !left.isEmpty { Terminal.error("weir: not written, because the format has no strings: \(left.joined(separator: ", "))") }
    }
}
