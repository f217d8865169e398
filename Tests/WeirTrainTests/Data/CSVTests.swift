import Testing
import WeirTensor
import WeirWire

@testable import WeirTrain

@Suite("CSV files")
struct CSVTests {
    private func records(_ text: String, delimiter: UInt8 = UInt8(ascii: ",")) throws -> [[String]] {
        var parser = CSVParser(Array(text.utf8), delimiter: delimiter, source: "x.csv")
        var found: [[String]] = []
        while let record = try parser.next() { found.append(record.fields.map(\.text)) }
        return found
    }
    private func dataset(_ text: String, _ options: CSVOptions = CSVOptions()) throws -> Dataset {
        try Dataset(csv: Array(text.utf8), source: "x.csv", options)
    }
    private func message(_ text: String, _ options: CSVOptions = CSVOptions()) -> String {
        thrownStatus { _ = try dataset(text, options) }?.message ?? "no error"
    }

    @Test("fields are quoted as RFC 4180 says, and lines end in any of three ways")
    func quoting() throws {
        #expect(try records("a,\"b,\"\"c\"\"\",d\r\n\"two\nlines\", e ,\n\n   \nlast") == [["a", "b,\"c\"", "d"], ["two\nlines", "e", ""], ["last"]])
        #expect(try records("a\rb\r\rc") == [["a"], ["b"], ["c"]])
        #expect(try records("\u{feff}a,b\n") == [["a", "b"]])
        #expect(try records("\"\"\n") == [[""]])
        #expect(try records("1\t 2 \t\n", delimiter: 9) == [["1", "2", ""]])
        #expect(try records("5\" pipe,6\n") == [["5\" pipe", "6"]])
        #expect(try records("").isEmpty)
    }

