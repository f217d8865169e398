package import WeirTensor

/// Values recorded under tags at one step: TensorFlow's `Summary`.
package struct Summary: Sendable {
    package var values: [Value]

    package init(_ values: [Value] = []) { self.values = values }

    /// One recorded value.
    package struct Value: Sendable {
        package var tag: String
        package var content: Content?
        /// The TensorBoard plugin that shows the value; only the first value of a tag needs it.
        package var metadata: Metadata?

        package init(_ tag: String, _ content: Content?, metadata: Metadata? = nil) {
            self.tag = tag
            self.content = content
            self.metadata = metadata
        }
    }

    package enum Content: Sendable {
        case scalar(Float)
        case histogram(Histogram)
        case image(Image)
        case audio(Audio)
        case tensor(Tensor)
    }

    package struct Image: Hashable, Sendable {
        package var height: Int
        package var width: Int
        /// 1 grey, 2 grey with alpha, 3 RGB, 4 RGBA.
        package var channelCount: Int
        /// The image as a PNG, JPEG or GIF file.
        package var encoded: [UInt8]

        package init(height: Int, width: Int, channelCount: Int, encoded: [UInt8]) {
            self.height = height
            self.width = width
            self.channelCount = channelCount
            self.encoded = encoded
        }
    }

    package struct Audio: Hashable, Sendable {
        package var sampleRate: Float
        package var channelCount: Int
        package var frameCount: Int
        /// The sound as a file of type `contentType`.
        package var encoded: [UInt8]
        package var contentType: String

        package init(
            sampleRate: Float, channelCount: Int, frameCount: Int, encoded: [UInt8], contentType: String = "audio/wav"
        ) {
            self.sampleRate = sampleRate
            self.channelCount = channelCount
            self.frameCount = frameCount
            self.encoded = encoded
            self.contentType = contentType
        }
    }

    package struct Metadata: Hashable, Sendable {
        package var plugin: String
        package var pluginContent: [UInt8]
        package var displayName: String
        package var explanation: String
        /// TensorFlow's `DataClass`: 1 scalar, 2 tensor, 3 sequence of blobs.
        package var dataClass: Int

        package init(
            plugin: String, pluginContent: [UInt8] = [], displayName: String = "", explanation: String = "",
            dataClass: Int = 0
        ) {
            self.plugin = plugin
            self.pluginContent = pluginContent
            self.displayName = displayName
            self.explanation = explanation
            self.dataClass = dataClass
        }
    }
}

extension Summary.Value {
    /// The value as a number, whether recorded as a scalar or as a tensor of one element; nil for other values.
    package var scalar: Double? {
        switch content {
        case .scalar(let value): return Double(value)
        case .tensor(let tensor) where tensor.elementCount == 1:
            switch tensor.dtype {
            case .float32: return Double(tensor.elements(Float.self)[0])
            case .float64: return tensor.elements(Double.self)[0]
            case .float16: return Double(tensor.elements(Float16.self)[0])
            case .bfloat16: return Double(tensor.elements(BFloat16.self)[0].float)
            case .uint64: return Double(tensor.elements(UInt64.self)[0])
            default: return (try? tensor.integer()).map(Double.init)
            }
        default: return nil
        }
    }
}
