package import WeirGraph
import WeirKernels

/// The ops for random numbers. For the same seeds the numbers equal TensorFlow's.
package let randomOps: [OpDefinition] = [
    .randomUniform, .randomStandardNormal, .truncatedNormal, .randomUniformInt, .randomShuffle, .multinomial,
    .randomGamma,
    .statelessRandomUniform, .statelessRandomNormal, .statelessTruncatedNormal, .statelessRandomUniformInt,
    .statelessRandomUniformFullInt, .statelessMultinomial,
    .statelessRandomUniformV2, .statelessRandomNormalV2, .statelessTruncatedNormalV2, .statelessRandomUniformIntV2,
    .statelessRandomUniformFullIntV2,
    .statelessRandomGetKeyCounter, .statelessRandomGetKeyCounterAlg, .statelessRandomGetAlg,
]
