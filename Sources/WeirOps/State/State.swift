package import WeirGraph
import WeirKernels

/// The ops of variables, lookup tables and accumulators, whose state outlives a step.
package let stateOps: [OpDefinition] = [
    .variableV2, .variable, .isVariableInitialized, .temporaryVariable, .destroyTemporaryVariable,
    .assign, .assignAdd, .assignSub, .countUpTo, .resourceCountUpTo,
    .varHandleOp, .varHandlesOp, .readVariableOp, .readVariablesOp, .variableShape,
    .assignVariableOp, .assignAddVariableOp, .assignSubVariableOp,
    .varIsInitializedOp, .destroyResourceOp, .disableCopyOnRead, .isResourceHandleRefCounting,
    .resourceGather, .resourceGatherNd,
    .scatterUpdate, .scatterAdd, .scatterSub, .scatterMul, .scatterDiv, .scatterMin, .scatterMax,
    .resourceScatterUpdate, .resourceScatterAdd, .resourceScatterSub, .resourceScatterMul, .resourceScatterDiv,
    .resourceScatterMin, .resourceScatterMax,
    .scatterNdUpdate, .scatterNdAdd, .scatterNdSub, .scatterNdMin, .scatterNdMax,
    .resourceScatterNdUpdate, .resourceScatterNdAdd, .resourceScatterNdSub, .resourceScatterNdMin,
    .resourceScatterNdMax,
    .stridedSliceAssign, .resourceStridedSliceAssign,
    .hashTable, .hashTableV2, .anonymousHashTable,
    .mutableHashTable, .mutableHashTableV2, .anonymousMutableHashTable,
    .mutableHashTableOfTensors, .mutableHashTableOfTensorsV2, .anonymousMutableHashTableOfTensors,
    .lookupTableFind, .lookupTableFindV2, .lookupTableInsert, .lookupTableInsertV2,
    .lookupTableImport, .lookupTableImportV2, .lookupTableRemoveV2, .lookupTableSize, .lookupTableSizeV2,
    .lookupTableExport, .lookupTableExportV2, .initializeTable, .initializeTableV2,
    .initializeTableFromTextFile, .initializeTableFromTextFileV2,
    .conditionalAccumulator, .resourceConditionalAccumulator, .sparseConditionalAccumulator,
    .accumulatorApplyGradient, .resourceAccumulatorApplyGradient, .sparseAccumulatorApplyGradient,
    .accumulatorTakeGradient, .resourceAccumulatorTakeGradient, .sparseAccumulatorTakeGradient,
    .accumulatorSetGlobalStep, .resourceAccumulatorSetGlobalStep,
    .accumulatorNumAccumulated, .resourceAccumulatorNumAccumulated,
]
