package import WeirGraph
import WeirKernels

/// The training ops, which update a variable by a gradient.
package let trainingOps: [OpDefinition] = [
    .applyGradientDescent, .resourceApplyGradientDescent, .applyMomentum, .resourceApplyMomentum,
    .sparseApplyMomentum, .resourceSparseApplyMomentum, .resourceApplyKerasMomentum,
    .resourceSparseApplyKerasMomentum, .applyAdagrad, .resourceApplyAdagrad, .sparseApplyAdagrad,
    .resourceSparseApplyAdagrad, .applyAdagradV2, .resourceApplyAdagradV2, .sparseApplyAdagradV2,
    .resourceSparseApplyAdagradV2, .applyAdagradDA, .resourceApplyAdagradDA, .sparseApplyAdagradDA,
    .resourceSparseApplyAdagradDA, .applyAdadelta, .resourceApplyAdadelta, .sparseApplyAdadelta,
    .resourceSparseApplyAdadelta, .applyAdam, .resourceApplyAdam, .resourceApplyAdamWithAmsgrad, .applyAdaMax,
    .resourceApplyAdaMax, .applyRMSProp, .resourceApplyRMSProp, .sparseApplyRMSProp, .resourceSparseApplyRMSProp,
    .applyCenteredRMSProp, .resourceApplyCenteredRMSProp, .sparseApplyCenteredRMSProp,
    .resourceSparseApplyCenteredRMSProp, .applyFtrl, .resourceApplyFtrl, .sparseApplyFtrl, .resourceSparseApplyFtrl,
    .applyFtrlV2, .resourceApplyFtrlV2, .sparseApplyFtrlV2, .resourceSparseApplyFtrlV2, .applyProximalGradientDescent,
    .resourceApplyProximalGradientDescent, .sparseApplyProximalGradientDescent,
    .resourceSparseApplyProximalGradientDescent, .applyProximalAdagrad, .resourceApplyProximalAdagrad,
    .sparseApplyProximalAdagrad, .resourceSparseApplyProximalAdagrad, .applyAddSign, .resourceApplyAddSign,
    .applyPowerSign, .resourceApplyPowerSign,
]
