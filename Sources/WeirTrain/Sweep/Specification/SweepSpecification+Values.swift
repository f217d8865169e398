package import WeirTensor

extension SweepSpecification {
    /// Checks each value of the parameters, of a range without points its ends, in a configuration that the sweep may try: the base options,
    /// the value, and the first values of the other parameters.
    ///
    /// A value is wrong if it is refused together with every value of each other parameter, and what is refused is not refused without it.
    /// So a value that goes with some values of another parameter only, as units of layers with some models, is not.
    /// - Parameter check: throws when a configuration cannot be trained.
    /// - Throws: the error of `check` with the key of the value, such as `parameters.batch: 0`, or `base`.
    package func checkValues(_ check: (_ configuration: [String: ParameterValue]) throws(Status) -> Void) throws(Status) {
        func failure(_ configuration: [String: ParameterValue]) -> Status? {
            do throws(Status) { try check(configuration) } catch { return error }
            return nil
        }
        let first = base.merging(parameters.compactMap { parameter in parameter.checkedValues.first.map { (parameter.name, $0) } }) { $1 }
        var accepted = false
        var refused: Status?
        for parameter in parameters {
            var without = first
            without[parameter.name] = base[parameter.name]
            for value in parameter.checkedValues {
                let configuration = first.merging([parameter.name: value]) { $1 }
                guard let problem = failure(configuration) else {
                    accepted = true
                    continue
                }
                refused = refused ?? problem
                let goesWithAnother = parameters.contains { other in
                    other.name != parameter.name
                        && other.checkedValues.dropFirst().contains { failure(configuration.merging([other.name: $0]) { $1 }) == nil }
                }
                if goesWithAnother {
                    accepted = true
                } else if failure(without)?.message != problem.message {
                    throw Status(problem.code, "parameters.\(parameter.name): \(value): \(problem.message)")
                }
            }
        }
        if !accepted, let refused { throw Status(refused.code, "base: \(refused.message)") }
    }
}

extension SweepParameter {
    /// The values that are checked before a sweep: those of a list, the ends of a range.
    fileprivate var checkedValues: [ParameterValue] {
        switch axis {
        case .values(let values): values
        case .range(let range): range.ends
        }
    }
}
