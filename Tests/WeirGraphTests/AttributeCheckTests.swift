import Testing
import WeirGraph
import WeirTensor

/// Attributes of a node, checked against the constraints of the op's schema.
@Suite("Checks of attributes")
struct AttributeCheckTests {
    private let op = OpDefinition(
        "Checked", "() -> ()", "words: list({'near', 'far'}) = []", "kinds: list({float, int32}) = []", "rates: list(float) >= 2 = [1, 2]",
        "flags: list(bool) >= 1 = [true]", "calls: list(func) >= 0 = []", "sizes: list(int) >= 1 = [1]", "places: list(shape) >= 0 = []")
    private func status(_ attributes: Attributes) -> Status? {
        do { _ = try op.schema.completing(attributes) } catch { return error }
        return nil
    }

    @Test("each string of a list must be an allowed one")
    func strings() {
        #expect(status(["words": .strings(["far", "near", "far"])]) == nil)
        let found = status(["words": .strings(["near", "middle"])])
        #expect(found?.code == .invalidArgument)
        #expect(found?.message == "Value for attr 'words' of \"middle\" is not in the list of allowed values: near, far")
    }

    @Test("each type of a list must be an allowed one")
    func types() {
        #expect(status(["kinds": .types([.int32, .float32])]) == nil)
        #expect(status(["kinds": .types([.int32, .string])])?.message.contains("'kinds' of string") == true)
    }

    @Test(
        "a list shorter than the minimum is refused, whatever its elements are",
        arguments: [
            ("rates", .floats([1]), "Length for attr 'rates' of 1 must be at least minimum 2"),
            ("rates", .emptyList, "Length for attr 'rates' of 0 must be at least minimum 2"),
            ("flags", .bools([]), "Length for attr 'flags' of 0 must be at least minimum 1"),
            ("sizes", .ints([]), "Length for attr 'sizes' of 0 must be at least minimum 1"),
        ] as [(String, AttributeValue, String)])
    func lengths(_ name: String, _ value: AttributeValue, _ message: String) {
        #expect(status(Attributes([name: value])) == .invalidArgument(message))
    }

    @Test("lists of tensors and of functions have a minimum length, too")
    func otherLists() {
        func status(_ kind: OpSchema.AttributeKind, _ value: AttributeValue) -> Status? {
            var spec = OpSchema.AttributeSpec(name: "list", kind: kind)
            spec.minimum = 2
            do { try spec.check(value) } catch { return error }
            return nil
        }
        #expect(status(.tensors, .tensors([Tensor(Float(1))]))?.code == .invalidArgument)
        #expect(status(.tensors, .tensors([Tensor(Float(1)), Tensor(Float(2))])) == nil)
        #expect(status(.functions, .functions([FunctionReference("f")]))?.code == .invalidArgument)
        #expect(status(.functions, .functions([FunctionReference("f"), FunctionReference("g")])) == nil)
        #expect(status(.tensors, .placeholder("T")) == nil)
    }
}
