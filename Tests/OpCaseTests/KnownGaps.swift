/// Where Weir is known not to give what TensorFlow gives, and why. A case that is listed must differ: once it does not, its
/// line goes.
struct KnownGap {
    /// The op, and what the case's name begins with.
    let op: String
    var name = ""
    /// The schedules on which it differs.
    var schedules = Schedule.allCases
    let reason: String

    func covers(_ item: OpCase, _ schedule: Schedule) -> Bool {
        item.op == op && item.name.hasPrefix(name) && schedules.contains(schedule)
    }

    static let all: [KnownGap] = []
}
