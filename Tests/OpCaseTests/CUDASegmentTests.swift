import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// Sums by segment, counts and random numbers on an emulated card are those of the CPU.
@Suite("Segments, counts and random numbers on a card", .timeLimit(.minutes(5)))
struct CUDASegmentTests {
    private static func hash(_ index: Int) -> Int { (index &* 2_654_435_761) >> 7 & 0xfffff }

    @Test("rows by id, in any order: some ids are negative, some segments are empty", arguments: [(7, 300), (900, 3000), (70_000, 2500)])
    func unsorted(_ segments: Int, _ rows: Int) throws {
        let ids = Tensor((0..<rows).map { Int32($0 % 13 == 0 ? -1 : CUDASegmentTests.hash($0) % segments) })
        let floats = Tensor((0..<rows * 3).map { Float(CUDASegmentTests.hash($0) % 200) - 100 }, ofShape: [rows, 3])
        let ops = ["UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin"]
        try CUDAComparison()("\(segments) segments", [floats, ids]) { b, x in
            ops.map { b.add($0, [x[0], x[1], b.int32(segments, "count")])[0] }
        }
        try CUDAComparison()("\(segments) segments of integers", [floats, ids]) { b, x in
            (ops + ["UnsortedSegmentProd"]).map { b.add($0, [x[0].cast(to: .int32), x[1], b.int32(segments, "count")])[0] }
        }
    }

    @Test("ascending ids: the last one says how many segments there are")
    func sorted() throws {
        var ids: [Int64] = []
        for id in 0..<400 where id % 7 != 3 { ids += [Int64](repeating: Int64(id), count: id == 50 ? 3000 : id % 4 + 1) }
        let data = Tensor((0..<ids.count * 2).map { Float($0 % 64) - 32 }, ofShape: [ids.count, 2])
        let rows = Tensor((0..<ids.count).map { Int32(CUDASegmentTests.hash($0) % ids.count) })
        let count = Int64(ids.count)
        try CUDAComparison(tolerance: 1e-6)("segments", [data, Tensor(ids), rows]) { b, x in
            ["SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin"].map { b.add($0, [x[0], x[1]])[0] }
                + ["SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"].flatMap { name in
                    [
                        b.add(name, [x[0], x[2], x[1]])[0], b.add(name + "WithNumSegments", [x[0], x[2], x[1], b.int32(500, "count")])[0],
                        b.add(name + "Grad", [x[0], x[2], x[1], b.int32(Int(count) + 5, "rows")])[0],
                    ]
                }
        }
    }

    @Test("counts and sums of weights")
    func counts() throws {
        let values = Tensor((0..<6000).map { Int32(CUDASegmentTests.hash($0) % 50) }, ofShape: [60, 100])
        let weights = Tensor((0..<6000).map { Float($0 % 32) }, ofShape: [60, 100])
        let none = Tensor([Float]())
        for size in [40, 60, 5000] {
            try CUDAComparison()("\(size) bins", [values, weights, none]) { b, x in
                [
                    b.add("Bincount", [x[0], b.int32(size, "size"), x[2]])[0], b.add("Bincount", [x[0], b.int32(size, "size1"), x[1]])[0],
                    b.add("Bincount", [x[0], b.int32(size, "size2"), x[1].cast(to: .int32)])[0],
                    b.add("DenseBincount", [x[0], b.int32(size, "size3"), x[1]])[0],
                    b.add("DenseBincount", [x[0], b.int32(size, "size4"), x[2]], attributes: ["binary_output": .bool(true)])[0],
                ]
            }
        }
        try CUDAComparison()("histograms", [weights]) { b, x in
            [5, 6000].map { bins in b.add("HistogramFixedWidth", [x[0], b.constant(Tensor([Float(2), 20])), b.int32(bins, "bins\(bins)")])[0] }
        }
    }

    @Test("random numbers", arguments: [DType.float32, .float64, .float16, .bfloat16])
    func random(_ dtype: DType) throws {
        let seed = Tensor([7, 1 << 40] as [Int64])
        for count in [1, 4, 5, 3001] {
            func draw(_ name: String, _ b: GraphBuilder, _ x: [Output]) -> Output {
                b.add(name, [b.int32([count], "shape"), x[0]], attributes: ["dtype": .type(dtype)])[0]
            }
            try CUDAComparison()("uniform", [seed]) { b, x in
                let key = b.add("StatelessRandomGetKeyCounterAlg", [x[0]])
                let keyed = b.add("StatelessRandomUniformV2", [b.int32([count], "shape2"), key[0], key[1], key[2]], attributes: ["dtype": .type(dtype)])
                let own = b.add("RandomUniform", [b.int32([count], "shape3")], attributes: ["dtype": .type(dtype), "seed": .int(3), "seed2": .int(9)])
                return [draw("StatelessRandomUniform", b, x), keyed[0], own[0]]
            }
            try CUDAComparison(tolerance: dtype == .bfloat16 ? 1e-2 : dtype == .float16 ? 2e-3 : 1e-5)("normal", [seed]) { b, x in
                [draw("StatelessRandomNormal", b, x), draw("StatelessTruncatedNormal", b, x)]
            }
        }
    }

    @Test("random integers and classes")
    func randomIntegers() throws {
        let seed = Tensor([-5, 77] as [Int64])
        for type in [DType.int32, .int64] {
            try CUDAComparison()("\(type)", [seed, Tensor([Int64.min / 3, 1 << 30])]) { b, x in
                let shape = b.int32([1003], "shape")
                let low = b.constant(Tensor(Int64(-1_000_000_000))).cast(to: type), high = b.constant(Tensor(Int64(1_500_000_000))).cast(to: type)
                return [
                    b.add("StatelessRandomUniformInt", [shape, x[0], low, high])[0],
                    b.add("StatelessRandomUniformFullInt", [shape, x[0]], attributes: ["dtype": .type(type)])[0],
                    b.add("RandomUniformInt", [shape, low, high], attributes: ["seed": .int(1), "seed2": .int(2)])[0],
                ]
            }
        }
        let logits = Tensor((0..<3000).map { $0 % 97 == 0 ? -Float.infinity : Float(CUDASegmentTests.hash($0) % 100) * 0.1 }, ofShape: [3, 1000])
        try CUDAComparison()("classes", [logits, seed]) { b, x in
            [b.add("StatelessMultinomial", [x[0], b.int32(500, "samples"), x[1]])[0]]
        }
    }
}
