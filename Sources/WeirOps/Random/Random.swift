package import WeirGraph
import WeirKernels

/// Random numbers, equal to TensorFlow's for the same seeds.
package let randomOps: [OpDefinition] = [
    .randomUniform, .randomStandardNormal, .truncatedNormal, .randomUniformInt, .randomShuffle, .multinomial,
    .randomGamma,
    .statelessRandomUniform, .statelessRandomNormal, .statelessTruncatedNormal, .statelessRandomUniformInt,
    .statelessRandomUniformFullInt, .statelessMultinomial,
    .statelessRandomUniformV2, .statelessRandomNormalV2, .statelessTruncatedNormalV2, .statelessRandomUniformIntV2,
    .statelessRandomUniformFullIntV2,
    .statelessRandomGetKeyCounter, .statelessRandomGetKeyCounterAlg, .statelessRandomGetAlg,
]
