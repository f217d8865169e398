import Testing
import WeirDevice
import WeirGraph
import WeirTensor

@testable import WeirNeuralOps
import WeirOps

/// Products of the sizes where the way they are computed changes: few rows, rows that lie a power of two apart, several
/// blocks, several threads.
@Suite("Matrix products")
struct MatMulTests {
    private struct Operands {
        let a, b, c: [Float]

        init(_ rows: Int, _ columns: Int, _ depth: Int) {
            func numbers(_ count: Int, _ step: Int) -> [Float] { (0..<count).map { Float(($0 &* step) % 1009) / 512 - 0.97 } }
            (a, b, c) = (numbers(rows * depth, 7919), numbers(depth * columns, 6101), numbers(rows * columns, 17))
        }
    }

    /// `a · b`, or `a · b + c`, or the product by a transposed operand.
    private func product(
        _ op: String, _ operands: Operands, _ rows: Int, _ columns: Int, _ depth: Int, threads: Int,
        transposed: (a: Bool, b: Bool) = (false, false)
    ) throws -> [Float] {
        let s = try TinySession([.matMul, .fusedMatMul], threads: threads)
        var inputs = [
            s.feed(operands.a, transposed.a ? [depth, rows] : [rows, depth]),
            s.feed(operands.b, transposed.b ? [columns, depth] : [depth, columns]),
        ]
        var attributes: Attributes = ["transpose_a": .bool(transposed.a), "transpose_b": .bool(transposed.b)]
        if op == "_FusedMatMul" {
            inputs.append(s.feed(operands.c, [rows, columns]))
            attributes = [
                "transpose_a": .bool(transposed.a), "transpose_b": .bool(transposed.b), "num_args": .int(1),
                "fused_ops": .strings(["Add"]),
            ]
        }
        return try s.run(s.add(op, inputs, attributes)[0]).floats
    }

    private static let ways: [(a: Bool, b: Bool)] = [(false, false), (true, false), (false, true), (true, true)]

    @Test("several threads give the bits of one, at every size", arguments: [1, 15, 16, 33, 100])
    func sameBits(_ rows: Int) throws {
        for (columns, depth) in [(512, 64), (512, 300), (1024, 700), (1536, 257), (600, 300), (156, 512), (200, 3136)] {
            let operands = Operands(rows, columns, depth)
            for transposed in MatMulTests.ways {
                let one = try product("MatMul", operands, rows, columns, depth, threads: 1, transposed: transposed)
                for threads in [2, 3] {
                    let several = try product("MatMul", operands, rows, columns, depth, threads: threads, transposed: transposed)
                    #expect(one == several, "\(rows) x \(columns) x \(depth), \(transposed)")
                }
            }
        }
    }

    @Test("products are as exact as sums of floats can be")
    func exactness() throws {
        for (rows, columns, depth) in [(3, 512, 600), (40, 1024, 600), (40, 512, 100), (70, 130, 90), (5, 7, 9)] {
            let operands = Operands(rows, columns, depth)
            for transposed in MatMulTests.ways {
                let found = try product("MatMul", operands, rows, columns, depth, threads: 2, transposed: transposed)
                var worst = 0.0
                for row in stride(from: 0, to: rows, by: max(1, rows / 7)) {
                    for column in stride(from: 0, to: columns, by: max(1, columns / 31)) {
                        var (sum, size) = (0.0, 0.0)
                        for index in 0..<depth {
                            let a = Double(operands.a[transposed.a ? index * rows + row : row * depth + index])
                            let b = Double(operands.b[transposed.b ? column * depth + index : index * columns + column])
                            sum += a * b
                            size += abs(a * b)
                        }
                        worst = max(worst, abs(Double(found[row * columns + column]) - sum) / size)
                    }
                }
                #expect(worst < 1e-6, "\(rows) x \(columns) x \(depth), \(transposed)")
            }
        }
    }

    @Test("a sum is added once, at every size and on several threads", arguments: [1, 3])
    func sums(_ threads: Int) throws {
        for (rows, columns, depth) in [(40, 512, 100), (40, 1024, 128), (20, 8192, 16), (40, 1024, 600), (3, 512, 20)] {
            let operands = Operands(rows, columns, depth)
            for transposed in MatMulTests.ways {
                let plain = try product("MatMul", operands, rows, columns, depth, threads: 1, transposed: transposed)
                let found = try product("_FusedMatMul", operands, rows, columns, depth, threads: threads, transposed: transposed)
                #expect(
                    zip(zip(plain, operands.c).map { $0 + $1 }, found).allSatisfy(==),
                    "\(rows) x \(columns) x \(depth), \(transposed)")
            }
        }
    }

    @Test("a row or column of a larger matrix is multiplied by its own elements", arguments: [(1, 600, 600), (600, 1, 600), (600, 600, 1)])
    func vectorsWithGaps(_ rows: Int, _ columns: Int, _ depth: Int) {
        let gap = 3, length = 700 * 700
        let a = (0..<length).map { Float(($0 &* 7919) % 1009) / 512 - 0.97 }, b = (0..<length).map { Float(($0 &* 6101) % 1013) / 512 - 0.97 }
        for transposed in MatMulTests.ways {
            let aStride = (transposed.a ? rows : depth) + gap, bStride = (transposed.b ? depth : columns) + gap
            var found = [Float](repeating: 0, count: rows * columns)
            let done = OneDNN.multiply(
                rows, columns, depth, a, aStride, transposed: transposed.a, b, bStride, transposed: transposed.b, &found, columns)
            #expect(done)
            for row in stride(from: 0, to: rows, by: max(1, rows / 7)) {
                for column in stride(from: 0, to: columns, by: max(1, columns / 31)) {
                    var sum = 0.0
                    for index in 0..<depth {
                        let left = a[transposed.a ? index * aStride + row : row * aStride + index]
                        sum += Double(left) * Double(b[transposed.b ? column * bStride + index : index * bStride + column])
                    }
                    #expect(abs(Double(found[row * columns + column]) - sum) < 1e-3, "\(row), \(column), \(transposed)")
                }
            }
        }
    }
}
