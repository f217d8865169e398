import Glibc

/// The watcher: starts child processes, detects cases that crash or stall one, reports them, and continues after them.
struct FuzzWatch<Kind: FuzzKind> {
    let options: FuzzOptions
    let extra: [String]
    private var groups: [String: (count: Int, first: Finding)] = [:]
    private var seed: UInt64 = 0
    /// The number of findings of one group to print; the rest are only counted.
    private let examples = 3

    init(options: FuzzOptions, extra: [String]) {
        self.options = options
        self.extra = extra
    }

    private struct Job {
        var child: ChildProcess
        var seen = -1
        var stallClock = StallClock()
        var first: Int
    }

    /// Measures the time since a process last made progress. A process that used the processor for most of that time counts as
    /// stalled earlier than one that waited, perhaps only for a processor.
    private struct StallClock {
        private var since = ContinuousClock.now
        private var used = 0.0
        mutating func restart(_ process: pid_t) {
            since = .now
            used = ProcessorTime.seconds(process)
        }
        func isOver(_ process: pid_t, isStarting: Bool, extra: Duration = .zero) -> Bool {
            let waited = ContinuousClock.now - since
            let limit: Duration = Kind.caseTimeout + extra + (isStarting ? .seconds(30) : .zero)
            guard waited > limit else { return false }
            return waited > limit * 3 || ProcessorTime.seconds(process) - used > 0.6 * (Kind.caseTimeout / .seconds(1))
        }
    }

    /// - Returns: the number of findings.
    mutating func run() throws -> Int {
        seed = options.seed ?? UInt64.random(in: 0 ... .max)
        let limit = options.cases ?? (options.seconds == nil ? 10_000 : Int.max)
        Console.line("\(Kind.name): seed \(seed)")
        let start = ContinuousClock.now
        let stride = options.jobs
        var (done, accepted) = (0, 0)
        func remaining(_ next: Int) -> Int { limit == .max ? .max : max(0, (options.from + limit - next + stride - 1) / stride) }
        var jobs: [Job] = []
        for offset in 0..<stride where remaining(options.from + offset) > 0 {
            let first = options.from + offset
            jobs.append(Job(child: try self.start(at: first, cases: remaining(first), since: start), first: first))
        }
        while !jobs.isEmpty {
            ChildProcess.wait(for: jobs.map(\.child))
            for index in jobs.indices.reversed() {
                let job = jobs[index]
                for finding in job.child.findings() { note(finding) }
                let counter = job.child.counter
                let beat = counter.begun &+ counter.beat &+ counter.done
                if beat != job.seen {
                    jobs[index].seen = beat
                    jobs[index].stallClock.restart(job.child.process)
                }
                var end = job.child.poll()
                var verdict: String?
                if end == nil, jobs[index].stallClock.isOver(job.child.process, isStarting: counter.begun < 0) {
                    end = job.child.kill()
                    verdict = "stalls: over \(Kind.caseTimeout)"
                } else if end == nil, let memory = ProcessMemory(job.child.process), memory.resident > Kind.memoryLimit {
                    end = job.child.kill()
                    verdict = "memory: over \(Kind.memoryLimit >> 20) MiB"
                }
                guard let end else { continue }
                for finding in job.child.findings() { note(finding) }
                done += counter.done
                accepted += counter.accepted
                let (begun, oldest) = (counter.begun, counter.oldest)
                let words = job.child.lastWords
                job.child.close()
                guard case .failure(let how) = end else {
                    jobs.remove(at: index)
                    continue
                }
                guard begun >= 0 else { throw FuzzFailure("a fuzzing process does not start: \(how)\n\(words.suffix(20).joined(separator: "\n"))") }
                try look(into: begun, since: oldest, verdict ?? how, words)
                let next = begun + stride
                let over = options.seconds.map { ContinuousClock.now - start > .seconds($0) } ?? false
                if remaining(next) > 0, !over {
                    jobs[index] = Job(child: try self.start(at: next, cases: remaining(next), since: start), first: next)
                } else {
                    jobs.remove(at: index)
                }
            }
        }
        summarize(done, accepted, ContinuousClock.now - start)
        return groups.values.reduce(0) { $0 + $1.count }
    }

