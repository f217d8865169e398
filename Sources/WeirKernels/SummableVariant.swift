public import WeirTensor

/// A variant that gradients are summed of: TensorFlow's tensor lists and optionals.
package protocol SummableVariant: VariantValue {
    /// Zeros of its kind, types and shapes.
    func zerosLike() throws(Status) -> any VariantValue
    /// The sum of this value and another of its kind, element by element.
    /// - Throws: `invalidArgument` in TensorFlow's words when the two do not fit each other.
    func adding(_ other: Variant) throws(Status) -> any VariantValue
}

extension Variant {
    /// What kind of value it holds, for messages.
    package var typeName: String {
        guard let value else { return "Variant<type: <empty>>" }
        if let opaque = value as? OpaqueVariant { return "Variant<type: \(opaque.name)>" }
        return "Variant<type: \(type(of: value).typeName)>"
    }

    /// The sum of two variants of one kind. An empty one is zeros.
    package func adding(_ other: Variant) throws(Status) -> Variant {
        guard value != nil else { return other }
        guard other.value != nil else { return self }
        return Variant(try summable("binary variant binary_op function found for op ADD").adding(other))
    }

    /// Zeros like it. Zeros like an empty one are empty.
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
    /// Zeros of its type and shape, of variants too.
    package func zerosLike() throws(Status) -> Tensor {
        let result = try Tensor.zeros(dtype, shape)
        if dtype == .variant {
            let (from, to) = (elements(Variant.self), result.mutableElements(Variant.self))
            for index in from.indices { to[index] = try from[index].zerosLike() }
        }
        return result
    }
}
