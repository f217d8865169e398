extension StrategyComparison {
    /// If there are several networks, a row for each metric of each and a column for each strategy, with the values on held-out rows. Of several
    /// clusters they are the least and the greatest.
    var gridLines: [String] {
        let networks = StrategyComparison.distinct(entries.compactMap(\.network))
        guard networks.count > 1 else { return [] }
        let strategies = StrategyComparison.distinct(entries.map(\.strategy))
        var rows = [["network", "metric"] + strategies]
        for network in networks {
            let trained = entries.filter { $0.network == network }
            let metrics = Set(trained.flatMap { $0.report.map { Array($0.testMetrics.keys) } ?? [] }).sorted()
            rows += metrics.map { metric in
                [network, metric]
                    + strategies.map { strategy in
                        StrategyComparison.range(trained.filter { $0.strategy == strategy }.compactMap { $0.report?.testMetrics[metric] })
                    }
            }
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                return column < 2 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        return ["", "networks by strategies"] + lines
    }

    /// `0.98`, or `0.97–0.99` of several.
    private static func range(_ values: [Double]) -> String {
        guard let least = values.min(), let greatest = values.max() else { return "–" }
        let (low, high) = (AxisScale.trimmed(least, decimals: 4), AxisScale.trimmed(greatest, decimals: 4))
        return low == high ? low : "\(low)–\(high)"
    }

    /// The texts, each where it comes first.
    private static func distinct(_ texts: [String]) -> [String] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }
    }
}
