import Weir

/// Compares the results of a graph's steps in two places.
struct GraphComparison {
    private let made: GraphCase
    private let layout: ClusterLayout

    init(_ made: GraphCase, _ layout: ClusterLayout) {
        self.made = made
        self.layout = layout
    }

    func difference(_ truth: [GraphsFuzzer.Ran], _ found: [GraphsFuzzer.Ran]) -> WrongOutput? {
        for (position, pair) in zip(truth, found).enumerated() {
            let (expected, other) = pair
            let place = "run \(position) (\(other.step.name)), \(layout.words), \(made.graph.nodes.count) nodes"
            switch (expected.result, other.result) {
            case (.success(let a), .success(let b)):
                guard a.count == b.count else { return WrongOutput(kind: "count of fetches", text: "\(place): \(a.count) and \(b.count)") }
                for index in a.indices {
                    if let difference = TensorDifference.between(a[index], b[index]) {
                        return WrongOutput(kind: "wrong value", text: "\(place): \(expected.step.fetches[index]): \(difference)")
                    }
                }
            case (.success, .failure(let status)) where status.code == .deadlineExceeded:
                return WrongOutput(kind: "hangs", text: "\(place): \(status)")
            case (.success, .failure(let status)):
                return WrongOutput(kind: "fails: \(GraphComparison.kind(status))", text: "\(place): \(status)")
            case (.failure(let status), .success):
                return WrongOutput(kind: "does not fail: \(GraphComparison.kind(status))", text: "\(place): expected \(status)")
            case (.failure(let a), .failure(let b)):
                // A fetch of a dead tensor: TensorFlow's sessions and its masters have different messages for it.
                let isDead = a.message.firstRange(of: "does not have value") != nil && b.message.firstRange(of: "was not valid") != nil
                guard a.code == b.code || isDead else {
                    let kind = b.code == .deadlineExceeded ? "hangs in failing step" : "error \(b.code) for \(a.code)"
                    return WrongOutput(kind: kind, text: "\(place): \(b) instead of \(a)")
                }
                if !isDead, expected.step.fails, b.message.firstRange(of: "fail") == nil {
                    return WrongOutput(kind: "error does not name its node", text: "\(place): \(b) instead of \(a)")
                }
            }
        }
        guard truth.count == found.count else {
            return WrongOutput(kind: "another count of steps", text: "\(truth.count) and \(found.count), \(layout.words)")
        }
        return nil
    }

    /// An error's message without names and numbers, which differ between cases.
    static func kind(_ status: Status) -> String {
        var words: [Substring] = []
        for word in status.message.prefix(160).split(whereSeparator: { " \n\t".contains($0) }) {
            if word.contains(where: { $0.isNumber || "/'{}[]:_".contains($0) }) { continue }
            words.append(word)
            if words.count == 9 { break }
        }
        return "\(status.code) \(words.joined(separator: " "))"
    }
}
