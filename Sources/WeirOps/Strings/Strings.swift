package import WeirGraph
import WeirKernels

/// The ops on string tensors.
package let stringOps: [OpDefinition] = [
    .stringJoin, .reduceJoin, .unsortedSegmentJoin, .stringSplit, .stringSplitV2, .stringNGrams, .substr,
    .stringLength, .stringLower, .stringUpper, .stringStrip,
    .asString, .stringFormat, .stringToNumber,
    .stringToHashBucket, .stringToHashBucketFast, .stringToHashBucketStrong,
    .regexFullMatch, .staticRegexFullMatch, .regexReplace, .staticRegexReplace,
    .decodeRaw, .decodePaddedRaw, .encodeBase64, .decodeBase64,
]
