extension Tensor {
    /// Makes a scalar in host memory.
    public init<E: TensorElement>(_ value: E) {
        // Without an array: kernels make scalars in every step. As with a vector, the process ends without memory for it.
        guard let tensor = try? Tensor(E.dtype, .scalar) else { fatalError("out of memory for a scalar") }
        tensor.mutableElements(E.self)[0] = value
        self = tensor
    }
    /// Makes a vector of these elements in host memory. Without memory for it the process ends.
    public init<E: TensorElement>(_ values: [E]) { self.init(values, ofShape: Shape(values.count)) }
    /// Makes a tensor of this shape from its elements in row-major order.
    /// - Throws: `invalidArgument` when the shape has another number of elements; `resourceExhausted` when the memory is not
    ///   available.
    public init<E: TensorElement>(_ values: [E], shape: Shape) throws(Status) {
        guard shape.elementCount == values.count else {
            throw .invalidArgument("Expected \(shape.elementCount) values for a tensor of shape \(shape), found \(values.count)")
        }
        let tensor = try Tensor(E.dtype, shape)
        values.withUnsafeBufferPointer { _ = tensor.mutableElements(E.self).update(fromContentsOf: $0) }
        self = tensor
    }
    /// Makes a tensor of a shape that is known to have as many elements.
    package init<E: TensorElement>(_ values: [E], ofShape shape: Shape) {
        precondition(shape.elementCount == values.count, "\(values.count) values for shape \(shape)")
        // A literal is small. Without memory for it the process cannot continue.
        guard let tensor = try? Tensor(E.dtype, shape) else { fatalError("out of memory for \(shape)") }
        values.withUnsafeBufferPointer { _ = tensor.mutableElements(E.self).update(fromContentsOf: $0) }
        self = tensor
    }
    /// Makes a string scalar from UTF-8 text.
    public init(_ text: String) { self.init(ByteString(text)) }

    /// A tensor filled with zeros, false or empty strings.
    /// - Throws: `resourceExhausted` when the memory is not available.
    public static func zeros(_ dtype: DType, _ shape: Shape, in allocator: any Allocator = HostAllocator.shared) throws(Status) -> Tensor {
        let tensor = try Tensor(dtype, shape, in: allocator)
        guard dtype.isBitwise, tensor.byteCount > 0 else { return tensor }
        if let memory = tensor.deviceMemory {
            try memory.copy([DeviceCopy(from: nil, to: tensor.deviceAddress, tensor.byteCount)])
        } else {
            tensor.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0)
        }
        return tensor
    }

    /// Returns the elements as an array.
    /// - Throws: `invalidArgument` when the tensor has another dtype.
    public func array<E: TensorElement>(of type: E.Type = E.self) throws(Status) -> [E] {
        guard dtype == E.dtype else { throw .invalidArgument("Expected a tensor of \(E.dtype), found \(dtype)") }
        return Array(elements(E.self))
    }
    /// Returns the element of a tensor that has exactly one.
    /// - Throws: `invalidArgument` when the dtype is another, or the tensor has not exactly one element.
    public func scalar<E: TensorElement>(of type: E.Type = E.self) throws(Status) -> E {
        guard dtype == E.dtype, elementCount == 1 else {
            throw .invalidArgument("Expected a scalar of \(E.dtype), found a \(dtype) tensor of shape \(shape)")
        }
        return elements(E.self)[0]
    }

    /// Returns the elements of a tensor of any integer type but `uint64`, such as shapes, indices and axes.
    /// - Parameter what: names the tensor in the error message.
    /// - Throws: `invalidArgument` when the dtype is another.
    public func integers(_ what: String = "tensor") throws(Status) -> [Int] {
        switch dtype {
        case .int32: elements(Int32.self).map(Int.init)
        case .int64: elements(Int64.self).map { Int($0) }
        case .int16: elements(Int16.self).map(Int.init)
        case .uint16: elements(UInt16.self).map(Int.init)
        case .int8: elements(Int8.self).map(Int.init)
        case .uint8: elements(UInt8.self).map(Int.init)
        case .uint32: elements(UInt32.self).map(Int.init)
        default: throw .invalidArgument("\(what) must be integers, found \(dtype)")
        }
    }
    /// Returns the only element as an integer.
    /// - Throws: `invalidArgument` when the tensor has not exactly one element, or is not of such an integer type.
    public func integer(_ what: String = "tensor") throws(Status) -> Int {
        guard elementCount == 1 else { throw .invalidArgument("\(what) must be a scalar, found shape \(shape)") }
        return try integers(what)[0]
    }
    /// Returns the elements as a shape.
    /// - Throws: `invalidArgument` when the tensor is not a vector of integers ≥ 0, or no tensor can have the shape.
    public func shapeValue(_ what: String = "shape") throws(Status) -> Shape {
        guard rank == 1 else { throw .invalidArgument("\(what) must be a vector, found shape \(shape)") }
        let dimensions = try integers(what)
        if let bad = dimensions.first(where: { $0 < 0 }) {
            throw .invalidArgument("Dimension \(bad) of \(what) \(dimensions) must be >= 0")
        }
        return try Shape(validating: dimensions)
    }
}

extension Tensor: Equatable {
    /// Whether dtype, shape and elements are equal. Numbers are compared by their bits, variants by their memory.
    public static func == (a: Tensor, b: Tensor) -> Bool {
        guard a.dtype == b.dtype, a.shape == b.shape else { return false }
        switch a.dtype {
        case .string: return a.elements(ByteString.self).elementsEqual(b.elements(ByteString.self))
        case .resource: return a.elements(ResourceHandle.self).elementsEqual(b.elements(ResourceHandle.self))
        case .variant: return a.sharesMemory(with: b)
        default: return a.bytes.elementsEqual(b.bytes)
        }
    }
}
