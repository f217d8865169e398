import WeirGraph
import WeirKernels
import WeirTensor

// Helpers that the math ops share: dtype lists in TensorFlow's order, and functions that make op definitions.

enum MathTypes {
    static let floating = "T: {bfloat16, half, float, double}"
    static let inexact = "T: {bfloat16, half, float, double, complex64, complex128}"
    static let signed = "T: {bfloat16, half, float, double, int8, int16, int32, int64}"
    static let signedOrComplex = "T: {bfloat16, half, float, double, int8, int16, int32, int64, complex64, complex128}"
    static let integer = "T: {int8, int16, int32, int64, uint8, uint16, uint32, uint64}"
}

extension DTypeSet {
    /// Floating-point and complex types.
    static let inexact: DTypeSet = [floating, complex]
    /// Signed integer and floating-point types.
    static let signed: DTypeSet = [floating, signedInteger]
}

extension OpDefinition {
    /// Registers kernels. The int32 kernel for a GPU keeps `arguments` in host memory, as TensorFlow's does.
    func kernels(
        cpu: DTypeSet, gpu: DTypeSet, int32OnHost arguments: Set<String>, make: @escaping KernelFactory.Make
    ) -> OpDefinition {
        let int32 = DTypeSet(.int32)
        let onDevice = kernel(["T": cpu], gpu: ["T": gpu.subtracting(int32)], make: make)
        guard gpu.contains(int32) else { return onDevice }
        return onDevice.kernel(["T": []], gpu: ["T": int32], hostMemory: arguments, make: make)
    }

    /// Defines an elementwise op of one operand, `(x: T) -> (y: T)`.
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

    /// Defines an elementwise op of two operands with broadcasting, `(x: T, y: T) -> (z: T)`.
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

    /// Defines the gradient op of a unary op, `(y: T, dy: T) -> (z: T)`. Both operands have one shape.
    static func unaryGradient(
        _ name: String, gpu: DTypeSet = .floating, _ loop: @escaping @Sendable (DType) -> BinaryLoop?
    ) -> OpDefinition {
        OpDefinition(name, "(y: T, dy: T) -> (z: T)", MathTypes.inexact)
            .shape(ShapeFunctions.unchanged)
            .elementwise(.same, binary: loop)
            .kernel(["T": .floatingOrComplex], gpu: ["T": gpu]) { request in
                let type = try request.type("T")
                guard let loop = loop(type) else { throw request.unsupportedType("T") }
                return .elementwiseUnbroadcast(loop, type)
            }
    }
}

extension GradientContext {
    /// Returns the conjugate of a complex output; real outputs return themselves. Gradients of complex functions multiply by
    /// the conjugate of the derivative.
    func conjugate(_ x: Output) -> Output { x.dtype.isComplex ? op("Conj", x) : x }

    /// Returns the gradients of the two broadcast inputs, summed to the inputs' shapes.
    func unbroadcast(_ x: Output, _ y: Output) -> [Output?] {
        [unbroadcast(x, to: inputs[0], other: inputs[1]), unbroadcast(y, to: inputs[1], other: inputs[0])]
    }
}
