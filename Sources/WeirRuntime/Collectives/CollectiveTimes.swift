import WeirGraph
import WeirTensor

/// What a member passed to each other one in a traced run, and what it got, with the times.
///
/// All messages between two members in one direction are one transfer. A send is short, as that of a rendezvous: it ends when
/// the first message is on its way, because from then on elements move. A receive lasts until the last message is there. The members'
/// signatures are not counted: they are no part of a tensor.
struct CollectiveTimes {
    private struct Messages {
        var start: Int
        var end: Int
        var elementCount: Int
    }
    /// By the rank of the other member.
    private var sent: [Int: Messages] = [:]
    private var received: [Int: Messages] = [:]

    /// Adds a message that was given to the transport.
    mutating func send(to rank: Int, elementCount: Int, start: Int, end: Int) {
        sent[rank, default: Messages(start: start, end: end, elementCount: 0)].elementCount += elementCount
    }

    /// Notes that a message is asked for.
    mutating func expect(from rank: Int, at time: Int) {
        if received[rank] == nil { received[rank] = Messages(start: time, end: time, elementCount: 0) }
    }

    /// Adds a message that has arrived.
    mutating func receive(from rank: Int, elementCount: Int, at time: Int) {
        var messages = received[rank] ?? Messages(start: time, end: time, elementCount: 0)
        messages.end = max(messages.end, time)
        messages.elementCount += elementCount
        received[rank] = messages
    }

    /// Records a send and a receive for each other member.
    func record(_ operation: CollectiveOperation, _ membership: CollectiveTransfers.Membership, in trace: any StepTrace) {
        let device = operation.device.description
        func record(_ direction: TracedTransfer.Direction, _ name: String, _ messages: [Int: Messages]) {
            for (rank, messages) in messages.sorted(by: { $0.key < $1.key }) {
                trace.record(
                    TracedTransfer(
                        direction, node: "\(operation.node)/\(name)_\(rank)", edge: membership.run.edge, device: device,
                        peer: membership.group.members[rank].device.description, dtype: operation.dtype, elementCount: messages.elementCount,
                        start: messages.start, end: messages.end))
            }
        }
        record(.send, "_send", sent)
        record(.receive, "_recv", received)
    }
}
