/// One axis of parallel coordinates: where each value is, and what is written beside it.
struct ParallelAxis {
    /// How many categories have labels. With more, every second, third, … has.
    private static let labelLimit = 16

    let name: String
    /// Whether small values are at the top.
    private let isReversed: Bool
    /// The scale of numbers; nil for categories.
    private let numbers: AxisScale?
    private let categories: [ParallelCoordinates.Value]
    private let ranks: [ParallelCoordinates.Value: Int]

    init(name: String, scale: ParallelCoordinates.Scale, values: [ParallelCoordinates.Value?], isReversed: Bool = false) {
        self.name = name
        self.isReversed = isReversed
        let present = values.compactMap { $0 }
        let found = present.compactMap { value in if case .number(let number) = value, number.isFinite { number } else { nil } }
        switch scale {
        case .linear: (numbers, categories) = (AxisScale(found), [])
        case .logarithmic: (numbers, categories) = (AxisScale(found, kind: .logarithmic), [])
        case .categorical:
            var seen: Set<ParallelCoordinates.Value> = []
            let names = present.filter { value in if case .text = value { seen.insert(value).inserted } else { false } }
            (numbers, categories) = (nil, Set(found).sorted().map { .number($0) } + names)
        }
        ranks = Dictionary(categories.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Where a value is: 0 at the bottom, 1 at the top; nil if the axis cannot show it.
    func position(_ value: ParallelCoordinates.Value) -> Double? {
        let position: Double
        if let numbers {
            guard case .number(let number) = value, numbers.contains(number) else { return nil }
            position = numbers.position(number)
        } else {
            guard let rank = ranks[value] else { return nil }
            position = place(rank)
        }
        return isReversed ? 1 - position : position
    }

    private func place(_ rank: Int) -> Double { categories.count < 2 ? 0.5 : Double(rank) / Double(categories.count - 1) }

    /// The labels and where they are.
    var labels: [(text: String, position: Double)] {
        if let numbers { return numbers.ticks.map { (numbers.label($0), isReversed ? 1 - numbers.position($0) : numbers.position($0)) } }
        let step = (categories.count + ParallelAxis.labelLimit - 1) / ParallelAxis.labelLimit
        return stride(from: 0, to: categories.count, by: max(step, 1)).map { (categories[$0].label, place($0)) }
    }
}
