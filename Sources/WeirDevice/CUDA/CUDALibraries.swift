import Glibc
import WeirTensor

/// NVIDIA's libraries as found on this machine. None is linked: each is opened when the process first asks for its GPUs, and all
/// but the driver and the compiler are optional.
package struct CUDALibraries: Sendable {
    /// A library and whether it was found.
    package struct Entry: Sendable {
        /// Its short name, such as `cuBLASLt`.
        package let name: String
        /// What Weir uses it for.
        package let purpose: String
        /// What is lost without it.
        package let cost: String
        /// Where it can be had.
        package let source: String
        /// Whether no GPU is used without it.
        package let isRequired: Bool
        /// Its path and version.
        package var found: (path: String, version: String)?
        /// Why it is not used; nil when it is.
        package var reason: String?
    }

    /// The driver; nil when this machine has none.
    package let driver: CUDADriver?
    /// The compiler of kernels.
    package let compiler: NVRTC?
    /// Matrix products.
    package private(set) var products: CUBLASLt?
    /// All libraries that were looked for.
    package let entries: [Entry]

    /// The libraries of this machine, looked for once.
    package static let shared = CUDALibraries(CUDALibraryFolders())

    /// The same libraries without cuBLASLt.
    package var withoutProducts: CUDALibraries {
        var libraries = self
        libraries.products = nil
        return libraries
    }

    /// Looks for the libraries.
    package init(_ folders: CUDALibraryFolders) {
        var entries: [Entry] = []
        func find<L>(
            _ name: String, _ files: [String], _ purpose: String, without cost: String? = nil, from source: String,
            _ open: (DynamicLibrary) throws(Status) -> (L, String)
        ) -> L? {
            var entry = Entry(name: name, purpose: purpose, cost: cost ?? "no GPU is used", source: source, isRequired: cost == nil)
            defer { entries.append(entry) }
            do throws(Status) {
                let library = try folders.open(files)
                let (opened, version) = try open(library)
                entry.found = (library.path, version)
                return opened
            } catch {
                entry.reason = error.message
                return nil
            }
        }
        driver = find("driver", ["libcuda.so.1"], "uses the GPUs", from: "NVIDIA's driver for the card, 525 or later") { library throws(Status) in
            let driver = try CUDADriver(library)
            return (driver, try driver.version().description)
        }
        compiler = find(
            "NVRTC", ["libnvrtc.so.13", "libnvrtc.so.12"], "compiles the kernels for the card",
            from: "the CUDA toolkit, or PyPI's nvidia-cuda-nvrtc-cu12; WEIR_CUDA may name its folder"
        ) { library throws(Status) in
            let compiler = try NVRTC(library)
            return (compiler, compiler.version.description)
        }
        products = find(
            "cuBLASLt", ["libcublasLt.so.13", "libcublasLt.so.12"], "matrix products with bias and activation",
            without: "products are computed by Weir's own, slower kernels",
            from: "the CUDA toolkit, or PyPI's nvidia-cublas-cu12; WEIR_CUDA may name its folder"
        ) { library throws(Status) in
            let products = try CUBLASLt(library)
            return (products, products.version)
        }
        self.entries = entries
    }

    /// Why no GPU is used; nil when the libraries that it takes are there.
    package var absence: String? {
        let missing = entries.filter { $0.isRequired && $0.found == nil }
        return missing.isEmpty ? nil : missing.map { "\($0.name): \($0.reason ?? "not found")" }.joined(separator: "; ")
    }
}

/// Where NVIDIA's libraries are looked for.
package struct CUDALibraryFolders: Sendable {
    /// Folders to look in, in order; an empty path is the loader's own.
    let folders: [String]
    /// A library that has all functions, such as the emulated driver of the tests.
    let single: String?
    /// Whether GPUs are switched off.
    let isOff: Bool

    /// Reads the environment.
    /// - Parameter variable: returns the value of an environment variable. `WEIR_CUDA` is a folder to look in first, a library that
    ///   has all functions, or `off`.
    package init(_ variable: (String) -> String? = { getenv($0).map { String(cString: $0) } }) {
        let own = variable("WEIR_CUDA") ?? ""
        isOff = own == "off"
        single = own.hasSuffix(".so") ? own : nil
        var folders = own.isEmpty || isOff || single != nil ? [""] : [own, ""]
        for root in [variable("CUDA_HOME"), variable("CUDA_PATH"), "/usr/local/cuda"] {
            if let root, !root.isEmpty { folders += ["\(root)/lib64", "\(root)/lib", "\(root)/targets/x86_64-linux/lib"] }
        }
        if let conda = variable("CONDA_PREFIX"), !conda.isEmpty { folders.append("\(conda)/lib") }
        // PyPI's wheels of NVIDIA, which also come with PyTorch and TensorFlow.
        let roots = [variable("VIRTUAL_ENV"), variable("HOME").map { "\($0)/.local" }, "/usr/local", "/usr"].compactMap(\.self)
        let wheels = ["cu13", "cuda_nvrtc", "cublas", "cudnn", "nccl"]
        for root in roots {
            for version in CUDALibraryFolders.names(in: "\(root)/lib") where version.hasPrefix("python3") {
                for packages in ["site-packages", "dist-packages"] {
                    folders += wheels.map { "\(root)/lib/\(version)/\(packages)/nvidia/\($0)/lib" }
                }
            }
        }
        self.folders = folders
    }

    /// Opens the first library that is there.
    /// - Throws: `notFound` with the loader's reason for the first that is there but cannot be opened, or for the name alone.
    func open(_ files: [String]) throws(Status) -> DynamicLibrary {
        guard !isOff else { throw .notFound("WEIR_CUDA=off") }
        if let single { return try DynamicLibrary(single) }
        var reason: Status?
        for file in files {
            for folder in folders {
                let path = folder.isEmpty ? file : "\(folder)/\(file)"
                guard folder.isEmpty || access(path, F_OK) == 0 else { continue }
                do throws(Status) { return try DynamicLibrary(path) } catch {
                    // What the loader says of a name that it does not know is of less use than what it says of a file.
                    if reason == nil || !folder.isEmpty { reason = error }
                }
            }
        }
        throw reason ?? .notFound("no \(files.joined(separator: " or "))")
    }

    private static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.sorted()
    }
}
