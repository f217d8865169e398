import WeirDevice
import WeirKernels
import WeirTensor

/// A loop that applies an update rule to the elements of a variable and its slots, in place and in one pass.
struct UpdateLoop<R: UpdateRule, E: FloatingElement> {
    private let v: UnsafeMutablePointer<E>
    private let a: UnsafeMutablePointer<E>
    private let b: UnsafeMutablePointer<E>
    private let c: UnsafeMutablePointer<E>
    private let gradient: UnsafePointer<E>
    private let h: HyperParameters<E.Compute>

    /// - Parameter tensors: the variable and its slots, with the same number of elements. Their memory must outlive the loop.
    init(_ tensors: [Tensor], _ gradient: Tensor, _ h: HyperParameters<E.Compute>) {
        // A slot that the rule does not have is never accessed; its pointer is the variable's.
        func start(_ index: Int) -> UnsafeMutablePointer<E> {
            let tensor = tensors[index < tensors.count ? index : 0]
            return tensor.mutableBytes.baseAddress!.assumingMemoryBound(to: E.self)
        }
        (v, a, b, c) = (start(0), start(1), start(2), start(3))
        self.gradient = UnsafePointer(gradient.mutableBytes.baseAddress!.assumingMemoryBound(to: E.self))
        var prepared = h
        R.prepare(&prepared)
        self.h = prepared
    }

    /// Creates a loop for a rule without slots.
    init(_ variable: Tensor, _ gradient: Tensor, _ h: HyperParameters<E.Compute>) {
        v = variable.mutableBytes.baseAddress!.assumingMemoryBound(to: E.self)
        (a, b, c) = (v, v, v)
        self.gradient = UnsafePointer(gradient.mutableBytes.baseAddress!.assumingMemoryBound(to: E.self))
        var prepared = h
        R.prepare(&prepared)
        self.h = prepared
    }

    /// Updates all elements. The gradient has `count` elements too.
    func runDense(_ count: Int, _ pool: ComputePool) {
        pool.parallelFor(count, grain: 64 << 10) { run($0.lowerBound, from: $0.lowerBound, $0.count) }
    }

    /// Updates rows: row i of the gradient updates row `rows[i]` of the variable. Duplicate rows are updated once per
    /// occurrence, in order; this holds because each task owns a disjoint set of rows.
    func runSparse(_ rows: [Int], width: Int, _ pool: ComputePool) {
        let isLarge = width >= 32 && rows.count &* width >= 64 << 10
        let parts = isLarge ? pool.threadCount : 1
        rows.withUnsafeBufferPointer { rows in
            pool.parallelFor(parts, grain: 1) { range in
                for position in 0..<rows.count where parts == 1 || range.contains(rows[position] % parts) {
                    run(rows[position] * width, from: position * width, width)
                }
            }
        }
    }

    @inline(__always)
    private func run(_ start: Int, from position: Int, _ count: Int) {
        let (v, a, b, c, g, h) = (v + start, a + start, b + start, c + start, gradient + position, h)
        switch R.slotCount {
        case 0:
            for index in 0..<count {
                var x = UpdateState<E.Compute>(v: v[index].compute, a: 0, b: 0, c: 0)
                R.update(&x, g[index].compute, h)
                v[index] = E(compute: x.v)
            }
        case 1:
            for index in 0..<count {
                var x = UpdateState<E.Compute>(v: v[index].compute, a: a[index].compute, b: 0, c: 0)
                R.update(&x, g[index].compute, h)
                v[index] = E(compute: x.v)
                a[index] = E(compute: x.a)
            }
        case 2:
            for index in 0..<count {
                var x = UpdateState<E.Compute>(v: v[index].compute, a: a[index].compute, b: b[index].compute, c: 0)
                R.update(&x, g[index].compute, h)
                v[index] = E(compute: x.v)
                a[index] = E(compute: x.a)
                b[index] = E(compute: x.b)
            }
        default: runBlocks(v, a, b, c, g, count, h)
        }
    }

    /// Updates elements of a rule with three slots. With so many arrays the compiler does not vectorise, because some might
    /// overlap. It does once two of them are copied, block by block, to local memory.
    @inline(__always)
    private func runBlocks(
        _ v: UnsafeMutablePointer<E>, _ a: UnsafeMutablePointer<E>, _ b: UnsafeMutablePointer<E>,
        _ c: UnsafeMutablePointer<E>, _ g: UnsafePointer<E>, _ count: Int, _ h: HyperParameters<E.Compute>
    ) {
        let size = 256
        withUnsafeTemporaryAllocation(of: E.Compute.self, capacity: 2 * size) { block in
            let ownC = block.baseAddress!
            let ownG = ownC + size
            var start = 0
            while start < count {
                let length = min(size, count - start)
                let (v, a, b, c, g) = (v + start, a + start, b + start, c + start, g + start)
                for index in 0..<length { ownC[index] = c[index].compute }
                for index in 0..<length { ownG[index] = g[index].compute }
                for index in 0..<length {
                    var x = UpdateState<E.Compute>(
                        v: v[index].compute, a: a[index].compute, b: b[index].compute, c: ownC[index])
                    R.update(&x, ownG[index], h)
                    v[index] = E(compute: x.v)
                    a[index] = E(compute: x.a)
                    b[index] = E(compute: x.b)
                    ownC[index] = x.c
                }
                for index in 0..<length { c[index] = E(compute: ownC[index]) }
                start += size
            }
        }
    }
}

// Safe to send: the caller keeps the tensors alive, and each task writes its own elements.
extension UpdateLoop: @unchecked Sendable {}
