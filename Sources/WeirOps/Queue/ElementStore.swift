import WeirKernels
import WeirTensor

/// The container of a queue's elements. It determines their order.
protocol ElementStore: Sendable {
    var count: Int { get }
    mutating func insert(_ element: QueueElement)
    /// Removes and returns the next element. The store must not be empty.
    mutating func take() -> QueueElement
    /// Puts back elements that were taken in this order.
    mutating func putBack(_ elements: [QueueElement])
}

/// The tensors of one element, one for each component.
typealias QueueElement = [Tensor]

/// A store in the order of insertion (`FIFOQueue`).
struct FirstInFirstOutStore: ElementStore {
    private var elements = RingBuffer<QueueElement>()
    var count: Int { elements.count }
    mutating func insert(_ element: QueueElement) { elements.append(element) }
    mutating func take() -> QueueElement { elements.popFirst() ?? [] }
    mutating func putBack(_ taken: [QueueElement]) { for element in taken.reversed() { elements.prepend(element) } }
}

/// A store in random order (`RandomShuffleQueue`). For equal seeds the order is the same as TensorFlow's.
struct ShuffleStore: ElementStore {
    private var elements: [QueueElement] = []
    private var words: PhiloxWords

    init(_ generator: Philox) { words = PhiloxWords(generator) }

    var count: Int { elements.count }
    mutating func insert(_ element: QueueElement) { elements.append(element) }
    mutating func take() -> QueueElement {
        guard !elements.isEmpty else { return [] }
        // The word selects the index modulo the count. A truncated count of 0 means 2^32 elements, so that the word is the
        // index.
        let size = UInt32(truncatingIfNeeded: elements.count)
        let word = words.next()
        let index = Int(size == 0 ? word : word % size)
        let element = elements[index]
        elements[index] = elements[elements.count - 1]
        elements.removeLast()
        return element
    }
    mutating func putBack(_ taken: [QueueElement]) { elements.append(contentsOf: taken.reversed()) }
}

/// A store ordered by the first component, an `int64`, the lowest first (`PriorityQueue`). Equal elements keep the order of
/// insertion.
struct PriorityStore: ElementStore {
    private struct Entry {
        var priority: Int64
        var order: Int
        var element: QueueElement
        func precedes(_ other: Entry) -> Bool {
            priority != other.priority ? priority < other.priority : order < other.order
        }
    }
    private var heap: [Entry] = []
    private var inserted = 0

    var count: Int { heap.count }

    mutating func insert(_ element: QueueElement) {
        // The enqueue op has checked that there is a priority.
        heap.append(Entry(priority: (try? element.first?.scalar()) ?? 0, order: inserted, element: element))
        inserted += 1
        var child = heap.count - 1
        while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }
    mutating func take() -> QueueElement {
        guard !heap.isEmpty else { return [] }
        heap.swapAt(0, heap.count - 1)
        let entry = heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].precedes(heap[least]) {
                least = child
            }
            if least == parent { return entry.element }
            heap.swapAt(parent, least)
            parent = least
        }
    }
    mutating func putBack(_ taken: [QueueElement]) { for element in taken { insert(element) } }
}
