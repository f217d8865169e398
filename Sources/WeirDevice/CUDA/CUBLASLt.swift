import Synchronization
package import WeirTensor

/// NVIDIA's matrix products, `libcublasLt`. See the cuBLASLt reference; numbers of attributes and types are its enums'.
package struct CUBLASLt: Sendable {
    typealias Handle = UnsafeMutableRawPointer

    /// The library.
    package let library: DynamicLibrary
    /// Its version, such as `12.9.1`.
    package let version: String

    let create: @convention(c) (UnsafeMutablePointer<Handle?>) -> UInt32
    let destroy: @convention(c) (Handle?) -> UInt32
    let createProduct: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32, UInt32) -> UInt32
    let setProduct: @convention(c) (Handle?, UInt32, UnsafeRawPointer, Int) -> UInt32
    let destroyProduct: @convention(c) (Handle?) -> UInt32
    let createLayout: @convention(c) (UnsafeMutablePointer<Handle?>, UInt32, UInt64, UInt64, Int64) -> UInt32
    let setLayout: @convention(c) (Handle?, UInt32, UnsafeRawPointer, Int) -> UInt32
    let destroyLayout: @convention(c) (Handle?) -> UInt32
    let createPreference: @convention(c) (UnsafeMutablePointer<Handle?>) -> UInt32
    let setPreference: @convention(c) (Handle?, UInt32, UnsafeRawPointer, Int) -> UInt32
    let destroyPreference: @convention(c) (Handle?) -> UInt32
    let heuristic:
        @convention(c) (Handle?, Handle?, Handle?, Handle?, Handle?, Handle?, Handle?, Int32, UnsafeMutableRawPointer, UnsafeMutablePointer<Int32>) -> UInt32
    let multiply:
        @convention(c) (
            Handle?, Handle?, UnsafeRawPointer, UInt64, Handle?, UInt64, Handle?, UnsafeRawPointer, UInt64, Handle?, UInt64, Handle?, UnsafeRawPointer?,
            UInt64, Int, Handle?
        ) -> UInt32
    private let statusName: @convention(c) (UInt32) -> UnsafePointer<CChar>?

    /// Takes the functions from a library.
    /// - Throws: `notFound` when it lacks one.
    package init(_ library: DynamicLibrary) throws(Status) {
        self.library = library
        create = try library.function("cublasLtCreate")
        destroy = try library.function("cublasLtDestroy")
        createProduct = try library.function("cublasLtMatmulDescCreate")
        setProduct = try library.function("cublasLtMatmulDescSetAttribute")
        destroyProduct = try library.function("cublasLtMatmulDescDestroy")
        createLayout = try library.function("cublasLtMatrixLayoutCreate")
        setLayout = try library.function("cublasLtMatrixLayoutSetAttribute")
        destroyLayout = try library.function("cublasLtMatrixLayoutDestroy")
        createPreference = try library.function("cublasLtMatmulPreferenceCreate")
        setPreference = try library.function("cublasLtMatmulPreferenceSetAttribute")
        destroyPreference = try library.function("cublasLtMatmulPreferenceDestroy")
        heuristic = try library.function("cublasLtMatmulAlgoGetHeuristic")
        multiply = try library.function("cublasLtMatmul")
        statusName = try library.function("cublasLtGetStatusString")
        let number: @convention(c) () -> Int = try library.function("cublasLtGetVersion")
        let value = number()
        // 120901 since 12; 11 and before had one digit less.
        version = "\(value / 10000).\(value / 100 % 100).\(value % 100)"
    }

    func check(_ result: UInt32, _ call: StaticString) throws(Status) {
        guard result != 0 else { return }
        throw .internalError("\(call): \(statusName(result).map { String(cString: $0) } ?? "error \(result)")")
    }
}

