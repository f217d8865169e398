import WeirGraph
import WeirKernels
import WeirTensor

// Sums and zeros of variants, which gradients need.

/// Returns the list of the sums of the elements of two lists.
/// - Throws: `invalidArgument` with TensorFlow's message when the lists do not match.
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
        // An unwritten element is zeros.
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

extension TensorList: SummableVariant {
    package func zerosLike() throws(Status) -> any VariantValue {
        var zeros = self
        for index in elements.indices { zeros.elements[index] = try elements[index]?.zerosLike() }
        return zeros
    }
    package func adding(_ other: Variant) throws(Status) -> any VariantValue { try addTensorLists(self, try TensorList(other)) }
}

extension OptionalValue: SummableVariant {
    package func zerosLike() throws(Status) -> any VariantValue {
        guard let components else { return self }
        var zeros: [Tensor] = []
        for component in components { zeros.append(try component.zerosLike()) }
        return OptionalValue(components: zeros)
    }
    package func adding(_ other: Variant) throws(Status) -> any VariantValue { try addOptionals(self, try OptionalValue(other)) }
}
