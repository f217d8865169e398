import ArgumentParser
import Weir

/// The options that name a strategy.
struct StrategyOptions: ParsableArguments {
    /// The strategy where none is named.
    static let usual = SingleDevice.strategyName

    @Option(help: ArgumentHelp(StrategyCatalog.names.joined(separator: ", "), valueName: "NAME")) var strategy = StrategyOptions.usual
    @Option(help: .of(.ledger, "write which worker's gradients each update used to this file, one JSON object a line.", valueName: "FILE"))
    var ledger: String?
    @OptionGroup var split: SplitOptions

    func validate() throws {
        try usage {
            try StrategyCatalog.check(arguments, for: [strategy])
            _ = try StrategyCatalog.strategy(strategy, arguments)
        }
    }

    private var arguments: StrategyArguments {
        var result = split.arguments
        if ledger != nil { result[.ledger] = .boolean(true) }
        return result
    }

    /// Sets the strategy of a training.
    func apply(to options: inout TrainingOptions) throws { try usage { try options.setStrategy(strategy, arguments) } }
}
