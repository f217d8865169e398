import WeirTensor

extension Tensor {
    /// Whether values of one type can become those of another: numbers and Booleans become floating numbers, and integers become
    /// other integers. A floating number does not become an integer.
    static func canConvert(_ from: DType, to: DType) -> Bool {
        if from == to { return true }
        let isWhole = from.isInteger || from == .bool
        return to.isFloating && (isWhole || from.isFloating) || to.isInteger && isWhole
    }

    /// The same values as another type of number, rounded to the nearest; the tensor itself if it is of the type.
    /// - Parameter name: names the tensor in errors.
    /// - Throws: `invalidArgument` when the types do not convert, or an integer is outside of the type's range.
    func converted(to target: DType, _ name: String) throws(Status) -> Tensor {
        if dtype == target { return self }
        guard Tensor.canConvert(dtype, to: target) else { throw .invalidArgument("Column '\(name)': \(dtype) does not become \(target)") }
        let result = try Tensor(target, shape)
        defer { withExtendedLifetime(self) {} }
        if target.isFloating {
            // The common cases in one pass.
            switch (dtype, target) {
            case (.uint8, .float32): result.fill(Float.self, from: self, UInt8.self) { Float($0) }
            case (.float32, .float64): result.fill(Double.self, from: self, Float.self) { Double($0) }
            default: result.fillFloating(try doubles())
            }
        } else {
            try result.fillIntegers(try wholeNumbers(name), name)
        }
        return result
    }

    private func fill<To, From>(_: To.Type, from source: Tensor, _: From.Type, _ convert: (From) -> To) {
        let (target, values) = (mutableElements(To.self), source.elements(From.self))
        for index in values.indices { target[index] = convert(values[index]) }
    }

    /// The values as `Double`s.
    private func doubles() throws(Status) -> [Double] {
        switch dtype {
        case .float32: elements(Float.self).map(Double.init)
        case .float64: Array(elements(Double.self))
        case .float16: elements(Float16.self).map(Double.init)
        case .bfloat16: elements(BFloat16.self).map { Double($0.float) }
        case .uint64: elements(UInt64.self).map(Double.init)
        default: try wholeNumbers("").map(Double.init)
        }
    }

    private func fillFloating(_ values: [Double]) {
        func fill<E>(_: E.Type, _ convert: (Double) -> E) {
            let target = mutableElements(E.self)
            for index in values.indices { target[index] = convert(values[index]) }
        }
        switch dtype {
        case .float32: fill(Float.self) { Float($0) }
        case .float64: fill(Double.self) { $0 }
        case .float16: fill(Float16.self) { Float16($0) }
        default: fill(BFloat16.self) { BFloat16(Float($0)) }
        }
    }

    /// The values of an integer type or of Booleans.
    private func wholeNumbers(_ name: String) throws(Status) -> [Int] {
        switch dtype {
        case .bool: return elements(Bool.self).map { $0 ? 1 : 0 }
        case .uint64:
            var values: [Int] = []
            for value in elements(UInt64.self) {
                guard let whole = Int(exactly: value) else { throw .invalidArgument("Column '\(name)': \(value) is too large for the type of the input") }
                values.append(whole)
            }
            return values
        default: return try integers("Column '\(name)'")
        }
    }

    private func fillIntegers(_ values: [Int], _ name: String) throws(Status) {
        func fill<E: FixedWidthInteger>(_: E.Type) throws(Status) {
            let target = mutableElements(E.self)
            for index in values.indices {
                guard let value = E(exactly: values[index]) else {
                    throw .invalidArgument("Column '\(name)': expected values from \(E.min) to \(E.max) for an input of \(dtype), found \(values[index])")
                }
                target[index] = value
            }
        }
        switch dtype {
        case .int8: try fill(Int8.self)
        case .int16: try fill(Int16.self)
        case .int32: try fill(Int32.self)
        case .int64: try fill(Int64.self)
        case .uint8: try fill(UInt8.self)
        case .uint16: try fill(UInt16.self)
        case .uint32: try fill(UInt32.self)
        default: try fill(UInt64.self)
        }
    }
}
