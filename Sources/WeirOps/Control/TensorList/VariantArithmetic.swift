import WeirGraph
import WeirTensor

// What gradients need of variants: sums and zeros.

/// The list of the sums of two lists' elements.
/// - Throws: `invalidArgument` in TensorFlow's words when the lists do not fit each other.
func addTensorLists(_ a: TensorList, _ b: TensorList) throws(Status) -> TensorList {
    guard a.elementDType == b.elementDType else {
        throw .invalidArgument(
            "Trying to add two lists of tensors of different dtypes. One is \(a.elementDType) and the other is "
                + "\(b.elementDType)"
        )
    }
    guard a.elementShape.isCompatible(with: b.elementShape) else {
        throw .invalidArgument(
            "Trying to add two lists of tensors with incompatible element shapes. One is \(a.elementShape) and the "
                + "other "
                + "is \(b.elementShape)")
    }
    guard a.elements.count == b.elements.count else {
        throw .invalidArgument(
            "Trying to add two lists of tensors with different lengths. One is \(a.elements.count) and the other is "
                + "\(b.elements.count)")
    }
    var sum = a
    sum.elementShape = try a.elementShape.mergedInList(b.elementShape)
    for index in a.elements.indices {
        // What was never written is zeros.
        guard let left = a.elements[index] else {
            sum.elements[index] = b.elements[index]
            continue
        }
        guard let right = b.elements[index] else { continue }
        guard left.shape == right.shape else {
            throw .invalidArgument(
                "Trying to add two tensors with incompatible element shapes. One is \(left.shape) and the other is "
                    + "\(right.shape)")
        }
        sum.elements[index] = try TensorAddition.sum(left, right)
    }
    return sum
}

/// The sum of two variants of one kind: of lists, or of optionals, element by element. An empty one is zeros.
func addVariants(_ a: Variant, _ b: Variant) throws(Status) -> Variant {
    guard a.value != nil else { return b }
    guard b.value != nil else { return a }
    if a.value is OptionalValue || b.value is OptionalValue {
        return Variant(try addOptionals(try OptionalValue(a), try OptionalValue(b)))
    }
    return try Variant(try addTensorLists(try TensorList(a), try TensorList(b)))
}

private func addOptionals(_ a: OptionalValue, _ b: OptionalValue) throws(Status) -> OptionalValue {
    guard let left = a.components, let right = b.components else {
        guard a.components == nil, b.components == nil else {
            throw .invalidArgument("Cannot add optionals because one has a value and the other doesn't.")
        }
        return a
    }
    guard left.count == right.count else {
        throw .invalidArgument(
            "Cannot add optionals because they have different numbers of components: \(left.count) vs. \(right.count).")
    }
    var sums: [Tensor] = []
    for (x, y) in zip(left, right) {
        guard x.dtype == y.dtype, x.shape == y.shape else {
            throw .invalidArgument("Cannot add optionals because their components differ: \(x.shape) vs. \(y.shape).")
        }
        sums.append(try TensorAddition.sum(x, y))
    }
    return OptionalValue(components: sums)
}

/// Zeros of the kind, type and shapes of a variant.
func zeroVariant(like variant: Variant) throws(Status) -> Variant {
    if variant.value == nil { return variant }
    if let optional = variant.value as? OptionalValue {
        guard let components = optional.components else { return variant }
        var cleared: [Tensor] = []
        for component in components { cleared.append(try zeroTensor(like: component)) }
        return Variant(OptionalValue(components: cleared))
    }
    var list = try TensorList(variant)
    for index in list.elements.indices {
        if let element = list.elements[index] { list.elements[index] = try zeroTensor(like: element) }
    }
    return try Variant(list)
}

/// Zeros of the type and shape of a tensor, of variants too.
func zeroTensor(like tensor: Tensor) throws(Status) -> Tensor {
    let result = try Tensor.zeros(tensor.dtype, tensor.shape)
    if tensor.dtype == .variant {
        let (from, to) = (tensor.elements(Variant.self), result.mutableElements(Variant.self))
        for index in from.indices { to[index] = try zeroVariant(like: from[index]) }
    }
    return result
}

extension TensorList: ZeroableVariant {
    func zerosLike() throws -> any VariantValue { try zeroVariant(like: try Variant(self)).value ?? self }
}
extension OptionalValue: ZeroableVariant {
    func zerosLike() throws -> any VariantValue { try zeroVariant(like: Variant(self)).value ?? self }
}

/// The kernel of AddN for variants.
@Sendable func variantSumKernel(_ request: KernelRequest) -> Kernel {
    .sync { context in
        var sum = context.input(0)
        for index in 1..<max(context.inputCount, 1) {
            guard context.shape(index) == sum.shape else {
                throw Status.invalidArgument(
                    "Cannot add variant tensors of shapes \(sum.shape) and \(context.shape(index))")
            }
            sum = try TensorAddition.sum(sum, context.input(index))
        }
        context.setOutput(0, sum)
    }
}
