public import WeirGraph
import WeirKernels

extension OpDefinition {
    /// Gradient descent on a reference variable.
    static let applyGradientDescent = training(
        "ApplyGradientDescent",
        "(var: Ref(T), alpha: T, delta: T) -> (out: Ref(T))",
        rule: GradientDescent.self)
    /// Gradient descent on a resource variable.
    static let resourceApplyGradientDescent = training(
        "ResourceApplyGradientDescent",
        "(var: resource, alpha: T, delta: T) -> ()",
        rule: GradientDescent.self)
}

/// Gradient descent: subtracts the learning rate times the gradient.
enum GradientDescent: UpdateRule {
    static var slotCount: Int { 0 }
    @inline(__always)
    static func update<C: MathScalar>(_ x: inout UpdateState<C>, _ g: C, _ h: HyperParameters<C>) {
        x.v -= g * h.alpha
    }
    static var cuda: CUDAUpdateRule? {
        CUDAUpdateRule(
            update: "x.v -= g * h.alpha;")
    }
}

extension Output {
    /// Subtracts `rate` times the gradient from the variable behind this reference or handle.
    @discardableResult
    public func applyGradientDescent(rate: Output, gradient: Output) -> Operation {
        builder.add(isReference ? "ApplyGradientDescent" : "ResourceApplyGradientDescent", [self, rate, gradient])
    }
}
