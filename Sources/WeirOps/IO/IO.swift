package import WeirGraph
import WeirKernels

/// The ops for files: checkpoints, whole files, and the summaries of event files.
package let ioOps: [OpDefinition] = [
    .saveV2, .restoreV2, .mergeV2Checkpoints, .shardedFilename, .shardedFilespec,
    .readFile, .writeFile, .matchingFiles,
    .scalarSummary, .histogramSummary, .imageSummary, .tensorSummaryV2, .mergeSummary,
    .serializeTensor, .parseTensor,
]
