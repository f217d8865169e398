import Weir

/// Chooses the attributes of a node, mostly valid ones for the schema and one of the op's kernels.
struct AttributeMaker {
    var make: TensorMaker

    /// - Parameter given: fixed attributes, such as the element types of the queue that the op uses.
    mutating func attributes(of op: OpDefinition, given: Attributes = [:]) -> Attributes {
        var result = Attributes()
        let factories = op.hostKernels
        let types = factories.isEmpty || make.random.chance(3) ? [:] : make.random.pick(factories).support.types
        for spec in op.schema.attributes {
            if let settled = given[spec.name], (try? spec.check(settled)) != nil {
                result[spec.name] = settled
                continue
            }
            if let value = spec.defaultValue, make.random.chance(spec.kind == .type ? 30 : 55) {
                if case .type(let type) = value, let allowed = types[spec.name], !allowed.contains(type) {
                } else {
                    result[spec.name] = value
                    continue
                }
            }
            result[spec.name] = value(spec, op, types[spec.name])
        }
        // A constant's value mostly has its type.
        if let type = result.type("dtype"), case .tensor? = result["value"], make.random.chance(95) { result["value"] = .tensor(make.tensor(type)) }
        return result
    }

    private mutating func type(_ spec: OpSchema.AttributeSpec, _ kernel: DTypeSet?) -> DType {
        var allowed = spec.allowedTypes ?? .all
        if let kernel, make.random.chance(97) { allowed = allowed.intersection(kernel) }
        let types = allowed.types
        if types.isEmpty { return .float32 }
        let common: [DType] = [.float32, .int32, .int64, .string].filter { allowed.contains($0) }
        return !common.isEmpty && make.random.chance(45) ? make.random.pick(common) : make.random.pick(types)
    }

    private mutating func value(_ spec: OpSchema.AttributeSpec, _ op: OpDefinition, _ kernel: DTypeSet?) -> AttributeValue {
        switch spec.kind {
        case .type: return .type(type(spec, kernel))
        case .types:
            let count = max(spec.minimum ?? 0, make.random.chance(10) ? 0 : make.random.int(1...3))
            return .types((0..<count).map { _ in type(spec, kernel) })
        case .int:
            if op.schema.inputs.contains(where: { $0.countAttribute == spec.name })
                || op.schema.outputs.contains(where: { $0.countAttribute == spec.name })
            {
                if make.random.chance(2) { return .int(make.random.pick([1 << 20, 70_000, 1 << 62, -1])) }
                return .int(max(spec.minimum ?? 0, make.random.int(0...4)))
            }
            let number = make.number()
            return .int(make.random.chance(90) ? max(spec.minimum ?? .min, number) : number)
        case .float: return .float(make.random.pick([0, 1, 0.5, -1, 1e-6, .infinity, .nan, 3e38, 0.1, 2]))
        case .bool: return .bool(make.random.chance(50))
        case .string: return .string(string(spec))
        case .strings: return .strings((0..<make.random.int(0...3)).map { _ in string(spec) })
        case .shape: return .shape(make.partialShape())
        case .shapes:
            // Often as many as there are components.
            return make.random.chance(40) ? .emptyList : .shapes((0..<make.random.int(0...3)).map { _ in make.partialShape() })
        case .tensor: return .tensor(make.tensor(make.random.pick([.float32, .int32, .string, .bool, .int64])))
        case .tensors: return .tensors([])
        case .function: return .function(FunctionReference("f"))
        case .functions: return .functions((0..<make.random.int(0...2)).map { _ in FunctionReference("f") })
        case .ints: return .ints(integers(spec))
        case .floats: return .floats((0..<make.random.int(0...4)).map { _ in make.random.pick([0, 1, -1, .nan, 3, 2.5, .infinity]) })
        case .bools: return .bools((0..<make.random.int(0...3)).map { _ in make.random.chance(50) })
        }
    }

    private mutating func string(_ spec: OpSchema.AttributeSpec) -> ByteString {
        if let allowed = spec.allowedStrings, make.random.chance(97) { return ByteString(make.random.pick(allowed)) }
        switch spec.name {
        case "container", "shared_name", "message": return make.random.chance(85) ? "" : "shared"
        case "data_format", "src_format", "dst_format": return make.random.pick(["NHWC", "NCHW", "NDHWC", "NCDHW", "HWNC", "AB", "NHWCNHWC", ""])
        case "padding": return make.random.pick(["SAME", "VALID", "EXPLICIT"])
        case "equation": return make.random.pick(["ij,jk->ik", "ii->i", "...ij,jk->...ik", "ij->", "i,i", "ab,ab->ba", "->", ",", "ijk"])
        default: return make.text()
        }
    }

    private mutating func integers(_ spec: OpSchema.AttributeSpec) -> [Int] {
        switch spec.name {
        case "strides", "ksize", "dilations", "ksizes", "rates":
            let inner = make.random.chance(75) ? 2 : 3
            var values = [1] + (0..<inner).map { _ in make.random.chance(85) ? make.random.int(1...3) : make.random.pick(TensorMaker.extremes) } + [1]
            if make.random.chance(8) { values = make.random.shuffled(values) }
            if make.random.chance(4) { values.removeLast() }
            return values
        case "explicit_paddings":
            return make.random.chance(40) ? [] : [0, 0] + (0..<4).map { _ in make.random.chance(85) ? make.random.int(0...2) : make.number() } + [0, 0]
        default:
            return (0..<max(spec.minimum ?? 0, make.random.int(0...4))).map { _ in make.number() }
        }
    }
}
