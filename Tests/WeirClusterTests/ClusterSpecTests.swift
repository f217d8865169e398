import Foundation
import Testing
import WeirTensor

@testable import WeirCluster

@Suite("Cluster specs")
struct ClusterSpecTests {
    static let expected: [String: [Int: String]] = ["ps": [0: "a:1"], "worker": [0: "b:2", 1: "c:3"]]

    @Test(
        "every form of a cluster spec is parsed",
        arguments: [
            #"{"ps": ["a:1"], "worker": ["b:2", "c:3"]}"#,
            #"{"ps": {"0": "a:1"}, "worker": {"1": "c:3", "0": "b:2"}}"#,
            #"{"cluster": {"ps": ["a:1"], "worker": ["b:2", "c:3"]}, "task": {"type": "ps", "index": 0}}"#,
            #"{"environment": "cloud", "cluster": {"ps": ["a:1"], "worker": ["b:2", "c:3"]}}"#,
            "ps|a:1;worker|b:2,c:3", " ps|a:1; worker|b:2, c:3; \n",
        ])
    func forms(_ text: String) throws {
        let spec = try ClusterSpec(argument: text)
        #expect(spec.jobs == Self.expected)
        #expect(try ClusterSpec(argument: spec.json) == spec)
        #expect(spec.taskNames == ["/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"])
        #expect(spec.tasks.map(\.address) == ["a:1", "b:2", "c:3"])
    }

