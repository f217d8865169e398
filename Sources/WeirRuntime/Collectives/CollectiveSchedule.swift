/// What one member of a group does in one run of a collective operation: which pieces of tensors it sends and receives, in which
/// order. A schedule is a value that is computed from numbers alone, so that an algorithm can be tested without threads.
///
/// The pieces are independent of each other, and the steps of one piece follow each other. So while one piece is added, others
/// are being sent and received. A schedule says nothing about elements: those of the members fit together because all compute
/// theirs from the same numbers.
package struct CollectiveSchedule: Sendable, Equatable {
    /// What is done with a tensor that is received.
    package enum Use: Sendable, Equatable {
        /// It is the piece's value.
        case copy
        /// It is combined with the piece's value. It is the left operand if it comes from lower ranks: so all members compute the
        /// same bits also where the operation is not commutative.
        case combine(receivedIsLower: Bool)
    }
    /// A part of a piece's work.
    package enum Step: Sendable, Equatable {
        /// Sends the piece's value to a rank.
        case send(to: Int, part: Int)
        /// Receives a tensor of the piece's size from a rank.
        case receive(from: Int, part: Int, Use)
        /// Copies the piece's value, which is the input's, to the result.
        case place
        /// Divides the piece's value by the number of members, if the reduction does.
        case divide
    }
    /// A range of elements that is sent in one message. Its value is first that of the input.
    package struct Piece: Sendable, Equatable {
        /// The elements of the member's input.
        package var input: Range<Int>
        /// The elements of the member's result that the piece's later values are written to, as many as `input`. If nil, the
        /// piece is not part of the result, and each later value has memory of its own.
        package var output: Range<Int>?
        /// What is done, in this order.
        package var steps: [Step]
        package init(_ range: Range<Int>, _ steps: [Step]) { (input, output, self.steps) = (range, range, steps) }
        package init(input: Range<Int>, output: Range<Int>?, _ steps: [Step]) { (self.input, self.output, self.steps) = (input, output, steps) }
    }

    package var pieces: [Piece]
    /// Whether a piece's value may be overwritten after it was sent, although the receiver may not have it yet. That is right if
    /// what overwrites it was computed from what was sent. Otherwise each new value gets memory of its own.
    package var overwritesSent = true

    package init(_ pieces: [Piece] = []) { self.pieces = pieces }

    /// A schedule of pieces that each belong to the segment of one rank, the owner.
    /// - Parameter scatters: whether the result has this rank's segment only.
    static func bySegment(
        _ extent: CollectiveExtent, scatters: Bool, _ steps: (_ owner: Int, _ piece: Int) -> [Step]
    ) -> CollectiveSchedule {
        var pieces: [Piece] = []
        for owner in 0..<extent.memberCount {
            let segment = extent.segment(of: owner)
            for range in extent.pieces(of: segment) {
                let shift = scatters ? segment.lowerBound : 0
                let output = scatters && owner != extent.rank ? nil : range.lowerBound - shift..<range.upperBound - shift
                pieces.append(Piece(input: range, output: output, steps(owner, pieces.count)))
            }
        }
        return CollectiveSchedule(pieces)
    }
}

/// The numbers that a schedule is computed from. All members have the same, but for the rank.
package struct CollectiveExtent: Sendable, Equatable {
    /// This member's rank.
    package var rank: Int
    /// The number of members.
    package var memberCount: Int
    /// The number of elements of each member's tensor.
    package var elementCount: Int
    /// The size of an element.
    package var elementByteCount: Int

    package init(rank: Int, memberCount: Int, elementCount: Int, elementByteCount: Int) {
        self.rank = rank
        self.memberCount = memberCount
        self.elementCount = elementCount
        self.elementByteCount = elementByteCount
    }

    /// The most bytes of a piece. While a piece is added, the next ones arrive, so there must be several of them; each message
    /// costs a few microseconds, in which a link moves tens of kilobytes; and a piece that was received is added while it is in
    /// the second-level cache.
    package static let pieceByteCount = 512 << 10
    /// The most pieces that one range is cut into, which bounds the messages that wait at a time.
    package static let maximumPieceCount = 64

    /// The size of each member's tensor.
    package var byteCount: Int { elementCount * elementByteCount }
    package var next: Int { rank + 1 == memberCount ? 0 : rank + 1 }
    package var previous: Int { rank == 0 ? memberCount - 1 : rank - 1 }

    /// The range of elements of which rank `owner` computes the result when the work is shared. The sizes differ by one element
    /// at the most, and are equal if the number of members divides that of the elements.
    package func segment(of owner: Int) -> Range<Int> {
        let (size, rest) = elementCount.quotientAndRemainder(dividingBy: memberCount)
        let start = size * owner + min(owner, rest)
        return start..<start + size + (owner < rest ? 1 : 0)
    }

    /// Cuts a range of elements into pieces; none if it is empty.
    package func pieces(of range: Range<Int>) -> [Range<Int>] {
        guard !range.isEmpty else { return [] }
        let most = max(CollectiveExtent.pieceByteCount / elementByteCount, 1)
        let count = min((range.count - 1) / most + 1, CollectiveExtent.maximumPieceCount)
        let (size, rest) = range.count.quotientAndRemainder(dividingBy: count)
        var start = range.lowerBound
        return (0..<count).map { index in
            defer { start += size + (index < rest ? 1 : 0) }
            return start..<start + size + (index < rest ? 1 : 0)
        }
    }

    /// The number of the tensor that carries a piece between two members. A piece passes between two members once in each
    /// phase; 0 is the number of the signature.
    package static func part(_ piece: Int, _ phase: Phase) -> Int { 1 + 2 * piece + phase.rawValue }
    /// The two halves of an operation.
    package enum Phase: Int {
        /// Toward the member that computes the result.
        case gathering = 0
        /// From it to the others.
        case spreading = 1
    }
}
