import Testing

@testable import WeirTensor

@Suite("Partial shapes")
struct PartialShapeTests {
    @Test("merging learns from both and refuses contradictions")
    func merging() throws {
        #expect(try PartialShape([nil, 3]).merging([2, nil]) == [2, 3])
        #expect(try PartialShape.unknown.merging([2]) == [2])
        #expect(throws: Status.self) { try PartialShape([2]).merging([3]) }
        #expect(throws: Status.self) { try PartialShape([2]).merging([2, 1]) }
    }

    @Test("an unknown dimension broadcast against one that is not 1 becomes that one")
    func broadcasting() throws {
        #expect(try PartialShape([nil, 1]).broadcasting([4, 5]) == [4, 5])
        #expect(try PartialShape([nil]).broadcasting([1]) == [nil])
        #expect(try PartialShape([3, 1]).broadcasting([2]) == [3, 2])
        #expect(throws: Status.self) { try PartialShape([3]).broadcasting([2]) }
    }

    @Test("dimensions that no tensor has are as good as unknown, and too many elements are no shape")
    func impossible() {
        #expect(PartialShape([2, -3, 1 << 61, .max, 1 << 60]) == [2, nil, nil, nil, 1 << 60])
        #expect(PartialShape([0, 1 << 40, 1 << 40]).known == nil)
        #expect(PartialShape([1 << 60, 0]).elementCount == 0)
    }
}
