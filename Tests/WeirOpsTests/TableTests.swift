import Testing
import WeirGraph
import WeirTensor

import WeirOps
@testable import WeirStateOps

import Glibc

@Suite struct TableTests {
    private func words(_ texts: String...) -> Tensor { Tensor(texts.map { ByteString($0) }) }
    private func numbers(_ values: Int64...) -> Tensor { Tensor(values) }

    @Test func `a table that is filled once is looked up after that`() throws {
        let s = try TinySession()
        let t = s.builder.hashTable(.string, .int64, name: "t")
        let find = t.lookup(s.feed(Tensor(["a", "z"] as [ByteString], ofShape: [1, 2])), default: s.feed(Int64(-1)))
        #expect(try failure { try s.run(find) } == .failedPrecondition("Table not initialized."))
        #expect(try s.run(t.tableSize()) == Tensor(Int64(0)))
        let fill = t.initializeTable(s.feed(words("a", "b")), s.feed(numbers(1, 2)))
        try s.run(fill)
        #expect(try s.run(find) == Tensor([1, -1] as [Int64], ofShape: [1, 2]))
        #expect(try s.run(t.tableSize()) == Tensor(Int64(2)))
        // The same once more is no mistake.
        try s.run(fill)
        #expect(
            try failure { try s.run(t.initializeTable(s.feed(words("a")), s.feed(numbers(1)))) }
                == .failedPrecondition("Table was already initialized with different data."))
        #expect(
            try failure { try s.run(t.insertInTable(s.feed(words("a")), s.feed(numbers(1)))) }
                == .unimplemented("Insert not supported by InitializableLookupTable implementations"))
        let all = s.add("LookupTableExportV2", [t], ["Tkeys": .type(.string), "Tvalues": .type(.int64)])
        #expect(try s.run([all[0], all[1]]) == [words("a", "b"), numbers(1, 2)])
    }

    @Test func `a table with two values for a key stays empty`() throws {
        let s = try TinySession()
        let t = s.builder.hashTable(.string, .int64)
        #expect(
            try failure { try s.run(t.initializeTable(s.feed(words("a", "a")), s.feed(numbers(1, 2)))) }
                == .failedPrecondition(
                    "HashTable has different value for same key. Key a has 1 and trying to add value 2"))
        try s.run(t.initializeTable(s.feed(words("a", "a")), s.feed(numbers(1, 1))))
        #expect(try s.run(t.tableSize()) == Tensor(Int64(1)))
        let sizes = s.builder.hashTable(.string, .int64, name: "sizes")
        #expect(
            try failure { try s.run(sizes.initializeTable(s.feed(words("a", "b")), s.feed(numbers(1)))) }.message
                == "Keys and values must have the same size 2 vs 1")
        #expect(
            try failure { try s.run(sizes.initializeTable(s.feed(Tensor("a")), s.feed(Int64(1)))) }.message
                == "Keys must be a vector, but received shape[]")
        #expect(
            try failure { try s.run(sizes.initializeTable(s.feed(numbers(1)), s.feed(numbers(1)))) }.message
                == "Signature mismatch, have: resource, int64, int64-> expected: resource, string, int64->")
    }

    @Test func `a table that could not be filled is empty and can be filled with other keys`() throws {
        let table = try LookupTable(
            container: "localhost", name: "t", .initializable, .int64, .int64, storage: try FailingStorage())
        let status = try failure { try table.initialize(numbers(1, 2, 3), numbers(10, 20, 30)) }
        #expect(status.code == .resourceExhausted && !table.isInitialized)
        try table.initialize(numbers(4, 5), numbers(40, 50))
        #expect(table.count == 2)
        #expect(try table.find(numbers(1, 4, 5), Tensor(Int64(-1))) == numbers(-1, 40, 50))
    }

    @Test func `a mutable table takes, replaces and gives up entries`() throws {
        let s = try TinySession()
        let t = s.builder.mutableHashTable(.string, .int64, name: "t")
        try s.run(t.insertInTable(s.feed(words("a", "b", "c")), s.feed(numbers(1, 2, 3))))
        try s.run(t.insertInTable(s.feed(words("a")), s.feed(numbers(7))))
        try s.run(s.add("LookupTableRemoveV2", [t, s.feed(words("b", "zz"))]))
        #expect(try s.run(t.lookup(s.feed(words("a", "q")), default: s.feed(numbers(-1, -2)))) == numbers(7, -2))
        #expect(try s.run(t.lookup(s.feed(words("b", "c")), default: s.feed(Int64(-9)))) == numbers(-9, 3))
        #expect(try s.run(t.tableSize()) == Tensor(Int64(2)))
        #expect(
            try failure { try s.run(t.lookup(s.feed(words("a", "q")), default: s.feed(numbers(-1)))) }.message
                == "Expected shape [] or [2] for default value, got [1]")
        #expect(
            try failure { try s.run(t.insertInTable(s.feed(words("a", "b")), s.feed(numbers(1)))) }.message
                == "Expected shape [2] for value, got [1]")
        #expect(
            try failure { try s.run(t.initializeTable(s.feed(words("a")), s.feed(numbers(1)))) }.message
                == "Table localhost t is not initializable")
        try s.run(s.add("LookupTableImportV2", [t, s.feed(words("x")), s.feed(numbers(5))]))
        #expect(try s.run(t.tableSize()) == Tensor(Int64(1)))
        let wrong = s.add("LookupTableExportV2", [t], ["Tkeys": .type(.int64), "Tvalues": .type(.int64)])
        #expect(try failure { try s.run(wrong) }.code == .invalidArgument)
    }

    @Test func `values may be vectors, strings and variants`() throws {
        let s = try TinySession()
        let types: Attributes = [
            "key_dtype": .type(.int64), "value_dtype": .type(.string), "value_shape": .shape([2]),
        ]
        let t = s.add("MutableHashTableOfTensorsV2", [], types)[0]
        let pairs = Tensor(["a", "b", "c", "d"] as [ByteString], ofShape: [2, 2])
        try s.run(t.insertInTable(s.feed(numbers(1, 2)), s.feed(pairs)))
        let found = try s.run(t.lookup(s.feed(numbers(2, 3)), default: s.feed(words("x", "y"))))
        #expect(found == Tensor(["c", "d", "x", "y"] as [ByteString], ofShape: [2, 2]))
        #expect(
            try failure { try s.run(t.lookup(s.feed(numbers(2)), default: s.feed(Tensor("x")))) }.message
                == "Expected shape [2] or [1,2] for default value, got []")
        var scalar = types
        scalar["value_shape"] = .shape(.scalar)
        #expect(
            try failure { try s.run(s.add("MutableHashTableOfTensorsV2", [], scalar)) }.message
                == "Default value must be a vector, got shape []")
    }

    @Test func `tables are shared by name, with their types`() throws {
        let s = try TinySession()
        func table(_ op: String, _ value: DType) -> Output {
            s.add(op, [], ["key_dtype": .type(.string), "value_dtype": .type(value), "shared_name": "t"])[0]
        }
        let (a, b, other) = (table("HashTableV2", .int64), table("HashTableV2", .int64), table("HashTableV2", .string))
        try s.run(a.initializeTable(s.feed(words("a")), s.feed(numbers(1))))
        #expect(try s.run(b.tableSize()) == Tensor(Int64(1)))
        #expect(
            try failure { try s.run(other) }.message
                == "Conflicting key/value dtypes string->string with string-int64 for table t")
        let old = table("HashTable", .int64)
        let size = s.add("LookupTableSize", [old])[0]
        #expect(try s.run(size) == Tensor(Int64(1)))
        #expect(try s.run(old) == words("localhost", "t"))
        let find = s.add("LookupTableFind", [old, s.feed(words("a")), s.feed(Int64(0))])[0]
        #expect(try s.run(find) == numbers(1))
    }

    @Test func `tables without a name go with their kernel, anonymous ones with their handle`() throws {
        let s = try TinySession()
        let types: Attributes = ["key_dtype": .type(.int32), "value_dtype": .type(.float32)]
        try s.run(s.add("MutableHashTableV2", [], types))
        #expect(s.resources.count == 1)
        s.forgetKernels()
        #expect(s.resources.count == 0)
        let t = s.add("AnonymousMutableHashTable", [], types)[0]
        let insert = t.insertInTable(s.feed([1] as [Int32]), s.feed([2] as [Float]))
        let size = s.builder.controlDependencies([insert]) { t.tableSize() }
        #expect(try s.run(size) == Tensor(Int64(1)))
        #expect(try s.run(size) == Tensor(Int64(1)))
        #expect(s.resources.count == 0)
    }

    @Test func `a table grows`() throws {
        let s = try TinySession()
        let t = s.builder.mutableHashTable(.int64, .float32)
        let keys = (0..<5000).map { Int64($0) * 31 % 5003 }
        try s.run(t.insertInTable(s.feed(keys), s.feed(keys.map { Float($0) / 2 })))
        try s.run(s.add("LookupTableRemoveV2", [t, s.feed(Array(keys[0..<2500]))]))
        let found = try s.run(t.lookup(s.feed(keys), default: s.feed(Float(-1)))).floats
        #expect(found == keys.enumerated().map { $0 < 2500 ? -1 : Float($1) / 2 })
    }
}

