import ArgumentParser

/// Makes random cases and reports those that crash or hang Weir or give wrong results.
@main
struct Fuzz: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir-fuzz", abstract: "Random cases against every door of Weir; each can be made again from its seed and number.",
        subcommands: [
            AllCommand.self, GraphsCommand.self, OpsCommand.self, KindCommand<DefinitionsFuzzer>.self, KindCommand<MessagesFuzzer>.self,
            KindCommand<HeadersFuzzer>.self, KindCommand<LinksFuzzer>.self, KindCommand<FilesFuzzer>.self, KindCommand<DataFilesFuzzer>.self,
        ])
}
