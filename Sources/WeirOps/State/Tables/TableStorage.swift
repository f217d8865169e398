import WeirKernels
import WeirTensor

/// The keys and values of a table. The values are rows of one tensor, which grows.
///
/// The caller makes sure that only one thread at a time changes it.
protocol TableStorage: AnyObject {
    var count: Int { get }
    /// Writes one row for each key to `output`: its value, or the default. `fallback` has one row for all keys, or one for
    /// each.
    func find(_ keys: Tensor, _ fallback: Tensor, into output: Tensor)
    func insert(_ keys: Tensor, _ values: Tensor) throws
    func remove(_ keys: Tensor)
    func removeAll()
    func export() throws -> (keys: Tensor, values: Tensor)
    /// Returns the first key that occurs twice with different values.
    func conflict(_ keys: Tensor, _ values: Tensor) -> TableConflict?
}

struct TableConflict {
    let key: String
    let value: String
    let other: String
}

/// Makes the storage for dtypes of keys and values.
/// - Throws: `unimplemented` for a key dtype that tables do not support.
func makeTableStorage(_ key: DType, _ value: DType, _ valueShape: Shape) throws -> any TableStorage {
    switch key {
    case .string: try HashedTable<ByteString>(value, valueShape)
    case .int32: try HashedTable<Int32>(value, valueShape)
    case .int64: try HashedTable<Int64>(value, valueShape)
    case .float32: try HashedTable<Float>(value, valueShape)
    case .float64: try HashedTable<Double>(value, valueShape)
    default: throw Status.unimplemented("Tables with keys of type \(key) are not supported")
    }
}

private final class HashedTable<K: TableKey>: TableStorage {
    private var index = TableIndex<K>()
    private var values: TableRows

    init(_ value: DType, _ valueShape: Shape) throws { values = try TableRows(value, valueShape) }

    var count: Int { index.keys.count }

    func find(_ keys: Tensor, _ fallback: Tensor, into output: Tensor) {
        let keys = keys.elements(K.self)
        let hasRowForEach = fallback.elementCount != values.width
        values.fill(output, fallback, count: keys.count) { position in
            if let row = index.row(of: keys[position]) { return (isThere: true, row) }
            return (isThere: false, hasRowForEach ? position : 0)
        }
    }

    func insert(_ keys: Tensor, _ values: Tensor) throws {
        for (position, key) in keys.elements(K.self).enumerated() {
            let row = index.row(of: key) ?? count
            if row == count {
                guard row < TableIndex<K>.maximumCount else {
                    throw Status.resourceExhausted("A table has at most \(TableIndex<K>.maximumCount) keys")
                }
                try self.values.reserve(row + 1, used: row)
                index.append(key)
            }
            self.values.copy(values, position, to: self.values.tensor, row)
        }
    }

    func remove(_ keys: Tensor) {
        for key in keys.elements(K.self) {
            guard let row = index.remove(key) else { continue }
            // `index.remove` has moved the last row to the removed one.
            if row != count { values.copy(values.tensor, count, to: values.tensor, row) }
        }
    }

    func removeAll() { index.removeAll() }

    func export() throws -> (keys: Tensor, values: Tensor) {
        let names = try Tensor(K.dtype, Shape(count))
        _ = names.mutableElements(K.self).update(fromContentsOf: index.keys)
        let output = try Tensor(values.tensor.dtype, Shape(validating: [count] + values.shape.dimensions))
        for row in 0..<count { values.copy(values.tensor, row, to: output, row) }
        return (names, output)
    }

    func conflict(_ keys: Tensor, _ values: Tensor) -> TableConflict? {
        var seen = TableIndex<K>()
        var firsts: [Int] = []
        for (position, key) in keys.elements(K.self).enumerated() {
            guard let row = seen.row(of: key) else {
                seen.append(key)
                firsts.append(position)
                continue
            }
            let (old, new) = (values.element(firsts[row]), values.element(position))
            if old != new { return TableConflict(key: keys.element(position), value: old, other: new) }
        }
        return nil
    }
}

/// Rows of the same shape in one tensor.
private struct TableRows {
    let shape: Shape
    let width: Int
    private let rowBytes: Int
    private(set) var tensor: Tensor

    init(_ dtype: DType, _ shape: Shape) throws {
        self.shape = shape
        width = shape.elementCount
        let (bytes, overflow) = width.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow else { throw Status.invalidArgument("Values of shape \(shape) are too large for a table") }
        rowBytes = bytes
        tensor = try Tensor(dtype, Shape(0, max(width, 1)))
    }

    /// Makes room for `count` rows. Doubles the capacity if necessary.
    mutating func reserve(_ count: Int, used: Int) throws {
        guard width > 0, count > tensor.dimension(0) else { return }
        let grown = try Tensor(tensor.dtype, Shape(validating: [max(16, count, tensor.dimension(0) &* 2), width]))
        for row in 0..<used { copy(tensor, row, to: grown, row) }
        tensor = grown
    }

    /// Fills `count` rows of the output. `pick` selects a row of this tensor or of `fallback` for each.
    @inline(__always)
    func fill(_ output: Tensor, _ fallback: Tensor, count: Int, _ pick: (Int) -> (isThere: Bool, row: Int)) {
        // The fast path for values of 4 or 8 bytes, which most tables have.
        switch tensor.dtype.isBitwise ? rowBytes : 0 {
        case 4: fillElements(UInt32.self, output, fallback, count, pick)
        case 8: fillElements(UInt64.self, output, fallback, count, pick)
        default:
            for position in 0..<count {
                let (isThere, row) = pick(position)
                copy(isThere ? tensor : fallback, row, to: output, position)
            }
        }
    }
    @inline(__always)
    private func fillElements<E: BitwiseCopyable>(
        _ type: E.Type, _ output: Tensor, _ fallback: Tensor, _ count: Int, _ pick: (Int) -> (isThere: Bool, row: Int)
    ) {
        guard let own = tensor.bytes.baseAddress, let other = fallback.bytes.baseAddress,
            let out = output.mutableBytes.baseAddress
        else { return }
        let size = MemoryLayout<E>.size
        for position in 0..<count {
            let (isThere, row) = pick(position)
            let value = (isThere ? own : other).loadUnaligned(fromByteOffset: row &* size, as: E.self)
            out.storeBytes(of: value, toByteOffset: position &* size, as: E.self)
        }
    }

    @inline(__always)
    func copy(_ source: Tensor, _ from: Int, to target: Tensor, _ to: Int) {
        guard source.dtype.isBitwise else { return copyObjects(source, from, to: target, to) }
        guard width > 0, let bytes = source.bytes.baseAddress, let out = target.mutableBytes.baseAddress else { return }
        (out + to &* rowBytes).copyMemory(from: bytes + from &* rowBytes, byteCount: rowBytes)
    }
    private func copyObjects(_ source: Tensor, _ from: Int, to target: Tensor, _ to: Int) {
        func move<E>(_ type: E.Type) {
            let (values, out) = (source.elements(E.self), target.mutableElements(E.self))
            for index in 0..<width { out[to * width + index] = values[from * width + index] }
        }
        switch source.dtype {
        case .string: move(ByteString.self)
        case .resource: move(ResourceHandle.self)
        default: move(Variant.self)
        }
    }
}
