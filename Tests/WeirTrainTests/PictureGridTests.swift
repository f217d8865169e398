import Testing

@testable import WeirTrain

@Suite("Grids of pictures")
struct PictureGridTests {
    @Test("runs of one colour are one stroke, and pictures side by side are a gap apart")
    func runs() {
        let grid = PictureGrid(
            title: "a < b", height: 2, width: 3, lines: [.init("left", [[0, 0, 1, 1, 1, 1], [0.5, 0.5, 0.5, 0, .nan, -7]])])
        #expect(grid.svg.contains(">a &lt; b<") && grid.svg.contains(">left<"))
        // The second picture begins at pixel 4.
        #expect(grid.svg.contains("<path stroke=\"#000\" d=\"M0 0h2M4 1h3\"/>"))
        #expect(grid.svg.contains("<path stroke=\"#fff\" d=\"M2 0h1M0 1h3\"/>"))
        #expect(grid.svg.contains("<path stroke=\"#888\" d=\"M4 0h3\"/>"))
    }

    @Test("a colour picture has the colours of its pixels, and pixels that it lacks are black")
    func colors() {
        let svg = PictureGrid(title: "", height: 1, width: 2, channels: 3, lines: [.init("", [[1, 0, 0.2]])]).svg
        #expect(svg.contains("<path stroke=\"#f03\" d=\"M0 0h1\"/>") && svg.contains("<path stroke=\"#000\" d=\"M1 0h1\"/>"))
        #expect(PictureGrid(title: "nothing", height: 0, width: 0, lines: []).svg.hasSuffix("</svg>\n"))
    }
}
