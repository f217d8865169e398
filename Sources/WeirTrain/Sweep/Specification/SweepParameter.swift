import WeirTensor
import WeirWire

/// A hyper-parameter of a sweep, with the values that it may have.
public struct SweepParameter: Hashable, Sendable {
    /// The values of a parameter.
    public enum Axis: Hashable, Sendable {
        /// These values.
        case values([ParameterValue])
        /// The numbers of a range.
        case range(ParameterRange)
    }

    /// The name of the option that the parameter sets.
    public var name: String
    /// Its values.
    public var axis: Axis

    /// Makes a parameter. `SweepSpecification` checks it.
    public init(_ name: String, _ axis: Axis) {
        self.name = name
        self.axis = axis
    }

    /// The values of an axis of a grid; nil when they cannot be counted.
    var points: [ParameterValue]? {
        switch axis {
        case .values(let values): values
        case .range(let range): range.points
        }
    }

    /// A random value; each of a list, or of a range with a count, is equally likely.
    func sample(_ generator: inout SplitMix) -> ParameterValue {
        switch axis {
        case .range(let range) where range.count == nil: range.sample(&generator)
        // The axes of a specification are not empty.
        case .range(let range): SweepParameter.choice(range.points ?? [], &generator)
        case .values(let values): SweepParameter.choice(values, &generator)
        }
    }

    private static func choice(_ values: [ParameterValue], _ generator: inout SplitMix) -> ParameterValue {
        values[min(Int(generator.nextFraction() * Double(values.count)), values.count - 1)]
    }

    private var path: String { "parameters.\(name)" }

    /// Checks the values.
    func check() throws(Status) {
        switch axis {
        case .range(let range): try range.check(path)
        case .values(let values):
            guard !values.isEmpty else { throw .invalidArgument("\(path): expected at least one value, found an empty list") }
            var seen: Set<ParameterValue> = []
            for value in values {
                if case .number(let number) = value, !number.isFinite { throw .invalidArgument("\(path): expected finite numbers, found \(number)") }
                guard seen.insert(value).inserted else { throw .invalidArgument("\(path): expected each value once, found \(value) again") }
            }
        }
    }

    /// Reads `[…]`, `{"values": […]}` or `{"min": …, "max": …, …}`.
    init(_ name: String, _ value: JSONValue) throws(Status) {
        self.name = name
        let path = "parameters.\(name)"
        if case .array(let elements) = value {
            axis = .values(try SweepParameter.values(elements, path))
            return
        }
        guard case .object = value else {
            throw .invalidArgument("\(path): expected a list of values, or an object with min and max, found \(value.summary)")
        }
        let reader = try JSONObjectReader(value, at: path)
        if let values = reader["values"] {
            try reader.allowOnly(["values"])
            guard case .array(let elements) = values else { throw reader.failure("values", expected: "a list of values") }
            axis = .values(try SweepParameter.values(elements, reader.path(of: "values")))
            return
        }
        try reader.allowOnly(["min", "max", "scale", "count", "integer", "values"])
        guard let minimum = reader["min"]?.double else { throw reader.failure("min", expected: "a number") }
        guard let maximum = reader["max"]?.double else { throw reader.failure("max", expected: "a number") }
        axis = .range(
            ParameterRange(
                minimum, maximum, scale: try reader.choice("scale", of: ParameterRange.Scale.self) ?? .linear,
                isInteger: try reader.boolean("integer") ?? false, count: try reader.integer("count")))
    }

    private static func values(_ elements: [JSONValue], _ path: String) throws(Status) -> [ParameterValue] {
        var values: [ParameterValue] = []
        for (index, element) in elements.enumerated() {
            guard let value = ParameterValue(element) else {
                throw .invalidArgument("\(path)[\(index)]: expected a number, a text, true or false, found \(element.summary)")
            }
            values.append(value)
        }
        return values
    }

    /// The axis as JSON, in the form that is read.
    var json: JSONValue {
        switch axis {
        case .values(let values): .array(values.map(\.json))
        case .range(let range):
            JSONValue(members: [
                "min": JSONValue(range.minimum), "max": JSONValue(range.maximum), "scale": .text(range.scale.rawValue),
                "integer": range.isInteger ? .boolean(true) : nil, "count": range.count.map { .integer($0) },
            ])
        }
    }
}