    @Test("columns have the type of their values, classes get numbers")
    func types() throws {
        let flowers = try dataset("length,count,name,kind\n1.5,2,\"a, b\",x\n-2e1,3,,y\n3,4,c,x\n", CSVOptions(classes: ["kind"]))
        #expect(
            flowers.columns == [
                DatasetColumn("count", .int64), DatasetColumn("kind", .int32, classes: ["x", "y"]), DatasetColumn("length", .float32),
                DatasetColumn("name", .string),
            ])
        let rows = try flowers.rows(0..<3)
        #expect(rows["length"] == Tensor([Float(1.5), -20, 3]) && rows["count"] == Tensor([Int64(2), 3, 4]))
        #expect(rows["name"] == Tensor(["a, b", "", "c"] as [ByteString]) && rows["kind"] == Tensor([Int32(0), 1, 0]))
    }

    @Test("a file without a header, and with another delimiter")
    func noHeader() throws {
        var options = CSVOptions()
        options.hasHeader = false
        options.delimiter = ";"
        let rows = try dataset("1;2,5\n3;4\n", options).rows([0, 1])
        #expect(rows["column1"] == Tensor([Int64(1), 3]) && rows["column2"] == Tensor(["2,5", "4"] as [ByteString]))
        options.delimiter = "é"
        #expect(message("1\n", options).contains("delimiter of ASCII"))
    }

    @Test("missing numbers are refused, replaced, or their rows left out")
    func missing() throws {
        let text = "a,b\n1,x\n,y\nNA,z\n4,w\n"
        #expect(message(text) == "x.csv: row 3, column 1 ('a'): expected a number, found nothing")
        var options = CSVOptions()
        options.missing = .replace(-1)
        #expect(try dataset(text, options).rows(0..<4)["a"] == Tensor([Float(1), -1, -1, 4]))
        options.missing = .mean
        #expect(try dataset(text, options).rows(0..<4)["a"] == Tensor([Float(1), 2.5, 2.5, 4]))
        options.missing = .dropRow
        let rows = try dataset(text, options)
        #expect(rows.rowCount == 2)
        #expect(try rows.rows([0, 1])["a"] == Tensor([Int64(1), 4]))
        #expect(message("a,b\n,1\n2,\n", options).contains("a row without missing numbers"))
    }

    @Test("mistakes are told with row and column")
    func mistakes() {
        #expect(message("") == "x.csv: expected rows, found an empty file")
        #expect(message("a,b\n") == "x.csv: expected rows after the header, found none")
        #expect(message("a,b\n1\n") == "x.csv: row 2: expected 2 columns, found 1")
        #expect(message("a,b\n\n\"x\ny\",1\n1,2,3\n") == "x.csv: row 5: expected 2 columns, found 3")
        #expect(message("a,a\n1,2\n").contains("column 2: expected a name for each column, found 'a' again"))
        #expect(message("a,b\n1,\"x\n").contains("row 2, column 2: expected '\"'"))
        #expect(message("a,b\n1,\"x\"y\n").contains("row 2, column 2: expected ',' or the end of the line after a quoted field, found 'y'"))
        #expect(message("a,b\n1,\n", CSVOptions(classes: ["b"])).contains("row 2, column 2 ('b'): expected a class, found nothing"))
        #expect(message("a,b\n1,2\n", CSVOptions(classes: ["c"])).contains("expected a column 'c', found a, b"))
        #expect(
            thrownStatus { _ = try Dataset(csv: Array("a\n".utf8) + [0xff, 10], source: "x.csv") }?.message
                == "x.csv: row 2, column 1: expected UTF-8, found other bytes")
        #expect(thrownStatus { _ = try Dataset(csvFile: "none.csv") }?.code == .notFound)
    }

    @Test("a first row of numbers is no header, unless they only count the columns")
    func headers() throws {
        let expected = "x.csv: row 1: expected a header row, with the names of the columns; found only numbers: "
        #expect(message("5.1,3.5\n4.9,3\n") == expected + "5.1, 3.5")
        #expect(message("1,2,3,4,6\n1,2,3,4,5\n") == expected + "1, 2, 3, 4, …")
        for text in ["5.1,3.5,0\n4.9,3,1\n", "5.1,3.5,a\n4.9,3,b\n", "7,a\n8,b\n"] {
            #expect(thrownStatus { _ = try Table(csv: text, source: "x.csv") }?.message.hasPrefix(expected) == true, "\(text)")
        }
        for text in ["0,1,2\n5,6,a\n7,8,b\n", "0,k\n5,a\n6,b\n", "2019,2020,k\n5,6,a\n7,8,b\n", "1,k\n5,a\n6,b\n"] {
            #expect(try Table(csv: text, source: "x.csv").rowCount == 2, "\(text)")
        }
        #expect(try dataset("0,1\n5,6\n").columns.map(\.name) == ["0", "1"])
    }

    @Test("the label of a table may be any column, and fields may be quoted")
    func tables() throws {
        let table = try Table(csv: "kind,a,\"b, c\"\n\"x,1\",1,2\ny,3,4\n", source: "x.csv", label: "kind")
        #expect(table.columns == ["a", "b, c", "kind"] && table.classes == ["x,1", "y"] && table.features == [[1, 2], [3, 4]])
        #expect(thrownStatus { _ = try Table(csv: "a,b\n1,x\n", source: "x.csv", label: "c") }?.message == "x.csv: row 1: expected a column 'c', found a, b")
    }

    @Test("what is written is read again")
    func roundTrip() throws {
        let scratch = FileSystemScratch()
        let path = "\(scratch.path)/x.csv"
        let before = try Dataset(
            [
                "f": Tensor([Float(0.1), -1e30]), "i": Tensor([Int64.min, 7]), "k": Tensor([Int32(1), 0]), "s, t": Tensor(["a \"b\"\n", " c"] as [ByteString]),
            ],
            classes: ["k": ["one", "two"]])
        try before.write(csvFile: path)
        let after = try Dataset(csvFile: path, CSVOptions(classes: ["k"]))
        let rows = try (before.rows([0, 1]), after.rows([0, 1]))
        for name in ["f", "i", "s, t"] { #expect(rows.0[name] == rows.1[name], "\(name)") }
        // Classes are numbered as they appear.
        #expect(rows.1["k"] == Tensor([Int32(0), 1]) && after.columns[2].classes == ["two", "one"])
        #expect(thrownStatus { try Dataset(["x": Tensor([Float(1), 2], ofShape: [1, 2])]).write(csvFile: path) }?.code == .invalidArgument)
    }

    @Test("damaged text is read or refused")
    func damagedText() {
        for bytes in damaged(Array("a,b,k\n1,\"x\n\",y\n2.5,,z\n".utf8)) {
            _ = thrownStatus { _ = try Dataset(csv: bytes, source: "x.csv", CSVOptions(classes: ["k"])) }
            _ = thrownStatus { _ = try Table(csv: String(decoding: bytes, as: UTF8.self), source: "x.csv") }
        }
    }
}