/// A storage of int64 whose first insertion ends after one key, as if memory ran out.
private final class FailingStorage: TableStorage {
    private let storage: any TableStorage
    private var fails = true

    init() throws { storage = try makeTableStorage(.int64, .int64, .scalar) }

    var count: Int { storage.count }
    func find(_ keys: Tensor, _ fallback: Tensor, into output: Tensor) { storage.find(keys, fallback, into: output) }
    func insert(_ keys: Tensor, _ values: Tensor) throws {
        guard fails else { return try storage.insert(keys, values) }
        fails = false
        try storage.insert(keys.rows(0..<1), values.rows(0..<1))
        throw Status.resourceExhausted("no memory for the second key")
    }
    func remove(_ keys: Tensor) { storage.remove(keys) }
    func removeAll() { storage.removeAll() }
    func export() throws -> (keys: Tensor, values: Tensor) { try storage.export() }
    func conflict(_ keys: Tensor, _ values: Tensor) -> TableConflict? { storage.conflict(keys, values) }
}

@Suite struct VocabularyFileTests {
    private func exported(
        _ contents: String, _ types: (DType, DType) = (.string, .int64), key: Int = -2, value: Int = -1, size: Int = -1,
        delimiter: String = "\t", offset: Int = 0
    ) throws -> [Tensor?] {
        let path = "/tmp/weir-vocabulary-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let file = try #require(fopen(path, "w"))
        fputs(contents, file)
        fclose(file)
        defer { unlink(path) }
        let s = try TinySession()
        let t = s.builder.hashTable(types.0, types.1)
        try s.run(
            s.add(
                "InitializeTableFromTextFileV2", [t, s.feed(Tensor(path))],
                [
                    "key_index": .int(key), "value_index": .int(value), "vocab_size": .int(size),
                    "delimiter": .string(delimiter), "offset": .int(offset),
                ]))
        let all = s.add("LookupTableExportV2", [t], ["Tkeys": .type(types.0), "Tvalues": .type(types.1)])
        return try s.run([all[0], all[1]])
    }
    private func message(_ body: @autoclosure () throws -> [Tensor?]) throws -> String {
        try failure { _ = try body() }.message
    }

