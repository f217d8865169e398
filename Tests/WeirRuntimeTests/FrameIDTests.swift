import Testing

@testable import WeirRuntime

@Suite("Frame IDs")
struct FrameIDTests {
    @Test("equal TensorFlow's")
    func known() { #expect(FrameID.child(of: 0, iteration: 0, name: "wl/while_context") == 5_189_404_682_685_958_103) }
}
