public import WeirTensor
import WeirWire

extension SummaryWriter {
    /// Adds the distribution of a tensor's elements, in TensorFlow's buckets: each limit is 1.1 times the one before.
    /// - Throws: `invalidArgument` when the elements are not real numbers, or one is not finite; as `scalar`.
    public func histogram(_ tag: String, _ values: Tensor, step: Int) throws(Status) {
        guard let numbers = values.realNumbers else {
            throw .invalidArgument("Histogram '\(tag)': expected a tensor of real numbers, found \(values.dtype)")
        }
        try histogram(tag, numbers, step: step)
    }

    /// Adds the distribution of numbers, as of a tensor's.
    /// - Throws: `invalidArgument` when one is not finite; as `scalar`.
    public func histogram(_ tag: String, _ values: [Double], step: Int) throws(Status) {
        if let bad = values.first(where: { !$0.isFinite }) { throw .invalidArgument("Histogram '\(tag)': expected finite numbers, found \(bad)") }
        try append(Summary.Value(tag, .histogram(Histogram(of: values))), step: step)
    }

    /// Adds an image, as a PNG file.
    /// - Parameter image: of `uint8`, of shape `[height, width, channels]`: 1 channel is grey, 2 grey with alpha, 3 RGB, 4 RGBA.
    /// - Throws: `invalidArgument` when the tensor is no such image; as `scalar`.
    public func image(_ tag: String, _ image: Tensor, step: Int) throws(Status) {
        guard image.dtype == .uint8, image.rank == 3 else {
            throw .invalidArgument("Image '\(tag)': expected uint8 of shape [height, width, channels], found \(image.dtype) \(image.shape)")
        }
        let (height, width, channels) = (image.dimension(0), image.dimension(1), image.dimension(2))
        let encoded = try PNG.encoded(Array(image.bytes), width: width, height: height, channelCount: channels)
        try append(Summary.Value(tag, .image(.init(height: height, width: width, channelCount: channels, encoded: encoded))), step: step)
    }

    /// Adds a text, which TensorBoard shows as Markdown.
    public func text(_ tag: String, _ text: String, step: Int) throws(Status) {
        // The data class of the plugin: a tensor.
        let metadata = Summary.Metadata(plugin: "text", dataClass: 2)
        try append(Summary.Value(tag, .tensor(Tensor(text)), metadata: metadata), step: step)
    }

    /// Adds values that a graph's summary op computed: `ScalarSummary`, `HistogramSummary`, `ImageSummary`, `MergeSummary`….
    /// - Parameter summary: a scalar of strings, a serialized `Summary`.
    /// - Throws: `invalidArgument` when it is none; as `scalar`.
    public func summary(_ summary: Tensor, step: Int) throws(Status) {
        let bytes = try summary.scalar(of: ByteString.self).bytes
        let decoded: Summary
        do { decoded = try Summary(bytes[...]) } catch { throw .invalidArgument("Expected a serialized summary: \(error.message)") }
        try append(Event(step: Int64(step), .summary(decoded)))
    }
}

extension Tensor {
    /// The elements as numbers; nil if they are not real numbers.
    var realNumbers: [Double]? {
        switch dtype {
        case .float32: elements(Float.self).map(Double.init)
        case .float64: Array(elements(Double.self))
        case .float16: elements(Float16.self).map(Double.init)
        case .bfloat16: elements(BFloat16.self).map { Double($0.float) }
        case .int8: elements(Int8.self).map(Double.init)
        case .int16: elements(Int16.self).map(Double.init)
        case .int32: elements(Int32.self).map(Double.init)
        case .int64: elements(Int64.self).map(Double.init)
        case .uint8: elements(UInt8.self).map(Double.init)
        case .uint16: elements(UInt16.self).map(Double.init)
        case .uint32: elements(UInt32.self).map(Double.init)
        case .uint64: elements(UInt64.self).map(Double.init)
        case .bool: elements(Bool.self).map { $0 ? 1 : 0 }
        default: nil
        }
    }
}
