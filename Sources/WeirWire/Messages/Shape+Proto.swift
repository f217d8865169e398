package import WeirProto
public import WeirTensor

extension Shape {
    /// Decodes the shape of a tensor. `unknown_rank` is ignored, as in TensorFlow.
    /// - Throws: `invalidArgument` when a dimension is unknown, or no tensor can have the shape.
    package init(_ message: TFTensorShapeProto) throws(Status) {
        try self.init(validating: message.dim.map { Int($0.size) })
    }
}

extension PartialShape {
    /// Decodes the shape of an attribute. -1 is an unknown dimension.
    /// - Throws: `invalidArgument` when a dimension is less than -1, there are more than 254, or their product overflows.
    package init(_ message: TFTensorShapeProto) throws(Status) {
        guard !message.unknownRank else {
            self = .unknown
            return
        }
        let sizes = message.dim.map { Int($0.size) }
        guard sizes.count <= Shape.maximumRank, sizes.allSatisfy({ $0 >= -1 }) else {
            throw .invalidArgument(
                "Shape \(sizes) must have at most \(Shape.maximumRank) dimensions, each -1 (unknown) or not negative")
        }
        // The product of the known dimensions must not overflow either.
        _ = try Shape(validating: sizes.filter { $0 >= 0 })
        self.init(sizes.map { $0 < 0 ? nil : $0 })
    }

    /// Decodes the bytes of a `TensorShapeProto`.
    /// - Throws: `invalidArgument` when the bytes are malformed or the shape is impossible.
    package init(serialized bytes: [UInt8]) throws(Status) {
        try self.init(try TFTensorShapeProto(parsing: bytes))
    }

    /// Encodes the shape as the bytes of a `TensorShapeProto`.
    package func serialized() throws(Status) -> [UInt8] { try TFTensorShapeProto(self).bytes() }
}

extension TFTensorShapeProto {
    package init(_ shape: Shape) {
        self.init(PartialShape(shape))
    }

    package init(_ shape: PartialShape) {
        self.init()
        guard let dimensions = shape.dimensions else {
            unknownRank = true
            return
        }
        dim = dimensions.map { dimension in
            var message = Dim()
            message.size = Int64(dimension ?? -1)
            return message
        }
    }
}
