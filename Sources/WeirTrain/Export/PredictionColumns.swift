import WeirTensor

/// Which columns of a CSV file become the numbers of a model's input.
public struct PredictionColumns: Hashable, Sendable {
    /// Whether columns are taken by their names, because the model has names. Otherwise they are taken by their place.
    public let isByName: Bool
    /// The columns that are left out, but for the one that the caller named and the model's label.
    public let leftOut: [String]
    /// The places of the columns that are taken, in the order of the input.
    let taken: [Int]

    /// - Parameters:
    ///   - names: the header of the file.
    ///   - count: how many numbers a row of the input has; nil if that is not known.
    ///   - model: the columns that the model takes, if it names them.
    ///   - label: a column that is left out.
    ///   - source: names the file in errors.
    /// - Throws: `invalidArgument` when a column is missing or there twice, or the header is no header.
    init(_ names: [String], count: Int?, model: ModelColumns?, leavingOut label: String?, source: String) throws(Status) {
        if let label, !names.contains(label) {
            throw .invalidArgument("\(source): expected a column '\(label)' to leave out, found \(names.joined(separator: ", "))")
        }
        let wanted = model?.features ?? []
        isByName = !wanted.isEmpty
        guard isByName else {
            var places = Array(names.indices)
            var leftOut: [String] = []
            if let label {
                places.removeAll { $0 == names.firstIndex(of: label) }
            } else if let count, count == names.count - 1, let last = names.last {
                places.removeLast()
                leftOut = [last]
            }
            (taken, self.leftOut) = (places, leftOut)
            try CSVHeader.check(places.map { names[$0] }, source: source)
            return
        }
        var places: [Int] = []
        for name in wanted {
            guard name != label else { throw .invalidArgument("\(source): column '\(name)' is one that the model takes; expected another one to leave out") }
            guard let place = names.firstIndex(of: name) else {
                let near = name.nearest(among: names.filter { !wanted.contains($0) })
                let hint = near.isEmpty ? "" : "; near: \(near.joined(separator: ", "))"
                throw .invalidArgument("\(source): row 1: expected a column '\(name)', which the model takes, found \(names.joined(separator: ", "))\(hint)")
            }
            guard names.lastIndex(of: name) == place else {
                let other = names.lastIndex(of: name) ?? place
                throw .invalidArgument("\(source): row 1: expected one column '\(name)', found columns \(place + 1) and \(other + 1)")
            }
            places.append(place)
        }
        taken = places
        let known = Set(wanted + [label, model?.label].compactMap { $0 })
        leftOut = names.filter { !known.contains($0) }
    }
}
