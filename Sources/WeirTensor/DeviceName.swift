/// A full or partial device name, such as `/job:worker/replica:0/task:1/device:GPU:0`. A partial name serves as a pattern.
///
/// The grammar is TensorFlow's: parts may come in any order, the last of a repeated part wins, `*` leaves a part open, and
/// `/cpu:0` and `/gpu:0` are short for `/device:CPU:0` and `/device:GPU:0`. Types are case-sensitive.
public struct DeviceName: Sendable, Hashable {
    /// The job, such as `worker` or `ps`; nil when left open.
    public var job: String?
    /// The replica; nil when left open. Weir's own servers use replica 0.
    public var replica: Int?
    /// The task's index in its job; nil when left open.
    public var task: Int?
    /// The device type, such as `CPU` or `GPU`; nil when left open.
    public var type: String?
    /// The device's index among those of its type in the task; nil when left open.
    public var index: Int?

    /// Makes a name from its parts.
    public init(job: String? = nil, replica: Int? = nil, task: Int? = nil, type: String? = nil, index: Int? = nil) {
        self.job = job
        self.replica = replica
        self.task = task
        self.type = type
        self.index = index
    }

    /// Parses a full or partial name.
    /// - Throws: `invalidArgument` when the text is not a device name.
    public init(_ text: String) throws(Status) {
        self.init()
        if text.isEmpty || text == "/" { return }
        var malformed: Status {
            .invalidArgument(
                "Malformed device specification '\(text)'; expected parts such as /job:worker/replica:0/task:1/device:GPU:0")
        }
        guard text.hasPrefix("/") else { throw malformed }
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            func number(_ field: Substring) throws(Status) -> Int? {
                if field == "*" { return nil }
                guard let value = Int(field), value >= 0, field.allSatisfy({ $0.isASCII && $0.isNumber }) else { throw malformed }
                return value
            }
            func word(_ field: Substring) throws(Status) -> String? {
                if field == "*" { return nil }
                guard let first = field.utf8.first, isLetter(first), field.utf8.allSatisfy({ isLetter($0) || isDigit($0) || $0 == 95 })
                else { throw malformed }
                return String(field)
            }
            guard fields.count >= 2, let key = fields.first else { throw malformed }
            switch (key, fields.count) {
            case ("job", 2): job = try word(fields[1])
            case ("replica", 2): replica = try number(fields[1])
            case ("task", 2): task = try number(fields[1])
            case ("cpu", 2), ("CPU", 2):
                type = "CPU"
                index = try number(fields[1])
            case ("gpu", 2), ("GPU", 2):
                type = "GPU"
                index = try number(fields[1])
            case ("device", 2):
                type = try word(fields[1])
                index = nil
            case ("device", 3):
                type = try word(fields[1])
                index = try number(fields[2])
            default: throw malformed
            }
        }
    }

    private func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
    private func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }

    /// Whether every part is left open.
    public var isEmpty: Bool { job == nil && replica == nil && task == nil && type == nil && index == nil }
    /// Whether every part is given.
    public var isFull: Bool { job != nil && replica != nil && task != nil && type != nil && index != nil }
    /// The task's parts only: `/job:J/replica:R/task:T`.
    public var taskName: DeviceName { DeviceName(job: job, replica: replica, task: task) }
    /// The device's parts only: `/device:CPU:0`.
    public var localName: DeviceName { DeviceName(type: type, index: index) }

    /// Whether each part that the pattern gives equals this name's part.
    public func matches(_ pattern: DeviceName) -> Bool {
        (pattern.job == nil || pattern.job == job) && (pattern.replica == nil || pattern.replica == replica)
            && (pattern.task == nil || pattern.task == task) && (pattern.type == nil || pattern.type == type)
            && (pattern.index == nil || pattern.index == index)
    }
    /// Whether the parts that both names give are equal.
    public func isCompatible(with other: DeviceName) -> Bool {
        func agree<T: Equatable>(_ a: T?, _ b: T?) -> Bool { a == nil || b == nil || a == b }
        return agree(job, other.job) && agree(replica, other.replica) && agree(task, other.task)
            && agree(type, other.type) && agree(index, other.index)
    }
    /// Whether both names give the same job, replica and task.
    public func isSameTask(as other: DeviceName) -> Bool {
        job != nil && replica != nil && task != nil && job == other.job && replica == other.replica && task == other.task
    }

    /// This name, with its open parts taken from another name.
    /// - Throws: `invalidArgument` when a part differs. With `soft`, a different type or index is no error: the part is left open
    ///   (for a type also the index).
    public func merging(_ other: DeviceName, soft: Bool = false) throws(Status) -> DeviceName {
        func conflict(_ part: String) -> Status {
            .invalidArgument("Cannot merge devices with incompatible \(part): '\(self)' and '\(other)'")
        }
        func pick<T: Equatable>(_ a: T?, _ b: T?, _ part: String) throws(Status) -> T? {
            if let a, let b, a != b { throw conflict(part) }
            return a ?? b
        }
        var merged = DeviceName()
        merged.job = try pick(job, other.job, "jobs")
        merged.replica = try pick(replica, other.replica, "replicas")
        merged.task = try pick(task, other.task, "tasks")
        if let a = type, let b = other.type, a != b {
            if soft { return merged }
            throw conflict("types")
        }
        merged.type = type ?? other.type
        if let a = index, let b = other.index, a != b {
            if soft { return merged }
            throw conflict("ids")
        }
        merged.index = index ?? other.index
        return merged
    }

    /// This name, with every part that `other` gives taken from `other`: an inner device scope overrides an outer one.
    public func overridden(by other: DeviceName) -> DeviceName {
        DeviceName(
            job: other.job ?? job, replica: other.replica ?? replica, task: other.task ?? task,
            type: other.type ?? type, index: other.index ?? index)
    }
}

extension DeviceName: CustomStringConvertible {
    /// The canonical form, without the parts that are left open.
    public var description: String {
        var text = ""
        if let job { text += "/job:\(job)" }
        if let replica { text += "/replica:\(replica)" }
        if let task { text += "/task:\(task)" }
        if let type { text += "/device:\(type):" + (index.map(String.init) ?? "*") }
        return text
    }
}
