import WeirKernels
import WeirTensor

extension Tensor {
    /// Converts a condition of any dtype to a bool. A number is true unless it is 0, a string unless it is empty. A tensor
    /// that is not a scalar is true if it has elements.
    /// - Throws: `invalidArgument` when a scalar has a dtype that cannot be converted.
    func boolValue() throws(Status) -> Bool {
        guard rank == 0 else { return elementCount > 0 }
        switch dtype {
        case .bool: return elements(Bool.self)[0]
        case .float32: return elements(Float.self)[0] != 0
        case .float64: return elements(Double.self)[0] != 0
        case .int8: return elements(Int8.self)[0] != 0
        case .int16: return elements(Int16.self)[0] != 0
        case .int32: return elements(Int32.self)[0] != 0
        case .int64: return elements(Int64.self)[0] != 0
        case .uint8: return elements(UInt8.self)[0] != 0
        case .string: return !elements(ByteString.self)[0].bytes.isEmpty
        default: throw .invalidArgument("\(dtype) cannot be converted to a boolean")
        }
    }
}
