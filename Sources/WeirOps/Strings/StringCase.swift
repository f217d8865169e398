import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringLower`: converts each string to lower case: only ASCII letters, or all letters if the encoding is `utf-8`.
    static let stringLower = OpDefinition("StringLower", "(input: string) -> (output: string)", "encoding: string = ''")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { request in
            if try isUnicode(request) { return stringMap { ByteString(lowercase($0.description)) } }
            return stringMap { ByteString($0.bytes.map { 0x41...0x5a ~= $0 ? $0 | 0x20 : $0 }) }
        }

    /// `StringUpper`: converts each string to upper case: only ASCII letters, or all letters if the encoding is `utf-8`.
    static let stringUpper = OpDefinition("StringUpper", "(input: string) -> (output: string)", "encoding: string = ''")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { request in
            if try isUnicode(request) { return stringMap { ByteString($0.description.uppercased()) } }
            return stringMap { ByteString($0.bytes.map { 0x61...0x7a ~= $0 ? $0 & ~0x20 : $0 }) }
        }

    /// `StringStrip`: removes white space at both ends of each string.
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

/// Converts to lower case like Swift, except that a sigma at the end of a word becomes the final sigma.
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
