package import WeirTensor

// Decoding of events and summaries, for the dashboard and tests. Unknown fields are skipped; malformed data throw `dataLoss`.

extension Event {
    package init(_ bytes: [UInt8]) throws(Status) {
        self.init(wallTime: 0, nil)
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .fixed64(let bits)): wallTime = Double(bitPattern: bits)
            case (2, .varint(let value)): step = Int64(bitPattern: value)
            case (3, .bytes(let value)): content = .fileVersion(String(value))
            case (4, .bytes(let value)): content = .graph(Array(value))
            case (5, .bytes(let value)): content = .summary(try Summary(value))
            case (7, .bytes(let value)): content = .session(try SessionLog(value))
            case (8, .bytes(let value)): content = try Self.runMetadata(value)
            case (9, .bytes(let value)): content = .metaGraph(Array(value))
            case (10, .bytes(let value)):
                var source = WireReader(value)
                while let part = try source.next() {
                    if case (1, .bytes(let name)) = (part.number, part.value) { writer = String(name) }
                }
            default: break
            }
        }
    }

    private static func runMetadata(_ bytes: ArraySlice<UInt8>) throws(Status) -> Content {
        var tag = ""
        var metadata: [UInt8] = []
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let value)): tag = String(value)
            case (2, .bytes(let value)): metadata = Array(value)
            default: break
            }
        }
        return .runMetadata(tag: tag, metadata)
    }
}

extension Event.SessionLog {
    fileprivate init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init(.unspecified)
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): state = State(rawValue: Int(truncatingIfNeeded: value)) ?? .unspecified
            case (2, .bytes(let value)): checkpointPath = String(value)
            case (3, .bytes(let value)): message = String(value)
            default: break
            }
        }
    }
}

extension Summary {
    package init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            if case (1, .bytes(let value)) = (field.number, field.value) { values.append(try Value(value)) }
        }
    }

    /// The tags of the values in a serialized summary. The values themselves are not decoded.
    package static func tags(_ bytes: [UInt8]) throws(Status) -> [String] {
        var tags: [String] = []
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            guard case (1, .bytes(let value)) = (field.number, field.value) else { continue }
            var tag = ""
            var parts = WireReader(value)
            while let part = try parts.next() {
                if case (1, .bytes(let text)) = (part.number, part.value) { tag = String(text) }
            }
            tags.append(tag)
        }
        return tags
    }
}

extension Summary.Value {
    fileprivate init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init("", nil)
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let value)): tag = String(value)
            case (2, .fixed32(let bits)): content = .scalar(Float(bitPattern: bits))
            case (4, .bytes(let value)): content = .image(try Summary.Image(value))
            case (5, .bytes(let value)): content = .histogram(try Histogram(value))
            case (6, .bytes(let value)): content = .audio(try Summary.Audio(value))
            case (8, .bytes(let value)): content = .tensor(try Tensor(serialized: Array(value)))
            case (9, .bytes(let value)): metadata = try Summary.Metadata(value)
            default: break
            }
        }
    }
}

extension Summary.Image {
    fileprivate init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init(height: 0, width: 0, channelCount: 0, encoded: [])
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): height = Int(truncatingIfNeeded: value)
            case (2, .varint(let value)): width = Int(truncatingIfNeeded: value)
            case (3, .varint(let value)): channelCount = Int(truncatingIfNeeded: value)
            case (4, .bytes(let value)): encoded = Array(value)
            default: break
            }
        }
    }
}

extension Summary.Audio {
    fileprivate init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init(sampleRate: 0, channelCount: 0, frameCount: 0, encoded: [], contentType: "")
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .fixed32(let bits)): sampleRate = Float(bitPattern: bits)
            case (2, .varint(let value)): channelCount = Int(truncatingIfNeeded: value)
            case (3, .varint(let value)): frameCount = Int(truncatingIfNeeded: value)
            case (4, .bytes(let value)): encoded = Array(value)
            case (5, .bytes(let value)): contentType = String(value)
            default: break
            }
        }
    }
}

extension Summary.Metadata {
    package init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init(plugin: "")
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let value)):
                var plugin = WireReader(value)
                while let part = try plugin.next() {
                    if case (1, .bytes(let name)) = (part.number, part.value) { self.plugin = String(name) }
                    if case (2, .bytes(let content)) = (part.number, part.value) { pluginContent = Array(content) }
                }
            case (2, .bytes(let value)): displayName = String(value)
            case (3, .bytes(let value)): explanation = String(value)
            case (4, .varint(let value)): dataClass = Int(truncatingIfNeeded: value)
            default: break
            }
        }
    }
}

extension Histogram {
    fileprivate init(_ bytes: ArraySlice<UInt8>) throws(Status) {
        self.init()
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .fixed64(let bits)): minimum = Double(bitPattern: bits)
            case (2, .fixed64(let bits)): maximum = Double(bitPattern: bits)
            case (3, .fixed64(let bits)): count = Double(bitPattern: bits)
            case (4, .fixed64(let bits)): sum = Double(bitPattern: bits)
            case (5, .fixed64(let bits)): sumOfSquares = Double(bitPattern: bits)
            case (6, let value): try value.appendDoubles(to: &limits)
            case (7, let value): try value.appendDoubles(to: &buckets)
            default: break
            }
        }
    }
}

extension String {
    /// Decodes UTF-8; invalid bytes become the replacement character.
    fileprivate init(_ bytes: ArraySlice<UInt8>) { self.init(decoding: bytes, as: UTF8.self) }
}
