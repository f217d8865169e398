import WeirDevice
package import WeirTensor

/// A strided copy on a card. Strides are in bytes; `unit` bytes are moved at a time.
struct CUDAMovePlan {
    /// The most dimensions that a kernel takes.
    static let maximumRank = 16

    private(set) var sizes: [Int]
    private(set) var source: [Int]
    private(set) var target: [Int]
    private(set) var unit: Int
    /// The addresses of the first element.
    var from: UInt64 = 0
    var to: UInt64 = 0

    init(_ sizes: [Int], _ source: [Int], _ target: [Int], unit: Int) {
        (self.sizes, self.source, self.target, self.unit) = (sizes, source, target, unit)
    }

    /// The widest unit of at most 16 bytes, not below `width`, that fits.
    static func widest(from width: Int, _ fits: (Int) -> Bool) -> Int {
        var unit = 16
        while unit > width, !fits(unit) { unit /= 2 }
        return unit
    }

    /// The widest unit that divides the number that the bits of sizes and addresses make together.
    static func widest(from width: Int, dividing bits: Int) -> Int { widest(from: width) { bits & ($0 - 1) == 0 } }

    /// Takes neighbours along the last dimension as one unit, if they are neighbours on both sides.
    mutating func widen() {
        guard let last = sizes.indices.last, source[last] == unit, target[last] == unit else { return }
        let run = sizes[last] * unit
        let bits = source.dropLast().reduce(run) { $0 | $1 } | target.dropLast().reduce(0) { $0 | $1 } | Int((from | to) & 15)
        let wide = CUDAMovePlan.widest(from: unit) { bits & ($0 - 1) == 0 }
        unit = wide
        sizes[last] = run / wide
        (source[last], target[last]) = (wide, wide)
        if sizes[last] == 1 { remove(last) }
    }

    mutating func remove(_ axes: Int...) {
        for axis in axes.sorted(by: >) {
            sizes.remove(at: axis)
            source.remove(at: axis)
            target.remove(at: axis)
        }
    }

    /// The axis that is dense in the source and the one that is dense in the target, if they are two long ones.
    var transposedAxes: (across: Int, along: Int)? {
        guard let across = source.firstIndex(of: unit), let along = target.firstIndex(of: unit), across != along,
            sizes[across] >= 8, sizes[along] >= 8
        else { return nil }
        return (across, along)
    }

    /// The copy of one slice along the first dimension.
    func slice(_ index: Int) -> CUDAMovePlan {
        var plan = self
        plan.from = from &+ UInt64(bitPattern: Int64(index * source[0]))
        plan.to = to &+ UInt64(bitPattern: Int64(index * target[0]))
        plan.remove(0)
        return plan
    }

    /// The structure `Layout` of the kernels.
    var words: [Int] {
        var words = [sizes.count]
        for axis in sizes.indices {
            words += CUDADivision.words(sizes[axis]) + [source[axis] / unit, target[axis] / unit]
        }
        return words + [Int](repeating: 0, count: 4 * (CUDAMovePlan.maximumRank - sizes.count))
    }
}

extension CUDAMover {
    /// The widest unit of at most 16 bytes, not below `width`, in which `bytes` bytes at any multiple of `bytes` in two tensors can be moved.
    package static func unit(from width: Int, _ bytes: Int, _ a: Tensor, _ b: Tensor) -> Int {
        unit(from: width, bytes | Int((a.deviceAddress | b.deviceAddress) & 15))
    }
    /// The widest unit that divides all of some sizes and addresses, given the bits that one of them has.
    package static func unit(from width: Int, _ bits: Int) -> Int { CUDAMovePlan.widest(from: width, dividing: bits) }
}
