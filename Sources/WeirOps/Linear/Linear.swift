package import WeirGraph
import WeirKernels

/// The matrix multiplication ops.
package let linearOps: [OpDefinition] = [.matMul, .batchMatMul, .batchMatMulV2, .batchMatMulV3, .fusedMatMul]
