package import WeirGraph
import WeirKernels

/// The neural network ops: activations, losses, convolutions, pooling, normalization.
package let neuralOps: [OpDefinition] = [
    .biasAdd, .biasAddV1, .biasAddGrad,
    .relu, .relu6, .leakyRelu, .elu, .selu, .softplus, .softsign,
    .reluGrad, .relu6Grad, .leakyReluGrad, .eluGrad, .seluGrad, .softplusGrad, .softsignGrad,
    .softmax, .logSoftmax, .softmaxCrossEntropyWithLogits, .sparseSoftmaxCrossEntropyWithLogits,
    .topK, .topKV2, .inTopK, .inTopKV2, .nthElement,
    .conv2D, .conv2DBackpropInput, .conv2DBackpropFilter, .conv3D, .conv3DBackpropInputV2, .conv3DBackpropFilterV2,
    .depthwiseConv2dNative, .depthwiseConv2dNativeBackpropInput, .depthwiseConv2dNativeBackpropFilter,
    .fusedConv2D, .fusedDepthwiseConv2dNative,
    .maxPool, .maxPoolV2, .maxPoolGrad, .maxPoolGradV2, .maxPoolGradGrad, .maxPoolGradGradV2,
    .maxPoolWithArgmax, .maxPoolGradWithArgmax, .avgPool, .avgPoolGrad,
    .maxPool3D, .maxPool3DGrad, .maxPool3DGradGrad, .avgPool3D, .avgPool3DGrad,
    .fusedBatchNorm, .fusedBatchNormV2, .fusedBatchNormV3, .fusedBatchNormEx,
    .fusedBatchNormGrad, .fusedBatchNormGradV2, .fusedBatchNormGradV3,
    .lrn, .lrnGrad,
]
