import WeirKernels
import WeirTensor

/// What a queue keeps its elements in; decides the order in which they come out.
protocol ElementStore: Sendable {
    var count: Int { get }
    mutating func insert(_ element: QueueElement)
    /// Takes the element that is next. There must be one.
    mutating func take() -> QueueElement
    /// Puts elements back that were taken in this order.
    mutating func giveBack(_ elements: [QueueElement])
}

/// One tensor a component.
typealias QueueElement = [Tensor]

/// First in, first out.
struct FirstInFirstOutStore: ElementStore {
    private var elements = RingBuffer<QueueElement>()
    var count: Int { elements.count }
    mutating func insert(_ element: QueueElement) { elements.append(element) }
    mutating func take() -> QueueElement { elements.popFirst() ?? [] }
    mutating func giveBack(_ taken: [QueueElement]) { for element in taken.reversed() { elements.prepend(element) } }
}

/// A random one first: the choices are TensorFlow's for the same seeds.
struct ShuffleStore: ElementStore {
    private var elements: [QueueElement] = []
    private var words: PhiloxWords

    init(_ generator: Philox) { words = PhiloxWords(generator) }

    var count: Int { elements.count }
    mutating func insert(_ element: QueueElement) { elements.append(element) }
    mutating func take() -> QueueElement {
        guard !elements.isEmpty else { return [] }
        // Zero stands for 2^32 elements, of which a word can name each.
        let size = UInt32(truncatingIfNeeded: elements.count)
        let word = words.next()
        let index = Int(size == 0 ? word : word % size)
        let element = elements[index]
        elements[index] = elements[elements.count - 1]
        elements.removeLast()
        return element
    }
    mutating func giveBack(_ taken: [QueueElement]) { elements.append(contentsOf: taken.reversed()) }
}

/// The element whose first component, an `int64`, is lowest comes first; among equals the one that came first.
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
        // Whoever enqueues has seen to it that the priority is there.
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
    mutating func giveBack(_ taken: [QueueElement]) { for element in taken { insert(element) } }
}
