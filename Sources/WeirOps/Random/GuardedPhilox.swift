import Synchronization
import WeirKernels

/// The random state of a stateful kernel: a generator of which each execution reserves a part.
///
/// Executions of a kernel may overlap. The first to reserve gets the earlier part, and parts never overlap.
final class GuardedPhilox: Sendable {
    private let generator: Mutex<Philox>

    /// Makes the state for the attributes `seed` and `seed2`. If both are zero, the numbers differ from process to process.
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

    /// Reserves `count` samples of 128 bits. Returns the generator at the first of them.
    func reserve(samples count: UInt64) -> Philox {
        generator.withLock { generator in
            defer { generator.skip(count) }
            return generator
        }
    }

    /// Reserves 256 samples for each of `count` elements, whatever the distribution needs. Returns the generator at the first.
    func reserve(elements count: Int) -> Philox {
        reserve(samples: UInt64(count) &* 256)
    }

    /// Reserves the samples that hold `count` words of 32 bits. Returns the generator at the first of them.
    func reserve(words count: Int) -> Philox {
        reserve(samples: UInt64(count + 3) / 4)
    }
}
