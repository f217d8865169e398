/// A double-ended queue with appends and removals at both ends in amortized constant time.
struct RingBuffer<Element> {
    private var slots: [Element?] = []
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var first: Element? { isEmpty ? nil : slots[head] }

    /// The element at `index`, counted from the front. `index` must be in `0..<count`.
    subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count)
            return slots[place(index)]!
        }
        set {
            precondition(index >= 0 && index < count)
            slots[place(index)] = newValue
        }
    }

    mutating func append(_ element: Element) {
        growIfFull()
        slots[place(count)] = element
        count += 1
    }
    mutating func prepend(_ element: Element) {
        growIfFull()
        head = head == 0 ? slots.count - 1 : head - 1
        slots[head] = element
        count += 1
    }
    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head]
        slots[head] = nil
        head = head + 1 == slots.count ? 0 : head + 1
        count -= 1
        return element
    }
    /// Removes the element at `index`. Takes linear time.
    mutating func remove(at index: Int) -> Element {
        let element = self[index]
        for position in index..<count - 1 { self[position] = self[position + 1] }
        slots[place(count - 1)] = nil
        count -= 1
        return element
    }
    /// Returns the index of the first element for which `predicate` is true.
    func firstIndex(where predicate: (Element) -> Bool) -> Int? { (0..<count).first { predicate(self[$0]) } }

    private func place(_ index: Int) -> Int {
        let place = head + index
        return place < slots.count ? place : place - slots.count
    }
    private mutating func growIfFull() {
        guard count == slots.count else { return }
        var grown: [Element?] = []
        grown.reserveCapacity(max(4, count * 2))
        for index in 0..<count { grown.append(slots[place(index)]) }
        grown.append(contentsOf: repeatElement(nil, count: max(4, count)))
        slots = grown
        head = 0
    }
}
extension RingBuffer: Sendable where Element: Sendable {}
