extension SweepResult {
    /// The objective of each trial by step; the best trial is on top.
    public var learningCurves: LineChart {
        let series = trials.map { trial in
            LineChart.Series(
                name(trial),
                trial.history.compactMap { report in report.metrics[objective.metric].map { (x: Double(report.step), y: $0) } })
        }
        return LineChart(title: "Learning curves", xLabel: "step", yLabel: objective.metric, series: series.filter { !$0.points.isEmpty })
    }

    /// The hyper-parameters and the objective of each trial.
    public var parallelCoordinates: ParallelCoordinates {
        ParallelCoordinates(
            title: "Trials of the sweep", axes: parameters.map { ParallelCoordinates.Axis($0.name, scale: scale($0)) },
            trials: trials.map { trial in
                ParallelCoordinates.Trial(name(trial), parameters.map { value(trial.configuration[$0.name]) }, objective: trial.value)
            }, objectiveName: objective.metric, minimizes: objective.goal == .min)
    }

    private func name(_ trial: SweptTrial) -> String { "trial \(trial.number)" }

    /// Values of a list are at equal distances, whatever their differences.
    private func scale(_ parameter: SweepParameter) -> ParallelCoordinates.Scale {
        guard case .range(let range) = parameter.axis else { return .categorical }
        return range.scale == .log ? .logarithmic : .linear
    }

    private func value(_ value: ParameterValue?) -> ParallelCoordinates.Value? {
        switch value {
        case .integer, .number: value?.double.map { .number($0) }
        case .text, .boolean: value.map { .text($0.description) }
        case nil: nil
        }
    }
}
