package import WeirDevice
package import WeirGraph
package import WeirTensor

extension DType {
    /// The type's name in CUDA programs (`CUDAPrelude`); nil for types that a card does not compute with.
    package var cudaName: String? {
        switch self {
        case .float32: "float"
        case .float64: "double"
        case .float16: "half"
        case .bfloat16: "bfloat16"
        case .int8, .qint8: "int8"
        case .int16, .qint16: "int16"
        case .int32, .qint32: "int32"
        case .int64: "int64"
        case .uint8, .quint8: "uint8"
        case .uint16, .quint16: "uint16"
        case .uint32: "uint32"
        case .uint64: "uint64"
        case .bool: "bool"
        case .complex64: "complex64"
        case .complex128: "complex128"
        default: nil
        }
    }
    /// A type of the same size, for kernels that only move elements, so that one program serves many types.
    package var cudaBitsType: DType {
        switch byteCount {
        case 1: .uint8
        case 2: .uint16
        case 4: .uint32
        case 8: .uint64
        default: .complex128
        }
    }
    /// An unsigned type of the same size, for kernels that only move elements.
    package var cudaBits: String {
        switch byteCount {
        case 1: "uint8"
        case 2: "uint16"
        case 4: "uint32"
        case 8: "uint64"
        default: "complex128"
        }
    }
}

extension KernelRequest {
    /// The CUDA device that the kernel is for.
    /// - Throws: `internalError` on another type of device.
    package func cudaDevice() throws(Status) -> CUDADevice {
        guard let device = place.device.underlying as? CUDADevice else { throw .internalError("Node '\(name)' is not on a CUDA device") }
        return device
    }
    /// The name of a type attribute's type in CUDA programs.
    /// - Throws: `unimplemented` for a type that a card does not compute with.
    package func cudaType(_ attribute: String) throws -> String {
        guard let name = try type(attribute).cudaName else { throw unsupportedType(attribute) }
        return name
    }
    /// Starts to compile a program for the node's card.
    /// - Parameters:
    ///   - name: what the program computes; the op's name if nil.
    ///   - types: what its source's names stand for, such as `["T": "float"]`.
    package func cudaModule(_ name: String? = nil, _ types: KeyValuePairs<String, String> = [:], _ source: String) throws -> CUDAModule {
        let definitions = types.map { "typedef \($0.value) \($0.key);\n" }.joined()
        let title = ([name ?? op.name] + types.map(\.value)).joined(separator: " ")
        return try cudaDevice().modules.module(CUDAProgram(title, definitions + source))
    }
}
