import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `EncodeBase64`: encodes each string in URL-safe base64.
    static let encodeBase64 = OpDefinition("EncodeBase64", "(input: string) -> (output: string)", "pad: bool = false")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { request in
            let pads = try request.bool("pad")
            return stringMap { Base64.encode($0, pads: pads) }
        }

    /// `DecodeBase64`: decodes each string from URL-safe base64, with or without padding.
    static let decodeBase64 = OpDefinition("DecodeBase64", "(input: string) -> (output: string)")
        .shape(ShapeFunctions.unchanged)
        .noGradient()
        .kernel { _ in stringMap { try Base64.decode($0) } }
}

private enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let values: [UInt8?] = {
        var values = [UInt8?](repeating: nil, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()

    static func encode(_ text: ByteString, pads: Bool) -> ByteString {
        var result: [UInt8] = []
        result.reserveCapacity((text.count + 2) / 3 * 4)
        for start in stride(from: 0, to: text.count, by: 3) {
            let bytes = text.bytes[start..<min(start + 3, text.count)]
            var word: UInt32 = 0
            for (index, byte) in bytes.enumerated() { word |= UInt32(byte) << (16 - 8 * UInt32(index)) }
            for index in 0...bytes.count { result.append(alphabet[Int(word >> (18 - 6 * UInt32(index)) & 0x3f)]) }
            if pads { result += repeatElement(UInt8(ascii: "="), count: 3 - bytes.count) }
        }
        return ByteString(result)
    }

    static func decode(_ text: ByteString) throws -> ByteString {
        var letters = text.bytes[...]
        // There are at most two padding characters, and only if they complete a group of four.
        if letters.count % 4 == 0, letters.last == UInt8(ascii: "=") {
            letters.removeLast()
            if letters.last == UInt8(ascii: "=") { letters.removeLast() }
        }
        guard letters.count % 4 != 1 else {
            throw Status.invalidArgument("Base64 string length cannot be 1 modulo 4.")
        }
        var result: [UInt8] = []
        result.reserveCapacity(letters.count * 3 / 4)
        var word: UInt32 = 0
        var bitCount: UInt32 = 0
        for letter in letters {
            guard let value = values[Int(letter)] else {
                throw Status.invalidArgument("Invalid character found in base64.")
            }
            word = word << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                result.append(UInt8(truncatingIfNeeded: word >> bitCount))
            }
        }
        return ByteString(result)
    }
}
