/// The boxes of one row of a lane, at the scale of a picture. Runs that are too short to be seen are drawn together with their
/// neighbours.
struct TimelineBoxes {
    /// One box: a run, or several short ones of a kind.
    struct Box {
        var x: Double
        var width: Double
        let kind: StepTimeline.Kind
        /// The only run; nil for several.
        var interval: StepTimeline.Interval?
        var count: Int
        /// Whether a short neighbour may be drawn as a part of the box: not if the box is a run that can be seen.
        fileprivate var takesNeighbours: Bool { interval == nil || width < TimelineBoxes.shortWidth }
    }
    /// A run that is narrower than this is short, in pixels.
    static let shortWidth = 1.5
    /// Short runs with smaller gaps are drawn together.
    private static let smallGap = 0.75

    private(set) var boxes: [Box] = []
    /// The number of runs that are drawn together with others.
    private(set) var mergedCount = 0

    /// - Parameters:
    ///   - intervals: the runs of the row by start.
    ///   - x: where a time is.
    init(_ intervals: [StepTimeline.Interval], at x: (Int) -> Double) {
        for interval in intervals {
            let (start, end) = (x(interval.start), x(interval.end))
            guard var last = boxes.last, last.kind == interval.kind, last.takesNeighbours, end - start < TimelineBoxes.shortWidth,
                start - (last.x + last.width) < TimelineBoxes.smallGap
            else {
                boxes.append(Box(x: start, width: end - start, kind: interval.kind, interval: interval, count: 1))
                continue
            }
            mergedCount += last.count == 1 ? 2 : 1
            last.width = max(end, last.x + last.width) - last.x
            last.count += 1
            last.interval = nil
            boxes[boxes.count - 1] = last
        }
    }
}
