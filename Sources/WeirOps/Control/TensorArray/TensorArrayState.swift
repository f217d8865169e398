import WeirKernels
import WeirTensor

/// The elements of a tensor array and the rules for reads and writes. Knows nothing of steps and locks.
///
/// Each element is written once. If a read clears, it is read once. A gradient array adds repeated writes to one element.
struct TensorArrayState: Sendable {
    private struct Element: Sendable {
        enum Content: Sendable {
            case nothing
            case value(Tensor)
            /// A sum of writes. Its memory belongs to this array, so that the next write is added in place.
            case sum(Tensor)
            /// Only a shape: of zeros that were not read yet, or of an element that was read and cleared.
            indirect case shape(Shape)
        }
        var content = Content.nothing
        var isWritten = false
        var isRead = false
        var isCleared = false

        var shape: Shape? {
            switch content {
            case .nothing: nil
            case .value(let tensor), .sum(let tensor): tensor.shape
            case .shape(let shape): shape
            }
        }
    }

    let name: String
    let dtype: DType
    /// Whether this is the gradient of another array: repeated writes add up, and elements that were not written are zeros.
    let isGradient: Bool
    let clearsAfterRead: Bool
    /// Whether the first write sets the shape of all elements.
    let hasIdenticalShapes: Bool
    private(set) var elementShape: PartialShape
    private(set) var isDynamic: Bool
    private(set) var isClosed = false
    private(set) var count: Int
    /// The number of elements of the last write of the whole array (split, unpack). -1 if there was none.
    private(set) var markedSize: Int
    /// The elements up to the highest index that was read or written.
    private var elements: [Element] = []
    /// The zeros that all unwritten elements share, however many are read.
    private var zeros: Tensor?

    /// The limit of indices: more than real programs need, but so few that a wrong index does not exhaust memory.
    static let maximumIndex = 1 << 26

    init(
        name: String, dtype: DType, count: Int, elementShape: PartialShape = .unknown, isDynamic: Bool = false,
        clearsAfterRead: Bool = true, hasIdenticalShapes: Bool = false, isGradient: Bool = false, markedSize: Int = -1
    ) {
        self.name = name
        self.dtype = dtype
        self.count = count
        self.elementShape = elementShape
        self.isDynamic = isDynamic
        self.clearsAfterRead = clearsAfterRead
        self.hasIdenticalShapes = hasIdenticalShapes
        self.isGradient = isGradient
        self.markedSize = markedSize
    }

    func requireOpen() throws(Status) {
        if isClosed { throw .invalidArgument("TensorArray \(name) has already been closed.") }
    }
    mutating func close() {
        isClosed = true
        elements = []
    }
    /// Forbids growth. Called when the gradient array is created, which has the same size.
    mutating func fixSize() { isDynamic = false }
    /// Records a write of the whole array of `count` elements.
    mutating func mark(_ count: Int) throws(Status) {
        try requireOpen()
        if !isGradient { markedSize = count }
    }
    /// Returns the number of elements that pack and concat take.
    /// - Throws: `resourceExhausted` when there are more than `maximumIndex`.
    func packedCount() throws(Status) -> Int {
        try requireOpen()
        let whole = isGradient && markedSize >= 0 ? markedSize : count
        guard whole <= TensorArrayState.maximumIndex else {
            throw .resourceExhausted("TensorArray \(name) of \(whole) elements is too large to be put together")
        }
        return whole
    }
    /// Merges `shape` into the known shape of the elements.
    mutating func refine(_ shape: PartialShape) throws(Status) {
        elementShape = try elementShape.mergedInList(shape)
    }

