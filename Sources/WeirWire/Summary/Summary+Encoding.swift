package import WeirTensor

// Encoding of events and summaries as protobuf. Members of a oneof are written even when they are zero or empty, because
// their presence says which member is set.

extension Event {
    /// - Throws: `invalidArgument` when a tensor of a summary contains a variant that cannot be serialized.
    package func encoded() throws(Status) -> [UInt8] {
        var writer = WireWriter()
        writer.field(1, wallTime)
        writer.field(2, step)
        switch content {
        case .fileVersion(let version): writer.always(3, version.utf8)
        case .graph(let graph): writer.always(4, graph)
        case .summary(let summary): writer.always(5, try summary.encoded())
        case .session(let log):
            writer.message(7) {
                $0.field(1, Int64(log.state.rawValue))
                $0.field(2, log.checkpointPath)
                $0.field(3, log.message)
            }
        case .runMetadata(let tag, let metadata):
            writer.message(8) {
                $0.field(1, tag)
                $0.field(2, metadata)
            }
        case .metaGraph(let graph): writer.always(9, graph)
        case nil: break
        }
        if !self.writer.isEmpty {
            let name = self.writer
            writer.message(10) { $0.field(1, name) }
        }
        return writer.bytes
    }
}

extension Summary {
    package func encoded() throws(Status) -> [UInt8] {
        var writer = WireWriter()
        for value in values {
            try writer.message(1) { (inner) throws(Status) in try value.write(to: &inner) }
        }
        return writer.bytes
    }
}

extension Summary.Value {
    fileprivate func write(to writer: inout WireWriter) throws(Status) {
        writer.field(1, tag)
        switch content {
        case .scalar(let value): writer.always(2, value)
        case .image(let image):
            writer.message(4) {
                $0.field(1, Int64(image.height))
                $0.field(2, Int64(image.width))
                $0.field(3, Int64(image.channelCount))
                $0.field(4, image.encoded)
            }
        case .histogram(let histogram): writer.message(5) { histogram.write(to: &$0) }
        case .audio(let audio):
            writer.message(6) {
                if audio.sampleRate != 0 { $0.always(1, audio.sampleRate) }
                $0.field(2, Int64(audio.channelCount))
                $0.field(3, Int64(audio.frameCount))
                $0.field(4, audio.encoded)
                $0.field(5, audio.contentType)
            }
        case .tensor(let tensor): writer.always(8, try tensor.serialized())
        case nil: break
        }
        if let metadata { writer.message(9) { metadata.write(to: &$0) } }
    }
}

extension Summary.Metadata {
    fileprivate func write(to writer: inout WireWriter) {
        if !plugin.isEmpty || !pluginContent.isEmpty {
            writer.message(1) {
                $0.field(1, plugin)
                $0.field(2, pluginContent)
            }
        }
        writer.field(2, displayName)
        writer.field(3, explanation)
        writer.field(4, Int64(dataClass))
    }
}

extension Histogram {
    fileprivate func write(to writer: inout WireWriter) {
        writer.field(1, minimum)
        writer.field(2, maximum)
        writer.field(3, count)
        writer.field(4, sum)
        writer.field(5, sumOfSquares)
        writer.packed(6, limits)
        writer.packed(7, buckets)
    }
}
