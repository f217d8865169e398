import Testing
import WeirOps
import WeirTensor

@testable import WeirGraph

/// Functions that attributes name, and the attributes that they are called with.
@Suite("References to functions")
struct FunctionReferenceTests {
    private func function(_ name: String) -> FunctionDefinition { FunctionDefinition(name: name, inputs: [], outputs: [], nodes: [], returns: [:]) }

    @Test("a function that is passed as an attribute of another is found, however deep")
    func nested() throws {
        let deep: AttributeValue = .functions([FunctionReference("third"), FunctionReference("fourth")])
        let inner: AttributeValue = .function(FunctionReference("second", attributes: ["h": deep]))
        let attributes: Attributes = ["f": .function(FunctionReference("first", attributes: ["g": inner])), "N": 2]
        #expect(attributes.functionNames.sorted() == ["first", "fourth", "second", "third"])
        let library = FunctionLibrary(["first", "second", "third", "fourth", "unused"].map(function))
        #expect(library.reachable(from: attributes).functions.keys.sorted() == ["first", "fourth", "second", "third"])
    }

    @Test("the branches of a Case in a function get the attributes of the call")
    func branches() throws {
        let b = GraphBuilder(registry: .standard)
        let caller = FunctionDefinition(
            name: "caller", inputs: [.init(name: "index", type: .fixed(.int32)), .init(name: "x", type: .fixed(.float32))],
            outputs: [.init(name: "y", type: .fixed(.float32))],
            nodes: [
                NodeDefinition(
                    name: "choice", op: "Case", inputs: ["index", "x"],
                    attributes: [
                        "Tin": .types([.float32]), "Tout": .types([.float32]),
                        "branches": .functions([
                            FunctionReference("first", attributes: ["T": .placeholder("T")]),
                            FunctionReference("second", attributes: ["f": .function(FunctionReference("third", attributes: ["T": .placeholder("T")]))]),
                        ]),
                    ])
            ], returns: ["y": "choice:output:0"])
        let results = try b.inline(caller, [b.scalar(0, .int32), b.scalar(1, .float32)], attributes: ["T": .type(.float32)])
        _ = try b.graph()
        let branches = try #require(b.node(results[0].endpoint.node).attributes.functions("branches"))
        #expect(branches[0].attributes["T"] == .type(.float32))
        #expect(branches[1].attributes["f"] == .function(FunctionReference("third", attributes: ["T": .type(.float32)])))
    }
}
