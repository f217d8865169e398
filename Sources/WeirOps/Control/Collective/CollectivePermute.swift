import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `CollectivePermute`: each replica gets the tensor of another one, by pairs of source and target. TensorFlow has a kernel on
    /// TPUs only, whose compiler knows the replicas; the op names no group. So a node of it cannot be placed, but graphs that
    /// contain one can be read and differentiated.
    static let collectivePermute = OpDefinition(
        "CollectivePermute", "(input: T, source_target_pairs: int32) -> (output: T)",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, uint16, "
            + "complex128, half, uint32, uint64}"
    )
    .statefulWithKernelPerGraph()
    .shape(ShapeFunctions.unchanged)
    .gradient { g in
        let back = g.op("ReverseV2", g.inputs[1], g.constant(Tensor([1] as [Int32])))
        return [g.op("CollectivePermute", g.gradient(), back), nil]
    }
}
