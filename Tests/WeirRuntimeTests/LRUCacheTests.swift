import Testing

@testable import WeirRuntime

@Suite("Tables with eviction")
struct LRUCacheTests {
    @Test("the least recently used entry is evicted first")
    func order() {
        var table = LRUCache<String, Int>(capacity: 3)
        for (index, key) in ["a", "b", "c"].enumerated() { #expect(table.insert(key, index).isEmpty) }
        #expect(table.use("a") == 0)
        #expect(table.peek("b") == 1)
        #expect(table.insert("d", 3) == [1])
        #expect(table.insert("e", 4) == [2])
        #expect(table.use("a") == 0 && table.use("b") == nil && table.count == 3)
        #expect(table.insert("a", 7) == [0])
        #expect(table.remove("a") == 7 && table.remove("a") == nil && table.count == 2)
    }

    @Test("entries are evicted until the weights fit; the new entry always stays")
    func weights() {
        var table = LRUCache<Int, Int>(capacity: 100, weight: 10)
        for key in 0..<5 { #expect(table.insert(key, key, weight: 2).isEmpty) }
        #expect(table.insert(5, 5, weight: 3) == [0, 1])
        #expect(table.weight == 9)
        #expect(table.insert(6, 6, weight: 50).count == 4)
        #expect(table.count == 1 && table.use(6) == 6)
    }

    @Test("entries in use are not evicted, even above the capacity")
    func busy() {
        var table = LRUCache<Int, Int>(capacity: 2)
        for key in 0..<10 { #expect(table.insert(key, key, sparing: { _ in true }).isEmpty) }
        #expect(table.count == 10)
        // Without entries in use the table shrinks again.
        let gone = table.insert(10, 10)
        #expect(gone.count == 9 && !gone.contains(10) && table.count == 2)
    }

    @Test("internal storage stays bounded over many inserts")
    func churn() {
        var table = LRUCache<Int, Int>(capacity: 1000)
        var gone = 0
        for key in 0..<200_000 {
            gone += table.insert(key, key).count
            if key % 3 == 0 { table.remove(key) }
            _ = table.use(key - key % 7)
        }
        #expect(table.count <= 1000)
        #expect(table.entries.count <= 1001 && table.free.count <= 1001)
        #expect(table.removeAll().count + gone + 66_667 == 200_000)
        #expect(table.isEmpty && table.weight == 0)
    }
}
