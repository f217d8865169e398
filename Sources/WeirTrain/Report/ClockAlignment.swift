/// How much clocks differ, by what is known of the order of events that different clocks timed.
///
/// When an event at `x` on clock `a` happened before an event at `y` on clock `b`, then `offset(b) - offset(a) <= y - x`. A
/// message gives one such bound; a request and its response, or messages both ways, bound a difference from both sides, as in
/// the Network Time Protocol. All bounds together are a system of difference constraints: its tightest consequences are shortest
/// paths (Cormen et al., Introduction to Algorithms, section 22.4). The offset of a clock is estimated as the middle of what the
/// bounds allow. The middles of all clocks satisfy all bounds together, so that no event comes before its cause on the common
/// clock.
public struct ClockAlignment: Sendable, Equatable {
    /// A time that a clock showed.
    public struct Reading: Sendable, Hashable {
        /// The name of the clock.
        public var clock: String
        /// What it showed, in nanoseconds.
        public var time: Int
        /// Makes a reading.
        public init(_ clock: String, _ time: Int) {
            self.clock = clock
            self.time = time
        }
    }
    /// Two events, of which one happened before the other.
    public struct Observation: Sendable, Hashable {
        /// When the first event happened.
        public var earlier: Reading
        /// When the second event happened.
        public var later: Reading
        /// Makes an observation.
        public init(_ earlier: Reading, before later: Reading) {
            self.earlier = earlier
            self.later = later
        }
    }
    /// How much a clock differs from the reference.
    public struct Offset: Sendable, Hashable {
        /// What the clock shows minus what the reference shows at the same instant, in nanoseconds.
        public var nanoseconds: Int
        /// The true offset differs from this one by at most so many nanoseconds. Nil when the observations bound it from one side
        /// only, or not at all. Then the offset is the one that takes the fastest message to have taken no time, or 0.
        public var errorBound: Int?
        /// Makes an offset.
        public init(nanoseconds: Int, errorBound: Int?) {
            self.nanoseconds = nanoseconds
            self.errorBound = errorBound
        }
    }

    /// The clock of the common time.
    public let reference: String
    /// The offset of each clock.
    public let offsets: [String: Offset]
    /// By how many nanoseconds the observations contradict each other. Positive when a clock was set, or ran faster than
    /// another, between the observations: then each bound is taken to be wrong by this much, the least that makes all of them
    /// true. It is part of the error bounds.
    public let contradiction: Int

    /// Estimates the offsets of clocks. With `n` clocks and `m` pairs of clocks that exchanged messages, the time is O(`nm`) if every
    /// clock is bounded from both sides, and O(`n²m`) at worst.
    /// - Parameters:
    ///   - observations: events of different clocks, in any order. Those of one clock tell nothing.
    ///   - reference: the clock of the common time.
    public init(_ observations: [Observation], reference: String) {
        var bounds = ClockBounds(observations, reference: reference)
        contradiction = Int(clamping: bounds.relax())
        self.reference = reference
        offsets = bounds.offsets()
    }

    /// Converts a reading to the common time. The time of a clock without observations is taken as it is.
    public func time(_ reading: Reading) -> Int {
        let (time, overflow) = reading.time.subtractingReportingOverflow(offsets[reading.clock]?.nanoseconds ?? 0)
        return overflow ? reading.time : time
    }
}
