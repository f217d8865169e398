import Testing
import WeirGraph
import WeirTensor

@testable import WeirWire

@Suite("GraphDef")
struct GraphProtoTests {
    // TensorFlow 2.21: a = placeholder(float32, [None, 2]); b = constant([[1., 2.]]); c = a + b on /job:ps/task:1.
    static let golden = hex(
        """
        0a 63 0a 01 61 12 0b 50 6c 61 63 65 68 6f 6c 64 65 72 2a 26 0a 20 5f 68 61 73 5f 6d 61 6e 75 61 6c 5f 63 6f 6e
        74 72 6f 6c 5f 64 65 70 65 6e 64 65 6e 63 69 65 73 12 02 28 01 2a 0b 0a 05 64 74 79 70 65 12 02 30 01 2a 1c 0a
        05 73 68 61 70 65 12 13 3a 11 12 0b 08 ff ff ff ff ff ff ff ff ff 01 12 02 08 02 0a 3a 0a 01 62 12 05 43 6f 6e
        73 74 2a 0b 0a 05 64 74 79 70 65 12 02 30 01 2a 21 0a 05 76 61 6c 75 65 12 18 42 16 08 01 12 08 12 02 08 01 12
        02 08 02 22 08 00 00 80 3f 00 00 00 40 0a 29 0a 01 63 12 05 41 64 64 56 32 1a 01 61 1a 01 62 22 0e 2f 6a 6f 62
        3a 70 73 2f 74 61 73 6b 3a 31 2a 07 0a 01 54 12 02 30 01 22 03 08 aa 13
        """)

