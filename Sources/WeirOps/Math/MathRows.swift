import WeirGraph
import WeirKernels
import WeirTensor

// What the rows of this family share: schemas' type sets in TensorFlow's order, and how a row becomes an op.

enum MathTypes {
    static let floating = "T: {bfloat16, half, float, double}"
    static let inexact = "T: {bfloat16, half, float, double, complex64, complex128}"
    static let signed = "T: {bfloat16, half, float, double, int8, int16, int32, int64}"
    static let signedOrComplex = "T: {bfloat16, half, float, double, int8, int16, int32, int64, complex64, complex128}"
    static let integer = "T: {int8, int16, int32, int64, uint8, uint16, uint32, uint64}"
}

extension DTypeSet {
    /// Floating and complex types.
    static let inexact: DTypeSet = [floating, complex]
    /// Signed integers and floating types.
    static let signed: DTypeSet = [floating, signedInteger]
}

extension OpDefinition {
    /// Kernels whose int32 form keeps all its arguments in host memory on a GPU, as TensorFlow's do.
    func kernels(
        cpu: DTypeSet, gpu: DTypeSet, int32OnHost arguments: Set<String>, make: @escaping KernelFactory.Make
    ) -> OpDefinition {
        let int32 = DTypeSet(.int32)
        let onDevice = kernel(["T": cpu], gpu: ["T": gpu.subtracting(int32)], make: make)
        guard gpu.contains(int32) else { return onDevice }
        return onDevice.kernel(["T": []], gpu: ["T": int32], hostMemory: arguments, make: make)
    }

    /// An op of one operand, `(x: T) -> (y: T)`.
    static func unary(
        _ name: String, _ types: String, cpu: DTypeSet, gpu: DTypeSet, _ loop: @escaping @Sendable (DType) -> UnaryLoop?
    ) -> OpDefinition {
        OpDefinition(name, "(x: T) -> (y: T)", types)
            .shape(ShapeFunctions.unchanged)
            .elementwise(unary: loop)
            .kernels(cpu: cpu, gpu: gpu, int32OnHost: ["x", "y"]) { request in
                let type = try request.type("T")
                guard let loop = loop(type) else { throw request.unsupportedType("T") }
                return .elementwise(loop, type)
            }
    }

    /// An op of two operands that are broadcast, `(x: T, y: T) -> (z: T)`.
    static func binary(
        _ name: String, _ types: String, cpu: DTypeSet, gpu: DTypeSet, signature: String = "(x: T, y: T) -> (z: T)",
        _ loop: @escaping @Sendable (DType) -> BinaryLoop?
    ) -> OpDefinition {
        OpDefinition(name, signature, types)
            .shape(ShapeFunctions.broadcast)
            .elementwise(binary: loop)
            .kernels(cpu: cpu, gpu: gpu, int32OnHost: ["x", "y", "z"]) { request in
                let type = try request.type("T")
                guard let loop = loop(type) else { throw request.unsupportedType("T") }
                return .elementwise(loop, type)
            }
    }

    /// The gradient of a unary op, `(y: T, dy: T) -> (z: T)`: operands of one shape.
    static func unaryGradient(
        _ name: String, gpu: DTypeSet = .floating, _ loop: @escaping @Sendable (DType) -> BinaryLoop?
    ) -> OpDefinition {
        OpDefinition(name, "(y: T, dy: T) -> (z: T)", MathTypes.inexact)
            .shape(ShapeFunctions.unchanged)
            .elementwise(.same, binary: loop)
            .kernel(["T": .inexact], gpu: ["T": gpu]) { request in
                let type = try request.type("T")
                guard let loop = loop(type) else { throw request.unsupportedType("T") }
                return .elementwiseUnbroadcast(loop, type)
            }
    }
}

extension GradientContext {
    /// The conjugate where there is one: gradients of complex functions flow through it.
    func conjugate(_ x: Output) -> Output { x.dtype.isComplex ? op("Conj", x) : x }

    /// The gradients of two operands that were broadcast, summed down to their shapes.
    func unbroadcast(_ x: Output, _ y: Output) -> [Output?] {
        [unbroadcast(x, to: inputs[0], other: inputs[1]), unbroadcast(y, to: inputs[1], other: inputs[0])]
    }
}
