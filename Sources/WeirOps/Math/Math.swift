package import WeirGraph
import WeirKernels

/// The math ops: elementwise functions, comparisons, reductions, segment reductions.
package let mathOps: [OpDefinition] =
    unaryMathOps + binaryMathOps + reductionOps + [
        .cast, .hostCast, .addN, .accumulateNV2, .select, .selectV2, .clipByValue, .range, .linSpace, .cross, .l2Loss,
        .broadcastArgs, .broadcastGradientArgs, .bincount, .denseBincount, .histogramFixedWidth, .bucketize,
    ]

private let unaryMathOps: [OpDefinition] = [
    .absOp, .neg, .sign, .square, .sqrt, .rsqrt, .reciprocal, .inv, .exp, .expm1, .log, .log1p, .tanh, .sigmoid,
    .sin, .cos, .tan, .asin, .acos, .atan, .sinh, .cosh, .asinh, .acosh, .atanh,
    .erf, .erfc, .erfinv, .ndtri, .lgamma, .digamma, .floor, .ceil, .round, .rint, .isNan, .isInf, .isFinite,
    .logicalNot, .invert, .populationCount, .conj, .real, .imag, .complexAbs, .angle,
    .sigmoidGrad, .tanhGrad, .sqrtGrad, .rsqrtGrad, .reciprocalGrad, .invGrad,
]

private let binaryMathOps: [OpDefinition] = [
    .add, .addV2, .sub, .mul, .mulNoNan, .squaredDifference, .div, .realDiv, .divNoNan, .floorDiv, .truncateDiv,
    .floorMod, .truncateMod, .mod, .maximum, .minimum, .pow, .atan2, .xdivy, .xlogy, .xlog1py, .nextAfter, .complex,
    .polygamma, .zeta, .equal, .notEqual, .less, .lessEqual, .greater, .greaterEqual, .approximateEqual,
    .logicalAnd, .logicalOr, .bitwiseAnd, .bitwiseOr, .bitwiseXor, .leftShift, .rightShift,
]

private let reductionOps: [OpDefinition] = [
    .sum, .prod, .mean, .maxOp, .minOp, .euclideanNorm, .all, .any, .argMax, .argMin, .cumsum, .cumprod,
    .segmentSum, .segmentMean, .segmentProd, .segmentMax, .segmentMin,
    .unsortedSegmentSum, .unsortedSegmentProd, .unsortedSegmentMax, .unsortedSegmentMin,
    .sparseSegmentSum, .sparseSegmentMean, .sparseSegmentSqrtN, .sparseSegmentSumWithNumSegments,
    .sparseSegmentMeanWithNumSegments, .sparseSegmentSqrtNWithNumSegments, .sparseSegmentSumGrad, .sparseSegmentMeanGrad,
    .sparseSegmentSqrtNGrad,
]