    private func start(at first: Int, cases: Int, since start: ContinuousClock.Instant) throws -> ChildProcess {
        var arguments = [Kind.name, "--child", "--seed", "\(seed)", "--from", "\(first)", "--stride", "\(options.jobs)"] + extra
        arguments += ["--window", "\(options.window)"]
        if cases != .max { arguments += ["--cases", "\(cases)"] }
        if let seconds = options.seconds {
            let passed = (ContinuousClock.now - start) / .seconds(1)
            arguments += ["--seconds", "\(max(0, seconds - passed))"]
        }
        if options.explain { arguments.append("--explain") }
        return try ChildProcess(arguments, backtrace: false, explains: options.explain)
    }

    /// Runs again, each alone, the cases that may have crashed a process, and notes those that crash alone.
    private mutating func look(into begun: Int, since oldest: Int, _ how: String, _ words: [String]) throws {
        let first = options.window > 1 && oldest > begun - 4096 * options.jobs && oldest >= 0 && oldest <= begun ? oldest : begun
        var isExplained = false
        for number in Swift.stride(from: first, through: begun, by: options.jobs) {
            let child = try ChildProcess(
                [Kind.name, "--child", "--explain", "--seed", "\(seed)", "--from", "\(number)", "--cases", "1", "--window", "1"] + extra,
                backtrace: options.backtrace)
            var end: ChildProcess.End?
            let clock = StallClock()
            while end == nil {
                ChildProcess.wait(for: [child])
                end = child.poll()
                _ = child.findings()
                if end == nil, clock.isOver(child.process, isStarting: child.counter.begun < 0, extra: options.backtrace ? .seconds(120) : .seconds(1)) {
                    _ = child.kill()
                    end = .failure("stalls: over \(Kind.caseTimeout)")
                } else if end == nil, let memory = ProcessMemory(child.process), memory.resident > Kind.memoryLimit {
                    _ = child.kill()
                    end = .failure("memory: over \(Kind.memoryLimit >> 20) MiB")
                }
            }
            _ = child.findings()
            if case .failure(let how)? = end {
                let explanation = child.explanations.last ?? "CASE\t\(number)\t?"
                let text = explanation.split(separator: "\t", maxSplits: 2).last.map(String.init) ?? ""
                let phase = child.phase.isEmpty ? "" : " in \(child.phase)"
                note(
                    Finding(
                        number, "\(text.prefix { $0 != " " }): \(how)\(phase)", "\(text.prefix(800)) \(FuzzWatch.trace(child.lastWords, options.backtrace))"))
                isExplained = true
            }
            child.close()
        }
        // Swift crashes when memory is refused. Earlier cases may have used up the limit, so the last one is not to blame.
        let lacksMemory = words.contains { $0.firstRange(of: "atal error: failed to allocate") != nil }
        if !isExplained, lacksMemory {
            Console.line("a process had no memory left after cases \(first)...\(begun); another goes on")
        } else if !isExplained {
            note(Finding(begun, "not alone: \(how)", "cases \(first)...\(begun) together \(FuzzWatch.trace(words, options.backtrace))"))
        }
    }

    /// The output lines that say why a process crashed.
    private static func trace(_ words: [String], _ all: Bool) -> String {
        let start = words.firstIndex { $0.hasPrefix("***") || $0.firstRange(of: "atal error") != nil }
        guard let start else { return words.suffix(all ? 40 : 2).joined(separator: "\n    ") }
        return words[start...].prefix(all ? 60 : 3).joined(separator: "\n    ")
    }

    private mutating func note(_ finding: Finding) {
        let count = (groups[finding.group]?.count ?? 0) + 1
        groups[finding.group] = (count, groups[finding.group]?.first ?? finding)
        guard count <= examples else { return }
        Console.line(
            """
            FOUND \(finding.group)
                \(finding.text)
                weir-fuzz \(Kind.name) --seed \(seed) --from \(finding.number) --cases 1 --explain\(extra.isEmpty ? "" : " " + extra.joined(separator: " "))
            """)
    }

    private func summarize(_ done: Int, _ accepted: Int, _ time: Duration) {
        let seconds = time / .seconds(1)
        let rate = seconds > 0 ? Int(Double(done) / seconds) : 0
        Console.line(
            "\(Kind.name): \(done) cases in \(Int(seconds)) s, \(rate)/s, \(done > 0 ? accepted * 100 / done : 0) % of them past the first check, "
                + "\(groups.values.reduce(0) { $0 + $1.count }) findings of \(groups.count) groups, seed \(seed)")
        for (group, found) in groups.sorted(by: { $0.value.count > $1.value.count }) {
            Console.line("  \(found.count) x \(group) (first: case \(found.first.number))")
        }
    }
}