    @Test("a file may hold any form of a cluster spec")
    func files() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for text in [#"{"ps":["a:1"],"worker":["b:2","c:3"]}"#, "ps|a:1;worker|b:2,c:3\n"] {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try ClusterSpec(argument: "@\(path)").jobs == Self.expected)
        }
        try "ps".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try #require(failure("@\(path)")).message.hasPrefix(path))
        try "@\(path)".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(failure("@\(path)")?.code == .invalidArgument)
        #expect(failure("@\(path).gone") == .notFound("\(path).gone: cannot be read: No such file or directory"))
    }

    @Test("task numbers may have gaps")
    func gaps() throws {
        let spec = try ClusterSpec(json: #"{"worker": {"3": "b:2", "0": "a:1"}}"#)
        #expect(spec.taskIndices(job: "worker") == [0, 3])
        #expect(spec.address(job: "worker", task: 3) == "b:2" && spec.address(job: "worker", task: 1) == nil)
        #expect(spec.json == #"{"worker":{"0":"a:1","3":"b:2"}}"#)
        #expect(try ClusterSpec(json: spec.json) == spec)
    }

    @Test("several addresses of one task are its replicas")
    func replicas() throws {
        let spec = try ClusterSpec(["ps": ["a:1,b:2", "c:3"]])
        #expect(spec.addresses(job: "ps", task: 0) == ["a:1", "b:2"])
        #expect(spec.address(job: "ps", task: 0) == "a:1")
        #expect(spec.tasks.count == 2 && spec.addresses(job: "ps", task: 2) == [])
    }

    @Test("a job may be called cluster, and a host may be an address with colons")
    func oddNames() throws {
        #expect(try ClusterSpec(json: #"{"cluster": ["a:1"]}"#).jobs == ["cluster": [0: "a:1"]])
        #expect(try ClusterSpec(json: #"{"cluster": {"2": "a:1"}}"#).jobs == ["cluster": [2: "a:1"]])
        #expect(try ClusterSpec(argument: "ps|[::1]:2222").jobs == ["ps": [0: "[::1]:2222"]])
    }

    @Test("a local cluster names each job once, and has a port of its own for each task")
    func loopback() throws {
        let spec = try ClusterSpec.onLoopback("ps=1,worker=2")
        #expect(spec.taskNames == ["/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"])
        #expect(Set(spec.tasks.map(\.address)).count == 3)
    }

    @Test(
        "a malformed local cluster is an error that says what was expected",
        arguments: [
            ("", "at least one job"), ("ps", "job=count"), ("=2", "job=count"), ("ps=x", "job=count"), ("ps=0", "between 1 and 256 tasks"),
            ("ps=5000", "between 1 and 256 tasks; found \"ps=5000\""), ("ps=1,ps=1", "found job 'ps' more than once"), ("my-job=1", "found \"my-job\""),
        ])
    func malformedLoopback(_ text: String, _ expected: String) {
        let status = #expect(throws: Status.self) { try ClusterSpec.onLoopback(text) }
        #expect(status?.code == .invalidArgument && status?.message.contains(expected) == true, "\(status?.message ?? "")")
    }

    private func failure(_ text: String) -> Status? {
        do throws(Status) {
            _ = try ClusterSpec(argument: text)
            return nil
        } catch { return error }
    }

    @Test(
        "an invalid cluster spec is an error of one line that says what was expected",
        arguments: [
            ("", "expected JSON, @FILE, or job|host:port"),
            ("ps", "found \"ps\""),
            ("ps|a:1|b:2", "found \"ps|a:1|b:2\""),
            ("ps|a:1;ps|b:2", "job 'ps' is there more than once"),
            ("ps|", "expected host:port"),
            ("ps|a:1,", "expected host:port"),
            ("ps|a", "Could not interpret \"a\" as a host-port pair (job 'ps', task 0)"),
            ("ps|a:x", "expected host:port"), ("ps|a:+1", "expected host:port"), ("ps|:1", "expected host:port"),
            ("ps|a:65536", "expected host:port"), ("ps|grpc://a:1", "expected host:port"),
            ("my-job|a:1", "found \"my-job\""), ("1st|a:1", "found \"1st\""), ("|a:1", "found \"\""),
            ("{", "expected JSON"), ("{\n\"ps\":\n[", "expected JSON"), ("[\"a:1\"]", "found \"[\"a:1\"]\""),
            (#"{"ps": "a:1"}"#, "job 'ps' must be an array of \"host:port\" or an object"),
            (#"{"ps": 5}"#, "job 'ps' must be an array"),
            (#"{"ps": [5]}"#, "task 0 of job 'ps' must be a string"),
            (#"{"ps": {"zero": "a:1"}}"#, "must have numbers for keys, found \"zero\""),
            (#"{"ps": {"-1": "a:1"}}"#, "found -1 in job 'ps'"),
            (#"{"ps": {"1": "a:1", "01": "b:1"}}"#, "task 1 of job 'ps' is there more than once"),
            (#"{"ps": ["a:1"], "ps": ["b:1"]}"#, "; line 1, column 17: expected each key once, found 'ps' again"),
            (#"{"ps": ["a:1"], "a\nb": 1, "a\nb": 1}"#, "found 'a b' again"), (#"{"ps": ["a:1"]} x"#, "expected the end of the text, found 'x'"),
            (#"{"cluster": {"ps": "a:1"}, "task": {"type": "ps", "index": 0}}"#, "job 'ps' must be an array"),
        ])
    func malformed(_ text: String, _ expected: String) throws {
        let status = try #require(failure(text))
        #expect(status.code == .invalidArgument)
        #expect(status.message.contains(expected) && !status.message.contains("\n"), "\(status.message)")
    }
}

@Suite("Server definitions")
struct ServerDefinitionTests {
    let cluster: ClusterSpec
    init() throws { cluster = try ClusterSpec(["ps": [0: "a:1"], "worker": [0: "b:2", 4: "c:3,d:4"]]) }

    @Test("a task is found with its port and host")
    func tasks() throws {
        let definition = try ServerDefinition(.cluster(cluster), job: "worker", task: 4)
        #expect(definition.taskName == DeviceName(job: "worker", replica: 0, task: 4))
        #expect(definition.port == 3 && definition.host == "c")
        #expect(try ServerDefinition(.cluster(cluster), job: "worker", task: 4, port: 0).port == 0)
        for port in [-5, 65536, 70000, .max, .min] {
            #expect(throws: Status.self) { try ServerDefinition(.cluster(cluster), job: "worker", task: 4, port: port) }
        }
    }

    @Test("job and task have defaults if there is only one")
    func defaults() throws {
        #expect(try ServerDefinition(.cluster(cluster), job: "ps", task: nil).task == 0)
        #expect(try ServerDefinition(.cluster(ClusterSpec(["solo": ["a:1"]])), job: nil, task: nil).job == "solo")
    }

    @Test("TF_CONFIG gives the task, unless arguments override it")
    func configuration() throws {
        let text = """
            {"cluster": {"ps": ["a:1", "a:2"], "worker": ["b:2", "c:3"]}, "task": {"type": "worker", "index": 1}}
            """
        let own = try ServerDefinition(.configuration(text), job: nil, task: nil)
        #expect(own.job == "worker" && own.task == 1 && own.port == 3)
        #expect(try ServerDefinition(.configuration(text), job: nil, task: 0).port == 2)
        #expect(try ServerDefinition(.configuration(text), job: "ps", task: 1).port == 2)
        #expect(throws: Status.self) { try ServerDefinition(.configuration(text), job: "ps", task: nil) }
        let quoted = text.replacing("\"index\": 1", with: "\"index\": \"1\"")
        #expect(try ServerDefinition(.configuration(quoted), job: nil, task: nil).task == 1)
    }

    @Test(
        "the task of TF_CONFIG may lack its index, and a malformed one is an error",
        arguments: [
            ("null", nil, nil), (#"{"type": "ps"}"#, "ps", 0), (#"{"type": "ps", "index": null}"#, "ps", 0), (#"{"type": "ps", "index": 0.0}"#, "ps", 0),
            ("5", nil, nil), ("{}", nil, nil), (#"{"type": 5}"#, nil, nil), (#"{"type": "ps", "index": "x"}"#, nil, nil),
            (#"{"type": "ps", "index": 0.5}"#, nil, nil), (#"{"type": "ps", "index": 1e300}"#, nil, nil), (#"{"type": "ps", "index": [0]}"#, nil, nil),
        ] as [(String, String?, Int?)])
    func configuredTask(_ task: String, _ job: String?, _ index: Int?) throws {
        let text = #"{"cluster": {"ps": ["a:1"], "worker": ["b:2"]}, "task": \#(task)}"#
        let definition = Result { try ServerDefinition(.configuration(text), job: nil, task: nil) }
        guard let job else {
            let status = #expect(throws: Status.self) { try definition.get() }
            #expect(status?.message.hasPrefix(task == "null" ? "Which job is this?" : "TF_CONFIG: 'task' must have") == true, "\(status?.message ?? "")")
            return
        }
        #expect(try definition.get().job == job && definition.get().task == index)
    }

    @Test("the error for a missing or unknown task lists the existing ones")
    func missing() throws {
        func failure(_ source: ServerDefinition.Source, _ job: String? = nil, _ task: Int? = nil) -> String? {
            do throws(Status) {
                _ = try ServerDefinition(source, job: job, task: task)
                return nil
            } catch { return error.message }
        }
        func message(_ job: String?, _ task: Int?) -> String? { failure(.cluster(cluster), job, task) }
        #expect(message("chief", 0) == "Job \"chief\" was not defined in cluster, whose jobs are: ps, worker")
        #expect(message("worker", 1) == "Task 1 was not defined in job \"worker\", whose tasks are: [0, 4]")
        #expect(message(nil, 0) == "Which job is this? The cluster has ps, worker")
        #expect(failure(.configuration("{}")) == "The cluster in TF_CONFIG is empty: expected a job with at least one task")
        #expect(failure(.cluster(ClusterSpec())) == "The cluster is empty: expected a job with at least one task")
        #expect(message("worker", nil) == "Which task of job 'worker' is this? It has [0, 4]")
    }
}
