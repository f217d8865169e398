package import WeirTensor

/// The metadata of a tensor in a checkpoint: dtype, shape and position (TensorFlow's `BundleEntryProto`).
package struct BundleEntry: Hashable, Sendable {
    package var dtype: DType
    package var shape: Shape
    package var shard = 0
    package var offset = 0
    package var size = 0
    /// The masked checksum of the bytes.
    package var maskedCRC: UInt32 = 0
    /// The slices of a partitioned tensor. Each is stored under its own key, and this entry has no bytes.
    package var slices: [TensorSlice] = []

    package init(_ dtype: DType, _ shape: Shape) {
        self.dtype = dtype
        self.shape = shape
    }
}

extension BundleEntry {
    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.field(1, Int64(dtype.rawValue))
        writer.message(2) { shape.write(to: &$0) }
        writer.field(3, Int64(shard))
        writer.field(4, Int64(offset))
        writer.field(5, Int64(size))
        writer.fixed32(6, maskedCRC)
        for slice in slices {
            writer.message(7) { slice.write(to: &$0) }
        }
        return writer.bytes
    }

    /// Decodes an entry.
    /// - Parameter key: names the entry in errors.
    init(_ bytes: ArraySlice<UInt8>, key: ByteString) throws(Status) {
        var type: UInt64 = 0
        self.init(.float32, .scalar)
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): type = value
            case (2, .bytes(let value)): shape = try Shape(reading: value)
            case (3, .varint(let value)): shard = Int(Int32(truncatingIfNeeded: value))
            case (4, .varint(let value)): offset = Int(from: value)
            case (5, .varint(let value)): size = Int(from: value)
            case (6, .fixed32(let value)): maskedCRC = value
            case (7, .bytes(let value)): slices.append(try TensorSlice(reading: value))
            default: break
            }
        }
        guard let dtype = UInt8(exactly: type).flatMap(DType.init(rawValue:)) else {
            throw .dataLoss("Checkpoint entry \(key): \(type) is not a known element type")
        }
        self.dtype = dtype
    }
}

/// The value of the empty key: `BundleHeaderProto`.
struct BundleHeader: Hashable {
    static let key: [UInt8] = []

    var shardCount: Int
    /// The format version of the writer.
    var producer = 1

    init(shardCount: Int) { self.shardCount = shardCount }

    var encoded: [UInt8] {
        var writer = WireWriter()
        writer.field(1, Int64(shardCount))
        writer.message(3) { $0.field(1, Int64(producer)) }
        return writer.bytes
    }

    init(_ bytes: ArraySlice<UInt8>, prefix: String) throws(Status) {
        self.init(shardCount: 0)
        var endianness: UInt64 = 0
        var oldestReader: UInt64 = 0
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): shardCount = Int(Int32(truncatingIfNeeded: value))
            case (2, .varint(let value)): endianness = value
            case (3, .bytes(let value)):
                var version = WireReader(value)
                while let part = try version.next() {
                    if case (1, .varint(let value)) = (part.number, part.value) { producer = Int(from: value) }
                    if case (2, .varint(let value)) = (part.number, part.value) { oldestReader = value }
                }
            default: break
            }
        }
        guard endianness == 0 else {
            throw .unimplemented("Checkpoint \(prefix) is written in big-endian byte order, which is not read")
        }
        guard oldestReader <= 1 else {
            throw .invalidArgument("Checkpoint \(prefix) asks for a reader of version \(oldestReader), this one is 1")
        }
        guard shardCount >= 0 else { throw .dataLoss("Checkpoint \(prefix) says it has \(shardCount) shards") }
    }
}

extension Shape {
    /// Encodes the shape as `TensorShapeProto`.
    func write(to writer: inout WireWriter) {
        for dimension in dimensions {
            writer.message(2) { $0.field(1, Int64(dimension)) }
        }
    }

    init(reading bytes: ArraySlice<UInt8>) throws(Status) {
        var dimensions: [Int] = []
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            guard case (2, .bytes(let value)) = (field.number, field.value) else { continue }
            var size = 0
            var dimension = WireReader(value)
            while let part = try dimension.next() {
                if case (1, .varint(let value)) = (part.number, part.value) { size = Int(from: value) }
            }
            dimensions.append(size)
        }
        do { try self.init(validating: dimensions) } catch { throw .dataLoss("Checkpoint entry: \(error.message)") }
    }
}

extension TensorSlice {
    /// Encodes the slice as `TensorSliceProto`. A start of 0 and a missing length are not written.
    func write(to writer: inout WireWriter) {
        for extent in extents {
            writer.message(1) {
                $0.field(1, Int64(extent.start))
                if let length = extent.length { $0.always(2, Int64(length)) }
            }
        }
    }

    init(reading bytes: ArraySlice<UInt8>) throws(Status) {
        self.init([])
        var reader = WireReader(bytes)
        while let field = try reader.next() {
            guard case (1, .bytes(let value)) = (field.number, field.value) else { continue }
            var extent = Extent.full
            var parts = WireReader(value)
            while let part = try parts.next() {
                if case (1, .varint(let value)) = (part.number, part.value) { extent.start = Int(from: value) }
                if case (2, .varint(let value)) = (part.number, part.value) { extent.length = Int(from: value) }
            }
            guard extent.start >= 0, extent.length ?? 0 >= 0,
                !extent.start.addingReportingOverflow(extent.length ?? 0).overflow
            else { throw .dataLoss("Checkpoint slice with start \(extent.start), length \(extent.length ?? -1)") }
            extents.append(extent)
        }
    }
}

extension Int {
    /// Converts a protobuf `int64`.
    fileprivate init(from varint: UInt64) { self.init(truncatingIfNeeded: varint) }
}
