public import WeirTensor
import WeirWire

extension ClusterSpec {
    /// Parses a command-line argument: JSON, TensorFlow's flag syntax `job|host:port,host:port;job|…`, or `@FILE` with either in
    /// the file.
    /// - Throws: `invalidArgument` with one line that says what was expected and what was found; `notFound` for a missing file.
    public init(argument text: String) throws(Status) {
        let text = ClusterSpec.trimmed(text)
        guard text.hasPrefix("@") else {
            if text.hasPrefix("{") { try self.init(json: text) } else { try self.init(flag: text) }
            return
        }
        let path = String(text.dropFirst())
        let contents = ClusterSpec.trimmed(String(decoding: try ClusterSpec.contents(of: path), as: UTF8.self))
        do throws(Status) {
            guard !contents.hasPrefix("@") else {
                throw .invalidArgument("Cluster: a file may not name another, found \(ClusterSpec.quoted(contents))")
            }
            try self.init(argument: contents)
        } catch {
            throw Status(error.code, "\(path): \(error.message)")
        }
    }

    private static func contents(of path: String) throws(Status) -> [UInt8] {
        do throws(Status) {
            return try InputFile.contents(of: path)
        } catch {
            // Errors of the system have the form `path; reason`.
            let reason = error.message.hasPrefix("\(path); ") ? String(error.message.dropFirst(path.count + 2)) : error.message
            throw Status(error.code, "\(path): cannot be read: \(reason)")
        }
    }

    /// Parses TensorFlow's flag syntax: `ps|host:port;worker|host:port,host:port`.
    /// - Throws: `invalidArgument` for other text.
    public init(flag text: String) throws(Status) {
        var jobs: [String: [String]] = [:]
        for part in text.split(separator: ";") {
            let fields = part.split(separator: "|", omittingEmptySubsequences: false).map { ClusterSpec.trimmed($0) }
            guard fields.count == 2 else {
                throw ClusterSpec.malformed(ClusterSpec.quoted(part))
            }
            let addresses = fields[1].split(separator: ",", omittingEmptySubsequences: false).map {
                ClusterSpec.trimmed($0)
            }
            guard jobs.updateValue(addresses, forKey: fields[0]) == nil else {
                throw .invalidArgument("Cluster: job '\(fields[0])' is there more than once")
            }
        }
        guard !jobs.isEmpty else {
            throw ClusterSpec.malformed("nothing")
        }
        try self.init(jobs)
    }

    /// Parses `{"ps":["host:port"],"worker":{"3":"host:port"}}`, or an object with such a value for the key `cluster`, as in
    /// `TF_CONFIG`.
    /// - Throws: `invalidArgument` for other text.
    public init(json text: String) throws(Status) {
        func malformed(_ reason: String) -> Status {
            .invalidArgument(
                "Cluster: expected JSON such as {\"ps\":[\"host:port\"],\"worker\":[\"host:port\"]}, found \(ClusterSpec.quoted(text))\(reason)")
        }
        let whole: JSONValue
        do throws(Status) {
            whole = try JSONValue(parsing: text)
        } catch {
            throw malformed("; \(error.message.split(whereSeparator: \.isNewline).joined(separator: " "))")
        }
        guard case .object(let members) = whole else { throw malformed("") }
        // A job may be called `cluster`. The keys of a job are integers, and the keys of a cluster are not.
        if case .object(let jobs)? = whole["cluster"], jobs.isEmpty || !jobs.allSatisfy({ Int($0.key) != nil }) {
            try self.init(jobs)
        } else {
            try self.init(members)
        }
    }

    private init(_ members: [JSONValue.Member]) throws(Status) {
        var jobs: [String: [Int: String]] = [:]
        for member in members { jobs[member.key] = try ClusterSpec.tasks(member.value, of: member.key) }
        try self.init(jobs)
    }

    /// Returns the addresses of a job by task index. The value must be an array of addresses, or an object with task indices as
    /// keys.
    /// - Throws: `invalidArgument` for other values.
    private static func tasks(_ value: JSONValue, of job: String) throws(Status) -> [Int: String] {
        var tasks: [Int: String] = [:]
        func add(_ number: Int, _ value: JSONValue) throws(Status) {
            guard case .text(let address) = value else {
                throw .invalidArgument("Cluster: task \(number) of job '\(job)' must be a string \"host:port\"")
            }
            guard tasks.updateValue(address, forKey: number) == nil else {
                throw .invalidArgument("Cluster: task \(number) of job '\(job)' is there more than once")
            }
        }
        switch value {
        case .array(let addresses):
            for (number, address) in addresses.enumerated() { try add(number, address) }
        case .object(let numbered):
            for member in numbered {
                guard let number = Int(member.key) else {
                    throw .invalidArgument("Cluster: the tasks of job '\(job)' must have numbers for keys, found \(quoted(member.key))")
                }
                try add(number, member.value)
            }
        default:
            throw .invalidArgument(
                "Cluster: job '\(job)' must be an array of \"host:port\" or an object from task number to \"host:port\"")
        }
        return tasks
    }

    private static func malformed(_ found: String) -> Status {
        .invalidArgument("Cluster: expected JSON, @FILE, or job|host:port,… parts separated by ';', found \(found)")
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
