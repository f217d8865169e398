package import WeirGraph
import WeirKernels

/// Files: checkpoints, whole files, and the summaries that event files are made of.
package let ioOps: [OpDefinition] = [
    .saveV2, .restoreV2, .mergeV2Checkpoints, .shardedFilename, .shardedFilespec,
    .readFile, .writeFile, .matchingFiles,
    .scalarSummary, .histogramSummary, .tensorSummaryV2, .mergeSummary,
    .serializeTensor, .parseTensor,
]
