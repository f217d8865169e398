import Synchronization
import WeirKernels

/// The random state of one stateful kernel: a generator from which every execution reserves its part.
///
/// Executions of one kernel may overlap; whichever reserves first gets the earlier part, and no two parts meet.
final class GuardedPhilox: Sendable {
    private let generator: Mutex<Philox>

    /// The state of a kernel with these values of the attributes `seed` and `seed2`; both zero asks for numbers that
    /// differ from process to process.
    convenience init(seed: Int64, seed2: Int64) {
        if seed == 0 && seed2 == 0 {
            var system = SystemRandomNumberGenerator()
            self.init(
                Philox(seed: Int64(bitPattern: system.next()), seed2: Int64(bitPattern: system.next())))
        } else {
            self.init(Philox(seed: seed, seed2: seed2))
        }
    }

    init(_ generator: Philox) {
        self.generator = Mutex(generator)
    }

    /// The generator for `count` samples of 128 bits.
    func reserve(samples count: UInt64) -> Philox {
        generator.withLock { generator in
            defer { generator.skip(count) }
            return generator
        }
    }

    /// The generator for a tensor of `count` elements: 256 samples for each, whatever the distribution needs.
    func reserve(elements count: Int) -> Philox {
        reserve(samples: UInt64(count) &* 256)
    }

    /// The generator for exactly `count` words of 32 bits.
    func reserve(words count: Int) -> Philox {
        reserve(samples: UInt64(count + 3) / 4)
    }
}
