package import WeirTensor

/// NVIDIA's run-time compiler of CUDA C++, `libnvrtc`.
package struct NVRTC: Sendable {
    private typealias Program = UnsafeMutableRawPointer
    private typealias Strings = UnsafePointer<UnsafePointer<CChar>?>

    /// The library.
    package let library: DynamicLibrary
    /// The compiler's version.
    package let version: CUDAVersion
    /// The compute capabilities that it compiles for, such as 90 for 9.0, in order.
    package let architectures: [Int]

    private let create: @convention(c) (UnsafeMutablePointer<Program?>, UnsafePointer<CChar>, UnsafePointer<CChar>?, Int32, Strings?, Strings?) -> UInt32
    private let compile: @convention(c) (Program?, Int32, Strings?) -> UInt32
    private let binarySize: @convention(c) (Program?, UnsafeMutablePointer<Int>) -> UInt32
    private let binary: @convention(c) (Program?, UnsafeMutablePointer<CChar>) -> UInt32
    private let logSize: @convention(c) (Program?, UnsafeMutablePointer<Int>) -> UInt32
    private let log: @convention(c) (Program?, UnsafeMutablePointer<CChar>) -> UInt32
    private let destroy: @convention(c) (UnsafeMutablePointer<Program?>) -> UInt32
    private let errorString: @convention(c) (UInt32) -> UnsafePointer<CChar>?

    /// Takes the functions from a library.
    /// - Throws: `notFound` when it lacks one; `internalError` when it does not say what it is.
    package init(_ library: DynamicLibrary) throws(Status) {
        self.library = library
        create = try library.function("nvrtcCreateProgram")
        compile = try library.function("nvrtcCompileProgram")
        binarySize = try library.function("nvrtcGetCUBINSize")
        binary = try library.function("nvrtcGetCUBIN")
        logSize = try library.function("nvrtcGetProgramLogSize")
        log = try library.function("nvrtcGetProgramLog")
        destroy = try library.function("nvrtcDestroyProgram")
        errorString = try library.function("nvrtcGetErrorString")
        let getVersion: @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> UInt32 = try library.function("nvrtcVersion")
        let getCount: @convention(c) (UnsafeMutablePointer<Int32>) -> UInt32 = try library.function("nvrtcGetNumSupportedArchs")
        let getArchitectures: @convention(c) (UnsafeMutablePointer<Int32>) -> UInt32 = try library.function("nvrtcGetSupportedArchs")
        var (major, minor, count): (Int32, Int32, Int32) = (0, 0, 0)
        guard getVersion(&major, &minor) == 0, getCount(&count) == 0, count > 0, count < 1000 else {
            throw .internalError("\(library.path) does not tell its version")
        }
        var found = [Int32](repeating: 0, count: Int(count))
        guard getArchitectures(&found) == 0 else { throw .internalError("\(library.path) does not tell what it compiles for") }
        version = CUDAVersion(major: Int(major), minor: Int(minor))
        architectures = found.map { Int($0) }.sorted()
    }

    /// Compiles CUDA C++ to the machine code of a card.
    /// - Parameters:
    ///   - name: names the program in the compiler's messages.
    ///   - architecture: the compute capability without its point: 90 for 9.0.
    /// - Returns: the machine code, and what the compiler has printed.
    /// - Throws: `internalError` with the compiler's messages: all sources are our own.
    package func compile(_ source: String, name: String, architecture: Int, options: [String] = []) throws(Status) -> (code: [UInt8], log: String) {
        var program: Program?
        try check(create(&program, source, name, 0, nil, nil), name, "")
        defer { _ = destroy(&program) }
        let result = NVRTC.withStrings(["--gpu-architecture=sm_\(architecture)", "--std=c++17"] + options) { compile(program, Int32($0.count), $0.baseAddress) }
        var text = ""
        var size = 0
        if logSize(program, &size) == 0, size > 1 {
            var characters = [CChar](repeating: 0, count: size)
            if log(program, &characters) == 0 { text = String(decoding: characters.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) }
        }
        try check(result, name, text)
        try check(binarySize(program, &size), name, text)
        guard size > 0 else { throw .internalError("\(name): the compiler gave no code for sm_\(architecture)") }
        var code = [CChar](repeating: 0, count: size)
        try check(binary(program, &code), name, text)
        return (code.map { UInt8(bitPattern: $0) }, text)
    }

    private func check(_ result: UInt32, _ name: String, _ log: String) throws(Status) {
        guard result != 0 else { return }
        throw .internalError("The CUDA program \(name) does not compile: \(errorString(result).map { String(cString: $0) } ?? "error \(result)")\n\(log)")
    }

    /// Calls `body` with C strings.
    private static func withStrings<R>(_ strings: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R) -> R {
        let bytes = strings.flatMap { Array($0.utf8CString) }
        return bytes.withUnsafeBufferPointer { bytes in
            var at = 0
            let pointers: [UnsafePointer<CChar>?] = strings.map { string in
                defer { at += string.utf8.count + 1 }
                return bytes.baseAddress.map { $0 + at }
            }
            return pointers.withUnsafeBufferPointer(body)
        }
    }
}
