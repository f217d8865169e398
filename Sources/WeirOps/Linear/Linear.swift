package import WeirGraph
import WeirKernels

/// Products of matrices.
package let linearOps: [OpDefinition] = [.matMul, .batchMatMul, .batchMatMulV2, .batchMatMulV3, .fusedMatMul]
