import Testing

@testable import WeirTrain

@Suite("Pictures")
struct PictureTests {
    /// What is wrong with a document: a tag that is not closed, a raw `<`, `&` or control character; nil for well-formed XML without
    /// comments and CDATA.
    private func defect(_ text: String) -> String? {
        var open: [Substring] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            if let bad = reference(rest[..<start]) { return bad }
            guard let end = rest[start...].firstIndex(of: ">") else { return "a tag without end: \(rest[start...].prefix(40))" }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return "</\(tag.dropFirst())> closes nothing" }
                continue
            }
            let quotes = tag.split(separator: "\"", omittingEmptySubsequences: false)
            guard quotes.count % 2 == 1 else { return "an attribute without end: \(tag)" }
            for (index, part) in quotes.enumerated() where index % 2 == 1 {
                if part.contains("<") { return "< in an attribute: \(part)" }
                if let bad = reference(part) { return bad }
            }
            if !tag.hasSuffix("/") { open.append(tag.prefix { $0 != " " }) }
        }
        if text.unicodeScalars.contains(where: { $0.value < 0x20 && $0 != "\n" }) { return "a control character" }
        return open.isEmpty && rest.allSatisfy(\.isWhitespace) ? nil : "open: \(open)"
    }
    private func reference(_ text: Substring) -> String? {
        for part in text.split(separator: "&", omittingEmptySubsequences: false).dropFirst()
        where !["amp;", "lt;", "gt;", "quot;"].contains(where: { part.hasPrefix($0) }) { return "a raw &: \(part.prefix(20))" }
        return nil
    }

    /// The numbers of all attributes of this name.
    private func numbers(_ attribute: String, in svg: String) -> [Double] {
        svg.split(separator: " \(attribute)=\"").dropFirst().compactMap { Double($0.prefix { $0 != "\"" }) }
    }
    /// The points of all lines.
    private func points(in svg: String) -> [[(x: Double, y: Double)]] {
        svg.split(separator: " points=\"").dropFirst().map { part in
            part.prefix { $0 != "\"" }.split(separator: " ").map { pair in
                let numbers = pair.split(separator: ",").compactMap { Double($0) }
                return (numbers[0], numbers[1])
            }
        }
    }

    private let odd = "a<b>&\"c\"\u{1}\n"

    @Test("text is escaped, and numbers are short and finite")
    func svg() {
        #expect(SVG.escaped("a<b>&\"\u{1}\n") == "a&lt;b&gt;&amp;&quot;\u{fffd} ")
        #expect([1, 1.5, -0.25, 1.005, 0.004, -0.001, 1e12, .nan, .infinity].map(SVG.number) == ["1", "1.5", "-0.25", "1", "0", "0", "0", "0", "0"])
        #expect(SVG.blend("#000000", "#ff8000", 0.5) == "#804000" && SVG.blend("#000000", "#0000ff", 9) == "#0000ff")
        #expect(SVG.fitted("abcdefghij", to: 40, size: 12) == "ab…ij" && SVG.fitted("abc", to: 1) == "abc")
        var picture = SVG(width: 10, height: 10)
        picture.text(odd, x: 1, y: 1)
        picture.rectangle(x: 0, y: 0, width: 1, height: 1, color: "#000", title: odd)
        #expect(defect(picture.text) == nil)
        #expect(defect("<svg><a></svg>") != nil && defect("<svg>&</svg>") != nil && defect("<svg>") != nil)
    }

    @Test("ticks are round numbers around the values")
    func linearTicks() {
        func labels(_ values: [Double], zero: Bool = false) -> [String] {
            let axis = AxisScale(values, includesZero: zero)
            return axis.ticks.map(axis.label)
        }
        #expect(labels([0, 10]) == ["0", "2", "4", "6", "8", "10"])
        #expect(labels([0.13, 0.92]) == ["0", "0.2", "0.4", "0.6", "0.8", "1"])
        #expect(labels([-3, 17]) == ["-5", "0", "5", "10", "15", "20"])
        #expect(labels([1.1, 1.2], zero: true) == ["0", "0.25", "0.5", "0.75", "1", "1.25"])
        #expect(labels([2_000_000, 4_000_000]) == ["2e6", "2.5e6", "3e6", "3.5e6", "4e6"])
        #expect(labels([]) == ["0", "0.2", "0.4", "0.6", "0.8", "1"] && labels([.nan, .infinity]) == labels([]))
    }

    @Test("a logarithmic axis has powers of ten, and twice and five times each when there are few")
    func logarithmicTicks() {
        let wide = AxisScale([1e-5, 0.5], kind: .logarithmic)
        #expect(wide.ticks.map(wide.label) == ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"])
        let narrow = AxisScale([2, 60], kind: .logarithmic)
        #expect(narrow.ticks.map(narrow.label) == ["2", "5", "10", "20", "50", "100"])
        #expect(abs(wide.position(1e-5)) < 1e-12 && wide.position(1) == 1)
        #expect(!wide.contains(0) && !wide.contains(-1) && AxisScale([0, -1], kind: .logarithmic).range == 1...10)
    }

    @Test("every value has a position on every axis", arguments: [0.0, 1, -1, 1e-310, 1e299, -1e299, 5e-324, 1e-9, 12345.678])
    func anyAxis(_ value: Double) {
        for other in [value, 0, 1, 1e299, -1e299, value * (1 + 1e-12)] {
            for kind in [AxisScale.Kind.linear, .logarithmic] {
                let axis = AxisScale([value, other], kind: kind)
                #expect(!axis.ticks.isEmpty && axis.ticks.count < 100 && axis.ticks.allSatisfy(\.isFinite))
                for probe in [value, other, .nan, .infinity, -.infinity, 0, .greatestFiniteMagnitude] { #expect((0...1).contains(axis.position(probe))) }
                _ = axis.ticks.map(axis.label)
            }
        }
    }

    @Test("all points of a line chart are in its frame, and gaps divide lines")
    func lineChart() {
        let points: [(x: Double, y: Double)] = [(1, 1), (2, .nan), (3, 10), (4, 100), (.infinity, 5), (5, -3), (6, 1000)]
        var series = [LineChart.Series(odd, points)]
        for number in 0..<30 { series.append(.init("series \(number)", [(Double(number), Double(number + 1))])) }
        let svg = LineChart(title: odd, xLabel: odd, yLabel: odd, yScale: .logarithmic, series: series).svg
        #expect(defect(svg) == nil)
        let lines = self.points(in: svg).filter { line in line.contains { $0.x < 696 } }
        #expect(lines.map(\.count) == [2])
        for point in lines.joined() { #expect((76...696).contains(point.x) && (48...426).contains(point.y)) }
        let dots = Array(zip(numbers("cx", in: svg), numbers("cy", in: svg)))
        #expect(dots.count == 32 && dots.allSatisfy { (76...696).contains($0) && (48...426).contains($1) })
        #expect(svg.contains("and 11 more") && !svg.contains("nan") && !svg.contains("inf\""))
    }

    @Test("a chart without values says so", arguments: [[], [(x: 1.0, y: Double.nan)], [(x: .infinity, y: 1)]])
    func emptyChart(_ points: [(x: Double, y: Double)]) {
        let svg = LineChart(title: "t", xLabel: "x", yLabel: "y", series: [.init("s", points)]).svg
        #expect(defect(svg) == nil && svg.contains("no values"))
        #expect(defect(LineChart(title: "t", xLabel: "x", yLabel: "y", series: []).svg) == nil)
        #expect(defect(LossCurve(points: []).svg) == nil)
    }

    @Test("a loss curve shows the losses and their trend")
    func lossCurve() {
        let svg = LossCurve(points: [(1, 4), (2, .nan), (3, 2), (4, 1)]).svg
        #expect(defect(svg) == nil)
        let lines = points(in: svg)
        #expect(lines.map(\.count) == [2, 3])
        #expect(lines.joined().allSatisfy { (76...688).contains($0.x) && (48...318).contains($0.y) })
    }

    @Test("parallel coordinates draw the best trial last, in its own colour, and all points on axes")
    func parallel() {
        let trials: [ParallelCoordinates.Trial] = [
            .init("worst", [.number(0.1), .text("sgd")], objective: 3), .init("best" + odd, [.number(0.001), .text(odd)], objective: 1),
            .init("middle", [.number(0.01), .number(4)], objective: 2), .init("failed", [.number(0.01), .text("sgd")], objective: nil),
            .init("diverged", [.number(-1), .text("sgd")], objective: .nan), .init("short", [], objective: 2.5),
            .init("odd", [nil, .number(.nan)], objective: 2.7),
        ]
        let svg = ParallelCoordinates(
            title: odd, axes: [.init("rate", scale: .logarithmic), .init(odd, scale: .categorical)], trials: trials, objectiveName: "loss", minimizes: true
        ).svg
        #expect(defect(svg) == nil)
        let lines = points(in: svg)
        for point in lines.joined() { #expect([145, 295, 445].contains(point.x) && (88...388).contains(point.y)) }
        #expect(lines.last?.count == 3 && svg.split(separator: "<polyline").last?.contains(SVG.palette[1]) == true)
        // Less is better, so the best is above the worst.
        #expect((lines.last?.last?.y ?? 0) < (lines.first { $0.count == 3 }?.last?.y ?? 0))
        #expect(svg.contains("7 trials; 2 without a result (dashed); best: best"))
    }

    @Test("parallel coordinates without trials or axes are a picture too")
    func noTrials() {
        for axes in [[], [ParallelCoordinates.Axis("a"), .init("b", scale: .categorical), .init("c", scale: .logarithmic)]] {
            let svg = ParallelCoordinates(title: "t", axes: axes, trials: [], objectiveName: "o", minimizes: false).svg
            #expect(defect(svg) == nil && svg.contains("no trial has finished"))
        }
    }

    @Test("a category is a number or a name, in the order of the numbers and then of the names")
    func categories() {
        let axis = ParallelAxis(name: "a", scale: .categorical, values: [.text("b"), .number(32), .text("a"), nil, .number(4), .text("b")])
        #expect(axis.labels.map(\.text) == ["4", "32", "b", "a"])
        #expect(axis.position(.text("b")) == 2.0 / 3 && axis.position(.text("c")) == nil)
    }

    // MARK: Timelines

    private func run(_ start: Int, _ end: Int, _ kind: StepTimeline.Kind) -> StepTimeline.Interval {
        StepTimeline.Interval(node: odd, op: odd, kind: kind, start: start, end: end)
    }

    @Test("short runs of a kind are drawn together, long ones and those of other kinds are not")
    func boxes() {
        let runs = [
            run(0, 1, .forward), run(1, 2, .forward), run(2, 3, .forward), run(3, 4, .backward), run(4, 100, .backward), run(100, 101, .backward),
            run(200, 201, .backward),
        ]
        let boxes = TimelineBoxes(runs) { Double($0) / 2 }
        #expect(boxes.boxes.map(\.count) == [3, 1, 1, 1, 1] && boxes.mergedCount == 3)
        #expect(boxes.boxes[0].x == 0 && boxes.boxes[0].width == 1.5)
    }

    @Test("six panels of six lanes of 2000 nodes are well-formed, inside the picture and of a readable size")
    func panels() {
        let lanes = (0..<6).map { lane -> StepTimeline.Lane in
            let runs = (0..<2000).map { run($0 * 1000 + lane, $0 * 1000 + 900, $0 < 700 ? .forward : $0 < 1900 ? .backward : .update) }
            return StepTimeline.Lane(task: "/job:worker/replica:0/task:\(lane)", device: "CPU:0", intervals: runs)
        }
        let arrows = (0..<500).map {
            StepTimeline.Arrow(edge: odd, source: .init(0, $0), target: .init(5, $0 + 10), byteCount: $0, start: $0 * 1000, end: ($0 + 10) * 1000)
        }
        let timeline = StepTimeline(lanes: lanes, arrows: arrows)
        let svg = TimelinePicture((0..<6).map { .init("\(odd) \($0)", timeline) }).svg
        #expect(defect(svg) == nil)
        #expect(svg.utf8.count < 3_000_000)
        #expect((numbers("x", in: svg) + numbers("x1", in: svg) + numbers("x2", in: svg)).allSatisfy { (0...1240).contains($0) })
        let height = numbers("height", in: svg).first ?? 0
        #expect((numbers("y", in: svg) + numbers("y1", in: svg) + numbers("y2", in: svg)).allSatisfy { (0...height).contains($0) })
        #expect(svg.contains("72000 node runs shorter than") && svg.contains("10 %"))
    }

    @Test("timelines of one instant or without lanes are pictures")
    func emptyTimelines() {
        let instant = StepTimeline(lanes: [.init(task: "t", device: "CPU:0", intervals: [run(5, 5, .update)])])
        #expect(defect(TimelinePicture([.init("a", instant), .init("b", StepTimeline(lanes: []))]).svg) == nil)
        #expect(defect(TimelinePicture([]).svg) == nil && defect(instant.svg()) == nil)
    }
}
