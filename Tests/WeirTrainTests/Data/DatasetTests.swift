import Synchronization
import Testing
import WeirTensor

@testable import WeirTrain

@Suite("Datasets")
struct DatasetTests {
    private func numbers(_ count: Int) throws -> Dataset { try Dataset(["x": Tensor((0..<count).map { Float($0) })]) }
    private func values(_ rows: [String: Tensor]?, _ name: String = "x") throws -> [Float] { try #require(rows?[name]).array(of: Float.self) }

    /// All batches, one after another.
    private func all(_ batches: BatchedDataset) async throws -> [[Float]] {
        var found: [[Float]] = []
        for try await batch in batches { found.append(try values(batch)) }
        return found
    }

    @Test("rows are read by number, of any type and shape")
    func rows() throws {
        let dataset = try Dataset(
            ["a": Tensor((0..<6).map { Int16($0) }, ofShape: [3, 2]), "s": Tensor(["x", "yy", ""] as [ByteString]), "e": Tensor([Float](), ofShape: [3, 0])])
        #expect(dataset.rowCount == 3 && dataset.columns.map(\.name) == ["a", "e", "s"] && dataset.isInMemory)
        let rows = try dataset.rows([2, 0, 2])
        #expect(rows["a"] == Tensor([Int16(4), 5, 0, 1, 4, 5], ofShape: [3, 2]))
        #expect(rows["s"] == Tensor(["", "x", ""] as [ByteString]) && rows["e"]?.shape == [3, 0])
        #expect(thrownStatus { _ = try dataset.rows([3]) }?.code == .outOfRange)
        #expect(thrownStatus { _ = try dataset.rows([-1]) }?.code == .outOfRange)
    }

    @Test("tensors that are no columns are refused, with the column that is wrong")
    func wrongColumns() throws {
        func message(_ tensors: [String: Tensor], classes: [String: [String]] = [:]) -> String {
            thrownStatus { _ = try Dataset(tensors, classes: classes) }?.message ?? "no error"
        }
        #expect(message([:]).contains("at least one column"))
        #expect(message(["a": Tensor(Float(1))]).contains("'a': expected rows"))
        #expect(message(["a": Tensor([Float(1)]), "b": Tensor([Float(1), 2])]).contains("'b': expected 1 rows, as column 'a' has, found 2"))
        #expect(message(["a": Tensor([Int32(2)])], classes: ["a": ["x", "y"]]).contains("from 0 to 1, found 2"))
        #expect(message(["a": Tensor([Float(0)])], classes: ["a": ["x"]]).contains("vector of integers"))
    }

    @Test("shards have each row once, and folds too")
    func parts() throws {
        let dataset = try numbers(11)
        let shards = try (0..<3).map { try values(dataset.shard(count: 3, index: $0).loaded().rows(0..<dataset.shard(count: 3, index: $0).rowCount)) }
        #expect(shards == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]])
        #expect(thrownStatus { _ = try dataset.shard(count: 3, index: 3) }?.code == .invalidArgument)
        #expect(thrownStatus { _ = try dataset.shard(count: 0, index: 0) }?.code == .invalidArgument)
        let tests = try (0..<4).flatMap { fold -> [Float] in
            let parts = try dataset.fold(fold, of: 4, seed: 5)
            #expect(parts.train.rowCount + parts.test.rowCount == 11)
            return try values(parts.test.rows(0..<parts.test.rowCount))
        }
        #expect(tests.sorted() == (0..<11).map(Float.init))
        // A selection of a selection.
        let some = try dataset.selecting([9, 7, 5]).selecting([2, 0])
        #expect(try values(some.rows([0, 1])) == [5, 9])
    }

    @Test("folds of a dataset have their share of each class, and are those of a table")
    func stratified() throws {
        let table = try Table.iris()
        for fold in 0..<3 {
            let expected = table.fold(fold, of: 3, seed: 4)
            let found = try Dataset(table).fold(fold, of: 3, seed: 4)
            #expect(try found.test.rows(0..<50)["features"]?.array(of: Float.self) == expected.test.values)
            #expect(try found.train.rows(0..<100)["features"]?.array(of: Float.self) == expected.train.values)
        }
    }

    @Test("batches have the rows in order, the last one what is left, and epochs follow")
    func batches() async throws {
        let dataset = try numbers(5)
        #expect(try await all(dataset.batch(2)) == [[0, 1], [2, 3], [4]])
        #expect(try await all(dataset.batch(2, dropRemainder: true).repeated(2)) == [[0, 1], [2, 3], [0, 1], [2, 3]])
        #expect(try await all(dataset.batch(9)) == [[0, 1, 2, 3, 4]])
        #expect(try await all(dataset.batch(9, dropRemainder: true)) == [])
        #expect(try await all(dataset.batch(2).repeated(0)) == [])
        #expect(try await all(dataset.selecting([Int]()).batch(2).repeated()) == [])
        #expect(try dataset.batch(2).batchCount == 3 && dataset.batch(2).repeated().batchCount == nil)
        #expect(thrownStatus { _ = try dataset.batch(0) }?.code == .invalidArgument)
    }

    @Test("a shuffled epoch has each row once, in another order in each, and one seed gives one order")
    func shuffled() async throws {
        let dataset = try numbers(20)
        let batches = try await all(dataset.shuffle(seed: 3).batch(5).repeated(3))
        let epochs = (0..<3).map { batches[$0 * 4..<($0 + 1) * 4].flatMap { $0 } }
        for epoch in epochs { #expect(epoch.sorted() == (0..<20).map(Float.init) && epoch != epoch.sorted()) }
        #expect(epochs[0] != epochs[1] && epochs[1] != epochs[2])
        #expect(try await all(dataset.shuffle(seed: 3).batch(5).repeated(3)) == batches)
        #expect(try await all(dataset.shuffle(seed: 4).batch(5).repeated(3)) != batches)
    }

    @Test("a window keeps rows near each other", arguments: [1, 4, 7, 20, 1000])
    func windows(_ window: Int) async throws {
        let order = try await all(numbers(20).shuffle(seed: 3, window: window).batch(20))[0]
        #expect(order.sorted() == (0..<20).map(Float.init))
        // Each window's rows come one after another.
        var windows = order.map { Int($0) / window }
        windows = windows.enumerated().filter { $0.offset == 0 || windows[$0.offset - 1] != $0.element }.map(\.element)
        #expect(Set(windows).count == windows.count)
    }

    @Test("batches of a table are those that trainings had before there were datasets", arguments: [7, 32, 150])
    func sameAsBefore(_ batchSize: Int) throws {
        let table = try Table.iris()
        let batches = try Dataset(table).shuffle(seed: 7920).batch(batchSize, dropRemainder: true).repeated()
        let maker = BatchMaker(batches)
        let perEpoch = 150 / batchSize
        for number in [0, 1, perEpoch - 1, perEpoch, 3 * perEpoch + 1] {
            // The rule of the first version, by itself.
            var generator = SplitMix(seed: 7920 &+ UInt64(number / perEpoch) &* 0xd134_2543_de82_ef95)
            let order = (0..<150).shuffled(using: &generator)
            let rows = table.rows(order[number % perEpoch * batchSize..<(number % perEpoch + 1) * batchSize])
            let found = try maker.batch(number)
            #expect(found["features"] == rows.featureTensor && found["labels"] == rows.labelTensor)
        }
    }

    @Test("reading goes on from a position with the very next row", arguments: [0, 1, 4, 5, 23])
    func position(_ number: Int) async throws {
        let batches = try numbers(21).shuffle(seed: 8).batch(4).repeated()
        for source in [batches, batches.prefetch(3, threads: 2)] {
            let whole = source.makeAsyncIterator()
            for _ in 0..<number { _ = try await whole.next() }
            #expect(whole.position == DatasetPosition(batch: number))
            let rest = try source.makeAsyncIterator(from: whole.position)
            for _ in 0..<7 {
                let (a, b) = (try await values(whole.next()), try await values(rest.next()))
                #expect(a == b)
            }
        }
        #expect(thrownStatus { _ = try batches.makeAsyncIterator(from: DatasetPosition(batch: -1)) }?.code == .invalidArgument)
        #expect(thrownStatus { _ = try batches.makeAsyncIterator(from: DatasetPosition(batch: .max)) }?.code == .invalidArgument)
    }

    @Test("a function makes rows on threads of its own, which keep their order", arguments: [1, 4])
    func mapped(_ threads: Int) async throws {
        let dataset = try numbers(50).map { row in
            let x = try row["x"]?.scalar(of: Float.self) ?? -1
            // Later rows are faster, so that threads overtake each other.
            var waste = 0.0
            for step in 0..<Int(50 - x) * 200 { waste += Double(step).squareRoot() }
            return ["x": Tensor([x * 2, waste.isNaN ? 1 : 0])]
        }
        #expect(dataset.columns == [DatasetColumn("x", .float32, [2])] && !dataset.isInMemory)
        let found = try await all(dataset.batch(3).prefetch(4, threads: threads)).flatMap { $0 }
        #expect(found == (0..<50).flatMap { [Float($0) * 2, 0] })
    }

    @Test("an error comes with its batch and names the row, and the batches after it follow")
    func mapErrors() async throws {
        let dataset = try numbers(6).map { row in
            if row["x"] == Tensor(Float(3)) { throw Status.dataLoss("three") }
            return row
        }
        let iterator = try dataset.batch(2).prefetch(1).makeAsyncIterator()
        #expect(try await values(iterator.next()) == [0, 1])
        let error = await #expect(throws: Status.self) { try await iterator.next() }
        #expect(error == .dataLoss("row 3: three"))
        #expect(try await values(iterator.next()) == [4, 5])
        #expect(try await iterator.next() == nil)
        // Another shape in a later row.
        let ragged = try numbers(2).map { row in row["x"] == Tensor(Float(0)) ? row : ["x": Tensor([Float(1)])] }
        #expect(thrownStatus { _ = try ragged.rows([1]) }?.message == "map: row 1, column 'x': expected float of shape [], found float of shape [1]")
        #expect(thrownStatus { _ = try numbers(0).map { $0 } }?.code == .invalidArgument)
    }

    @Test("only as many batches are read ahead as asked, and none after the iterator is closed")
    func readAhead() async throws {
        final class Counting: RowSource {
            let columns = [DatasetColumn("x", .float32)]
            let rowCount = 1000
            let isInMemory = false
            let read = Mutex(0)
            func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
                read.withLock { $0 += 1 }
                return ["x": Tensor(numbers.map { Float($0) })]
            }
        }
        let source = Counting()
        let iterator = try Dataset(source).batch(10).prefetch(3, threads: 2).makeAsyncIterator()
        for number in 0..<5 {
            #expect(try await values(iterator.next())[0] == Float(number * 10))
            #expect(source.read.withLock { $0 } <= number + 1 + 3)
        }
        iterator.close()
        let error = await #expect(throws: Status.self) { try await iterator.next() }
        #expect(error?.code == .cancelled && source.read.withLock { $0 } <= 8)
    }

    @Test("a reader that waits is let go when its task is cancelled, and when the iterator is closed", arguments: [false, true])
    func cancelled(_ closes: Bool) async throws {
        final class Waiting: RowSource {
            let columns = [DatasetColumn("x", .float32)]
            let rowCount = 4
            let isInMemory = false
            let begun = AsyncStream<Void>.makeStream()
            let isOpen = Mutex(false)
            func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
                begun.continuation.yield()
                // On a thread of the reader's own.
                while !isOpen.withLock({ $0 }) {}
                return ["x": Tensor(numbers.map { Float($0) })]
            }
        }
        let source = Waiting()
        let iterator = try Dataset(source).batch(2).makeAsyncIterator()
        let task = Task { try await iterator.next() }
        for await _ in source.begun.stream { break }
        if closes { iterator.close() } else { task.cancel() }
        let result = await task.result
        #expect(thrownStatus { _ = try result.get() }?.code == .cancelled)
        source.isOpen.withLock { $0 = true }
    }

