import Glibc

/// The child process: runs cases one after the other and counts them in the shared `CaseCounter`.
struct FuzzChild {
    let options: FuzzOptions
    static let counterDescriptor: Int32 = 3
    static let lifelineDescriptor: Int32 = 4

    func run<Kind: FuzzKind>(_ kind: Kind.Type) async throws {
        let counter = try CaseCounter(inherited: FuzzChild.counterDescriptor)
        let path = try FuzzFiles.makeFolder()
        FuzzChild.endWithWatch(path)
        guard chdir(path) == 0 else { throw FuzzFailure("cannot enter \(path)") }
        Console.line("FOLDER\t\(path)")
        FuzzChild.limitMemory(Kind.memoryLimit)
        let session = FuzzSession(
            seed: options.seed ?? 0, folder: path, counter: counter, explains: options.explain, window: options.window)
        var fuzzer = try await Kind(session)
        let end = options.seconds.map { ContinuousClock.now + .seconds($0) }
        var number = options.from
        var left = options.cases ?? Int.max
        while left > 0, end.map({ ContinuousClock.now < $0 }) ?? true {
            var random = SplitMix64(seed: session.seed, case: number)
            if options.explain {
                var copy = random
                let words = try await fuzzer.describe(number, &copy)
                Console.line("CASE\t\(number)\t" + String(words.map { $0 == "\n" ? Console.lineBreak : $0 }))
            }
            counter.begun = number
            if !Kind.overlaps { counter.oldest = number }
            if try await fuzzer.run(number, &random) { counter.accepted += 1 }
            counter.done += 1
            number += options.stride
            left -= 1
        }
        counter.beat += 1
        try await fuzzer.finish()
    }

    /// Ends this process and removes its folder when the watcher ends.
    private static func endWithWatch(_ folder: String) {
        _ = fcntl(lifelineDescriptor, F_SETFD, FD_CLOEXEC)
        signal(SIGPIPE, SIG_IGN)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Folder(path: folder)).toOpaque()
        _ = pthread_create(
            &thread, nil,
            { argument in
                let folder = Unmanaged<Folder>.fromOpaque(argument!).takeRetainedValue()
                var byte: UInt8 = 0
                while read(FuzzChild.lifelineDescriptor, &byte, 1) < 0, errno == EINTR {}
                FuzzFiles.remove(folder.path)
                _exit(1)
            }, argument)
    }
    private final class Folder {
        let path: String
        init(path: String) { self.path = path }
    }

    /// Makes the system refuse more memory than any case needs, so that an unchecked size in a case shows at once, and the
    /// machine stays usable.
    private static func limitMemory(_ limit: Int) {
        guard let used = ProcessMemory(getpid())?.virtual else { return }
        let most = UInt(used + limit)
        var limits = rlimit(rlim_cur: most, rlim_max: most)
        setrlimit(__rlimit_resource_t(UInt32(RLIMIT_AS.rawValue)), &limits)
        limits = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(UInt32(RLIMIT_CORE.rawValue)), &limits)
    }
}

/// The processor time that a process has used, in seconds.
enum ProcessorTime {
    /// The processor time of this process.
    static var own: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
    static func seconds(_ process: pid_t) -> Double {
        guard let file = fopen("/proc/\(process)/stat", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 1024)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        // The process name may contain spaces, so fields are counted after its closing parenthesis.
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// A process's memory use, in bytes.
struct ProcessMemory {
    let virtual: Int
    let resident: Int

    init?(_ process: pid_t) {
        guard let file = fopen("/proc/\(process)/statm", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let numbers = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        guard numbers.count > 2 else { return nil }
        virtual = numbers[0] * Int(getpagesize())
        resident = numbers[1] * Int(getpagesize())
    }
}
