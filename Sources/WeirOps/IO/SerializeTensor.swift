import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Serializes a tensor as a `TensorProto`.
    static let serializeTensor = OpDefinition("SerializeTensor", "(tensor: T) -> (serialized: string)", "T: type")
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .kernel { _ in
            .sync { context in context.setOutput(0, Tensor(ByteString(try context.input(0).serialized()))) }
        }

    /// Parses a tensor from a serialized `TensorProto`.
    static let parseTensor = OpDefinition("ParseTensor", "(serialized: string) -> (output: out_type)", "out_type: type")
        .shape(ShapeFunctions.unknown)
        .noGradient()
        .kernel { request in
            let expected = try request.type("out_type")
            return .sync { context in
                let serialized = context.input(0)
                guard serialized.rank == 0 else {
                    throw Status.invalidArgument(
                        "Expected `serialized` to be a scalar, got shape: \(serialized.shape)")
                }
                let bytes = serialized.elements(ByteString.self)[0].bytes
                let tensor: Tensor
                do { tensor = try Tensor(serialized: bytes) } catch {
                    let problem = Status(error).message
                    throw Status.invalidArgument("Could not parse `serialized` as TensorProto: \(problem)")
                }
                guard tensor.dtype == expected else {
                    throw Status.invalidArgument(
                        "Type mismatch between parsed tensor (\(tensor.dtype)) and dtype (\(expected))")
                }
                context.setOutput(0, tensor)
            }
        }
}