    @Test("a graph that TensorFlow wrote is read, and written byte for byte as it was")
    func matchesTensorFlow() throws {
        let graph = try GraphDefinition(serialized: Self.golden)
        #expect(graph.nodes.map(\.name) == ["a", "b", "c"])
        #expect(
            graph.nodes[0].attributes == [
                "dtype": .type(.float32), "shape": .shape([nil, 2]), "_has_manual_control_dependencies": true,
            ])
        #expect(graph.nodes[1].attributes.tensor("value") == Tensor([Float(1), 2], ofShape: [1, 2]))
        #expect(graph.nodes[2].inputs == ["a", "b"] && graph.nodes[2].device == "/job:ps/task:1")
        #expect(graph.versions == GraphVersions(producer: 2474))
        #expect(try graph.serialized() == Self.golden)
    }

    @Test("every prefix of a graph, and every byte of it changed, is read or refused")
    func damaged() {
        for bytes in WeirWireTests.damaged(Self.golden) {
            let failure = status { try GraphDefinition(serialized: bytes) }
            #expect(failure == nil || failure?.code == .invalidArgument)
        }
    }

    @Test("text says the same as bytes")
    func text() throws {
        let graph = try GraphDefinition(serialized: Self.golden)
        let text = try graph.text
        #expect(text.contains("op: \"AddV2\"") && text.contains("producer: 2474"))
        #expect(try GraphDefinition(text: text).serialized() == Self.golden)
        #expect(status { try GraphDefinition(text: "node { name: ") }?.code == .invalidArgument)
        #expect(status { try GraphDefinition(text: "nodes { }") }?.code == .invalidArgument)
    }

    @Test(
        "an error in text names the line",
        arguments: [
            ("node {\n  nam: \"b\"\n}\n", "line 2: a field that the message does not have, found '  nam: \"b\"'"),
            ("node { }\nnode {\n  name: b\n}\nnode { }\n", "line 3: malformed text, found '  name: b'"),
            ("node {\n  name:\n    \"a\"\n  attr { key: \"T\" value { type: DT_FLOT } }\n}", "line 4: a value that the enum does not have"),
            ("node {\n  name: \"b\"\n", "the text ends within a field"), ("5.1,3\n", "line 1: malformed text, found '5.1,3'"),
        ])
    func wrongLine(_ text: String, _ expected: String) {
        let found = status { try GraphDefinition(text: text) }
        #expect(found?.code == .invalidArgument && found?.message.contains(expected) == true, "\(found?.message ?? "")")
    }

    @Test("a file is read whether it holds bytes or text")
    func files() throws {
        let directory = try TemporaryDirectory()
        let text = Array(try GraphDefinition(serialized: Self.golden).text.utf8)
        for (name, bytes) in [("graph.pb", Self.golden), ("graph.pbtxt", text), ("graph", text)] {
            let path = try directory.write(name, bytes)
            #expect(try GraphDefinition(contentsOf: path).serialized() == Self.golden)
        }
        let broken = try directory.write("broken.pb", [0x0a, 0x7f])
        let failure = try #require(status { try GraphDefinition(contentsOf: broken) })
        #expect(failure.code == .invalidArgument && failure.message.hasPrefix(broken))
        #expect(status { try GraphDefinition(contentsOf: directory("none")) }?.code == .notFound)
    }

    static let attributes: [(String, AttributeValue)] = [
        ("an empty string", ""), ("bytes", .string(ByteString([0xff, 0x00]))), ("zero", 0), ("a long", .int(.min)),
        ("a float", .float(-0.5)), ("false", false), ("a type", .type(.bfloat16)), ("no rank", .shape(.unknown)),
        ("a scalar", .shape(.scalar)), ("a shape", .shape([2, nil, 0])), ("a tensor", .tensor(Tensor([Int32(1), 2]))),
        ("a placeholder", .placeholder("T")), ("a function", .function(FunctionReference("f", attributes: ["N": 3]))),
        ("strings", .strings(["a", ""])), ("ints", .ints([0, -1])), ("floats", .floats([0, 1.5])),
        ("bools", .bools([true, false])), ("types", .types([.string, .resource])), ("shapes", .shapes([[1], .unknown])),
        ("tensors", .tensors([Tensor("x")])), ("functions", .functions([FunctionReference("g")])),
        ("an empty list", .emptyList),
    ]

    @Test("every kind of attribute comes back as it went", arguments: attributes)
    func attributeKinds(_ what: String, _ value: AttributeValue) throws {
        let graph = GraphDefinition(nodes: [NodeDefinition(name: "n", op: "Op", attributes: ["x": value])])
        let again = try GraphDefinition(serialized: try graph.serialized())
        #expect(again.nodes == graph.nodes, "\(what)")
        #expect(try GraphDefinition(text: try graph.text).nodes == graph.nodes, "\(what)")
    }

    @Test("an empty list of any kind is an empty list of no kind")
    func emptyLists() throws {
        let graph = GraphDefinition(nodes: [NodeDefinition(name: "n", op: "Op", attributes: ["x": .types([])])])
        let again = try GraphDefinition(serialized: try graph.serialized())
        #expect(again.nodes[0].attributes["x"] == .emptyList)
        #expect(again.nodes[0].attributes.types("x") == [])
    }

    /// One node `n` of op `Op` with attribute `name`, in text format.
    private func graph(_ name: String, _ value: String) throws -> GraphDefinition {
        try GraphDefinition(text: "node { name: 'n' op: 'Op' attr { key: '\(name)' value { \(value) } } }")
    }

    @Test("reference types are read as the types they refer to")
    func referenceTypes() throws {
        #expect(try graph("T", "type: DT_FLOAT_REF").nodes[0].attributes["T"] == .type(.float32))
        let list = try graph("T", "list { type: DT_INT8_REF type: DT_BOOL }")
        #expect(list.nodes[0].attributes["T"] == .types([.int8, .bool]))
    }

    @Test(
        "an attribute that cannot be read is named, with its node",
        arguments: [
            "type: DT_FLOAT8_E5M2", "type: DT_INVALID", "list { type: DT_INT4 }", "", "list { i: 1 f: 2 }",
            "shape { dim { size: -2 } }", "shape { dim { size: 4611686018427387904 } dim { size: 16 } }",
            "tensor { dtype: DT_FLOAT tensor_shape { dim { size: -1 } } }",
            "func { name: 'f' attr { key: 'x' value { type: DT_FLOAT8_E5M2 } } }",
        ])
    func unreadable(_ value: String) throws {
        let failure = try #require(status { try graph("value", value) })
        #expect(failure.code == .invalidArgument)
        #expect(failure.message.contains("'n'") && failure.message.contains("'value'"), "\(failure)")
    }

    @Test("an attribute of one program for another is passed on, whatever it holds")
    func privateAttributes() throws {
        for value in ["type: DT_FLOAT8_E5M2", ""] {
            let graph = try graph("_note", value)
            #expect(graph.nodes[0].attributes["_note"] == nil)
            #expect(try graph.text.contains("_note"))
            #expect(try GraphDefinition(serialized: try graph.serialized()).text == graph.text)
        }
    }

    @Test("what Weir does not read is passed on")
    func preserved() throws {
        let text = """
            node {
              name: "n"
              op: "NoOp"
              experimental_debug_info { original_node_names: "m" }
              experimental_type { type_id: TFT_PRODUCT }
            }
            library { registered_gradients { gradient_func: "g" registered_op_type: "Op" } }
            debug_info { files: "model.py" }
            """
        let graph = try GraphDefinition(text: text)
        #expect(!graph.nodes[0].preserved.isEmpty && !graph.preserved.isEmpty)
        let again = try GraphDefinition(serialized: try graph.serialized()).text
        for part in ["original_node_names: \"m\"", "TFT_PRODUCT", "registered_op_type: \"Op\"", "files: \"model.py\""] {
            #expect(again.contains(part))
        }
        // A field that the next TensorFlow adds to nodes: number 99, here the varint 7.
        let future = hex("0a 0b 0a 01 6e 12 02 4f 70 98 06 07")
        let node = try GraphDefinition(serialized: [0x0a, 0x0a] + future[2...])
        #expect(try node.serialized() == [0x0a, 0x0a] + future[2...])
    }

    @Test("a graph without versions stays without")
    func versions() throws {
        #expect(try GraphDefinition(serialized: []).versions.producer == 0)
        #expect(try GraphDefinition(serialized: []).serialized() == [])
        var graph = GraphDefinition(versions: GraphVersions(producer: 30, minimumConsumer: 12, badConsumers: [7]))
        graph = try GraphDefinition(serialized: try graph.serialized())
        #expect(graph.versions == GraphVersions(producer: 30, minimumConsumer: 12, badConsumers: [7]))
    }
}
