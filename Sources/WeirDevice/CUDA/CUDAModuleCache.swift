import Glibc
import Synchronization
package import WeirTensor

/// A kernel of a compiled program.
package struct CUDAFunction: @unchecked Sendable {  // the driver's functions may be launched by any thread
    /// The program's name and the kernel's, for error messages.
    package let name: String
    let handle: CUDADriver.Handle?
}

/// A program in CUDA C++: what makes its text, and the names of its kernels.
package struct CUDAProgram: Sendable, Hashable {
    /// Names the program in error messages, such as `Exp float`.
    package let name: String
    /// The source, without `CUDAPrelude`, which every program begins with.
    package let source: String
    package init(_ name: String, _ source: String) { (self.name, self.source) = (name, source) }
}

/// Compiles the programs that a card's kernels need, and keeps them: in memory for the process, on disk for the next.
///
/// Compiling starts when a graph is prepared, on threads of its own, all programs of the graph side by side. The first launch waits
/// for it.
package final class CUDAModuleCache: Sendable {
    private let card: CUDACard
    private let compiler: NVRTC
    private let prelude: String
    /// The folder of compiled programs; nil to keep none.
    private let folder: String?
    private let modules = Mutex<[CUDAProgram: CUDAModule]>([:])
    private let architecture: Int

    /// - Parameters:
    ///   - prelude: what every program begins with.
    ///   - folder: where compiled programs are kept; nil to keep none.
    /// - Throws: `unimplemented` when the compiler knows no code that the card can run.
    package init(_ card: CUDACard, _ compiler: NVRTC, prelude: String, folder: String?) throws(Status) {
        self.card = card
        self.compiler = compiler
        self.prelude = prelude
        self.folder = folder
        // Code of a smaller minor version of the same major one runs on the card.
        guard let architecture = compiler.architectures.last(where: { $0 <= card.architecture && $0 / 10 == card.capability.major }) else {
            throw .unimplemented(
                "\(card.name) has compute capability \(card.capability), but NVRTC \(compiler.version) (\(compiler.library.path)) compiles for "
                    + compiler.architectures.map { "\($0 / 10).\($0 % 10)" }.joined(separator: ", "))
        }
        self.architecture = architecture
    }

    /// Starts to compile a program unless it is there.
    /// - Throws: `resourceExhausted` when the system has no thread left.
    package func module(_ program: CUDAProgram) throws(Status) -> CUDAModule {
        let (module, isNew) = modules.withLock { modules -> (CUDAModule, Bool) in
            if let module = modules[program] { return (module, false) }
            let module = CUDAModule(program.name)
            modules[program] = module
            return (module, true)
        }
        guard isNew else { return module }
        do throws(Status) {
            try SystemThread.run { [self] in
                CompilerSlots.shared.take()
                defer { CompilerSlots.shared.give() }
                module.finish(Result { () throws(Status) in try load(program) })
            }
        } catch {
            // Others may wait for the program already; the next who needs it tries again.
            modules.withLock { $0[program] = nil }
            module.finish(.failure(error))
            throw error
        }
        return module
    }

    /// Compiled programs of other sources than today's are never read again. They are small; the folder may be removed at any time.
    private func load(_ program: CUDAProgram) throws(Status) -> CUDAModule.Loaded {
        let source = prelude + "\n" + program.source
        let path = folder.map { "\($0)/\(CUDAModuleCache.hash(source, architecture, compiler.version)).cubin" }
        if let path, let code = CUDAModuleCache.read(path), let loaded = try? CUDAModule.Loaded(card, code, program.name) { return loaded }
        let code = try compiler.compile(source, name: program.name, architecture: architecture, options: CUDAModuleCache.options).code
        if let path, let folder { CUDAModuleCache.write(code, path, folder) }
        return try CUDAModule.Loaded(card, code, program.name)
    }

    /// Divisions and roots are exact, and products are not fused into sums unless the source asks: the CPU's results.
    package static let options = ["--fmad=false"]

    /// Two hashes of 64 bits, the first of them FNV-1a: sources are our own, so only chance has to be excluded.
    private static func hash(_ source: String, _ architecture: Int, _ version: CUDAVersion) -> String {
        var (a, b): (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142)
        for byte in "\(architecture) \(version) \(options) \(source)".utf8 {
            a = (a ^ UInt64(byte)) &* 0x100_0000_01b3
            b = (b &+ UInt64(byte)) &* 0x9e37_79b9_7f4a_7c15 ^ (b >> 29)
        }
        func hexadecimal(_ word: UInt64) -> String {
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return hexadecimal(a) + hexadecimal(b)
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes.isEmpty ? nil : bytes
    }

    /// Writes a file under another name and renames it, so that no process reads half of one. That it cannot be written is no error:
    /// the next process compiles again.
    private static func write(_ bytes: [UInt8], _ path: String, _ folder: String) {
        var at = folder.hasPrefix("/") ? "/" : ""
        for part in folder.split(separator: "/") {
            at += "\(part)/"
            mkdir(at, 0o700)
        }
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max))"
        guard let file = fopen(temporary, "w") else { return }
        let isWhole = bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) } == bytes.count
        if fclose(file) != 0 || !isWhole || rename(temporary, path) != 0 { unlink(temporary) }
    }

    /// Where compiled programs are kept: `weir/cuda` in the user's folder of caches.
    package static var userFolder: String? {
        if let cache = getenv("XDG_CACHE_HOME"), cache[0] != 0 { return "\(String(cString: cache))/weir/cuda" }
        if let home = getenv("HOME"), home[0] != 0 { return "\(String(cString: home))/.cache/weir/cuda" }
        return nil
    }
}

