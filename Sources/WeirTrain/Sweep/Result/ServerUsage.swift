/// How a sweep used the time of a server. It counts the last run of the sweep only, not those that were interrupted before.
public struct ServerUsage: Hashable, Sendable {
    /// The server.
    public let server: SweepServer
    /// The number of runs of trials that started on it.
    public let runCount: Int
    /// How often it was lost.
    public let lossCount: Int
    /// The time in which it ran trials.
    public let busySeconds: Double
    /// The time in which it was lost.
    public let lostSeconds: Double
    /// The time from the sweep's start to its end.
    public let seconds: Double

    /// The share of the time in which it ran trials, of the time in which it was not lost: from 0 to 1.
    public var busyShare: Double { ServerUsage.busyShare([self]) }

    /// The share of the time of several servers in which they ran trials, of the time in which they were not lost.
    static func busyShare(_ servers: [ServerUsage]) -> Double {
        let available = servers.reduce(0) { $0 + $1.seconds - $1.lostSeconds }
        return available > 0 ? servers.reduce(0) { $0 + $1.busySeconds } / available : 0
    }
}
