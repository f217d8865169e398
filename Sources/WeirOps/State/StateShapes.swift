import WeirGraph
import WeirKernels
import WeirTensor

// Shape functions and dtype sets that the ops of this family share.

/// The sets of dtypes for which TensorFlow has GPU kernels.
enum StateTypes {
    static let gpuReference: DTypeSet = [
        .floating, .complex, DTypeSet(.int64, .uint32, .bool),
    ]
    static let gpuAssign: DTypeSet = [gpuUpdate, .complex, DTypeSet(.bool)]
    /// The dtypes with arithmetic in place. Not int32, whose variables are on CPUs.
    static let gpuUpdate: DTypeSet = [
        .floating, .unsignedInteger, DTypeSet(.int8, .int16, .int64),
    ]
    /// TensorFlow's `numbertype`, in the notation of schemas.
    static let numbers =
        "{float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, "
        + "quint16, uint16, complex128, half, uint32, uint64}"
}

enum StateShapes {
    /// Sets the output shape to the node's attribute `shape`.
    @Sendable static func fromAttribute(_ c: inout ShapeContext) {
        c.setOutput(0, c.attributes.shape("shape") ?? .unknown)
    }

    /// Returns the shape of the variable of the handle at input `index`.
    /// - Throws: `invalidArgument` when the node expects another dtype.
    static func variable(_ c: ShapeContext, _ index: Int = 0, attribute: String = "dtype") throws -> PartialShape {
        guard let handle = c.handle(index) else { return .unknown }
        if let dtype = c.attributes.type(attribute), dtype != handle.dtype {
            throw Status.invalidArgument(
                "Trying to read variable with wrong dtype. Expected \(handle.dtype) got \(dtype)")
        }
        return handle.shape
    }

    /// Checks that the value to assign or add has the shape of the variable.
    @Sendable static func assignment(_ c: inout ShapeContext) throws {
        _ = try variable(c).merging(c.input(1))
    }

    /// Sets the output shape to that of the reference.
    @Sendable static func reference(_ c: inout ShapeContext) throws {
        c.setOutput(0, c.input(0))
    }
}
