package import WeirGraph
import WeirKernels

/// The ops that create, move, slice and concatenate tensors.
package let arrayOps: [OpDefinition] = [
    .const, .hostConst, .placeholder, .placeholderV2, .placeholderWithDefault,
    .identity, .identityN, .refIdentity, .stopGradient, .preventGradient, .snapshot, .guaranteeConst, .deepCopy,
    .checkNumerics, .checkNumericsV2, .ensureShape,
    .reshape, .squeeze, .expandDims, .bitcast,
    .shape, .shapeN, .size, .rank,
    .transpose, .conjugateTranspose, .invertPermutation,
    .concat, .concatV2, .concatOffset, .parallelConcat, .parallelConcatStart, .parallelConcatUpdate,
    .split, .splitV, .pack, .unpack,
    .slice, .stridedSlice, .stridedSliceGrad, .tensorStridedSliceUpdate,
    .gather, .gatherV2, .gatherNd,
    .scatterNd, .scatterNdNonAliasingAdd,
    .tensorScatterUpdate, .tensorScatterAdd, .tensorScatterSub, .tensorScatterMin, .tensorScatterMax,
    .inplaceUpdate, .inplaceAdd, .inplaceSub,
    .oneHot, .fill, .zerosLike, .onesLike, .empty,
    .tile, .broadcastTo, .pad, .padV2, .mirrorPad, .mirrorPadGrad,
    .reverse, .reverseV2, .reverseSequence, .roll,
    .whereNonzero, .unique, .uniqueV2, .uniqueWithCounts, .uniqueWithCountsV2, .listDiff, .lowerBound, .upperBound,
    .diag, .diagPart, .matrixBandPart,
    .matrixDiag, .matrixDiagV2, .matrixDiagV3,
    .matrixDiagPart, .matrixDiagPartV2, .matrixDiagPartV3,
    .matrixSetDiag, .matrixSetDiagV2, .matrixSetDiagV3,
    .spaceToBatch, .spaceToBatchND, .batchToSpace, .batchToSpaceND, .spaceToDepth, .depthToSpace,
    .extractImagePatches,
    .dynamicPartition, .dynamicStitch, .parallelDynamicStitch, .sparseToDense,
    .dataFormatDimMap, .dataFormatVecPermute,
]