    @Test func `lines and their numbers`() throws {
        let expected = [Tensor(["a", "b", "c"] as [ByteString]), Tensor([0, 1, 2] as [Int64])]
        #expect(try exported("a\nb\nc\n") == expected)
        #expect(try exported("a\nb\nc") == expected)
        #expect(try exported("a\r\nb\r\nc") == expected)
        #expect(try exported("a\nb\nc\nd", size: 3) == expected)
        #expect(try exported("a\nb", offset: 5)[1] == Tensor([5, 6] as [Int64]))
    }

    @Test func `fields`() throws {
        #expect(
            try exported("a\t1\nb\t2\n", key: 0, value: 1)
                == [Tensor(["a", "b"] as [ByteString]), Tensor([1, 2] as [Int64])])
        #expect(
            try exported("7,x, 1.5 \n8,y,2\n", (.int32, .float32), key: 0, value: 2, delimiter: ",")
                == [Tensor([7, 8] as [Int32]), Tensor([1.5, 2] as [Float])])
    }

    @Test func `what is wrong with a file is said`() throws {
        #expect(try message(exported("a\n\nc\n")).hasSuffix("empty line found at position 3."))
        #expect(try message(exported("a\nb\nc\n", size: 5)).hasSuffix("expected 5 but got 3"))
        let short = try message(exported("a\t1\nb\n", key: 0, value: 1))
        #expect(short.hasSuffix("line 1 (b) : expected at least 2 got 1"))
        #expect(try message(exported("a\n", key: .max)).hasSuffix("expected at least 9223372036854775808 got 1"))
        #expect(try message(exported("a\tx\n", key: 0, value: 1)) == "Field x in line 0 is not a valid int64.")
        #expect(
            try message(exported("a\n", key: -1, value: -2))
                == "Key index for line number requires table key dtype of int64, got string")
        #expect(try message(exported("a\n", delimiter: "ab")) == "delimiter should be only 1 char")
        #expect(try failure { _ = try exported("") }.code == .outOfRange)
        let s = try TinySession()
        let t = s.builder.hashTable(.string, .int64)
        let nowhere = s.feed(Tensor("/nowhere/at/all"))
        #expect(try failure { try s.run(t.initializeTable(fromLinesOf: nowhere)) }.code == .notFound)
        #expect(
            try failure { try s.run(t.initializeTable(fromLinesOf: s.feed(Tensor("")))) }.message
                == "filename cannot be empty.")
    }
}

