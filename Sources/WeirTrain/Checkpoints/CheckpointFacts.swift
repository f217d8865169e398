import WeirTensor
import WeirWire

/// What decides, besides the data, which rows a training takes in each step, and which it holds out. A checkpoint has these numbers beside
/// the variables, so that a training that goes on from it with others can tell the user.
struct CheckpointFacts {
    private struct Fact {
        let name: String
        let text: String
        let value: Int
        /// Whether other rows are held out with another number.
        let decidesTestRows: Bool
    }
    private let facts: [Fact]

    init(_ options: TrainingOptions) {
        var facts = [
            Fact(name: "seed", text: "seed", value: options.seed, decidesTestRows: !options.data.isDivided),
            Fact(name: "batch_size", text: "batch size", value: options.batchSize, decidesTestRows: false),
        ]
        if !options.data.isDivided { facts.append(Fact(name: "folds", text: "number of folds", value: options.foldCount, decidesTestRows: true)) }
        self.facts = facts
    }

    /// The numbers by the names that they have in a checkpoint, `int64` scalars.
    var tensors: [(name: String, value: Tensor)] { facts.map { ("training/\($0.name)", Tensor(Int64($0.value))) } }

    /// What to tell the user of a training that begins with a checkpoint; nil when its numbers are these, or it has none.
    /// - Throws: `dataLoss` when the checkpoint is damaged.
    func difference(from reader: BundleReader) throws(Status) -> String? {
        var found: [String] = [], here: [String] = []
        var changesTestRows = false
        let names = Set(try reader.tensors().map { "\($0.0)" })
        for fact in facts where names.contains("training/\(fact.name)") {
            let tensor = try reader.tensor(ByteString("training/\(fact.name)"))
            guard tensor.dtype == .int64, let value = tensor.elements(Int64.self).first, value != Int64(fact.value) else { continue }
            found.append("\(fact.text) \(value)")
            here.append("\(fact.text) \(fact.value)")
            changesTestRows = changesTestRows || fact.decidesTestRows
        }
        guard !found.isEmpty else { return nil }
        return "checkpoint \(reader.prefix) is of a training with \(found.joined(separator: ", ")), this one has \(here.joined(separator: ", ")): "
            + "its batches are not those that would have followed" + (changesTestRows ? ", and rows that it holds out may have been trained on" : "")
    }
}
