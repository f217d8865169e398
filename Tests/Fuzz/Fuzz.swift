import ArgumentParser

/// Makes cases that nobody thought of, and says which of them end, freeze or confuse Weir.
@main
struct Fuzz: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir-fuzz", abstract: "Random cases against every door of Weir; each can be made again from its seed and number.",
        subcommands: [
            AllCommand.self, GraphsCommand.self, OpsCommand.self, KindCommand<DefinitionsFuzzer>.self, KindCommand<MessagesFuzzer>.self,
            KindCommand<HeadersFuzzer>.self, KindCommand<LinksFuzzer>.self, KindCommand<FilesFuzzer>.self,
        ])
}
