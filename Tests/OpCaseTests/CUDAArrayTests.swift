import OpCaseRunner
import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// Ops that move elements give on an emulated card what they give on the CPU, also for sizes above a tile, a block and a launch.
@Suite("Moves of elements on a card", .timeLimit(.minutes(5)))
struct CUDAArrayTests {
    private static func hash(_ index: Int) -> Int { (index &* 2_654_435_761) >> 7 & 0xfffff }
    private static func floats(_ shape: Int...) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { Float($0 % 251) - 100 }, ofShape: Shape(shape))
    }
    private static func ints(_ shape: Int..., below limit: Int) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { Int32(hash($0) % limit) }, ofShape: Shape(shape))
    }

    @Test("transpositions of elements of each size, with whole tiles, parts of tiles and short axes")
    func transpositions() throws {
        let x = CUDAArrayTests.floats(70, 40, 3)
        let types: [DType] = [.uint8, .float16, .float32, .float64, .complex128]
        try CUDAComparison()("transpositions", [x]) { b, x in
            types.flatMap { type in
                let typed = x[0].cast(to: type)
                return [[1, 0, 2], [2, 1, 0], [0, 2, 1], [2, 0, 1]].map { typed.transposed(permutation: $0) }
                    + [typed.reshaped(to: [70, 120]).transposed(), typed.reshaped(to: [1400, 6]).transposed()]
            }
        }
        let complex = x.reshaped(Shape(2800, 3))
        try CUDAComparison()("conjugates", [complex]) { b, x in
            let values = b.add("Complex", [x[0], x[0]])[0]
            return [b.add("ConjugateTranspose", [values, b.int32([1, 0], "order")])[0]]
        }
    }

    @Test("more parts than a launch takes, of different widths")
    func parts() throws {
        let parts = (0..<37).map { CUDAArrayTests.floats(30, $0 % 7 == 3 ? 0 : $0 % 5 * 4 + 1 + $0 % 2, 2) }
        try CUDAComparison()("concatenation", parts) { b, x in
            let bytes = b.concatenated(x.map { $0.cast(to: .uint8) }, axis: 1)
            let whole = b.concatenated(x, axis: 1)
            return [bytes, whole, b.concatenated(x.map { $0.transposed(permutation: [1, 0, 2]) }, axis: 0)]
                + whole.split(sizes: parts.map { $0.shape[1] }, axis: 1)
        }
        let same = (0..<18).map { _ in CUDAArrayTests.floats(9, 5) }
        try CUDAComparison()("stacks", same) { b, x in
            (0..<3).flatMap { axis in
                let stack = b.stacked(x, axis: axis)
                return [stack] + stack.unstacked(axis: axis, count: 18)
            }
        }
    }

    @Test("slices of views at any address")
    func slices() throws {
        try CUDAComparison()("slices", [CUDAArrayTests.floats(3000, 7)]) { b, x in
            let view = x[0].sliced(at: [1, 0], size: [2900, 7]), bytes = view.cast(to: .int8).sliced(at: [3, 0], size: [2801, 7])
            return [
                view[.range(from: 2, by: 3), .range(from: -1, by: -2)], view.sliced(at: [5, 2], size: [1000, 4]), bytes.transposed(),
                bytes.sliced(at: [1, 1], size: [2000, 4]), view.reversed(axes: [0, 1]), bytes.reversed(axes: [1]), view.tiled([1, 3]),
                b.concatenated([bytes, bytes.sliced(at: [7, 0], size: [100, 7])], axis: 0), view.sliced(at: [0, 0], size: [0, 7]),
                bytes.bitcast(to: .uint8), view.rolled(by: [17, -3], axes: [0, 1]),
                view.cast(to: .float16).sliced(at: [3, 0], size: [2801, 7]).rolled(by: [5], axes: [0]),
                view.rolled(by: [1000], axes: [0]), bytes.padded([(3, 5), (0, 0)]), bytes.padded([(0, 0), (1, 2)]), view.padded([(0, 1), (2, 0)]),
                view.padded([(1, 1), (0, 0)], with: b.scalar(3, .float32)), view.expandedDimension(at: 1).broadcast(to: [2900, 4, 7]),
                view.sliced(at: [0, 3], size: [2900, 1]).broadcast(to: [2, 2900, 5]),
                b.filled([3, 1000], with: view.sliced(at: [4, 4], size: [1, 1]).reshaped(to: [])),
                view.onesLike(), view.zerosLike(), b.add("DeepCopy", [bytes.cast(to: .float16)])[0],
            ]
        }
    }

    @Test("more dimensions than kernels take at once")
    func ranks() throws {
        let x = CUDAArrayTests.floats(2, 3, 2, 3, 2, 3, 2, 3, 2)
        try CUDAComparison()("ranks", [x]) { b, x in
            [
                x[0].tiled([2, 1, 2, 1, 2, 1, 2, 1, 2]), x[0].tiled([Int](repeating: 2, count: 9)), x[0].reversed(axes: [0, 2, 4, 6, 8]),
                x[0].transposed(), x[0].transposed(permutation: [8, 0, 7, 1, 6, 2, 5, 3, 4]), x[0].rolled(by: [1, 2, 1], axes: [0, 3, 8]),
                x[0].padded((0..<9).map { (before: $0 % 2, after: 0) }),
            ]
        }
    }

    @Test("mirrors and their gradients", arguments: [MirrorMode.reflect, .symmetric])
    func mirrors(_ mode: MirrorMode) throws {
        try CUDAComparison()("mirrors", [CUDAArrayTests.floats(20, 6, 30, 4)]) { b, x in
            let padded = x[0].mirrorPadded([(3, 5), (0, 0), (29, 7), (0, 0)], mode: mode)
            let all = x[0].mirrorPadded([(1, 2), (3, 3), (1, 0), (3, 2)], mode: mode)
            return [padded, all] + b.gradients(of: [padded, all], with: [x[0]]).compactMap { $0 }
        }
    }

    @Test("gathers of one element, of slices, of batches")
    func gathers() throws {
        let indices = CUDAArrayTests.ints(40, 250, below: 200)
        try CUDAComparison()("gathers", [CUDAArrayTests.floats(200, 12), indices]) { b, x in
            let flat = x[1].reshaped(to: [-1])
            let pairs = b.stacked([flat, flat % b.scalar(12, .int32)], axis: 1)
            return [
                x[0].gathered(indices: x[1]), x[0].transposed().gathered(indices: x[1], axis: 1),
                x[0].cast(to: .float16).gathered(indices: flat.cast(to: .int64)),
                x[0].reshaped(to: [40, 60]).gathered(indices: x[1] % b.scalar(60, .int32), axis: 1, batchDimensions: 1), x[0].gatheredNd(indices: pairs),
                x[0].gatheredNd(indices: flat.expandedDimension(at: 1)), x[0].cast(to: .complex128).gathered(indices: flat),
                x[0].gathered(indices: x[1].sliced(at: [0, 0], size: [0, 250])),
            ]
        }
    }

    @Test("scatters with few and many updates, also of one slice", arguments: [1, 20, 1500, 7000])
    func scatters(_ rows: Int) throws {
        for slices in [1, 50, 3000] {
            let inputs = [CUDAArrayTests.floats(slices, 3), CUDAArrayTests.ints(rows, 1, below: slices), CUDAArrayTests.floats(rows, 3)]
            try CUDAComparison()("\(rows) updates of \(slices) slices", inputs) { b, x in
                ["Update", "Add", "Sub", "Min", "Max"].map { b.add("TensorScatter" + $0, [x[0], x[1], x[2]])[0] }
                    + ["Add", "Sub"].map { b.add("TensorScatter" + $0, [x[0].cast(to: .int64), x[1], x[2].cast(to: .int64)])[0] }
                    + [
                        b.scatterNd(indices: x[1], updates: x[2].cast(to: .int8), shape: b.int32([slices, 3], "shape")),
                        b.add("InplaceUpdate", [x[0], x[1].reshaped(to: [-1]) - 7, x[2]])[0],
                    ]
            }
            // Sums in another order than the CPU's.
            let odd = Tensor((0..<rows * 3).map { Float(CUDAArrayTests.hash($0)) / 1000 }, ofShape: [rows, 3])
            try CUDAComparison(tolerance: 1e-5)("\(rows) sums of \(slices) slices", [inputs[0], inputs[1], odd]) { b, x in
                [b.add("TensorScatterAdd", [x[0], x[1], x[2]])[0], b.add("InplaceAdd", [x[0], x[1].reshaped(to: [-1]), x[2]])[0]]
            }
        }
    }

    @Test("one-hot rows and matrices of diagonals")
    func rows() throws {
        let indices = CUDAArrayTests.ints(300, 7, below: 40)
        try CUDAComparison()("rows", [indices, CUDAArrayTests.floats(20, 30, 40)]) { b, x in
            (-1..<3).map { (x[0] - 3).oneHot(depth: 33, axis: $0) }
                + [
                    x[1].bandPart(lower: 2, upper: 5), x[1].bandPart(lower: -1, upper: 0), x[1].matrixDiagonal(), x[1].matrixDiagonal().diagonalMatrix(),
                    x[1].matrixSetDiag(x[1].matrixDiagonal() * 2), x[1].sliced(at: [0, 0, 0], size: [1, 1, 40]).reshaped(to: [40]).diagonalTensor(),
                ]
                + ["LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT"].flatMap { align -> [Output] in
                    let band = b.int32([-7, 12], "band" + align), none = b.scalar(5, .float32)
                    let attributes: Attributes = ["align": .string(align)]
                    let part = b.add("MatrixDiagPartV3", [x[1], band, none], attributes: attributes)[0]
                    return [
                        part, b.add("MatrixSetDiagV3", [x[1], part * 3, band], attributes: attributes)[0],
                        b.add("MatrixDiagV3", [part, band, b.int32(30, "rows" + align), b.int32(40, "columns" + align), none], attributes: attributes)[0],
                    ]
                }
        }
    }

    @Test("blocks, patches and sequences")
    func blocks() throws {
        try CUDAComparison()("blocks", [CUDAArrayTests.floats(4, 18, 24, 8), CUDAArrayTests.ints(4, below: 18)]) { b, x in
            let batches = x[0].spaceToBatch(block: [2, 3], paddings: [(1, 3), (2, 4)])
            return [
                batches, batches.batchToSpace(block: [2, 3], crops: [(2, 1), (0, 5)]), x[0].spaceToDepth(blockSize: 6),
                x[0].reversedSequences(lengths: x[1], sequenceAxis: 1),
                b.add(
                    "ExtractImagePatches", [x[0]],
                    attributes: ["ksizes": .ints([1, 3, 4, 1]), "strides": .ints([1, 2, 3, 1]), "rates": .ints([1, 2, 1, 1]), "padding": "SAME"])[0],
            ]
        }
    }

    @Test("coordinates and distinct elements", arguments: [0, 1, 700, 2048, 9000])
    func counted(_ count: Int) throws {
        let values = CUDAArrayTests.ints(count, below: 500)
        var floats = (0..<count).map { $0 % 11 == 0 ? Float.nan : Float(CUDAArrayTests.hash($0) % 300) - 100 }
        for index in stride(from: 5, to: count, by: 50) { floats[index] = index % 100 == 5 ? 0 : -0.0 }
        try CUDAComparison()("\(count) elements", [values, Tensor(floats)]) { b, x in
            let few = x[0].cast(to: .int64) / 250
            return [few.nonzeroIndices(), x[1].expandedDimension(at: 0).nonzeroIndices(), x[0].equal(b.constant(Tensor(Int32(7)))).nonzeroIndices()]
                + [x[1], x[1].cast(to: .float16), x[0].cast(to: .int64), x[0].cast(to: .uint8)].flatMap { b.add("UniqueWithCounts", [$0]).outputs }
                + b.add("Unique", [x[0].cast(to: .float64)], attributes: ["out_idx": .type(.int64)]).outputs
        }
    }

    @Test("partitions", arguments: [5, 300, 5000])
    func partitions(_ rows: Int) throws {
        try CUDAComparison()("partitions", [CUDAArrayTests.floats(rows, 3), CUDAArrayTests.ints(rows, below: 4)]) { b, x in
            x[0].dynamicallyPartitioned(x[1], count: 5) + x[1].dynamicallyPartitioned(x[1], count: 5)
        }
    }

    /// The places are shapes as numbers, which are in host memory, and the stitch is in host memory: it waits for the partitions.
    @Test("stitches of partitions", arguments: 0..<4)
    func stitches(_ round: Int) throws {
        try CUDAComparison(isOptimized: round % 2 == 1)("stitch", [CUDAArrayTests.floats(4), Tensor([Int32(1), 0, 1, 1])]) { b, x in
            let all = b.add("Range", [b.int32(0, "first"), b.add("Size", [x[1]])[0], b.int32(1, "step")])[0]
            let places = b.add("Reshape", [all, b.add("Shape", [x[1]])[0]])[0].dynamicallyPartitioned(x[1], count: 2)
            let parts = x[0].dynamicallyPartitioned(x[1], count: 2)
            return places + [b.add("ParallelDynamicStitch", places + parts, attributes: ["N": .int(2)])[0]]
        }
    }

    @Test("stitches of rows, of more parts than a launch takes")
    func stitchedRows() throws {
        let places = (0..<19).map { part in Tensor((0..<40).map { Int32($0 * 20 + part) }, ofShape: [4, 10]) }
        let parts = (0..<19).map { _ in CUDAArrayTests.floats(4, 10, 3) }
        try CUDAComparison()("stitch", places + parts) { b, x in [b.dynamicallyStitched(Array(x[..<19]), Array(x[19...]))] }
    }
}
