import Synchronization
import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// A product of two matrices whose elements lie anywhere: matrices of any order, and images seen through a convolution's windows.
///
/// The indices of rows and of depth are numbers with several digits, the last first. Each digit moves the place of an element, and for
/// convolutions its position in the image: the product of an element outside the image is 0.
struct TiledProblem {
    /// A digit of an index.
    struct Digit {
        var size: Int
        /// Elements of the left operand from one value of the digit to the next.
        var left: Int
        /// The same for the right operand (digits of depth) or the result (digits of rows).
        var other: Int
        /// The step in the image along depth, height and width.
        var step = SIMD3<Int>.zero
    }
    /// A dimension of the batch, and elements from one of its indices to the next.
    struct Batch {
        var size: Int
        var left: Int
        var right: Int
    }
    /// At most four, the last first.
    var rows: [Digit]
    /// At most four, the last first.
    var depth: [Digit]
    var columns: Int
    /// Elements of the right operand and of the result from one column to the next.
    var rightStep: Int
    var resultStep: Int
    /// The place and position of row 0 and depth 0.
    var start = 0
    var position = SIMD3<Int>.zero
    /// The place of the result's first element.
    var resultStart = 0
    /// Where the right operand begins.
    var rightStart = 0
    /// The image's size; 1 when all elements exist.
    var limit = SIMD3(1, 1, 1)
    /// At most eight, the last first.
    var batch: [Batch] = []
    /// Elements of the result, and channels of its epilogue, from one element of the batch to the next.
    var resultBatchStep = 0
    var channelBatchStep = 0
    /// Whether channels of the epilogue are rows rather than columns.
    var channelsAreRows = false

    var rowCount: Int { rows.reduce(1) { $0 * $1.size } }
    var depthCount: Int { depth.reduce(1) { $0 * $1.size } }
    var batchCount: Int { batch.reduce(1) { $0 * $1.size } }

    /// The structure `Problem` of the kernel.
    fileprivate func words(splits: Int, columnBlocks: Int) -> [Int] {
        func list(_ digits: [Digit]) -> [Int] {
            let all = digits + [Digit](repeating: Digit(size: 1, left: 0, other: 0), count: 4 - digits.count)
            return all.map(\.size) + all.map(\.left) + all.map(\.other) + all.map(\.step.x) + all.map(\.step.y) + all.map(\.step.z)
        }
        let batches = batch + [Batch](repeating: Batch(size: 1, left: 0, right: 0), count: 8 - batch.count)
        // Threads read neighbours where the operand's nearest index allows.
        let rowsAreNear = (rows.first?.left ?? 0) == 1 && (depth.first?.left ?? 0) != 1
        return [rowCount, columns, depthCount, columnBlocks, batchCount, splits, rightStep, resultStep]
            + [start, position.x, position.y, position.z, limit.x, limit.y, limit.z, resultStart, rightStart]
            + [resultBatchStep, channelBatchStep, channelsAreRows ? 1 : 0, rowsAreNear ? 1 : 0, rightStep == 1 ? 1 : 0]
            + list(rows) + list(depth) + batches.map(\.size) + batches.map(\.left) + batches.map(\.right)
    }
}

/// The program that computes products by tiles in shared memory. It is compiled when it is first needed: most products are the library's.
final class TiledProduct: Sendable {
    private let device: CUDADevice
    private let program: CUDAProgram
    private let compute: DType
    /// Whether the program has large tiles, which need many registers.
    private let hasLarge: Bool
    private let module = Mutex<CUDAModule?>(nil)

    /// - Parameters:
    ///   - epilogue: what is done to each sum.
    ///   - conjugates: which operands' conjugates are multiplied.
    ///   - isLazy: whether the program is compiled only when it is first used.
    init(
        _ request: KernelRequest, left: DType, right: DType, result: DType, epilogue: CUDAEpilogue = CUDAEpilogue(),
        conjugates: (left: Bool, right: Bool) = (false, false), isLazy: Bool = false
    ) throws {
        device = try request.cudaDevice()
        guard let l = left.cudaName, let r = right.cudaName, let t = result.cudaName else { throw request.unsupportedType("T") }
        compute = result
        hasLarge = result.byteCount <= 4
        let source = """
            typedef \(l) L;
            typedef \(r) R;
            typedef \(t) T;
            typedef Compute<T>::type C;
            const bool CONJUGATES_LEFT = \(conjugates.left), CONJUGATES_RIGHT = \(conjugates.right);
            \(epilogue.declarations)
            DEVICE T finish(C x, int64 channel, int64 place\(epilogue.parameters)) {
            \(epilogue.statements)
                return narrow<T>(x);
            }
            #define PARAMETERS \(epilogue.parameters)
            #define ARGUMENTS \(epilogue.arguments)
            \(hasLarge ? "#define HAS_LARGE" : "")

            """
        program = CUDAProgram("\(request.op.name) \(l) \(r) \(t)", source + TiledProduct.source)
        if !isLazy { _ = try loaded() }
    }

    private func loaded() throws -> CUDAModule {
        if let module = module.withLock({ $0 }) { return module }
        let made = try device.modules.module(program)
        module.withLock { $0 = made }
        return made
    }

    /// The tiles that the program has: rows and columns of a block.
    private enum Tile: String {
        case large, square, tall
        func size(_ elementSize: Int) -> (rows: Int, columns: Int) {
            switch self {
            case .large: (128, 64)
            case .square: (elementSize > 8 ? 32 : 64, 64)
            case .tall: (elementSize > 8 ? 64 : 128, 32)
            }
        }
        func blocks(_ rows: Int, _ columns: Int, _ elementSize: Int) -> (rows: Int, columns: Int) {
            let size = size(elementSize)
            return ((rows + size.rows - 1) / size.rows, (columns + size.columns - 1) / size.columns)
        }
    }

    /// Enqueues a product. All sizes but that of depth must be positive.
    func run(_ problem: TiledProblem, _ left: Tensor, _ right: Tensor, _ result: Tensor, _ arguments: [CUDAArgument] = []) throws {
        let (rows, columns, depth, batches) = (problem.rowCount, problem.columns, problem.depthCount, problem.batchCount)
        let processors = device.card.processorCount
        var tile = columns <= 32 ? Tile.tall : .square
        // Large tiles read less, if there are enough of them for the card.
        if hasLarge, columns > 32 {
            let blocks = Tile.large.blocks(rows, columns, compute.byteCount)
            if blocks.rows * blocks.columns * batches >= processors { tile = .large }
        }
        let blocks = tile.blocks(rows, columns, compute.byteCount)
        let count = blocks.rows * blocks.columns * batches
        // Few results of many terms: several blocks share the terms.
        let splits = count < processors && depth >= 512 ? max(1, min(2 * processors / count, depth / 128, 256)) : 1
        let module = try loaded()
        let words = CUDAArgument.ints(problem.words(splits: splits, columnBlocks: blocks.columns))
        let size = compute.isComplex ? compute.byteCount : max(4, compute.byteCount)
        let partial = splits > 1 ? try Tensor(.uint8, Shape(validating: [splits * batches * rows * columns * size]), in: device.allocator) : result
        try device.launch(
            module.function(tile.rawValue),
            CUDAGrid(blocks: (blocks.rows * blocks.columns, min(batches, 65535), splits), threads: (256, 1, 1)),
            [.elements(left), .elements(right), .elements(result), .elements(partial), words] + arguments)
        guard splits > 1 else { return }
        try device.launch(module.function("combine"), over: batches * rows * columns, [.elements(partial), .elements(result), words] + arguments)
    }
}
