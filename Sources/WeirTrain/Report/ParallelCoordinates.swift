/// The trials of a search as lines across vertical axes: one axis for each parameter, and the objective as the last one.
///
/// The colour of a trial is its rank by the objective, from grey for the worst to dark blue; the best trial is orange and on top.
/// Trials without a finite objective are thin and dashed. See Inselberg, Parallel Coordinates (2009).
public struct ParallelCoordinates: Sendable {
    /// The value of a parameter.
    public enum Value: Sendable, Hashable {
        /// A number.
        case number(Double)
        /// A name. Only categorical axes show it.
        case text(String)

        var label: String {
            switch self {
            case .number(let value): AxisScale.text(value, step: value.magnitude / 100)
            case .text(let text): text
            }
        }
    }
    /// How an axis spreads its values.
    public enum Scale: Sendable {
        /// Numbers at equal differences.
        case linear
        /// Positive numbers at equal ratios.
        case logarithmic
        /// Distinct values at equal distances: numbers by size, then names in the order in which they occur.
        case categorical
    }
    /// One parameter.
    public struct Axis: Sendable {
        /// The name above the axis.
        public var name: String
        /// How it spreads its values.
        public var scale: Scale
        /// Makes an axis.
        public init(_ name: String, scale: Scale = .linear) {
            self.name = name
            self.scale = scale
        }
    }
    /// One line.
    public struct Trial: Sendable {
        /// What a viewer shows when the pointer is over the line.
        public var name: String
        /// The values in the order of the axes. Where one is missing or cannot be shown, the line has a gap.
        public var values: [Value?]
        /// What the trial achieved; nil if it failed.
        public var objective: Double?
        /// Makes a trial.
        public init(_ name: String, _ values: [Value?], objective: Double?) {
            self.name = name
            self.values = values
            self.objective = objective
        }
    }

    /// The heading.
    public var title: String
    /// The parameters from left to right.
    public var axes: [Axis]
    /// The trials in any order.
    public var trials: [Trial]
    /// The name of the last axis.
    public var objectiveName: String
    /// Whether less of the objective is better.
    public var minimizes: Bool

    /// Makes a picture's description.
    public init(title: String, axes: [Axis], trials: [Trial], objectiveName: String, minimizes: Bool) {
        self.title = title
        self.axes = axes
        self.trials = trials
        self.objectiveName = objectiveName
        self.minimizes = minimizes
    }

    private static let top = 88.0
    private static let height = 300.0
    private static let gap = 150.0

    /// The picture as SVG.
    public var svg: String {
        let columns = columns
        let span = Double(columns.count - 1) * ParallelCoordinates.gap
        let width = max(span + 170, 620)
        // More room at the right, where the labels of the last axis are.
        let left = (width - span) / 2 - 15
        var svg = SVG(width: width, height: ParallelCoordinates.top + ParallelCoordinates.height + 48)
        svg.text(title, x: width / 2, y: 26, anchor: .middle, color: "#222", size: 15, isBold: true)
        let ranked = ranked
        let (failed, finished) = (ranked.filter { $0.rank == nil }, ranked.filter { $0.rank != nil })
        // The best is drawn last, on top of the others.
        for (trial, rank) in failed + finished.reversed() {
            let (color, line) = style(rank, of: finished.count)
            for path in paths(trial, columns, left: left) {
                svg.polyline(path, color: color, width: line, opacity: rank == 0 ? 1 : 0.8, dash: rank == nil ? "3 3" : nil, title: label(trial))
            }
        }
        for (index, column) in columns.enumerated() { draw(column, x: left + Double(index) * ParallelCoordinates.gap, in: &svg) }
        let best = finished.first.map { "best: \(label($0.trial))" } ?? "no trial has finished"
        let counts = failed.isEmpty ? "" : "; \(failed.count) without a result (dashed)"
        svg.text(SVG.fitted("\(trials.count) trials\(counts); \(best)", to: width - 40), x: width / 2, y: 46, anchor: .middle)
        return svg.text
    }

    private func label(_ trial: Trial) -> String {
        trial.name + (trial.objective.map { ", \(objectiveName) \(AxisScale.text($0, step: $0.magnitude / 1000))" } ?? "")
    }

    /// The trials, the best first, with their ranks; then those without a finite objective.
    private var ranked: [(trial: Trial, rank: Int?)] {
        let finished = trials.filter { $0.objective?.isFinite == true }.sorted { a, b in
            minimizes ? (a.objective ?? 0) < (b.objective ?? 0) : (a.objective ?? 0) > (b.objective ?? 0)
        }
        return finished.enumerated().map { ($1, $0) } + trials.filter { $0.objective?.isFinite != true }.map { ($0, nil) }
    }

    private func style(_ rank: Int?, of count: Int) -> (color: String, width: Double) {
        guard let rank else { return ("#c8c8c8", 1) }
        if rank == 0 { return (SVG.palette[1], 3) }
        return (SVG.blend("#0b3c6f", "#c9d6e4", Double(rank) / Double(max(count - 1, 1))), 1.4)
    }

    /// The parameters and the objective.
    private var columns: [ParallelAxis] {
        axes.enumerated().map { index, axis in
            ParallelAxis(name: axis.name, scale: axis.scale, values: trials.map { $0.values.indices.contains(index) ? $0.values[index] : nil })
        } + [ParallelAxis(name: objectiveName, scale: .linear, values: trials.map { $0.objective.map { .number($0) } }, isReversed: minimizes)]
    }

    private func paths(_ trial: Trial, _ columns: [ParallelAxis], left: Double) -> [[(x: Double, y: Double)]] {
        var (paths, path): ([[(x: Double, y: Double)]], [(x: Double, y: Double)]) = ([], [])
        for (index, column) in columns.enumerated() {
            let isObjective = index == axes.count
            let value = isObjective ? trial.objective.map { .number($0) } : trial.values.indices.contains(index) ? trial.values[index] : nil
            if let position = value.flatMap({ column.position($0) }) {
                path.append((left + Double(index) * ParallelCoordinates.gap, place(position)))
            } else if !path.isEmpty {
                paths.append(path)
                path = []
            }
        }
        return path.isEmpty ? paths : paths + [path]
    }

    private func place(_ position: Double) -> Double { ParallelCoordinates.top + (1 - position) * ParallelCoordinates.height }

    private func draw(_ column: ParallelAxis, x: Double, in svg: inout SVG) {
        svg.line(x1: x, y1: place(0), x2: x, y2: place(1), color: "#555", width: 1.2)
        svg.text(SVG.fitted(column.name, to: ParallelCoordinates.gap - 10), x: x, y: ParallelCoordinates.top - 14, anchor: .middle, color: "#222", isBold: true)
        for (label, position) in column.labels {
            svg.line(x1: x - 4, y1: place(position), x2: x + 4, y2: place(position), color: "#555")
            let text = SVG.fitted(label, to: 76, size: 11)
            // Readable where lines cross it.
            svg.rectangle(x: x + 6, y: place(position) - 7, width: SVG.width(of: text, size: 11) + 6, height: 14, color: "#fff", radius: 3, opacity: 0.75)
            svg.text(text, x: x + 8, y: place(position) + 4, color: "#222", size: 11)
        }
    }
}
