import SwiftProtobuf
import WeirTensor

/// Finds the line of an error of protobuf's text parser, whose errors have no position: it parses prefixes of the text.
struct TextFormatError<Message: SwiftProtobuf.Message> {
    private let text: String
    private let error: any Error
    /// The end of each line.
    private let ends: [String.Index]

    init(_ text: String, _ error: any Error) {
        self.text = text
        self.error = error
        ends = text.utf8.indices.filter { text.utf8[$0] == UInt8(ascii: "\n") } + [text.endIndex]
    }

    /// The line and its text, and what is wrong there.
    var description: String {
        let reason =
            switch error as? TextFormatDecodingError {
            case .unknownField: "a field that the message does not have"
            case .unrecognizedEnumValue: "a value that the enum does not have"
            case .malformedText: "malformed text"
            case .malformedNumber: "a malformed number"
            default: "\(error)"
            }
        // The search parses the text up to some fifty times.
        guard text.utf8.count <= 16 << 20 else { return reason }
        guard let number = firstWrongLine else { return "\(reason): the text ends within a field" }
        let start = number == 0 ? text.startIndex : text.utf8.index(after: ends[number - 1])
        let line = text[start..<ends[number]].prefix(60).map { $0.isNewline || $0 < " " ? " " : String($0) }.joined()
        return "line \(number + 1): \(reason), found '\(line)'"
    }

    /// The index of the line with the error; nil when the text is right but ends too early.
    private var firstWrongLine: Int? {
        var (low, high) = (0, ends.count)
        while low < high {
            let middle = (low + high) / 2
            if isRight(through: middle) { low = middle + 1 } else { high = middle }
        }
        return low < ends.count ? low : nil
    }

    private func isRight(through line: Int) -> Bool {
        if case .unknownField? = error as? TextFormatDecodingError { return !hasUnknownField(text[..<ends[line]]) }
        // A field of an unknown name behind the prefix shows that the parser gets there. A value may be on a line below its name, so the
        // next two lines are tried too.
        return (line...min(line + 2, ends.count - 1)).contains { hasUnknownField(text[..<ends[$0]] + "\nnot_a_field: 0") }
    }

    private func hasUnknownField(_ text: some StringProtocol) -> Bool {
        do {
            _ = try Message(textFormatString: String(text))
            return false
        } catch {
            if case .unknownField? = error as? TextFormatDecodingError { return true }
            return false
        }
    }
}
