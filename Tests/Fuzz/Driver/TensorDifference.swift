import Weir

/// Compares tensors bit by bit, except that all NaNs are equal.
enum TensorDifference {
    /// - Returns: a description of the first difference; nil if there is none.
    static func between(_ a: Tensor, _ b: Tensor) -> String? {
        guard a.dtype == b.dtype, a.shape == b.shape else { return "\(a.dtype)\(a.shape) and \(b.dtype)\(b.shape)" }
        func first<E>(_ type: E.Type, _ isSame: (E, E) -> Bool) -> String? {
            let (x, y) = (a.elements(type), b.elements(type))
            for index in x.indices where !isSame(x[index], y[index]) { return "element \(index) of \(a.shape): \(x[index]) and \(y[index])" }
            return nil
        }
        switch a.dtype {
        case .float32: return first(Float.self) { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
        case .float64: return first(Double.self) { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
        case .float16: return first(Float16.self) { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
        case .complex64, .complex128, .bfloat16:
            // Equal bytes are the common case; otherwise elements or parts are compared.
            if a.bytes.elementsEqual(b.bytes) { return nil }
            if a.dtype == .bfloat16 { return first(UInt16.self) { x, y in x == y || (x & 0x7FFF > 0x7F80 && y & 0x7FFF > 0x7F80) } }
            if a.dtype == .complex64 { return parts(a, b, Float.self) { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) } }
            return parts(a, b, Double.self) { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
        case .string: return first(ByteString.self, ==)
        case .resource, .variant: return nil
        default: return a.bytes.elementsEqual(b.bytes) ? nil : "bytes of \(a.sketch) and \(b.sketch)"
        }
    }

    private static func parts<E>(_ a: Tensor, _ b: Tensor, _ type: E.Type, _ isSame: (E, E) -> Bool) -> String? {
        let (x, y) = (a.bytes.bindMemory(to: type), b.bytes.bindMemory(to: type))
        for index in x.indices where !isSame(x[index], y[index]) { return "part \(index) of \(a.shape): \(x[index]) and \(y[index])" }
        return nil
    }
}
