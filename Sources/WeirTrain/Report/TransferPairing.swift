/// Finds the two ends of each tensor that moved.
///
/// A loop sends on one channel several times. The k-th receive to end belongs to the k-th send to start. When iterations
/// overtake each other the two may be of different iterations, but k tensors had been sent when k had arrived.
struct TransferPairing {
    /// What a send and its receive have in common.
    struct Channel: Hashable {
        let edge: String
        /// The whole names of the devices.
        let source: String
        let destination: String
    }
    private struct End {
        let number: Int
        let time: Int
        static func < (a: End, b: End) -> Bool { (a.time, a.number) < (b.time, b.number) }
    }
    private var sends: [Channel: [End]] = [:]
    private var receives: [Channel: [End]] = [:]

    /// Adds a send.
    /// - Parameter number: what the result calls it.
    mutating func addSend(_ number: Int, on channel: Channel, start: Int) { sends[channel, default: []].append(End(number: number, time: start)) }

    /// Adds a receive.
    /// - Parameter number: what the result calls it.
    mutating func addReceive(_ number: Int, on channel: Channel, end: Int) { receives[channel, default: []].append(End(number: number, time: end)) }

    /// The pairs by the numbers of their receives, and the ends that have no other end.
    func result() -> (pairs: [(send: Int, receive: Int)], unpaired: [Int]) {
        var pairs: [(send: Int, receive: Int)] = []
        var unpaired: [Int] = []
        for channel in Set(sends.keys).union(receives.keys) {
            let first = (sends[channel] ?? []).sorted(by: <), last = (receives[channel] ?? []).sorted(by: <)
            pairs += zip(first, last).map { (send: $0.number, receive: $1.number) }
            unpaired += (first.dropFirst(last.count) + last.dropFirst(first.count)).map(\.number)
        }
        return (pairs.sorted { $0.receive < $1.receive }, unpaired.sorted())
    }

    /// The pairs of ends of different timelines, and the ends without the other one, as indices of the ends.
    /// - Parameter interval: the run of the end at an index.
    static func pairs(of ends: [StepTimeline.TransferEnd], _ interval: (Int) -> StepTimeline.Interval)
        -> (pairs: [(send: Int, receive: Int)], unpaired: [Int])
    {
        var pairing = TransferPairing()
        for (number, end) in ends.enumerated() {
            let channel = Channel(edge: end.edge, source: end.source, destination: end.destination)
            if end.isSend {
                pairing.addSend(number, on: channel, start: interval(number).start)
            } else {
                pairing.addReceive(number, on: channel, end: interval(number).end)
            }
        }
        return pairing.result()
    }
}