@Suite struct TableIndexTests {
    /// Does to an index what it does to a dictionary, and compares.
    private func compare<K: TableKey & Hashable>(_ type: K.Type, _ key: (Int) -> K) {
        var index = TableIndex<K>()
        var expected: [K: Int] = [:]
        var number = SystemRandomNumberGenerator()
        for _ in 0..<4000 {
            let key = key(Int.random(in: 0..<300, using: &number))
            if Int.random(in: 0..<3, using: &number) > 0 {
                if index.row(of: key) == nil {
                    expected[key] = index.keys.count
                    index.append(key)
                }
            } else {
                let row = index.remove(key)
                #expect(row == expected.removeValue(forKey: key))
                if let row, row < index.keys.count { expected[index.keys[row]] = row }
            }
        }
        #expect(index.keys.count == expected.count)
        for number in 0..<300 { #expect(index.row(of: key(number)) == expected[key(number)]) }
    }

    @Test func `keys come and go`() {
        compare(Int64.self) { Int64($0 &* 1 << 40) }
        compare(Int32.self) { Int32($0) }
        compare(ByteString.self) { ByteString(String(repeating: "x", count: $0 % 20) + "\($0)") }
        compare(Double.self) { Double($0) }
    }

    @Test func `zeros are one key, a NaN is none`() {
        var index = TableIndex<Float>()
        index.append(0)
        #expect(index.row(of: -0.0) == 0)
        index.append(.nan)
        index.append(.nan)
        #expect(index.row(of: .nan) == nil)
        #expect(index.remove(.nan) == nil)
        #expect(index.remove(0) == 0)
        #expect(index.keys.count == 2)
    }
}
