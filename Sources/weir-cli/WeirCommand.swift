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
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let status as Status {
            fail(status.message)
        } catch {
            exit(withError: error)
        }
    }
}
