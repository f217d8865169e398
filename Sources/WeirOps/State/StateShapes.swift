import WeirGraph
import WeirKernels
import WeirTensor

// Shape functions and type sets that ops of this family share.

/// The sets of element types that TensorFlow has GPU kernels for.
enum StateTypes {
    static let gpuReference: DTypeSet = [
        .floating, .complex, DTypeSet(.int64, .uint32, .bool),
    ]
    static let gpuAssign: DTypeSet = [gpuUpdate, .complex, DTypeSet(.bool)]
    /// Types with arithmetic in place; never int32, whose variables live on CPUs.
    static let gpuUpdate: DTypeSet = [
        .floating, .unsignedInteger, DTypeSet(.int8, .int16, .int64),
    ]
    /// TensorFlow's `numbertype`, as schemas spell it.
    static let numbers =
        "{float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, "
        + "quint16, uint16, complex128, half, uint32, uint64}"
}

enum StateShapes {
    /// The output has the shape that the node's attribute says.
    @Sendable static func fromAttribute(_ c: inout ShapeContext) {
        c.setOutput(0, c.attributes.shape("shape") ?? .unknown)
    }

    /// Type and shape of the variable behind the handle at an input.
    /// - Throws: `invalidArgument` when the node takes it for another type.
    static func variable(_ c: ShapeContext, _ index: Int = 0, attribute: String = "dtype") throws -> PartialShape {
        guard let handle = c.handle(index) else { return .unknown }
        if let dtype = c.attributes.type(attribute), dtype != handle.dtype {
            throw Status.invalidArgument(
                "Trying to read variable with wrong dtype. Expected \(handle.dtype) got \(dtype)")
        }
        return handle.shape
    }

    /// A value that takes the place of the variable's, or is added to it, has its shape.
    @Sendable static func assignment(_ c: inout ShapeContext) throws {
        _ = try variable(c).merging(c.input(1))
    }

    /// A reference whose variable keeps its shape.
    @Sendable static func reference(_ c: inout ShapeContext) throws {
        c.setOutput(0, c.input(0))
    }
}
