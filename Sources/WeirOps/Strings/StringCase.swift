import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Each string in lower case: of ASCII letters, or, with `utf-8`, of all.
    static let stringLower = OpDefinition("StringLower", "(input: string) -> (output: string)", "encoding: string = ''")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { request in
            if try isUnicode(request) { return stringMap { ByteString(lowercase($0.description)) } }
            return stringMap { ByteString($0.bytes.map { 0x41...0x5a ~= $0 ? $0 | 0x20 : $0 }) }
        }

    /// Each string in upper case: of ASCII letters, or, with `utf-8`, of all.
    static let stringUpper = OpDefinition("StringUpper", "(input: string) -> (output: string)", "encoding: string = ''")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { request in
            if try isUnicode(request) { return stringMap { ByteString($0.description.uppercased()) } }
            return stringMap { ByteString($0.bytes.map { 0x61...0x7a ~= $0 ? $0 & ~0x20 : $0 }) }
        }

    /// Each string without blanks at its ends.
    static let stringStrip = OpDefinition("StringStrip", "(input: string) -> (output: string)")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { _ in stringMap { ByteString(Array($0.bytes.stripped)) } }
}

private func isUnicode(_ request: KernelRequest) throws -> Bool {
    let encoding = try request.string("encoding")
    guard encoding.isEmpty || encoding == "utf-8" else {
        throw Status.invalidArgument("only utf-8 or '' (no encoding) is supported, received \(encoding)")
    }
    return !encoding.isEmpty
}

/// Swift's lower case, but for the sigma at the end of a word, which has a form of its own.
private func lowercase(_ text: String) -> String {
    guard text.unicodeScalars.contains("Σ") else { return text.lowercased() }
    var result = String.UnicodeScalarView()
    let scalars = Array(text.unicodeScalars)
    for (index, scalar) in scalars.enumerated() {
        let isCased = { (place: Int) in scalars.indices.contains(place) && scalars[place].properties.isCased }
        if scalar == "Σ", isCased(index - 1), !isCased(index + 1) {
            result.append("ς")
        } else {
            result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        }
    }
    return String(result)
}
