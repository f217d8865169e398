import Glibc
package import WeirTensor

/// What a kernel is called with.
package enum CUDAArgument: Sendable {
    /// A pointer to elements or an integer of 8 bytes. Kernels with integers of 4 bytes read its lower half.
    case word(UInt64)
    /// A structure of words.
    case words([UInt64])
    /// A pointer to a tensor's elements. Holds the tensor until the kernel is enqueued: before, nobody else may get its memory.
    case tensor(Tensor)
    /// The elements of a tensor on the card.
    package static func elements(_ tensor: Tensor) -> CUDAArgument { .tensor(tensor) }
    /// An integer.
    package static func int(_ value: Int) -> CUDAArgument { .word(UInt64(bitPattern: Int64(value))) }
    /// A float of 4 bytes.
    package static func float(_ value: Float) -> CUDAArgument { .word(UInt64(value.bitPattern)) }
    /// A float of 8 bytes.
    package static func double(_ value: Double) -> CUDAArgument { .word(value.bitPattern) }
    /// The first element of a tensor in host memory, of at most 8 bytes, as a number of its type.
    package static func element(_ tensor: Tensor) -> CUDAArgument {
        var word: UInt64 = 0
        withUnsafeMutableBytes(of: &word) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: tensor.bytes.prefix(8))) }
        return .word(word)
    }
    /// A structure of integers of 8 bytes.
    package static func ints(_ values: [Int]) -> CUDAArgument { .words(values.map { UInt64(bitPattern: Int64($0)) }) }
}

/// The threads of a launch: blocks in the grid, threads in a block.
package struct CUDAGrid: Sendable {
    package var blocks: (x: Int, y: Int, z: Int)
    package var threads: (x: Int, y: Int, z: Int)
    package init(blocks: (x: Int, y: Int, z: Int), threads: (x: Int, y: Int, z: Int)) { (self.blocks, self.threads) = (blocks, threads) }
    /// Blocks and threads along one axis.
    package init(_ blocks: Int, _ threads: Int) { self.init(blocks: (blocks, 1, 1), threads: (threads, 1, 1)) }
}

extension CUDAStream {
    /// Enqueues a kernel.
    /// - Throws: `internalError` when the driver refuses it, or the card has stopped.
    package func launch(_ function: CUDAFunction, _ grid: CUDAGrid, _ arguments: [CUDAArgument]) throws(Status) {
        defer { withExtendedLifetime(arguments) {} }
        var wordCount = 0
        for argument in arguments {
            switch argument {
            case .word, .tensor: wordCount += 1
            case .words(let words): wordCount += words.count
            }
        }
        let result = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: wordCount + 1) { words in
            withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: arguments.count + 1) { pointers in
                guard let base = words.baseAddress, let first = pointers.baseAddress else { return CUDAError.invalidValue.rawValue }
                var at = 0
                for (index, argument) in arguments.enumerated() {
                    pointers[index] = UnsafeMutableRawPointer(base + at)
                    switch argument {
                    case .word(let word):
                        words[at] = word
                        at += 1
                    case .tensor(let tensor):
                        words[at] = tensor.deviceAddress
                        at += 1
                    case .words(let many):
                        for word in many {
                            words[at] = word
                            at += 1
                        }
                    }
                }
                card.makeCurrent()
                return card.driver.launchKernel(
                    function.handle, UInt32(grid.blocks.x), UInt32(grid.blocks.y), UInt32(grid.blocks.z), UInt32(grid.threads.x), UInt32(grid.threads.y),
                    UInt32(grid.threads.z), 0, handle, first, nil)
            }
        }
        if result != 0 { throw card.error(result, "cuLaunchKernel of \(function.name)") }
    }

    /// Enqueues a kernel that visits `count` items. Each thread begins at its own number and goes on in steps of the number of
    /// threads, so that any grid visits all of them.
    /// - Parameter perThread: how many items a thread should visit at least.
    package func launch(_ function: CUDAFunction, over count: Int, perThread: Int = 1, _ arguments: [CUDAArgument]) throws(Status) {
        guard count > 0 else { return }
        let threads = 256
        let blocks = (count + threads * perThread - 1) / (threads * perThread)
        try launch(function, CUDAGrid(min(blocks, card.processorCount * 32), threads), arguments)
    }
}

extension CUDADevice {
    /// Enqueues a kernel on the stream of kernels.
    /// - Throws: `internalError` when the driver refuses it, or the card has stopped.
    package func launch(_ function: CUDAFunction, _ grid: CUDAGrid, _ arguments: [CUDAArgument]) throws(Status) {
        try compute.launch(function, grid, arguments)
    }
    /// Enqueues a kernel that visits `count` items, as `CUDAStream.launch`.
    package func launch(_ function: CUDAFunction, over count: Int, perThread: Int = 1, _ arguments: [CUDAArgument]) throws(Status) {
        try compute.launch(function, over: count, perThread: perThread, arguments)
    }

    /// Copies elements on the stream of kernels.
    package func copy(from source: Tensor, to target: Tensor, byteCount: Int? = nil) throws(Status) {
        let count = byteCount ?? source.byteCount
        guard count > 0 else { return }
        card.makeCurrent()
        try card.check(card.driver.copy(target.deviceAddress, source.deviceAddress, count, compute.handle), "cuMemcpyDtoDAsync")
    }
    /// Sets all bytes of a tensor on the stream of kernels.
    package func fill(_ tensor: Tensor, byte: UInt8 = 0) throws(Status) {
        guard tensor.byteCount > 0 else { return }
        card.makeCurrent()
        try card.check(card.driver.fill(tensor.deviceAddress, byte, tensor.byteCount, compute.handle), "cuMemsetD8Async")
    }
    /// Copies a host tensor's bytes to a tensor of the device on the stream of kernels. The source may change once this returns.
    package func write(_ source: Tensor, to target: Tensor) throws(Status) {
        guard source.byteCount > 0 else { return }
        card.makeCurrent()
        // The driver reads ordinary memory before it returns, but memory that the card can reach when the copy is made.
        try card.check(card.driver.copyIn(target.deviceAddress, source.address, source.byteCount, compute.handle), "cuMemcpyHtoDAsync")
        if source.specialAllocator is PinnedMemory { compute.record().whenReached { [source] in withExtendedLifetime(source) {} } }
    }
}