    @Test("a source that does not return what it says is found out")
    func wrongSource() throws {
        struct Wrong: RowSource {
            let columns = [DatasetColumn("x", .float32, [2])]
            let rowCount = 3
            let isInMemory = true
            func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] { ["x": Tensor([Float(1)])] }
        }
        #expect(thrownStatus { _ = try Dataset(Wrong()).rows([0]) }?.message == "1 rows, column 'x': expected float of shape [1,2], found float of shape [1]")
    }

    @Test("columns are joined, renamed, kept and rescaled")
    func columns() throws {
        let dataset = try Dataset(["a": Tensor([Int64(1), 2]), "b": Tensor([Float(3), 4, 5, 6], ofShape: [2, 2]), "c": Tensor(["x", "y"] as [ByteString])])
        let joined = try dataset.joined(["b", "a"], as: "features")
        #expect(joined.columns == [DatasetColumn("c", .string), DatasetColumn("features", .float32, [3])])
        #expect(try joined.rows([0, 1])["features"] == Tensor([Float(3), 4, 1, 5, 6, 2], ofShape: [2, 3]))
        #expect(try joined.renamed(["c": "text"]).keeping(["text"]).rows([1]) == ["text": Tensor(["y"] as [ByteString])])
        #expect(try dataset.rescaled("a", scale: 2, offset: -1).rows([0, 1])["a"] == Tensor([Float(1), 3]))
        let standard = try dataset.standardized("b").rows([0, 1])["b"]
        // Means 4 and 5, and the deviations 1, 1, 1, 1.
        #expect(standard == Tensor([Float(-1), -1, 1, 1], ofShape: [2, 2]))
        #expect(thrownStatus { _ = try dataset.joined(["a", "c"], as: "d") }?.message == "Column 'c': expected numbers, found string")
        #expect(thrownStatus { _ = try dataset.joined(["a"], as: "c") }?.code == .invalidArgument)
        #expect(thrownStatus { _ = try dataset.keeping(["d"]) }?.message.contains("no column 'd'") == true)
        #expect(thrownStatus { _ = try dataset.renamed(["a": "b"]) }?.message == "The dataset would have two columns 'b'")
        #expect(thrownStatus { _ = try dataset.standardized("a", like: dataset.selecting([Int]())) }?.code == .invalidArgument)
    }

    @Test("numbers become those of an input's type, and those that do not fit are refused")
    func conversion() throws {
        #expect(try Tensor([UInt8(0), 255]).converted(to: .float32, "x") == Tensor([Float(0), 255]))
        #expect(try Tensor([Int64(-3), 7]).converted(to: .float64, "x") == Tensor([Double(-3), 7]))
        #expect(try Tensor([Float(1.5)]).converted(to: .float64, "x") == Tensor([1.5]))
        #expect(try Tensor([1.5]).converted(to: .bfloat16, "x") == Tensor([BFloat16(1.5)]))
        #expect(try Tensor([true, false]).converted(to: .int32, "x") == Tensor([Int32(1), 0]))
        #expect(try Tensor([Int32(5)]).converted(to: .uint64, "x") == Tensor([UInt64(5)]))
        #expect(
            thrownStatus { _ = try Tensor([Int64(300)]).converted(to: .uint8, "x") }?.message
                == "Column 'x': expected values from 0 to 255 for an input of uint8, found 300")
        #expect(thrownStatus { _ = try Tensor([UInt64.max]).converted(to: .int64, "x") }?.code == .invalidArgument)
        #expect(thrownStatus { _ = try Tensor([Float(1)]).converted(to: .int32, "x") }?.code == .invalidArgument)
        #expect(thrownStatus { _ = try Tensor(["1"] as [ByteString]).converted(to: .float32, "x") }?.code == .invalidArgument)
    }
}
