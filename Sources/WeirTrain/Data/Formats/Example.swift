public import WeirTensor
import WeirWire

/// One record of features by name: TensorFlow's `tf.train.Example`, as TFRecord files have it.
public struct Example: Hashable, Sendable {
    /// The values of one feature, all of one kind.
    public enum Feature: Hashable, Sendable {
        /// Texts, or encoded pictures.
        case bytes([ByteString])
        /// Numbers.
        case floats([Float])
        /// Integers.
        case integers([Int64])
    }

    /// The features by name.
    public var features: [String: Feature]

    /// An example of these features.
    public init(_ features: [String: Feature] = [:]) { self.features = features }

    /// Decodes the message of an example. If a name occurs twice, the last one counts, as in TensorFlow.
    /// - Throws: `dataLoss` when the bytes are no such message.
    public init(serialized bytes: [UInt8]) throws(Status) {
        features = [:]
        var example = WireReader(bytes)
        while let field = try example.next() {
            guard field.number == 1, case .bytes(let message) = field.value else { continue }
            var all = WireReader(message)
            while let field = try all.next() {
                guard field.number == 1, case .bytes(let entry) = field.value else { continue }
                let (name, feature) = try Example.entry(entry)
                // A feature without a kind has no values; it is as if it were not there.
                features[name] = feature
            }
        }
    }

    private static func entry(_ bytes: ArraySlice<UInt8>) throws(Status) -> (name: String, feature: Feature?) {
        var name = ""
        var feature: Feature?
        var entry = WireReader(bytes)
        while let field = try entry.next() {
            guard case .bytes(let value) = field.value else { continue }
            if field.number == 1 {
                guard let text = String(validating: value, as: UTF8.self) else { throw .dataLoss("an example's feature has a name that is not UTF-8") }
                name = text
            } else if field.number == 2 {
                var kind = WireReader(value)
                while let field = try kind.next() {
                    if case .bytes(let list) = field.value { feature = try Example.feature(field.number, list, feature) }
                }
            }
        }
        return (name, feature)
    }

    /// Decodes a list of values. One of the same kind as before goes on.
    private static func feature(_ kind: Int, _ bytes: ArraySlice<UInt8>, _ earlier: Feature?) throws(Status) -> Feature? {
        var list = WireReader(bytes)
        switch kind {
        case 1:
            var values: [ByteString] = []
            if case .bytes(let before) = earlier { values = before }
            while let field = try list.next() {
                if field.number == 1, case .bytes(let value) = field.value { values.append(ByteString(Array(value))) }
            }
            return .bytes(values)
        case 2:
            var values: [Float] = []
            if case .floats(let before) = earlier { values = before }
            while let field = try list.next() {
                guard field.number == 1 else { continue }
                if case .fixed32(let bits) = field.value { values.append(Float(bitPattern: bits)) }
                guard case .bytes(let packed) = field.value else { continue }
                guard packed.count % 4 == 0 else { throw .dataLoss("an example's feature: expected a multiple of 4 bytes of floats, found \(packed.count)") }
                values.reserveCapacity(values.count + packed.count / 4)
                var cursor = ByteCursor(packed, "packed floats")
                while !cursor.isAtEnd { values.append(Float(bitPattern: try cursor.littleEndian(UInt32.self))) }
            }
            return .floats(values)
        case 3:
            var values: [Int64] = []
            if case .integers(let before) = earlier { values = before }
            while let field = try list.next() {
                guard field.number == 1 else { continue }
                if case .varint(let value) = field.value { values.append(Int64(bitPattern: value)) }
                guard case .bytes(let packed) = field.value else { continue }
                var cursor = ByteCursor(packed, "packed integers")
                while !cursor.isAtEnd { values.append(Int64(bitPattern: try cursor.varint())) }
            }
            return .integers(values)
        default: return earlier
        }
    }

    /// Encodes the message, with the features sorted by name. Equal examples give equal bytes.
    public var serialized: [UInt8] {
        var writer = WireWriter()
        writer.message(1) { all in
            for (name, feature) in features.sorted(by: { $0.key < $1.key }) {
                all.message(1) { entry in
                    entry.field(1, name)
                    entry.message(2) { kind in Example.write(feature, to: &kind) }
                }
            }
        }
        return writer.bytes
    }

    private static func write(_ feature: Feature, to kind: inout WireWriter) {
        switch feature {
        case .bytes(let values): kind.message(1) { list in for value in values { list.always(1, value.bytes) } }
        case .floats(let values):
            var packed: [UInt8] = []
            for value in values { packed.appendLittleEndian(value.bitPattern) }
            kind.message(2) { list in list.field(1, packed) }
        case .integers(let values):
            var packed: [UInt8] = []
            for value in values { packed.appendVarint(UInt64(bitPattern: value)) }
            kind.message(3) { list in list.field(1, packed) }
        }
    }
}

extension Example.Feature {
    /// The element type of the values.
    var dtype: DType {
        switch self {
        case .bytes: .string
        case .floats: .float32
        case .integers: .int64
        }
    }

    /// The number of values.
    var count: Int {
        switch self {
        case .bytes(let values): values.count
        case .floats(let values): values.count
        case .integers(let values): values.count
        }
    }

    /// The values as a tensor of the feature's own type.
    /// - Throws: `invalidArgument` when the shape has another number of elements.
    func tensor(_ shape: Shape) throws(Status) -> Tensor {
        switch self {
        case .bytes(let values): try Tensor(values, shape: shape)
        case .floats(let values): try Tensor(values, shape: shape)
        case .integers(let values): try Tensor(values, shape: shape)
        }
    }

    /// The values of one row of a column.
    /// - Throws: `invalidArgument` when an example has no such type.
    init(_ tensor: Tensor, _ name: String) throws(Status) {
        switch tensor.dtype {
        case .string: self = .bytes(try tensor.array())
        case _ where tensor.dtype.isFloating: self = .floats(try tensor.converted(to: .float32, name).array())
        case _ where tensor.dtype.isInteger || tensor.dtype == .bool: self = .integers(try tensor.converted(to: .int64, name).array())
        default: throw .invalidArgument("Column '\(name)': an example has texts, floats and integers, found \(tensor.dtype)")
        }
    }
}