/// A product of row-major matrices: `rows` by `depth` times `depth` by `columns`, for each of a batch.
package struct CUDAProductShape: Sendable, Hashable {
    /// What is done to each element of the result before it is stored.
    package enum Epilogue: UInt32, Sendable {
        case none = 1, relu = 2, bias = 4, biasAndRelu = 6
        /// Whether a vector with one element for each column is added.
        package var hasBias: Bool { rawValue & 4 != 0 }
    }
    package var dtype: DType
    package var rows: Int
    package var columns: Int
    package var depth: Int
    package var transposesLeft = false
    package var transposesRight = false
    package var batchCount = 1
    /// Elements from one matrix of the batch to the next; 0 for an operand that all use.
    package var leftStride = 0
    package var rightStride = 0
    package var epilogue = Epilogue.none
    /// Whether float32 factors may be rounded to 10 bits of mantissa (TF32).
    package var allowsTF32 = false
    /// Powers of two, at most 256, that divide the addresses of the operands, the bias and the result: an algorithm for aligned
    /// elements fails or reads wrong ones when a tensor is a part of another. `CUDAProducts.multiply` sets it.
    fileprivate var alignments = Alignments()
    fileprivate struct Alignments: Hashable {
        var left: UInt32 = 256
        var right: UInt32 = 256
        var bias: UInt32 = 256
        var result: UInt32 = 256
    }

    package init(_ dtype: DType, rows: Int, columns: Int, depth: Int) {
        (self.dtype, self.rows, self.columns, self.depth) = (dtype, rows, columns, depth)
    }
}

