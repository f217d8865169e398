import CTarget

import Glibc

/// Describes the processors of this machine.
package enum Processor {
    /// The number of logical cores that this process may use.
    package static let coreCount: Int = {
        if let mask = field("Cpus_allowed", in: "/proc/self/status") {
            let count = mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
            if count > 0 { return count }
        }
        return max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }()

    /// The model and the core count, such as `AMD EPYC, 2 cores`.
    package static let description: String = {
        let model = field("model name") ?? "CPU"
        return "\(model), \(coreCount) core\(coreCount == 1 ? "" : "s")"
    }()

    /// The first CPU feature that the kernels were compiled for and this processor lacks; nil when it has all. The Makefile
    /// compiles for AVX2, FMA and F16C, which x86 servers have since 2013.
    package static let missingFeature: String? = {
        guard weir_needs_avx2 == 1, let flags = field("flags") else { return nil }
        let present = Set(flags.split(separator: " "))
        return ["avx2", "fma", "f16c", "bmi2"].first { !present.contains(Substring($0)) }
    }()

    private static func field(_ name: String, in path: String = "/proc/cpuinfo") -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let text = line.map({ String(cString: $0) }) {
            guard text.hasPrefix(name), let colon = text.firstIndex(of: ":") else { continue }
            let value = text[text.index(after: colon)...]
            return String(value.drop(while: { $0 == " " }).prefix(while: { $0 != "\n" }))
        }
        return nil
    }
}
