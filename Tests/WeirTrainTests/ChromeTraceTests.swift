import Foundation
import Testing
import WeirTrain

@Suite("Chrome traces")
struct ChromeTraceTests {
    private let timeline: StepTimeline = {
        var send = StepTimeline.Interval(node: "w/_1", op: "_Send", kind: .transfer, start: 1_000_000, end: 1_002_000)
        send.inputs = ["w"]
        var receive = StepTimeline.Interval(node: "w/_2", op: "_Recv", kind: .transfer, start: 1_000_500, end: 1_010_250)
        (receive.isWaiting, receive.byteCount, receive.outputs) = (true, 16, ["float[2,2]"])
        var product = StepTimeline.Interval(node: "a\"b\\\u{1}", op: "MatMul", kind: .forward, start: 1_011_000, end: 1_020_000)
        (product.inputs, product.byteCount) = (["w/_2"], 16)
        return StepTimeline(
            lanes: [
                .init(task: "/job:ps/replica:0/task:0", device: "CPU:0", intervals: [send]),
                .init(task: "/job:worker/replica:0/task:0", device: "CPU:0", intervals: [product, receive]),
            ],
            arrows: [.init(edge: "edge_1_w", source: .init(0, 0), target: .init(1, 0), byteCount: 16, start: 1_002_000, end: 1_010_250)],
            calls: [.init(caller: "/job:worker/replica:0/task:0", callee: "/job:ps/replica:0/task:0", start: 999_000, end: 1_025_000)],
            clockOffsets: ["/job:ps/replica:0/task:0": .init(nanoseconds: 3_000_000_000, errorBound: 1500)])
    }()

    @Test("a small step gives exactly this text")
    func golden() {
        #expect(
            timeline.chromeTrace() == #"""
                {"displayTimeUnit":"ms","traceEvents":[
                {"ph":"M","pid":1,"tid":0,"name":"process_name","args":{"name":"/job:ps/replica:0/task:0 (clock corrected by -3.0 s, ±1.5 µs)"}},
                {"ph":"M","pid":1,"tid":0,"name":"process_sort_index","args":{"sort_index":1}},
                {"ph":"M","pid":2,"tid":0,"name":"process_name","args":{"name":"/job:worker/replica:0/task:0"}},
                {"ph":"M","pid":2,"tid":0,"name":"process_sort_index","args":{"sort_index":2}},
                {"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"CPU:0"}},
                {"ph":"M","pid":1,"tid":1,"name":"thread_sort_index","args":{"sort_index":1}},
                {"ph":"M","pid":2,"tid":2,"name":"thread_name","args":{"name":"CPU:0"}},
                {"ph":"M","pid":2,"tid":2,"name":"thread_sort_index","args":{"sort_index":2}},
                {"ph":"M","pid":2,"tid":3,"name":"thread_name","args":{"name":"CPU:0 waits"}},
                {"ph":"M","pid":2,"tid":3,"name":"thread_sort_index","args":{"sort_index":3}},
                {"ph":"M","pid":2,"tid":4,"name":"thread_name","args":{"name":"RunGraph calls"}},
                {"ph":"M","pid":2,"tid":4,"name":"thread_sort_index","args":{"sort_index":4}},
                {"ph":"X","pid":1,"tid":1,"ts":1.000,"dur":2.000,"name":"_Send","cat":"transfer","args":{"node":"w/_1","op":"_Send","bytes":0,"input 0":"w"}},
                {"ph":"X","pid":2,"tid":3,"ts":1.500,"dur":9.750,"name":"_Recv","cat":"transfer","args":{"node":"w/_2","op":"_Recv","bytes":16,"output 0":"float[2,2]"}},
                {"ph":"X","pid":2,"tid":2,"ts":12.000,"dur":9.000,"name":"MatMul","cat":"forward","args":{"node":"a\"b\\\u0001","op":"MatMul","bytes":16,"input 0":"w/_2"}},
                {"ph":"X","pid":2,"tid":4,"ts":0.000,"dur":26.000,"name":"RunGraph","cat":"call","args":{"task":"/job:ps/replica:0/task:0"}},
                {"ph":"s","pid":1,"tid":1,"ts":1.000,"id":1,"name":"edge_1_w","cat":"tensor","args":{"bytes":16}},
                {"ph":"f","pid":2,"tid":3,"ts":11.249,"id":1,"name":"edge_1_w","cat":"tensor","bp":"e"},
                {"ph":"C","pid":2,"tid":0,"ts":3.000,"name":"bytes moving here","args":{"bytes":16}},
                {"ph":"C","pid":2,"tid":0,"ts":11.250,"name":"bytes moving here","args":{"bytes":0}}
                ]}

                """#)
    }

    @Test("the text is JSON, the slices of a thread do not overlap, and the ends of a flow are in slices")
    func json() throws {
        let root = try #require(try JSONSerialization.jsonObject(with: Data(timeline.chromeTrace().utf8)) as? [String: Any])
        let events = try #require(root["traceEvents"] as? [[String: Any]])
        let slices = events.filter { $0["ph"] as? String == "X" }
        #expect(slices.contains { ($0["args"] as? [String: Any])?["node"] as? String == "a\"b\\\u{1}" })
        func range(_ slice: [String: Any]) throws -> ClosedRange<Double> {
            let (start, length) = (try #require(slice["ts"] as? Double), try #require(slice["dur"] as? Double))
            return start...start + length
        }
        for (_, ofThread) in Dictionary(grouping: slices, by: { $0["tid"] as? Int }) {
            let ranges = try ofThread.map(range).sorted { $0.lowerBound < $1.lowerBound }
            for (a, b) in zip(ranges, ranges.dropFirst()) { #expect(a.upperBound <= b.lowerBound) }
        }
        let ends = events.filter { ["s", "f"].contains($0["ph"] as? String) }
        #expect(ends.count == 2)
        for end in ends {
            let time = try #require(end["ts"] as? Double)
            let ofThread = slices.filter { $0["tid"] as? Int == end["tid"] as? Int }
            let ranges = try ofThread.map(range)
            #expect(ranges.contains { $0.contains(time) })
        }
    }
}
