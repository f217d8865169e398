import ArgumentParser
import Weir

/// The `weir` command. Each subcommand has its own file.
@main
struct WeirCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir",
        abstract: "A distributed dataflow runtime for machine learning that speaks TensorFlow's protocol.",
        subcommands: [
            Serve.self, Up.self, Train.self, Compare.self, Sweep.self, EnsembleCommand.self, Predict.self, Play.self, Checkpoint.self, Devices.self, Ops.self,
            Bench.self,
            BenchNullStep.self,
            BenchAllReduce.self, BenchGrowth.self,
        ])

    static func main() async {
        if let missing = Processor.missingFeature {
            fail("this processor lacks \(missing), which Weir's kernels need (any x86 server since 2013 has it)")
        }
        var used: any ParsableCommand.Type = WeirCommand.self
        do {
            var command = try parseAsRoot()
            used = type(of: command)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let status as Status {
            fail(status.message)
        } catch let mistake as ValidationError {
            // Found only when the command ran: with its files, or the machine's devices.
            let words = usageString(for: used)
            let name = words.split(separator: " ").prefix { !"<[".contains($0.first ?? "<") }.joined(separator: " ")
            Terminal.error("\(_errorPrefix)\(mistake.message)\nUsage: \(words)\n  See '\(name) --help' for more information.")
            exit(withError: ExitCode.validationFailure)
        } catch {
            exit(withError: error)
        }
    }

    /// That of all errors, also of those that the parser of arguments prints.
    static let _errorPrefix = "weir: error: "
}
