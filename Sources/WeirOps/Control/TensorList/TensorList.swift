import WeirGraph
import WeirKernels
import WeirTensor

/// The variant of a list of tensors. It has value semantics: an op that changes a list makes a new one.
struct TensorList: VariantValue {
    static var typeName: String { "tensorflow::TensorList" }

    var elementDType: DType
    /// The shape that all elements match.
    var elementShape: PartialShape
    /// The maximum number of elements for pushes; no limit if negative.
    var maximumCount = -1
    /// The elements. Nil is an element that was never written and counts as zeros.
    var elements: [Tensor?] = []
    /// The extent of the elements, computed when the list is stored in a variant.
    fileprivate(set) var extent = VariantSize()

    var heldTensors: [Tensor] { elements.compactMap { $0 } }
    func holding(_ tensors: [Tensor]) -> any VariantValue {
        var list = self
        var rest = tensors.makeIterator()
        for index in elements.indices where elements[index] != nil { list.elements[index] = rest.next() }
        return list
    }

    /// The limit of lengths: more than real programs need, but so few that a wrong number does not exhaust memory.
    static let largestCount = 1 << 27
    /// - Throws: `resourceExhausted` when `count` is above `largestCount`.
    static func requireCount(_ count: Int) throws(Status) {
        guard count <= largestCount else { throw .resourceExhausted("A list of \(count) elements is too large") }
    }

    /// - Throws: `invalidArgument` when the op's dtype is not that of the elements.
    func requireElements(_ dtype: DType) throws(Status) {
        guard dtype == elementDType else {
            throw .invalidArgument("Invalid data types; op elements \(dtype) but list elements \(elementDType)")
        }
    }

    /// Returns the known shape of unwritten elements: the merge of the list's element shape and the op's shape `said`. If
    /// that is not fully known and `usingElements` is true, the shapes of `used`, or else of all written elements, are
    /// merged too.
    /// - Throws: `invalidArgument` when the shapes contradict each other.
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

// MARK: Lists as inputs and outputs of kernels

extension KernelContext {
    /// Returns the list at input `index`.
    /// - Throws: `invalidArgument` when the input is not a list.
    func tensorList(_ index: Int) throws -> TensorList { try TensorList(scalar: input(index)) }

    /// Takes the list at input `index` to change it. If nothing else refers to the list, the change happens in place. The
    /// input is gone afterwards.
    func takeTensorList(_ index: Int) throws -> TensorList {
        var tensor = takeInput(index)
        guard tensor.rank == 0, tensor.isUniquelyReferenced() else { return try TensorList(scalar: tensor) }
        let cell = tensor.mutableElements(Variant.self)
        let variant = cell[0]
        cell[0] = Variant()
        return try TensorList(variant)
    }

    /// Sets output `index` to a list.
    /// - Throws: `resourceExhausted` when lists are nested too deeply, or hold too many tensors.
    func setOutput(_ index: Int, _ list: TensorList) throws { setOutput(index, Tensor(try Variant(list))) }

    /// Returns input `index` as a shape. -1 is an unknown dimension, and the scalar -1 an unknown shape.
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
        return try PartialShape(dimensions.map { $0 < 0 ? nil : $0 }).validatedSize()
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
    /// Makes the variant of a list and computes its extent.
    /// - Throws: `resourceExhausted` when lists are nested too deeply, or hold too many tensors.
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
