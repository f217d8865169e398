import ArgumentParser
import Weir

// Errors are of two classes. Wrong usage is a mistake in the words of a command: a `ValidationError`, with which the process exits with
// status 64, that of `EX_USAGE`. All others are failures, with status 1: a file that cannot be read or has other contents than it should,
// a server that does not answer, a training that fails.

/// Reads what a command's words say.
/// - Throws: `ValidationError` for an `invalidArgument` of `read`; its other errors as they are.
func usage<R>(_ read: () throws -> R) throws -> R {
    do { return try read() } catch {
        guard let status = error as? Status, status.code == .invalidArgument else { throw error }
        throw ValidationError(status.message)
    }
}

/// The fields of an option that is a list.
/// - Parameter eachOnce: whether a field may be there only once.
/// - Throws: `ValidationError` for an empty field, or one that is there twice.
func fields(_ option: String, _ text: String, separator: Character = ",", eachOnce: Bool = false) throws -> [String] {
    let fields = text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    guard !fields.contains("") else { throw ValidationError("\(option) must be a list such as A\(separator)B; found an empty field in '\(text)'") }
    for (index, field) in fields.enumerated() where eachOnce && fields[..<index].contains(field) {
        throw ValidationError("\(option) must have each field once, found '\(field)' again in '\(text)'")
    }
    return fields
}

extension Status {
    /// What an error of a command's words, or any other, says.
    init(describing error: any Error) {
        if let mistake = error as? ValidationError { self = .invalidArgument(mistake.message) } else { self.init(error) }
    }
}
