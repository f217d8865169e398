import Glibc
import Weir

/// Makes shapes and tensors: mostly small and ordinary ones, often with edge cases.
struct TensorMaker {
    var random: SplitMix64
    /// The maximum element count of a tensor; empty ones may have any dimensions.
    var limit = 2048

    init(_ random: SplitMix64) { self.random = random }

    /// Edge cases of sizes: limits of integer types, and powers of two whose products wrap to small numbers.
    static let extremes: [Int] = [
        0, -1, 1 << 31, -(1 << 31), (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 60, 1 << 62, .max, .min, .min + 1, -(1 << 40), 1 << 16, 65537, -2,
    ]
    static let hugeEmpty: [[Int]] = [
        [0, 1 << 40, 1 << 40], [1 << 60, 0], [0], [0, 1 << 31], [1 << 40, 0], [1 << 60, 0, 1 << 60], [0, .max], [0, .max, .max],
        [1 << 31, 0], [1, 0, 1 << 60], [2, 0, 1 << 59], [0, 0], [0, 1 << 62, 4], [1 << 30, 1 << 30, 0], [0, 3], [3, 0], [1 << 31, 0, 3, 1],
        [0, 1 << 32, 1 << 32, 1], [1, 1 << 60, 0, 1 << 60], [3, 1 << 58, 0], [0, 1 << 60, 1 << 60, 1 << 60, 1 << 60],
    ]

    /// A number for sizes, axes and indices: mostly small.
    mutating func number() -> Int { random.chance(80) ? random.int(-1...4) : random.pick(TensorMaker.extremes) }

    mutating func dimensions(rank: Int) -> [Int] {
        var left = limit
        return (0..<rank).map { _ in
            let size = random.chance(6) ? 0 : random.chance(10) ? random.int(5...17) : random.int(1...4)
            guard size <= left else { return 1 }
            left /= max(1, size)
            return size
        }
    }

    mutating func shape() -> Shape {
        switch random.below(20) {
        case 0, 1: return .scalar
        case 2: return hugeEmptyShape()
        case 3: return Shape(dimensions(rank: random.int(5...9)))
        case 4: return Shape([Int](repeating: 1, count: random.pick([6, 7, 8, 12, 32, 253, 254])))
        case 5: return Shape(random.pick([2048, 1000, 257]))
        default: return Shape(dimensions(rank: random.int(1...4)))
        }
    }
    mutating func hugeEmptyShape() -> Shape { (try? Shape(validating: random.pick(TensorMaker.hugeEmpty))) ?? Shape(0) }

    /// A shape that often broadcasts with this one.
    mutating func relative(of shape: Shape) -> Shape {
        var dimensions = shape.dimensions
        switch random.below(6) {
        case 0: break
        case 1: dimensions = Array(dimensions.dropFirst(random.int(0...max(0, dimensions.count))))
        case 2: for index in dimensions.indices where random.chance(50) { dimensions[index] = 1 }
        case 3: if !dimensions.isEmpty { dimensions[random.below(dimensions.count)] = random.int(0...4) }
        case 4: dimensions = random.shuffled(dimensions)
        default: dimensions.insert(random.int(0...2), at: random.int(0...dimensions.count))
        }
        let known = try? Shape(validating: dimensions)
        return known.flatMap { $0.elementCount <= limit ? $0 : nil } ?? shape
    }

    mutating func partialShape() -> PartialShape {
        if random.chance(25) { return .unknown }
        if random.chance(70) { return PartialShape(dimensions(rank: random.int(0...4)).map { random.chance(25) ? nil : $0 }) }
        return PartialShape(
            (0..<random.int(0...4)).map { _ in
                let size = number()
                return size < 0 ? nil : size
            })
    }

    mutating func tensor(_ dtype: DType, _ shape: Shape? = nil) -> Tensor {
        let shape = shape ?? self.shape()
        guard shape.elementCount <= max(limit, 1) * 4, let tensor = try? Tensor(dtype, shape) else { return Tensor.empty(dtype) }
        fill(tensor)
        return tensor
    }

    private mutating func fill(_ tensor: Tensor) {
        // Chosen once for each tensor, so that tensors of only ordinary numbers are common.
        let isWild = random.chance(25)
        func real() -> Double {
            if isWild, random.chance(25) { return random.pick([.nan, .infinity, -.infinity, 1e38, -1e308, 1e-300, 1e19, -1e19, 2147483648, 0.5]) }
            return Double(random.int(-40...40)) / 8
        }
        func integer() -> Int {
            if isWild, random.chance(25) { return random.pick(TensorMaker.extremes) }
            return random.chance(85) ? random.int(0...3) : random.int(-2...9)
        }
        func write<E>(_ type: E.Type, _ next: () -> E) {
            let elements = tensor.mutableElements(type)
            for index in elements.indices { elements[index] = next() }
        }
        switch tensor.dtype {
        case .float32: write(Float.self) { Float(real()) }
        case .float64: write(Double.self) { real() }
        case .float16: write(Float16.self) { Float16(real()) }
        case .bfloat16: write(BFloat16.self) { BFloat16(Float(real())) }
        case .complex64: write(Complex<Float>.self) { Complex(Float(real()), Float(real())) }
        case .complex128: write(Complex<Double>.self) { Complex(real(), real()) }
        case .int8, .qint8: write(Int8.self) { Int8(truncatingIfNeeded: integer()) }
        case .uint8, .quint8: write(UInt8.self) { UInt8(truncatingIfNeeded: integer()) }
        case .int16, .qint16: write(Int16.self) { Int16(truncatingIfNeeded: integer()) }
        case .uint16, .quint16: write(UInt16.self) { UInt16(truncatingIfNeeded: integer()) }
        case .int32, .qint32: write(Int32.self) { Int32(truncatingIfNeeded: integer()) }
        case .uint32: write(UInt32.self) { UInt32(truncatingIfNeeded: integer()) }
        case .int64: write(Int64.self) { Int64(integer()) }
        case .uint64: write(UInt64.self) { UInt64(truncatingIfNeeded: integer()) }
        case .bool: write(Bool.self) { random.chance(50) }
        case .string: write(ByteString.self) { text() }
        case .resource, .variant: break
        }
    }

    static let texts: [ByteString] = [
        "", "a", "b", "key", "x,y", "1", "-1", "3.5", "1e999", "nan", "9223372036854775808", "true", "a b  c", "2 3 0,1:-", "%s", "{}", "{}{}",
        "(a|b)*c", "(((", "[a-z]+", "\\1\\9", ".*.*.*.*b", "(a+)+$", "(?i)A", "x{1000}", "a{0,1000000}", "[^", "*", "ZGF0YQ==", "====", "model.ckpt", "*.ckpt",
        "SAME", "NHWC", "loc:@x",
        ByteString([0xFF, 0xFE, 0, 0x80]), ByteString([UInt8](repeating: 97, count: 3000)), ByteString([0xC3, 0xA9, 0xE2, 0x82, 0xAC]),
        ByteString([8, 1, 18, 4, 18, 2, 8, 2, 34, 8, 0, 0, 128, 63, 0, 0, 0, 64]),
    ]
    mutating func text() -> ByteString {
        if random.chance(90) { return random.pick(TensorMaker.texts) }
        return ByteString(
            (0..<random.below(12)).map { _ in random.pick([46, 42, 40, 41, 91, 93, 92, 97, 98, 48, 49, 37, 123, 125, 44, 58, 0, 255, 43, 63, 124, 94, 36]) })
    }
}

extension Tensor {
    /// A tensor without elements; its allocation cannot fail.
    static func empty(_ dtype: DType) -> Tensor {
        do { return try Tensor(dtype, Shape(0)) } catch { fatalError("no memory for an empty tensor: \(error)") }
    }
    /// A description: type, shape, and the elements of small ones.
    var sketch: String {
        var text = "\(dtype)\(shape)"
        guard elementCount <= 8 else { return text }
        switch dtype {
        case .int32, .int64: text += " \((try? integers()) ?? [])"
        case .float32: text += " \(Array(elements(Float.self)))"
        case .bool: text += " \(Array(elements(Bool.self)))"
        case .string: text += " \(elements(ByteString.self).map { $0.description.prefix(20) })"
        default: break
        }
        return text
    }
}
