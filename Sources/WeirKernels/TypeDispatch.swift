public import WeirGraph
public import WeirTensor

// Dispatch from a dtype to code specialised for its Swift type. Swift has no generic closures, so a visitor is a struct with a
// generic method. It is called once per node.

/// Makes a kernel for a numeric element type.
@usableFromInline package protocol NumericVisitor { func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel }
/// Makes a kernel for an ordered element type.
@usableFromInline package protocol RealVisitor { func visit<E: RealElement>(_ type: E.Type) throws -> Kernel }
/// Makes a kernel for an integer type.
@usableFromInline package protocol IntegerVisitor { func visit<E: IntegerElement>(_ type: E.Type) throws -> Kernel }
/// Makes a kernel for a floating-point type.
@usableFromInline package protocol FloatingVisitor { func visit<E: FloatingElement>(_ type: E.Type) throws -> Kernel }
/// Makes a kernel for elements that are only moved. The type has the right size, not the right meaning.
@usableFromInline package protocol MovableVisitor { func visit<E: MovableElement>(_ type: E.Type) throws -> Kernel }

extension KernelRequest {
    /// Returns the error for a dtype without a kernel.
    @inlinable package func unsupportedType(_ attribute: String) -> Status {
        .unimplemented("\(op.name) node '\(name)': no kernel for \(attribute)=\(attributes.type(attribute)?.name ?? "?")")
    }

    /// Returns the kernel for the numeric dtype of an attribute.
    @inlinable package func numeric(_ attribute: String = "T", _ visitor: some NumericVisitor) throws -> Kernel {
        switch try type(attribute) {
        case .complex64: try visitor.visit(Complex64.self)
        case .complex128: try visitor.visit(Complex128.self)
        case .float32: try visitor.visit(Float.self)
        case .float64: try visitor.visit(Double.self)
        case .float16: try visitor.visit(Float16.self)
        case .bfloat16: try visitor.visit(BFloat16.self)
        case .int8: try visitor.visit(Int8.self)
        case .int16: try visitor.visit(Int16.self)
        case .int32: try visitor.visit(Int32.self)
        case .int64: try visitor.visit(Int64.self)
        case .uint8: try visitor.visit(UInt8.self)
        case .uint16: try visitor.visit(UInt16.self)
        case .uint32: try visitor.visit(UInt32.self)
        case .uint64: try visitor.visit(UInt64.self)
        default: throw unsupportedType(attribute)
        }
    }
    /// Returns the kernel for the ordered dtype of an attribute.
    @inlinable package func real(_ attribute: String = "T", _ visitor: some RealVisitor) throws -> Kernel {
        switch try type(attribute) {
        case .float32: try visitor.visit(Float.self)
        case .float64: try visitor.visit(Double.self)
        case .float16: try visitor.visit(Float16.self)
        case .bfloat16: try visitor.visit(BFloat16.self)
        case .int8: try visitor.visit(Int8.self)
        case .int16: try visitor.visit(Int16.self)
        case .int32: try visitor.visit(Int32.self)
        case .int64: try visitor.visit(Int64.self)
        case .uint8: try visitor.visit(UInt8.self)
        case .uint16: try visitor.visit(UInt16.self)
        case .uint32: try visitor.visit(UInt32.self)
        case .uint64: try visitor.visit(UInt64.self)
        default: throw unsupportedType(attribute)
        }
    }
    /// Returns the kernel for the integer dtype of an attribute.
    @inlinable package func integer(_ attribute: String = "T", _ visitor: some IntegerVisitor) throws -> Kernel {
        switch try type(attribute) {
        case .int8: try visitor.visit(Int8.self)
        case .int16: try visitor.visit(Int16.self)
        case .int32: try visitor.visit(Int32.self)
        case .int64: try visitor.visit(Int64.self)
        case .uint8: try visitor.visit(UInt8.self)
        case .uint16: try visitor.visit(UInt16.self)
        case .uint32: try visitor.visit(UInt32.self)
        case .uint64: try visitor.visit(UInt64.self)
        default: throw unsupportedType(attribute)
        }
    }
    /// Returns the kernel for the floating-point dtype of an attribute.
    @inlinable package func floating(_ attribute: String = "T", _ visitor: some FloatingVisitor) throws -> Kernel {
        switch try type(attribute) {
        case .float32: try visitor.visit(Float.self)
        case .float64: try visitor.visit(Double.self)
        case .float16: try visitor.visit(Float16.self)
        case .bfloat16: try visitor.visit(BFloat16.self)
        default: throw unsupportedType(attribute)
        }
    }
    /// Returns the kernel for elements that are only moved, chosen by their size.
    @inlinable package func movable(_ attribute: String = "T", _ visitor: some MovableVisitor) throws -> Kernel {
        switch try type(attribute) {
        case .string: try visitor.visit(ByteString.self)
        case .resource: try visitor.visit(ResourceHandle.self)
        case .variant: try visitor.visit(Variant.self)
        case let type:
            switch type.byteCount {
            case 1: try visitor.visit(UInt8.self)
            case 2: try visitor.visit(UInt16.self)
            case 4: try visitor.visit(UInt32.self)
            case 8: try visitor.visit(UInt64.self)
            default: try visitor.visit(Complex128.self)
            }
        }
    }
}

/// An element type that can be moved and cleared, for ops that do not compute.
@usableFromInline package protocol MovableElement: TensorElement {}
extension ByteString: MovableElement {}
extension ResourceHandle: MovableElement {}
extension Variant: MovableElement {}
extension UInt8: MovableElement {}
extension UInt16: MovableElement {}
extension UInt32: MovableElement {}
extension UInt64: MovableElement {}
extension Complex: MovableElement where Part: ComplexPart {}
