import Weir

extension BenchmarkCase {
    /// The work of every kernel besides computing: creating and releasing tensors, comparing and broadcasting shapes.
    static let tensors: [BenchmarkCase] = [
        BenchmarkCase("tensor/make/16B", iterations: 1000) {
            { keep(try Tensor(.float32, [4])) }
        },
        BenchmarkCase("tensor/copy-literal/16B", iterations: 1000) {
            let values: [Float] = [1, 2, 3, 4]
            return { keep(Tensor(values)) }
        },
        BenchmarkCase("tensor/view", iterations: 1000) {
            let matrix = try Tensor.sample([8, 16])
            return { keep(matrix.rows(2..<4).reshaped([32])) }
        },
        // The source of the memory depends on the size: behind the tensor's header (256 B), the thread's cache (4 KB, 48 KB),
        // or the shared cache (1 MB).
        allocation("256B", 256),
        allocation("4KB", 4 << 10),
        allocation("48KB", 48 << 10),
        allocation("1MB", 1 << 20),
        BenchmarkCase("shape/make", iterations: 1000) {
            let dimensions = [8, 28, 28, 32]
            return { keep(Shape(dimensions)) }
        },
        BenchmarkCase("shape/equal", iterations: 1000) {
            let a: Shape = [8, 28, 28, 32], b: Shape = [8, 28, 28, 32]
            return { keep(a == b) }
        },
        BenchmarkCase("shape/broadcast", iterations: 1000) {
            let a: PartialShape = [nil, 28, 28, 32], b: PartialShape = [28, 1, 32]
            return { keep(try a.broadcasting(b)) }
        },
        BenchmarkCase("shape/validate", iterations: 1000) {
            let dimensions = [8, 28, 28, 32]
            return { keep(try Shape(validating: dimensions)) }
        },
    ]

    private static func allocation(_ label: String, _ byteCount: Int) -> BenchmarkCase {
        BenchmarkCase("tensor/allocate/\(label)", iterations: 1000) {
            { keep(try Tensor(.uint8, Shape(byteCount))) }
        }
    }
}