/// A program that is being compiled, or is loaded on a card.
package final class CUDAModule: Sendable {
    private let name: String
    private let condition = ThreadCondition()
    private let result = Mutex<Result<Loaded, Status>?>(nil)

    init(_ name: String) { self.name = name }

    func finish(_ result: Result<Loaded, Status>) {
        self.result.withLock { $0 = result }
        condition.openForAll()
    }

    /// Returns a kernel, once the program is compiled.
    /// - Throws: `internalError` with the compiler's messages.
    package func function(_ kernel: String) throws(Status) -> CUDAFunction {
        if result.withLock({ $0 == nil }) { condition.wait() }
        guard let result = result.withLock({ $0 }) else { throw .internalError("The CUDA program \(name) was not compiled") }
        return try result.get().function(kernel)
    }

    final class Loaded: Sendable {
        private let card: CUDACard
        private let module: CUDAFunction
        private let functions = Mutex<[String: CUDAFunction]>([:])

        init(_ card: CUDACard, _ code: [UInt8], _ name: String) throws(Status) {
            self.card = card
            card.makeCurrent()
            var handle: CUDADriver.Handle?
            let result = code.withUnsafeBytes { bytes in bytes.baseAddress.map { card.driver.loadModule(&handle, $0) } ?? 1 }
            try card.check(result, "cuModuleLoadData")
            module = CUDAFunction(name: name, handle: handle)
        }
        deinit {
            card.makeCurrent()
            _ = card.driver.unloadModule(module.handle)
        }
        func function(_ kernel: String) throws(Status) -> CUDAFunction {
            if let known = functions.withLock({ $0[kernel] }) { return known }
            card.makeCurrent()
            var handle: CUDADriver.Handle?
            try card.check(card.driver.moduleFunction(&handle, module.handle, kernel), "cuModuleGetFunction")
            let function = CUDAFunction(name: "\(module.name) (\(kernel))", handle: handle)
            functions.withLock { $0[kernel] = function }
            return function
        }
    }
}

/// How many programs are compiled at once: as many as the machine has processors.
private final class CompilerSlots: Sendable {
    static let shared = CompilerSlots()
    private let gate = Gate(count: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    func take() { gate.wait() }
    func give() { gate.open() }
}

/// A gate that many threads wait at until it opens for good.
private final class ThreadCondition: Sendable {
    private let gate = Gate()
    func openForAll() { gate.open() }
    func wait() {
        gate.wait()
        gate.open()
    }
}