    /// Writes an element, or adds to it in a gradient array.
    mutating func write(_ index: Int, _ value: Tensor) throws(Status) {
        try requireOpen()
        guard index >= 0, isDynamic || index < count else {
            throw .invalidArgument(
                "TensorArray \(name): Tried to write to index \(index) but array is not resizeable and size is: "
                    + "\(count)"
            )
        }
        func cannot(_ why: String) -> Status {
            .invalidArgument("TensorArray \(name): Could not write to TensorArray index \(index) because \(why)")
        }
        guard value.dtype == dtype else {
            throw cannot("the value dtype is \(value.dtype) but TensorArray dtype is \(dtype).")
        }
        guard elementShape.isCompatible(with: value.shape) else {
            throw cannot(
                "the value shape is \(value.shape) which is incompatible with the TensorArray's inferred element "
                    + "shape: "
                    + "\(elementShape) (consider setting infer_shape=False).")
        }
        if hasIdenticalShapes, !elementShape.isFullyKnown { elementShape = PartialShape(value.shape) }
        try touch(index)
        guard !elements[index].isRead else { throw cannot("it has already been read.") }
        guard elements[index].isWritten else {
            elements[index].content = .value(value)
            elements[index].isWritten = true
            return
        }
        guard isGradient else { throw cannot("it has already been written to.") }
        if let shape = elements[index].shape, shape != value.shape {
            throw .invalidArgument(
                "TensorArray \(name): Could not aggregate to TensorArray index \(index) because the existing shape is "
                    + "\(shape) but the new input shape is \(value.shape).")
        }
        switch elements[index].content {
        case .nothing, .shape: elements[index].content = .value(value)
        case .value(let present): elements[index].content = .sum(try TensorAddition.sum(present, value))
        case .sum(let present): try TensorAddition.add(present, value, into: present)
        }
    }

    /// Reads an element. An unwritten element is zeros if the shape of the elements is fully known.
    mutating func read(_ index: Int, in allocator: any Allocator = HostAllocator.shared) throws(Status) -> Tensor {
        try requireOpen()
        guard index >= 0, isGradient || index < count else {
            throw .invalidArgument("Tried to read from index \(index) but array size is: \(count)")
        }
        if index >= elements.count || !elements[index].isWritten {
            guard let shape = elementShape.known else {
                throw .invalidArgument(
                    "TensorArray \(name): Could not read from TensorArray index \(index).  Furthermore, the element "
                        + "shape "
                        + "is not fully defined: \(elementShape).  It is possible you are working with a resizeable "
                        + "TensorArray and stop_gradients is not allowing the gradients to be written.  If you set "
                        + "the full "
                        + "element_shape property on the forward TensorArray, the proper all-zeros tensor will be "
                        + "returned "
                        + "instead of incurring this error.")
            }
            try touch(index)
            elements[index].content = .shape(shape)
            elements[index].isWritten = true
        }
        guard !elements[index].isCleared else {
            throw .invalidArgument(
                "TensorArray \(name): Could not read index \(index) twice because it was cleared after a previous read "
                    + "(perhaps try setting clear_after_read = false?).")
        }
        let value: Tensor
        switch elements[index].content {
        case .value(let tensor), .sum(let tensor): value = tensor
        case .shape(let shape):
            if let zeros, zeros.shape == shape {
                value = zeros
            } else {
                value = try .zeros(dtype, shape, in: dtype.isBitwise ? allocator : HostAllocator.shared)
                zeros = value
            }
            elements[index].content = .value(value)
        case .nothing: throw .internalError("TensorArray \(name): element \(index) was written but is not there")
        }
        elements[index].isRead = true
        if clearsAfterRead {
            elements[index].content = .shape(value.shape)
            elements[index].isCleared = true
        }
        return value
    }

    /// Marks the elements written in `other` as zeros here, of their shapes with `prefix` before them.
    mutating func adoptShapes(of other: TensorArrayState, prepending prefix: Shape = .scalar) throws(Status) {
        try other.requireOpen()
        for (index, element) in other.elements.enumerated() where element.isWritten {
            guard let shape = element.shape else { continue }
            try touch(index)
            elements[index].content = .shape(try Shape(validating: prefix.dimensions + shape.dimensions))
            elements[index].isWritten = true
        }
    }

    /// Extends `elements` to index `index`.
    private mutating func touch(_ index: Int) throws(Status) {
        guard index < TensorArrayState.maximumIndex else {
            throw .resourceExhausted("TensorArray \(name): index \(index) is too large")
        }
        if index >= elements.count {
            elements.append(contentsOf: repeatElement(Element(), count: index + 1 - elements.count))
        }
        count = max(count, index + 1)
    }
}

extension PartialShape {
    /// Returns the merge of both shapes. The error for shapes that contradict has the message of TensorFlow's lists.
    func mergedInList(_ other: PartialShape) throws(Status) -> PartialShape {
        guard let merged = try? merging(other) else {
            throw .invalidArgument("PartialTensorShape: Incompatible shapes during merge: \(self) vs. \(other)")
        }
        return try merged.validatedSize()
    }
}
