import WeirGraph
import WeirTensor
import WeirWire

/// What a checkpoint lacks of some variables, or has with another type or shape.
struct CheckpointMismatch {
    /// An error that lists it, with similar names in the checkpoint.
    let status: Status

    /// How many are listed of each kind.
    private static let listedCount = 8

    /// - Returns: nil when the checkpoint fits.
    /// - Throws: `dataLoss` when its index is damaged.
    init?(_ reader: BundleReader, _ variables: [Variable]) throws(Status) {
        var found: [String: BundleEntry] = [:]
        for (name, entry) in try reader.tensors() { found[name.description] = entry }
        var missing: [String] = [], others: [String] = []
        for variable in variables {
            let name = variable.slice?.fullName ?? variable.name
            let shape = variable.slice?.fullShape ?? variable.shape
            guard let entry = found[name] else {
                let near = name.nearest(among: found.keys)
                missing.append("'\(name)'" + (near.isEmpty ? "" : " (near names: \(near.joined(separator: ", ")))"))
                continue
            }
            if entry.dtype != variable.dtype || entry.shape != shape {
                others.append("'\(name)' is \(variable.dtype) \(shape), the checkpoint has \(entry.dtype) \(entry.shape)")
            }
        }
        if missing.isEmpty, others.isEmpty { return nil }
        func list(_ items: [String]) -> String {
            let shown = items.prefix(CheckpointMismatch.listedCount).joined(separator: "; ")
            return shown + (items.count > CheckpointMismatch.listedCount ? "; and \(items.count - CheckpointMismatch.listedCount) more" : "")
        }
        var text = "Checkpoint \(reader.prefix), of \(found.count) tensors, does not fit the \(variables.count) variables"
        if !missing.isEmpty { text += ". It lacks \(missing.count): \(list(missing))" }
        if !others.isEmpty { text += ". \(others.count) differ in type or shape: \(list(others))" }
        status = Status(missing.isEmpty ? .invalidArgument : .notFound, text)
    }
}
