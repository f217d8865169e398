package import WeirDevice
package import WeirGraph
package import WeirTensor

extension Kernel {
    /// What is enqueued before the shapes of the results are known: the computation of numbers (int64) on the card, and what the kernel
    /// does when they are on the host.
    package struct CUDACount {
        let numbers: Tensor
        let finish: @Sendable ([Int]) throws -> [EdgeValue]

        package init(_ numbers: Tensor, finish: @escaping @Sendable ([Int]) throws -> [EdgeValue]) {
            (self.numbers, self.finish) = (numbers, finish)
        }
    }

    /// A kernel of a card with results whose shapes depend on elements.
    package static func cudaCounted(_ device: CUDADevice, _ start: @escaping @Sendable (borrowing KernelContext) throws -> CUDACount) -> Kernel {
        .async { context, done in
            do {
                let count = try start(context)
                device.download(count.numbers, after: device.compute.record()) { result in
                    do {
                        let numbers = try result.get()
                        done(.success(try count.finish(numbers.elements(Int64.self).map { Int($0) })))
                    } catch { done(.failure(Status(error))) }
                }
            } catch { done(.failure(Status(error))) }
        }
    }
}
