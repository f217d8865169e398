/// The result of a training by reinforcement.
public struct ReinforcementReport: Sendable {
    /// The name of the agent.
    public var agent: String
    /// The steps of all environments that the agent learned from.
    public var stepCount: Int
    /// The updates of the network.
    public var updateCount: Int
    /// The time of training in seconds, with its evaluations.
    public var seconds: Double
    /// The return of each episode of the training, with the number of steps at its end.
    public var episodes: [(step: Int, episodeReturn: Double)]
    /// The evaluations during training.
    public var evaluations: [ReinforcementEvaluation]
    /// The evaluation of the best network at the end, in other environments. Its `step` is the number of steps after which the network was
    /// the best.
    public var final: ReinforcementEvaluation
    /// What the first environment showed in each step of the final evaluation.
    public var observations: [[Float]]
    /// The numbers of the actors that were lost, ascending.
    public var lostActors: [Int]

    /// The returns of the training's episodes, their moving average over 100, and the evaluations, as a chart.
    public var learningCurve: LineChart {
        var recent: [Double] = []
        let average = episodes.map { episode in
            recent.append(episode.episodeReturn)
            if recent.count > 100 { recent.removeFirst() }
            return (x: Double(episode.step), y: recent.reduce(0, +) / Double(recent.count))
        }
        return LineChart(
            title: "\(agent): return of an episode", xLabel: "steps of the environments", yLabel: "return",
            series: [
                LineChart.Series("evaluations, mean", evaluations.map { (Double($0.step), $0.mean) }),
                LineChart.Series("last 100 episodes, mean", average),
            ])
    }
}
