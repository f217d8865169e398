import Glibc
import Synchronization
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Print`: passes its input on and writes the tensors of `data` to standard error. It prints only `first_n` times if
    /// `first_n` >= 0.
    static let print = OpDefinition(
        "Print", "(input: T, data: U) -> (output: T)", "T: type", "U: list(type) >= 0", "message: string = ''",
        "first_n: int = -1", "summarize: int = 3"
    )
    .stateful()
    .shape(ShapeFunctions.unchanged)
    .gradient { g in [g.gradient()] + [Output?](repeating: nil, count: g.inputs.count - 1) }
    .kernel { request in
        let message = try request.string("message")
        let limit = try request.int("summarize")
        let times = try request.int("first_n")
        let calls = Mutex(0)
        return .sync { context in
            context.setOutput(0, slot: context.slot(0))
            if times >= 0 {
                let isOver = calls.withLock { count -> Bool in
                    guard count < times else { return true }
                    count += 1
                    return false
                }
                if isOver { return }
            }
            let values = (1..<context.inputCount).map { "[\(context.input($0).summarizedValue(limit))]" }
            TextStream.error.write(message + values.joined() + "\n")
        }
    }

    /// `PrintV2`: writes a string scalar to standard output, standard error or the end of a file.
    static let printV2 = OpDefinition(
        "PrintV2", "(input: string) -> ()", "output_stream: string = 'stderr'", "end: string = '\n'"
    )
    .stateful()
    .noGradient()
    .kernel { request in
        let stream = try TextStream(try request.string("output_stream"))
        let end = try request.string("end")
        return .sync { context in
            let text = context.input(0)
            guard text.rank == 0 else {
                throw Status.invalidArgument("Input must be a scalar, found shape \(text.shape)")
            }
            try stream.append(text.elements(ByteString.self)[0].bytes + Array(end.utf8))
        }
    }

    /// `Timestamp`: the seconds since 1970.
    static let timestamp = OpDefinition("Timestamp", "() -> (ts: double)")
        .stateful()
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .kernel { _ in
            .sync { context in
                var time = timespec()
                clock_gettime(CLOCK_REALTIME, &time)
                context.setOutput(0, Tensor(Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9))
            }
        }
}

/// The destination of `PrintV2`, from its attribute `output_stream`.
private enum TextStream: Sendable {
    case output, error
    case file(String)

    private static let names = ["stdout", "stderr", "log(info)", "log(warning)", "log(error)"]

    init(_ name: String) throws {
        if name.hasPrefix("file://") {
            self = .file(String(name.dropFirst(7)))
        } else if name == "stdout" {
            self = .output
        } else if TextStream.names.contains(name) {
            self = .error
        } else {
            throw Status.invalidArgument(
                "Unknown output stream: \(name), Valid streams are: \(TextStream.names.joined(separator: " "))")
        }
    }

    func write(_ text: String) { try? append(Array(text.utf8)) }

    /// Writes all bytes together, so that the lines of concurrent steps do not mix.
    func append(_ bytes: [UInt8]) throws {
        switch self {
        case .output: TextStream.write(bytes, to: 1)
        case .error: TextStream.write(bytes, to: 2)
        case .file(let path):
            var descriptor: Int32
            repeat {
                descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
            } while descriptor < 0 && errno == EINTR
            guard descriptor >= 0 else {
                throw Status.notFound("\(path); \(String(cString: strerror(errno)))")
            }
            TextStream.write(bytes, to: descriptor)
            close(descriptor)
        }
    }
    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        writeAll(bytes) { rest in
            Glibc.write(descriptor, rest.baseAddress, rest.count)
        }
    }
}

/// Writes all bytes, with as many calls of `write` as it takes. A call that a signal interrupts is repeated; any other error
/// ends the loop.
/// - Parameter write: writes the first bytes of a buffer as `write(2)` does: it returns their number, or -1 and sets `errno`.
func writeAll(_ bytes: [UInt8], _ write: (UnsafeRawBufferPointer) -> Int) {
    bytes.withUnsafeBytes { buffer in
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = write(UnsafeRawBufferPointer(rebasing: rest))
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }
}

extension Output {
    /// Returns this output and, when it is computed, writes `data` to the standard error stream of the device's process
    /// (`Print`).
    /// - Parameters:
    ///   - firstN: the number of executions that print; -1 for all.
    ///   - summarize: the number of elements of each tensor that are printed.
    public func printing(
        _ data: [Output], message: String = "", firstN: Int = -1, summarize: Int = 3, name: String? = nil
    ) -> Output {
        builder.add(
            "Print", [self] + data, name: name,
            attributes: ["message": .string(message), "first_n": .int(firstN), "summarize": .int(summarize)])[0]
    }
}