/// The products of one device, prepared once for each shape.
package final class CUDAProducts: Sendable {
    private let library: CUBLASLt
    private let card: CUDACard
    private let handle: Pointer
    private let plans = Mutex<[CUDAProductShape: Plan]>([:])
    /// Memory that an algorithm may use, in bytes.
    private static let workspace = 32 << 20
    /// How many shapes are kept. A program with more shapes than this prepares them again.
    private static let planCount = 4096

    private struct Pointer: @unchecked Sendable { let value: CUBLASLt.Handle? }  // the library's handles may be used by any thread

    /// - Throws: `internalError` with the library's reason.
    package init(_ library: CUBLASLt, _ card: CUDACard) throws(Status) {
        self.library = library
        self.card = card
        card.makeCurrent()
        var handle: CUBLASLt.Handle?
        try library.check(library.create(&handle), "cublasLtCreate")
        self.handle = Pointer(value: handle)
    }
    deinit {
        card.makeCurrent()
        _ = library.destroy(handle.value)
    }

    /// Enqueues a product on the stream of kernels.
    /// - Parameter bias: the address of one element for each column, if the epilogue adds one.
    /// - Returns: false when the library has no algorithm for the shape.
    /// - Throws: `resourceExhausted` when there is no memory; `internalError` with the library's reason.
    package func multiply(_ shape: CUDAProductShape, _ left: UInt64, _ right: UInt64, bias: UInt64 = 0, into result: UInt64, on device: CUDADevice)
        throws(Status) -> Bool
    {
        guard shape.batchCount <= Int(Int32.max) else { return false }
        card.makeCurrent()
        func alignment(_ address: UInt64) -> UInt32 { UInt32(1) << UInt32(min(8, address.trailingZeroBitCount)) }
        var shape = shape
        shape.alignments = .init(left: alignment(left), right: alignment(right), bias: alignment(bias), result: alignment(result))
        let plan = try plan(shape)
        guard plan.hasAlgorithm else { return false }
        // The workspace is free again for the work that is enqueued after the product.
        let workspace = plan.workspace > 0 ? try Tensor(.uint8, Shape(validating: [plan.workspace]), in: device.allocator) : nil
        let status = plan.run(library, handle.value, left, right, bias, result, workspace?.deviceAddress ?? 0, device.compute.handle)
        try library.check(status, "cublasLtMatmul")
        return true
    }

    private func plan(_ shape: CUDAProductShape) throws(Status) -> Plan {
        if let plan = plans.withLock({ $0[shape] }) { return plan }
        let plan = try Plan(library, handle.value, shape, workspace: CUDAProducts.workspace)
        plans.withLock { plans in
            if plans.count >= CUDAProducts.planCount { plans = [:] }
            plans[shape] = plan
        }
        return plan
    }

    /// What the library needs for one shape. It counts matrices in columns, so the right operand comes first: the transpose of a
    /// product is the product of the transposes in the other order.
    private final class Plan: @unchecked Sendable {  // the lock guards the bias's address
        private let library: CUBLASLt
        private let shape: CUDAProductShape
        private var product: CUBLASLt.Handle?
        private var layouts: [CUBLASLt.Handle?] = []
        /// The first of the library's results: 64 bytes of algorithm, then its workspace.
        private var algorithm = [UInt64](repeating: 0, count: 12)
        private(set) var hasAlgorithm = false
        private let lock = Mutex(())
        var workspace: Int { Int(algorithm[8]) }

        init(_ library: CUBLASLt, _ handle: CUBLASLt.Handle?, _ shape: CUDAProductShape, workspace: Int) throws(Status) {
            self.library = library
            self.shape = shape
            let (type, compute, scale): (UInt32, UInt32, UInt32) =
                switch shape.dtype {
                case .float64: (1, 70, 1)
                case .float16: (2, 68, 0)
                case .bfloat16: (14, 68, 0)
                default: (0, shape.allowsTF32 ? 77 : 68, 0)
                }
            try library.check(library.createProduct(&product, compute, scale), "cublasLtMatmulDescCreate")
            try set(3, UInt32(shape.transposesRight ? 1 : 0))
            try set(4, UInt32(shape.transposesLeft ? 1 : 0))
            try set(7, shape.epilogue.rawValue)
            func addLayout(_ rows: Int, _ columns: Int, _ stride: Int) throws(Status) {
                var layout: CUBLASLt.Handle?
                try library.check(library.createLayout(&layout, type, UInt64(rows), UInt64(columns), Int64(max(rows, 1))), "cublasLtMatrixLayoutCreate")
                layouts.append(layout)
                guard shape.batchCount > 1 else { return }
                var (count, step) = (Int32(clamping: shape.batchCount), Int64(stride))
                try library.check(library.setLayout(layout, 5, &count, 4), "cublasLtMatrixLayoutSetAttribute")
                try library.check(library.setLayout(layout, 6, &step, 8), "cublasLtMatrixLayoutSetAttribute")
            }
            let (rows, columns, depth) = (shape.rows, shape.columns, shape.depth)
            try shape.transposesRight ? addLayout(depth, columns, shape.rightStride) : addLayout(columns, depth, shape.rightStride)
            try shape.transposesLeft ? addLayout(rows, depth, shape.leftStride) : addLayout(depth, rows, shape.leftStride)
            try addLayout(columns, rows, rows * columns)
            var preference: CUBLASLt.Handle?
            try library.check(library.createPreference(&preference), "cublasLtMatmulPreferenceCreate")
            defer { _ = library.destroyPreference(preference) }
            var most = workspace
            try library.check(library.setPreference(preference, 1, &most, 8), "cublasLtMatmulPreferenceSetAttribute")
            let alignments = shape.alignments
            for (attribute, value) in [(5, alignments.right), (6, alignments.left), (7, alignments.result), (8, alignments.result)] as [(UInt32, UInt32)] {
                var value = value
                try library.check(library.setPreference(preference, attribute, &value, 4), "cublasLtMatmulPreferenceSetAttribute")
            }
            // The library chooses for an address with the bias's alignment.
            if shape.epilogue.hasBias { try set(8, UInt64(alignments.bias)) }
            var count: Int32 = 0
            let (description, operands) = (product, layouts)
            let status = algorithm.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map {
                    library.heuristic(handle, description, operands[0], operands[1], operands[2], operands[2], preference, 1, $0, &count)
                } ?? 7
            }
            // 15: not supported. Another way is found then.
            if status != 15 { try library.check(status, "cublasLtMatmulAlgoGetHeuristic") }
            hasAlgorithm = status == 0 && count > 0
        }
        deinit {
            for layout in layouts { _ = library.destroyLayout(layout) }
            _ = library.destroyProduct(product)
        }

        private func set<V: BitwiseCopyable>(_ attribute: UInt32, _ value: V) throws(Status) {
            var value = value
            try library.check(library.setProduct(product, attribute, &value, MemoryLayout<V>.size), "cublasLtMatmulDescSetAttribute")
        }

        func run(
            _ library: CUBLASLt, _ handle: CUBLASLt.Handle?, _ left: UInt64, _ right: UInt64, _ bias: UInt64, _ result: UInt64, _ workspace: UInt64,
            _ stream: CUDADriver.Handle?
        ) -> UInt32 {
            func call() -> UInt32 {
                var (one, zero): (Double, Double) = (1, 0)
                var (singleOne, singleZero): (Float, Float) = (1, 0)
                return algorithm.withUnsafeBytes { algorithm in
                    func multiply(_ alpha: UnsafeRawPointer, _ beta: UnsafeRawPointer) -> UInt32 {
                        library.multiply(
                            handle, product, alpha, right, layouts[0], left, layouts[1], beta, result, layouts[2], result, layouts[2],
                            algorithm.baseAddress, workspace, self.workspace, stream)
                    }
                    return shape.dtype == .float64 ? multiply(&one, &zero) : multiply(&singleOne, &singleZero)
                }
            }
            guard shape.epilogue.hasBias else { return call() }
            return lock.withLock { _ in
                var bias = bias
                let status = library.setProduct(product, 8, &bias, 8)
                return status == 0 ? call() : status
            }
        }
    }
}
