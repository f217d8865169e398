/// How a sweep chooses configurations, and how long it trains each.
public enum SearchMethod: Hashable, Sendable {
    /// Every point of the grid, for the number of steps that the option `steps` has.
    case grid
    /// Random points, for the number of steps that the option `steps` has (Bergstra and Bengio, 2012).
    case random
    /// Successive halving: all trials train for `minimum` steps, the best 1/eta of them for eta times as many, and so on
    /// (Jamieson and Talwalkar, 2016).
    case halving(Rungs)
    /// Asynchronous successive halving: a trial is promoted as soon as it is in the best 1/eta of those that got as far, so that no
    /// server waits for the others (ASHA; Li et al., 2020).
    case asha(Rungs)

    /// The rungs of a halving: rung k trains until step `minimum` · eta^k.
    public struct Rungs: Hashable, Sendable {
        /// One of how many trials is promoted; at least 2.
        public var eta: Int
        /// The number of steps of the lowest rung.
        public var minimum: Int
        /// The most steps of a rung. nil with `halving`: as many rungs as it takes until one trial is left.
        public var maximum: Int?

        /// Makes the rungs. `SweepSpecification` checks them.
        public init(eta: Int = 3, minimum: Int, maximum: Int? = nil) {
            self.eta = eta
            self.minimum = minimum
            self.maximum = maximum
        }

        /// The steps of each rung, ascending: at most `count` rungs, and at least one.
        func steps(atMost count: Int = .max) -> [Int] {
            var steps = [minimum]
            while steps.count < count {
                let (next, overflow) = steps[steps.count - 1].multipliedReportingOverflow(by: eta)
                if overflow || next > maximum ?? SweepSpecification.maximumStepCount { break }
                steps.append(next)
            }
            return steps
        }
    }

    /// The names of methods in files.
    enum Name: String, CaseIterable {
        case grid, random, halving, asha
    }

    var name: Name {
        switch self {
        case .grid: .grid
        case .random: .random
        case .halving: .halving
        case .asha: .asha
        }
    }

    var rungs: Rungs? {
        switch self {
        case .grid, .random: nil
        case .halving(let rungs), .asha(let rungs): rungs
        }
    }
}
