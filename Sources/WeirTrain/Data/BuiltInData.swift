public import WeirTensor

extension Table {
    /// The Iris data set: 150 flowers, four measurements, three species. R. A. Fisher, *The use of multiple measurements in
    /// taxonomic problems*, 1936; UCI Machine Learning Repository, CC BY 4.0.
    public static func iris() throws -> Table {
        try Table(csv: String(decoding: PackageResources.iris_csv, as: UTF8.self), source: "iris")
    }

    /// Handwritten digits: 1,797 grey images of 8×8 pixels from 0 to 16. E. Alpaydin and C. Kaynak, *Optical Recognition of
    /// Handwritten Digits*, 1998; UCI Machine Learning Repository, CC BY 4.0. It is the part that the authors tested on.
    public static func digits() throws -> Table {
        let pixelCount = 64
        let bytes = DigitImages.text.utf8.filter { $0 != UInt8(ascii: "\n") }
        var values: [Float] = []
        var labels: [Int32] = []
        values.reserveCapacity(bytes.count)
        for (position, byte) in bytes.enumerated() {
            let value = byte <= UInt8(ascii: "9") ? Int(byte) - 48 : Int(byte) - 87
            if position % (pixelCount + 1) == pixelCount { labels.append(Int32(value)) } else { values.append(Float(value)) }
        }
        return Table(
            columns: (0..<pixelCount).map { "p\($0)" } + ["digit"], classes: (0...9).map { "\($0)" }, values: values, labels: labels)
    }
}

extension Dataset {
    /// *Alice's Adventures in Wonderland* by Lewis Carroll, 1865, in rows of characters: see `init(text:window:)`. It has 148,480 characters, 72
    /// different ones. The text is in the public domain; it is Project Gutenberg's *Millennium Fulcrum Edition 2.9* as the Canterbury corpus has it
    /// (`alice29.txt`: R. Arnold and T. Bell, *A corpus for the evaluation of lossless compression algorithms*, 1997), with line feeds at the
    /// ends of lines and without the mark at the end of the file.
    /// - Throws: `invalidArgument` when the window has no characters, or more than half of the text.
    public static func alice(window: Int = usualWindow) throws(Status) -> Dataset { try Dataset(text: AliceText.text, window: window) }
}
