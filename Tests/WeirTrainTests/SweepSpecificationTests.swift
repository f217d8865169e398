import Foundation
import Testing
import Weir

@testable import WeirTrain

@Suite("Specifications of sweeps")
struct SweepSpecificationTests {
    static let text = """
        {
          "base": {"model": "dnn", "optimizer": "adam", "steps": 270},
          "parameters": {
            "learning-rate": {"min": 0.0001, "max": 0.1, "scale": "log", "count": 4},
            "batch": [16, 32],
            "units": {"min": 1, "max": 3, "integer": true}
          },
          "search": {"algorithm": "asha", "seed": 7, "eta": 3, "minimum": 10},
          "trials": 27,
          "objective": {"metric": "accuracy", "goal": "max"},
          "retries": 1, "keep": 3
        }
        """

    private func parsed(_ text: String) throws -> SweepSpecification { try SweepSpecification(JSONValue(parsing: text)) }

    @Test("a metric that no trial will report is refused, with those that there are")
    func metrics() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [], classCount: 3))
        for (metric, isKnown) in [("test_accuracy", true), ("test_loss", true), ("train_loss", true), ("test_acuracy", false), ("accuracy", false)] {
            let specification = try parsed(Self.text.replacingOccurrences(of: "\"metric\": \"accuracy\"", with: "\"metric\": \"\(metric)\""))
            if isKnown {
                try specification.checkMetric(of: model)
            } else {
                let error = #expect(throws: Status.self) { try specification.checkMetric(of: model) }
                #expect(error?.message.hasPrefix("objective.metric: expected one of test_accuracy, test_loss, train_loss, found '\(metric)'") == true)
            }
        }
    }

    @Test("a file is read, and its JSON is read as the same specification")
    func reading() throws {
        let scratch = FileSystemScratch()
        let path = "\(scratch.path)/sweep.json"
        try Self.text.write(toFile: path, atomically: true, encoding: .utf8)
        let specification = try SweepSpecification(contentsOf: path)
        #expect(specification.base == ["model": .text("dnn"), "optimizer": .text("adam"), "steps": .integer(270)])
        #expect(specification.parameters.map(\.name) == ["learning-rate", "batch", "units"])
        #expect(specification.method == .asha(.init(eta: 3, minimum: 10, maximum: 270)))
        #expect(specification.trialCount == 27 && specification.seed == 7 && specification.retries == 1 && specification.keep == 3)
        #expect(specification.objective == SweepObjective("accuracy", .max))
        #expect(try SweepSpecification(specification.json) == specification)
        #expect(specification.json.description == (try SweepSpecification(JSONValue(parsing: specification.json.description))).json.description)
    }

    @Test("an error of a file names the file, the key, what was expected and what was found")
    func fileErrors() throws {
        let scratch = FileSystemScratch()
        let path = "\(scratch.path)/sweep.json"
        for (text, expected) in [
            ("{\n  \"base\": }", "\(path): line 2, column 11: expected a value, found '}'"),
            (Self.text.replacingOccurrences(of: "27,", with: "0,"), "\(path): trials: expected an integer between 1 and 10000, found 0"),
        ] {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let status = #expect(throws: Status.self) { try SweepSpecification(contentsOf: path) }
            #expect(status?.code == .invalidArgument && status?.message == expected)
        }
        #expect(#expect(throws: Status.self) { try SweepSpecification(contentsOf: "\(path).gone") }?.code == .notFound)
    }

    @Test(
        "what is wrong is told with its key",
        arguments: [
            (#""trials": 27"#, #""trails": 27"#, "trails: unknown key 'trails'; expected one of base, parameters"),
            (#""trials": 27,"#, "", "trials: expected the number of configurations of the search asha, found nothing"),
            ("[16, 32]", "[]", "parameters.batch: expected at least one value, found an empty list"),
            ("[16, 32]", "[16, 16]", "parameters.batch: expected each value once, found 16 again"),
            ("[16, 32]", "[16, null]", "parameters.batch[1]: expected a number, a text, true or false, found null"),
            ("[16, 32]", "16", "parameters.batch: expected a list of values, or an object with min and max, found 16"),
            ("[16, 32]", #"{"values": [1], "min": 1}"#, "parameters.batch.min: unknown key 'min'"),
            (#""min": 0.0001"#, #""min": 0"#, "parameters.learning-rate.min: expected a number above 0 on the scale log, found 0.0"),
            (#""min": 0.0001"#, #""min": 1"#, "parameters.learning-rate: expected min of at most max, found min 1.0 and max 0.1"),
            (#""min": 0.0001"#, #""min": "small""#, "parameters.learning-rate.min: expected a number, found \"small\""),
            (#""scale": "log""#, #""scale": "cubic""#, "parameters.learning-rate.scale: expected one of \"linear\", \"log\", found \"cubic\""),
            (#""count": 4"#, #""count": 1"#, "parameters.learning-rate.count: expected an integer between 2 and 10000, found 1"),
            (#""max": 3, "integer""#, #""max": 3.5, "integer""#, "parameters.units.max: expected an integer, found 3.5"),
            (#""eta": 3"#, #""eta": 1"#, "search.eta: expected an integer between 2 and 1000, found 1"),
            (#""eta": 3"#, #""eta": 2.5"#, "search.eta: expected an integer, found 2.5"),
            (#""minimum": 10"#, #""minimum": 0"#, "search.minimum: expected an integer between 1 and"),
            (#""minimum": 10"#, #""minimum": 300"#, "search.maximum: expected an integer between minimum, 300, and 1000000000, found 270"),
            (#""algorithm": "asha""#, #""algorithm": "best""#, "search.algorithm: expected one of \"grid\", \"random\", \"halving\", \"asha\", found \"best\""),
            (#""algorithm": "asha""#, #""algorithm": "random""#, "search.eta: unknown key 'eta'; expected one of algorithm, seed"),
            (#""goal": "max""#, #""goal": "high""#, "objective.goal: expected one of \"min\", \"max\", found \"high\""),
            (#""metric": "accuracy""#, #""metric": """#, "objective.metric: expected the name of a metric"),
            (#""steps": 270"#, #""steps": 0"#, "base.steps: expected an integer between 1 and 1000000000, found 0"),
            (#""model": "dnn""#, #""model": ["dnn"]"#, "base.model: expected a number, a text, true or false, found a list"),
            (#""batch": [16, 32]"#, #""steps": [16, 32]"#, "parameters.steps: expected no such parameter, because the search asha chooses the steps"),
            (#""keep": 3"#, #""keep": -1"#, "keep: expected an integer between 0 and 10000, found -1"),
            (#""retries": 1"#, #""retries": "one""#, "retries: expected an integer, found \"one\""),
            (#""search": {"algorithm": "asha", "seed": 7, "eta": 3, "minimum": 10}"#, #""search": "grid""#, "trials: expected none, because a grid"),
        ])
    func mistakes(_ old: String, _ new: String, _ expected: String) {
        #expect(Self.text.contains(old))
        let status = #expect(throws: Status.self) { try parsed(Self.text.replacingOccurrences(of: old, with: new)) }
        #expect(status?.code == .invalidArgument && status?.message.contains(expected) == true, "\(status?.message ?? "")")
    }

    private func grid(_ parameters: [SweepParameter], base: [String: ParameterValue] = ["steps": .integer(5)]) throws -> SweepSpecification {
        try SweepSpecification(base: base, parameters: parameters, method: .grid, objective: .init("loss", .min))
    }

    @Test("a grid has every combination, the last parameter changes fastest, and values replace base options")
    func gridPoints() throws {
        let specification = try grid(
            [.init("a", .values([.text("x"), .text("y")])), .init("b", .range(.init(1, 3, isInteger: true)))],
            base: ["steps": .integer(5), "a": .text("z")])
        #expect(specification.trialCount == 6)
        let points = (0..<6).map { specification.configuration(of: $0) }
        #expect(points.map { "\($0["a"]!)\($0["b"]!)" } == ["x1", "x2", "x3", "y1", "y2", "y3"])
        #expect(points.allSatisfy { $0["steps"] == .integer(5) })
    }

    @Test("a range with a count has values at equal distances on its scale, with few digits and exact ends")
    func counts() {
        let log = SweepParameter("r", .range(.init(0.0001, 0.1, scale: .log, count: 4)))
        #expect(log.points == [.number(0.0001), .number(0.001), .number(0.01), .number(0.1)])
        let linear = SweepParameter("r", .range(.init(0, 1, count: 5)))
        #expect(linear.points == [.number(0), .number(0.25), .number(0.5), .number(0.75), .number(1)])
        let integers = SweepParameter("r", .range(.init(1, 4, isInteger: true, count: 7)))
        #expect(integers.points?.first == .integer(1) && integers.points?.last == .integer(4) && integers.points?.count == 4)
        let powers = SweepParameter("r", .range(.init(16, 128, scale: .log, isInteger: true, count: 4)))
        #expect(powers.points == [.integer(16), .integer(32), .integer(64), .integer(128)])
    }

    @Test("a grid that has too many points, or an axis without points, is refused")
    func tooManyPoints() throws {
        let hundred = ParameterRange(1, 100, isInteger: true)
        #expect(try grid([.init("a", .range(hundred)), .init("b", .range(hundred))]).trialCount == 10_000)
        for parameters in [
            [SweepParameter("a", .range(hundred)), .init("b", .range(hundred)), .init("c", .values([.integer(1), .integer(2)]))],
            [SweepParameter("a", .range(.init(0, 1)))], [SweepParameter("a", .range(.init(1, 1e15, isInteger: true)))],
            [SweepParameter("a", .range(.init(-1e308, 1e308)))], [],
        ] {
            let status = #expect(throws: Status.self) { try grid(parameters) }
            #expect(status?.code == .invalidArgument && status?.message.hasPrefix("parameters") == true)
        }
    }

    @Test("steps may be a parameter of a grid; without steps a grid is refused")
    func steps() throws {
        let specification = try grid([.init("steps", .values([.integer(3), .integer(9)]))], base: [:])
        #expect(specification.search().next == .start(SearchJob(trial: 0, steps: 3)))
        #expect(throws: Status.self) { try grid([.init("steps", .values([.number(3)]))], base: [:]) }
        #expect(#expect(throws: Status.self) { try grid([.init("a", .values([.integer(1)]))], base: [:]) }?.message.hasPrefix("base.steps") == true)
    }

    /// The error of a check that refuses some configurations.
    private func failure(
        _ parameters: [SweepParameter], base: [String: ParameterValue] = [:], refusing: @escaping ([String: ParameterValue]) -> String?
    ) throws -> String? {
        let specification = try SweepSpecification(
            base: base.merging(["steps": .integer(1)]) { $1 }, parameters: parameters, method: .random, trials: 3, objective: .init("loss", .min))
        return thrownStatus {
            try specification.checkValues { configuration throws(Status) in
                if let text = refusing(configuration) { throw .invalidArgument(text) }
            }
        }?.message
    }

    @Test("each value of a list and the ends of a range are checked, and what is wrong is told with its key")
    func values() throws {
        let rate = SweepParameter("rate", .range(.init(0.5, 2))), batch = SweepParameter("batch", .values([.integer(8), .integer(16), .integer(99)]))
        var seen: Set<ParameterValue> = []
        #expect(
            try failure([rate, batch]) { configuration in
                seen.formUnion(configuration.values)
                return nil
            } == nil)
        #expect(seen == [.integer(1), .number(0.5), .number(2), .integer(8), .integer(16), .integer(99)])
        let large = try failure([rate, batch]) { $0["batch"] == .integer(99) ? "too large" : nil }
        #expect(large == "parameters.batch: 99: too large")
        #expect(try failure([rate, batch]) { $0["rate"]?.double == 2 ? "too fast" : nil } == "parameters.rate: 2.0: too fast")
        // The first value of the other parameter is the wrong one.
        #expect(try failure([batch, rate]) { $0["rate"]?.double == 0.5 ? "too slow" : nil } == "parameters.rate: 0.5: too slow")
        #expect(try failure([rate, batch], base: ["model": .text("x")]) { $0["model"] == .text("x") ? "no model" : nil } == "base: no model")
        // A base option that a parameter replaces is not tried.
        #expect(try failure([batch], base: ["batch": .integer(0)]) { $0["batch"] == .integer(0) ? "none" : nil } == nil)
    }

    @Test("a value that goes with some values of another parameter only is not wrong")
    func combinations() throws {
        let model = SweepParameter("model", .values([.text("dnn"), .text("cnn")]))
        let units = SweepParameter("units", .values([.integer(0), .integer(4)]))
        let refusing: ([String: ParameterValue]) -> String? = { $0["model"] == .text("cnn") && $0["units"] != .integer(0) ? "cnn has no units" : nil }
        #expect(try failure([model, units], refusing: refusing) == nil)
        #expect(try failure([units, model], refusing: refusing) == nil)
        let only = SweepParameter("units", .values([.integer(4)]))
        #expect(try failure([model, only], refusing: refusing) == "parameters.model: cnn: cnn has no units")
    }

    private func random(_ axis: SweepParameter.Axis, seed: Int = 1, trials: Int = 2_000) throws -> [ParameterValue] {
        let specification = try SweepSpecification(
            base: ["steps": .integer(1)], parameters: [.init("p", axis)], method: .random, trials: trials, seed: seed, objective: .init("loss", .min))
        return (0..<trials).map { specification.configuration(of: $0)["p"]! }
    }

    @Test("random values are within their range, spread over the scale, and the same for one seed")
    func sampling() throws {
        let log = try random(.range(.init(1e-4, 1, scale: .log))).map { $0.double! }
        #expect(log.allSatisfy { (1e-4...1).contains($0) })
        // Half of the values are below the geometric mean, 0.01; the deviation of 2000 draws is 22.
        #expect(abs(log.count { $0 < 0.01 } - 1_000) < 120)
        let linear = try random(.range(.init(-1, 3))).map { $0.double! }
        #expect(linear.allSatisfy { (-1...3).contains($0) } && abs(linear.count { $0 < 1 } - 1_000) < 120)
        let integers = try random(.range(.init(1, 4, isInteger: true)))
        for value in 1...4 { #expect(abs(integers.count { $0 == .integer(value) } - 500) < 110) }
        let names = try random(.values([.text("a"), .text("b")]))
        #expect(abs(names.count { $0 == .text("a") } - 1_000) < 120)
        #expect(try random(.range(.init(0, 1)), seed: 3) == random(.range(.init(0, 1)), seed: 3))
        #expect(try random(.range(.init(0, 1)), seed: 3) != random(.range(.init(0, 1)), seed: 4))
    }

    @Test("values of neighbouring trials and of two parameters are not related")
    func independence() throws {
        let specification = try SweepSpecification(
            base: ["steps": .integer(1)], parameters: [.init("a", .range(.init(0, 1))), .init("b", .range(.init(0, 1)))], method: .random, trials: 2_000,
            objective: .init("loss", .min))
        let points = (0..<2_000).map { trial in
            let configuration = specification.configuration(of: trial)
            return (configuration["a"]!.double! - 0.5, configuration["b"]!.double! - 0.5)
        }
        let pairs = zip(points, points.dropFirst())
        // Correlations of 2000 independent pairs have a deviation of 0.022.
        #expect(abs(points.reduce(0) { $0 + $1.0 * $1.1 } / 2_000 * 12) < 0.12)
        #expect(abs(pairs.reduce(0) { $0 + $1.0.0 * $1.1.0 } / 2_000 * 12) < 0.12)
        #expect(abs(pairs.reduce(0) { $0 + $1.0.1 * $1.1.0 } / 2_000 * 12) < 0.12)
    }
}
