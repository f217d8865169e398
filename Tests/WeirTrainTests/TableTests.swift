import Testing
import WeirTensor

@testable import WeirTrain

@Suite("Tables of data")
struct TableTests {
    @Test(
        "a mistake is told with its row and column",
        arguments: [
            ("", "header"), ("a,b\n", "rows"), ("a,b\n1,x\n2\n", "row 3"), ("a,b\n1,x\nz,y\n", "row 3, column 1"), ("a,b\n1,x\n2,x\n", "two different labels"),
            ("a,b\n1,\n", "column 2"), ("a;b\n1;x\n", "separated by commas, found ';'"), ("a\tb\n", "separated by commas, found '\\t'"),
        ])
    func mistakes(_ sample: (text: String, expected: String)) {
        do {
            _ = try Table(csv: sample.text, source: "data.csv")
            Issue.record("'\(sample.text)' must be refused")
        } catch {
            #expect(Status(error).message.contains(sample.expected), "\(error)")
        }
    }

    @Test("a table is standardized like another of as many features")
    func standardized() throws {
        let split = try Table.iris().fold(0, of: 5, seed: 1)
        let train = try split.train.standardized(like: split.train)
        #expect(abs(train.features.reduce(0) { $0 + $1[0] } / Float(train.rowCount)) < 1e-4)
        #expect(try split.test.standardized(like: split.train).features == split.test.standardized(split.train.moments).features)
        let narrow = try Table(csv: "a,b\n1,x\n2,y\n", source: "data.csv")
        let error = #expect(throws: Status.self) { try narrow.standardized(like: split.train) }
        #expect(error?.message == "standardized: expected a table of 1 features, found 4")
    }

    @Test("the digits are the 1,797 images of the CSV file, pixel by pixel")
    func digits() throws {
        let digits = try Table.digits()
        #expect(digits.rowCount == 1797 && digits.featureCount == 64 && digits.classes == (0...9).map { "\($0)" })
        #expect(digits.features[0].prefix(14) == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15] && digits.labels[0] == 0)
        #expect(digits.features.allSatisfy { row in row.allSatisfy { (0...16).contains($0) } })
        // Sums over the file: of the pixels, of the pixels times their rows, and of the labels times theirs.
        let sums = zip(digits.features, digits.labels).enumerated().reduce(into: (0, 0, 0)) { sums, entry in
            let pixels = Int(entry.element.0.reduce(0, +))
            sums = (sums.0 + pixels, sums.1 + entry.offset * pixels, sums.2 + entry.offset * Int(entry.element.1))
        }
        #expect(sums == (561718, 503342547, 7264791))
    }

    @Test("rows of a table are copied in order")
    func rows() throws {
        let table = try Table(csv: "a,b,c\n1,2,x\n3,4,y\n5,6,x\n", source: "data.csv")
        let part = table.rows([2, 0])
        #expect(part.features == [[5, 6], [1, 2]] && part.labels == [0, 0] && part.classes == ["x", "y"])
        #expect(part.featureTensor == Tensor([5, 6, 1, 2] as [Float], ofShape: [2, 2]))
    }

    @Test("each fold has its share of each class, and one seed gives the same rows")
    func folds() throws {
        let iris = try Table.iris()
        let (train, test) = iris.fold(0, of: 5, seed: 1)
        #expect(train.rowCount == 120 && test.rowCount == 30)
        for label in 0..<3 { #expect(test.labels.count { $0 == label } == 10) }
        #expect(iris.fold(0, of: 5, seed: 1).test.features == test.features)
        #expect(iris.fold(0, of: 5, seed: 2).test.features != test.features)
    }

    @Test("every row is held out once, whatever the number of folds", arguments: [2, 4, 7, 150])
    func everyRow(_ count: Int) throws {
        let iris = try Table.iris()
        let folds = (0..<count).map { iris.fold($0, of: count, seed: 3) }
        func sorted(_ rows: [[Float]]) -> [[Float]] { rows.sorted { $0.lexicographicallyPrecedes($1) } }
        #expect(sorted(folds.flatMap(\.test.features)) == sorted(iris.features))
        #expect(folds.allSatisfy { $0.train.rowCount + $0.test.rowCount == 150 && abs($0.test.rowCount * count - 150) < count })
    }

    @Test("variables go to parameter servers in turn, or to the lightest")
    func deviceSetter() {
        func place(_ setter: ReplicaDeviceSetter, _ count: Int) -> String {
            setter.device(
                .init(
                    name: "v", op: "VarHandleOp", attributes: ["shape": .shape([count]), "dtype": .type(.float32)]))
        }
        let inTurn = ReplicaDeviceSetter(parameterServers: 2, worker: "/job:worker/task:0")
        #expect((0..<3).map { _ in place(inTurn, 4) } == ["/job:ps/task:0", "/job:ps/task:1", "/job:ps/task:0"])
        let byBytes = ReplicaDeviceSetter(parameterServers: 2, worker: "/job:worker/task:0", balance: .bytes)
        #expect([100, 4, 4].map { place(byBytes, $0) } == ["/job:ps/task:0", "/job:ps/task:1", "/job:ps/task:1"])
        #expect(inTurn.device(.init(name: "m", op: "MatMul")) == "/job:worker/task:0")
    }
}
