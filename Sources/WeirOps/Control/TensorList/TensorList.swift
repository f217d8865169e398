import WeirGraph
import WeirKernels
import WeirTensor

/// A list of tensors that is itself an element of a tensor. A value: ops that change one make another.
struct TensorList: VariantValue {
    static var typeName: String { "tensorflow::TensorList" }

    var elementDType: DType
    /// What the elements' shapes have in common.
    var elementShape: PartialShape
    /// The most elements that may be pushed; any number when negative.
    var maximumCount = -1
    /// The elements; nil stands for zeros that were never written.
    var elements: [Tensor?] = []
    /// Of the elements when the list was made a variant.
    fileprivate(set) var extent = VariantSize()

    /// More elements than any use has, and few enough that a wrong number does not take all memory.
    static let largestCount = 1 << 27
    /// - Throws: `resourceExhausted` when a list would be too long.
    static func requireCount(_ count: Int) throws(Status) {
        guard count <= largestCount else { throw .resourceExhausted("A list of \(count) elements is too large") }
    }

    /// - Throws: `invalidArgument` when an op means another type of elements.
    func requireElements(_ dtype: DType) throws(Status) {
        guard dtype == elementDType else {
            throw .invalidArgument("Invalid data types; op elements \(dtype) but list elements \(elementDType)")
        }
    }

    /// What is known of the shape that elements without a value have: from the list, what an op says, and, when that is
    /// not enough, the elements that are there.
    func elementShape(merging said: PartialShape, usingElements: Bool, _ used: [Tensor?]? = nil) throws(Status)
        -> PartialShape
    {
        var shape = try said.mergedInList(elementShape)
        if usingElements, !shape.isFullyKnown || !elementShape.isFullyKnown {
            for case let tensor? in used ?? elements { shape = try shape.mergedInList(PartialShape(tensor.shape)) }
        }
        return shape
    }
}

// MARK: Lists among the inputs and outputs of kernels

extension KernelContext {
    /// The list at input `index`.
    /// - Throws: `invalidArgument` when there is none.
    func tensorList(_ index: Int) throws -> TensorList { try TensorList(scalar: input(index)) }

    /// The list at input `index`, to be changed: its memory is the caller's alone when nobody else has the list. The
    /// input is gone afterwards.
    func takeTensorList(_ index: Int) throws -> TensorList {
        var tensor = takeInput(index)
        guard tensor.rank == 0, tensor.isUniquelyReferenced() else { return try TensorList(scalar: tensor) }
        let cell = tensor.mutableElements(Variant.self)
        let variant = cell[0]
        cell[0] = Variant()
        return try TensorList(variant)
    }

    /// - Throws: `resourceExhausted` when lists lie in lists too deep, or there are too many.
    func setOutput(_ index: Int, _ list: TensorList) throws { setOutput(index, Tensor(try Variant(list))) }

    /// Input `index` as a shape in which -1 is an unknown dimension, and the scalar -1 an unknown shape.
    func partialShape(_ index: Int) throws -> PartialShape {
        let tensor = input(index)
        guard tensor.rank > 0 else {
            guard try tensor.integer("element_shape") == -1 else {
                throw Status.invalidArgument(
                    "The only valid scalar shape tensor is the fully unknown shape specified as -1.")
            }
            return .unknown
        }
        guard tensor.rank == 1 else {
            throw Status.invalidArgument("Shape must be at most rank 1 but is rank \(tensor.rank)")
        }
        let dimensions = try tensor.integers("element_shape")
        if let bad = dimensions.first(where: { $0 < -1 }) {
            throw Status.invalidArgument("Dimension \(bad) must be >= -1")
        }
        return try PartialShape(dimensions.map { $0 < 0 ? nil : $0 }).requiringSaneSize()
    }
}

extension TensorList {
    init(scalar tensor: Tensor) throws(Status) {
        guard tensor.dtype == .variant, tensor.rank == 0 else {
            throw .invalidArgument("Input list must be a scalar saw: \(tensor.shape)")
        }
        try self.init(tensor.elements(Variant.self)[0])
    }
    init(_ variant: Variant) throws(Status) {
        if let list = variant.value as? TensorList {
            self = list
        } else if let opaque = variant.value as? OpaqueVariant, opaque.name == TensorList.typeName {
            try self.init(opaque)
        } else {
            throw .invalidArgument("Input handle is not a list. Saw: '\(variant.typeName)'")
        }
    }
}

extension Variant {
    /// - Throws: `resourceExhausted` when lists lie in lists too deep, or there are too many.
    init(_ list: TensorList) throws(Status) {
        var list = list
        list.extent = VariantSize()
        if list.elementDType == .variant {
            list.extent = VariantSize(of: list.elements.compactMap { $0 })
        } else {
            list.extent.tensorCount = list.elements.count
        }
        try list.extent.check()
        self.init(list as any VariantValue)
    }
}
