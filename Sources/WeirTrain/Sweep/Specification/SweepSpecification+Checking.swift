import WeirTensor

extension SweepSpecification {
    /// Checks each parameter, and that no two have one name.
    static func check(_ parameters: [SweepParameter]) throws(Status) {
        guard (1...maximumParameterCount).contains(parameters.count) else {
            throw .invalidArgument("parameters: expected between 1 and \(maximumParameterCount) parameters, found \(parameters.count)")
        }
        var names: Set<String> = []
        for parameter in parameters {
            guard !parameter.name.isEmpty else { throw .invalidArgument("parameters: expected the name of an option, found an empty text") }
            guard names.insert(parameter.name).inserted else {
                throw .invalidArgument("parameters.\(parameter.name): expected each parameter once, found it again")
            }
            try parameter.check()
        }
    }

    /// The number of points of the grid.
    static func pointCount(_ parameters: [SweepParameter]) throws(Status) -> Int {
        var count = 1
        for parameter in parameters {
            guard let points = parameter.points else {
                throw .invalidArgument(
                    "parameters.\(parameter.name): expected for a grid a list of values, a range with a count, or a linear range of at most "
                        + "\(maximumTrialCount) integers; found a range without a count")
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: points.count)
            guard !overflow, product <= maximumTrialCount else {
                throw .invalidArgument(
                    "parameters: expected a grid of at most \(maximumTrialCount) points, found more: the values of the first parameters, up to "
                        + "'\(parameter.name)', make \(overflow ? "too many" : String(product))")
            }
            count = product
        }
        return count
    }

    static func check(_ rungs: SearchMethod.Rungs, isMaximumRequired: Bool) throws(Status) {
        guard (2...1_000).contains(rungs.eta) else { throw .invalidArgument("search.eta: expected an integer between 2 and 1000, found \(rungs.eta)") }
        guard (1...maximumStepCount).contains(rungs.minimum) else {
            throw .invalidArgument("search.minimum: expected an integer between 1 and \(maximumStepCount), found \(rungs.minimum)")
        }
        guard let maximum = rungs.maximum else {
            guard !isMaximumRequired else { throw .invalidArgument("search.maximum: expected the most steps of a trial, found nothing") }
            return
        }
        guard (rungs.minimum...maximumStepCount).contains(maximum) else {
            throw .invalidArgument("search.maximum: expected an integer between minimum, \(rungs.minimum), and \(maximumStepCount), found \(maximum)")
        }
    }

    /// Checks the values of the parameter `steps`.
    static func check(_ parameter: SweepParameter) throws(Status) {
        switch parameter.axis {
        case .values(let values):
            for value in values { try check(steps: value, "parameters.steps") }
        case .range(let range):
            guard range.isInteger, range.minimum >= 1, range.maximum <= Double(maximumStepCount) else {
                throw .invalidArgument("parameters.steps: expected integers between 1 and \(maximumStepCount), found \(range.minimum) to \(range.maximum)")
            }
        }
    }

    static func check(steps value: ParameterValue?, _ path: String) throws(Status) {
        guard let value else { return }
        guard case .integer(let steps) = value, (1...maximumStepCount).contains(steps) else {
            throw .invalidArgument("\(path): expected an integer between 1 and \(maximumStepCount), found \(value)")
        }
    }
}
