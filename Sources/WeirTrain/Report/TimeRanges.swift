/// A set of instants: ranges of times that neither overlap nor touch, in order.
struct TimeRanges: Equatable {
    private(set) var ranges: [Range<Int>] = []

    /// The instants that at least one of these ranges contains.
    init(union ranges: some Sequence<Range<Int>>) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = self.ranges.last, range.lowerBound <= last.upperBound {
                self.ranges[self.ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                self.ranges.append(range)
            }
        }
    }

    /// How long all ranges are together.
    var duration: Int { ranges.reduce(0) { $0 + $1.count } }

    /// The instants that `other` does not contain.
    func subtracting(_ other: TimeRanges) -> TimeRanges {
        var result: [Range<Int>] = []
        var next = 0
        for range in ranges {
            var start = range.lowerBound
            while next < other.ranges.count, other.ranges[next].upperBound <= start { next += 1 }
            var index = next
            while index < other.ranges.count, other.ranges[index].lowerBound < range.upperBound {
                if start < other.ranges[index].lowerBound { result.append(start..<other.ranges[index].lowerBound) }
                start = max(start, other.ranges[index].upperBound)
                index += 1
            }
            if start < range.upperBound { result.append(start..<range.upperBound) }
        }
        return TimeRanges(union: result)
    }
}
