public import WeirTensor
package import WeirWire

extension SweepSpecification {
    /// Reads a specification from a JSON file:
    ///
    /// ```json
    /// {
    ///   "base": {"model": "dnn", "data": "iris", "optimizer": "adam", "steps": 200},
    ///   "parameters": {
    ///     "learning-rate": {"min": 0.0001, "max": 0.1, "scale": "log"},
    ///     "batch": [16, 32, 64]
    ///   },
    ///   "search": {"algorithm": "asha", "seed": 1, "eta": 3, "minimum": 20, "maximum": 540},
    ///   "trials": 27,
    ///   "objective": {"metric": "test_accuracy", "goal": "max"},
    ///   "retries": 2,
    ///   "keep": 3
    /// }
    /// ```
    /// A parameter has a list of values, or a range: `min`, `max`, `scale` (`linear` or `log`), `integer`, and `count`, the number of
    /// values from the least to the greatest. `search` may be the name of an algorithm alone: `"grid"`. `asha` and `halving` train for
    /// at most `maximum` steps, by default the base option `steps`.
    /// - Throws: `invalidArgument` with the file, the key, what was expected and what was found; the error of a file that cannot be
    ///   read.
    public init(contentsOf path: String) throws(Status) {
        let bytes = try InputFile.contents(of: path)
        do throws(Status) {
            try self.init(JSONValue(parsing: bytes))
        } catch {
            throw Status(error.code, "\(path): \(error.message)")
        }
    }

    package init(_ value: JSONValue) throws(Status) {
        let reader = try JSONObjectReader(value)
        try reader.allowOnly(["base", "parameters", "search", "trials", "objective", "retries", "keep"])
        let base = try reader["base"].map { (value) throws(Status) in try JSONObjectReader(value, at: "base").options() } ?? [:]
        let axes = try JSONObjectReader(try reader.required("parameters", expected: "an object of parameters"), at: "parameters")
        var parameters: [SweepParameter] = []
        for member in axes.members { parameters.append(try SweepParameter(member.key, member.value)) }
        let (method, seed) = try SweepSpecification.method(try reader.required("search", expected: "an algorithm, such as \"grid\""), base)
        let objective = try JSONObjectReader(try reader.required("objective", expected: "an object with metric and goal"), at: "objective")
        try objective.allowOnly(["metric", "goal"])
        guard let goal = try objective.choice("goal", of: SweepObjective.Goal.self) else { throw objective.failure("goal", expected: "\"min\" or \"max\"") }
        try self.init(
            base: base, parameters: parameters, method: method, trials: try reader.integer("trials"), seed: seed,
            objective: SweepObjective(try objective.requiredText("metric"), goal), retries: try reader.integer("retries") ?? 2,
            keep: try reader.integer("keep") ?? 1)
    }

    private static func method(_ value: JSONValue, _ base: [String: ParameterValue]) throws(Status) -> (SearchMethod, seed: Int) {
        // A name alone is short for an object with it.
        let isName = if case .text = value { true } else { false }
        let reader = try JSONObjectReader(isName ? JSONValue(members: ["algorithm": value]) : value, at: "search")
        guard let name = try reader.choice("algorithm", of: SearchMethod.Name.self) else {
            throw reader.failure("algorithm", expected: "the name of an algorithm, such as \"grid\"")
        }
        switch name {
        case .grid:
            try reader.allowOnly(["algorithm"])
            return (.grid, 1)
        case .random:
            try reader.allowOnly(["algorithm", "seed"])
            return (.random, try reader.integer("seed") ?? 1)
        case .halving, .asha:
            try reader.allowOnly(["algorithm", "seed", "eta", "minimum", "maximum"])
            var maximum = try reader.integer("maximum")
            if maximum == nil, case .integer(let steps)? = base["steps"] { maximum = steps }
            let rungs = SearchMethod.Rungs(
                eta: try reader.integer("eta") ?? 3, minimum: try reader.requiredInteger("minimum"), maximum: maximum)
            return (name == .asha ? .asha(rungs) : .halving(rungs), try reader.integer("seed") ?? 1)
        }
    }

    /// The specification as JSON, in the form that is read. Equal specifications have equal texts.
    package var json: JSONValue {
        var search: [JSONValue.Member] = [.init("algorithm", .text(method.name.rawValue))]
        if method != .grid { search.append(.init("seed", .integer(seed))) }
        if let rungs = method.rungs {
            search += [.init("eta", .integer(rungs.eta)), .init("minimum", .integer(rungs.minimum))]
            if let maximum = rungs.maximum { search.append(.init("maximum", .integer(maximum))) }
        }
        return JSONValue(members: [
            "base": JSONValue(base),
            "parameters": .object(parameters.map { .init($0.name, $0.json) }),
            "search": .object(search),
            "trials": method == .grid ? nil : .integer(trialCount),
            "objective": JSONValue(members: ["metric": .text(objective.metric), "goal": .text(objective.goal.rawValue)]),
            "retries": .integer(retries), "keep": .integer(keep),
        ])
    }
}
