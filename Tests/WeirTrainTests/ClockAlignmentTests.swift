import Testing
import WeirTrain

@Suite("Alignment of clocks")
struct ClockAlignmentTests {
    private typealias Observation = ClockAlignment.Observation
    private typealias Reading = ClockAlignment.Reading

    /// A master, and tasks whose clocks differ from its by up to 3 s, with the calls and the tensors of a step.
    private struct Simulation {
        let offsets: [Int]
        var observations: [Observation] = []
        private(set) var generator: SplitMix

        func name(_ task: Int) -> String { "task \(task)" }

        init(seed: UInt64, taskCount: Int, delay: ClosedRange<Int>) {
            var generator = SplitMix(seed: seed)
            let skews = (1..<taskCount).map { _ in Int.random(in: -3_000_000_000...3_000_000_000, using: &generator) }
            offsets = [0] + skews
            self.generator = generator
            for task in 1..<taskCount {
                let sent = Int.random(in: 1_000_000...9_000_000, using: &self.generator)
                let arrived = message(from: 0, at: sent, to: task, delay)
                message(from: task, at: arrived + 20_000_000, to: 0, delay)
            }
            for source in offsets.indices {
                for destination in offsets.indices where source != destination {
                    message(from: source, at: Int.random(in: 9_000_000...20_000_000, using: &self.generator), to: destination, delay)
                }
            }
        }

        /// Sends a message at a true time.
        /// - Returns: when it arrives.
        @discardableResult
        private mutating func message(from source: Int, at time: Int, to destination: Int, _ delay: ClosedRange<Int>) -> Int {
            let arrival = time + Int.random(in: delay, using: &generator)
            observations.append(
                Observation(Reading(name(source), time + offsets[source]), before: Reading(name(destination), arrival + offsets[destination])))
            return arrival
        }
    }

    @Test("skews of up to 3 s are found within the stated bound, which is at most the delay of one message", arguments: 1...50)
    func skews(_ seed: Int) throws {
        let simulation = Simulation(seed: UInt64(seed), taskCount: 6, delay: 50_000...2_000_000)
        let alignment = ClockAlignment(simulation.observations, reference: "task 0")
        #expect(alignment.contradiction == 0)
        for (task, skew) in simulation.offsets.enumerated() {
            let offset = try #require(alignment.offsets[simulation.name(task)])
            let bound = try #require(offset.errorBound)
            #expect(abs(offset.nanoseconds - skew) <= bound && bound <= 2_000_000, "seed \(seed), task \(task): \(offset), true \(skew)")
        }
    }

    @Test("on the common clock no event comes before its cause, whatever is known", arguments: 1...50)
    func causality(_ seed: Int) throws {
        let simulation = Simulation(seed: UInt64(seed), taskCount: 5, delay: 1...1_000_000)
        var generator = simulation.generator
        let some = simulation.observations.filter { _ in Int.random(in: 0..<3, using: &generator) == 0 }
        let alignment = ClockAlignment(some, reference: "task 0")
        for observation in some {
            #expect(alignment.time(observation.earlier) <= alignment.time(observation.later), "seed \(seed): \(observation)")
        }
        for (task, skew) in simulation.offsets.enumerated() {
            guard let offset = alignment.offsets[simulation.name(task)], let bound = offset.errorBound else { continue }
            #expect(abs(offset.nanoseconds - skew) <= bound, "seed \(seed), task \(task)")
        }
    }

    @Test("a request and its response give the middle of what they allow")
    func request() {
        // 10 ns to the peer, whose clock is 1000 ahead, 30 ns back.
        let alignment = ClockAlignment(
            [Observation(Reading("a", 100), before: Reading("b", 1110)), Observation(Reading("b", 1200), before: Reading("a", 230))], reference: "a")
        #expect(alignment.offsets["b"] == ClockAlignment.Offset(nanoseconds: 990, errorBound: 20))
        #expect(alignment.time(Reading("b", 1110)) == 120)
    }

    @Test("a clock that is bounded by way of another one has the sum of both errors")
    func chain() {
        func both(_ a: String, _ b: String) -> [Observation] {
            [Observation(Reading(a, 0), before: Reading(b, 10)), Observation(Reading(b, 0), before: Reading(a, 10))]
        }
        let alignment = ClockAlignment(both("a", "b") + both("b", "c"), reference: "a")
        #expect(alignment.offsets["b"]?.errorBound == 10 && alignment.offsets["c"]?.errorBound == 20)
    }

    @Test("a clock with messages in one direction has no error bound, and its fastest message takes no time")
    func oneDirection() {
        let alignment = ClockAlignment(
            [Observation(Reading("a", 0), before: Reading("b", 500)), Observation(Reading("a", 0), before: Reading("b", 300))], reference: "a")
        #expect(alignment.offsets["b"] == ClockAlignment.Offset(nanoseconds: 300, errorBound: nil))
        let other = ClockAlignment([Observation(Reading("b", 700), before: Reading("a", 200))], reference: "a")
        #expect(other.offsets["b"] == ClockAlignment.Offset(nanoseconds: 500, errorBound: nil))
    }

    @Test("clocks that contradict each other are aligned as well as possible, and the contradiction is told")
    func contradiction() {
        let alignment = ClockAlignment(
            [Observation(Reading("a", 100), before: Reading("b", 90)), Observation(Reading("b", 100), before: Reading("a", 84))], reference: "a")
        #expect(alignment.contradiction == 13)
        #expect(alignment.offsets["b"] == ClockAlignment.Offset(nanoseconds: 3, errorBound: 13))
    }

    @Test("without observations the reference is the only clock, and readings of others are taken as they are")
    func nothing() {
        let alignment = ClockAlignment([], reference: "a")
        #expect(alignment.offsets == ["a": ClockAlignment.Offset(nanoseconds: 0, errorBound: 0)])
        #expect(alignment.time(Reading("b", 5)) == 5)
        #expect(ClockAlignment([Observation(Reading("a", 5), before: Reading("a", 3))], reference: "a").contradiction == 0)
    }

    @Test("the largest times do not overflow")
    func extremes() {
        let alignment = ClockAlignment(
            [
                Observation(Reading("a", .max), before: Reading("b", .min)), Observation(Reading("b", .max), before: Reading("a", .min)),
                Observation(Reading("b", .min), before: Reading("c", .max)), Observation(Reading("c", .min), before: Reading("b", .max)),
            ], reference: "a")
        #expect(alignment.contradiction == .max)
        #expect(alignment.offsets.count == 3)
        _ = [Int.min, 0, .max].map { alignment.time(Reading("c", $0)) }
    }
}
