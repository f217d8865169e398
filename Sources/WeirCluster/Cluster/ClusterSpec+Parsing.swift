#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
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
        guard let whole = try? JSONDecoder().decode(ClusterJSON.self, from: Data(text.utf8)),
            case .object(let fields) = whole
        else {
            throw .invalidArgument(
                "Cluster: expected JSON such as {\"ps\":[\"host:port\"],\"worker\":[\"host:port\"]}, found "
                    + ClusterSpec.quoted(text))
        }
        // A job may be called `cluster`. The keys of a job are integers, and the keys of a cluster are not.
        if case .object(let jobs)? = fields["cluster"], jobs.isEmpty || !jobs.keys.allSatisfy({ Int($0) != nil }) {
            try self.init(jobs)
        } else {
            try self.init(fields)
        }
    }

    private init(_ fields: [String: ClusterJSON]) throws(Status) {
        var jobs: [String: [Int: String]] = [:]
        for (job, value) in fields { jobs[job] = try value.tasks(job) }
        try self.init(jobs)
    }

    private static func malformed(_ found: String) -> Status {
        .invalidArgument("Cluster: expected JSON, @FILE, or job|host:port,… parts separated by ';', found \(found)")
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// A JSON value, as far as a cluster may contain it. Numbers, booleans and null are `other`.
enum ClusterJSON: Decodable {
    case text(String)
    case array([ClusterJSON])
    case object([String: ClusterJSON])
    case other

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let elements = try? container.decode([ClusterJSON].self) {
            self = .array(elements)
        } else if let fields = try? container.decode([String: ClusterJSON].self) {
            self = .object(fields)
        } else {
            self = .other
        }
    }

    /// Returns the addresses of a job by task index. The value must be an array of addresses, or an object with task indices as
    /// keys.
    /// - Throws: `invalidArgument` for other values.
    func tasks(_ job: String) throws(Status) -> [Int: String] {
        var tasks: [Int: String] = [:]
        func add(_ number: Int, _ value: ClusterJSON) throws(Status) {
            guard case .text(let address) = value else {
                throw .invalidArgument("Cluster: task \(number) of job '\(job)' must be a string \"host:port\"")
            }
            guard tasks.updateValue(address, forKey: number) == nil else {
                throw .invalidArgument("Cluster: task \(number) of job '\(job)' is there more than once")
            }
        }
        switch self {
        case .array(let addresses):
            for (number, address) in addresses.enumerated() { try add(number, address) }
        case .object(let numbered):
            for (key, address) in numbered {
                guard let number = Int(key) else {
                    throw .invalidArgument(
                        "Cluster: the tasks of job '\(job)' must have numbers for keys, found "
                            + ClusterSpec.quoted(key))
                }
                try add(number, address)
            }
        case .text, .other:
            throw .invalidArgument(
                "Cluster: job '\(job)' must be an array of \"host:port\" or an object from task number to "
                    + "\"host:port\"")
        }
        return tasks
    }
}
