package import WeirTensor

/// A variant value with an addition, for gradients: TensorFlow's tensor lists and optionals.
package protocol SummableVariant: VariantValue {
    /// Returns zeros of the same kind, dtypes and shapes.
    func zerosLike() throws(Status) -> any VariantValue
    /// Returns the elementwise sum of this value and another of its kind.
    /// - Throws: `invalidArgument` with TensorFlow's message when the two do not match.
    func adding(_ other: Variant) throws(Status) -> any VariantValue
}

extension Variant {
    /// The name of the value's type, as TensorFlow prints it in messages.
    package var typeName: String {
        guard let value else { return "Variant<type: <empty>>" }
        if let opaque = value as? OpaqueVariant { return "Variant<type: \(opaque.name)>" }
        return "Variant<type: \(type(of: value).typeName)>"
    }

    /// Returns the sum of two variants of one kind. An empty variant counts as zeros.
    package func adding(_ other: Variant) throws(Status) -> Variant {
        guard value != nil else { return other }
        guard other.value != nil else { return self }
        return Variant(try summable("binary variant binary_op function found for op ADD").adding(other))
    }

    /// Returns zeros like this variant. For an empty variant the result is empty.
    package func zerosLike() throws(Status) -> Variant {
        value == nil ? self : Variant(try summable("unary variant unary_op function found for op ZEROS_LIKE").zerosLike())
    }

    private func summable(_ function: String) throws(Status) -> any SummableVariant {
        guard let summable = value as? any SummableVariant else {
            throw .internalError("No \(function) Variant type_name: \(typeName)")
        }
        return summable
    }
}

extension Tensor {
    /// Returns zeros of the same dtype and shape, including variants.
    package func zerosLike() throws(Status) -> Tensor {
        let result = try Tensor.zeros(dtype, shape, in: deviceMemory ?? HostAllocator.shared)
        if dtype == .variant {
            let (from, to) = (elements(Variant.self), result.mutableElements(Variant.self))
            for index in from.indices { to[index] = try from[index].zerosLike() }
        }
        return result
    }
}
