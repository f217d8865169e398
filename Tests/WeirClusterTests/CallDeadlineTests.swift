import Testing
import WeirTensor

@testable import WeirCluster

@Suite("Deadlines from clients and peers")
struct CallDeadlineTests {
    @Test(
        "a grpc-timeout of up to eight digits and a unit is parsed",
        arguments: [
            ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("30S", .seconds(30)), ("250m", .milliseconds(250)), ("7u", .microseconds(7)),
            ("0n", .zero), ("99999999m", .milliseconds(99_999_999)),
        ])
    func times(_ text: String, _ expected: Duration) { #expect(CallDeadline.duration(text) == expected) }

    @Test(
        "any other grpc-timeout is ignored",
        arguments: [
            "", "H", "5", "-5S", "+5S", "5 S", "5s", "5.0S", "0x5S", "9223372036854775807H", "9223372036854775807n", "100000000S", "5S ", "\u{663}S", "5\u{e9}",
        ])
    func others(_ text: String) { #expect(CallDeadline.duration(text) == nil) }

    @Test("times from clients are limited to what a clock can wait for")
    func longest() throws {
        #expect(CallDeadline.duration("99999999H") == .longestWait)
        #expect(Duration.milliseconds(Int64.max).bounded == .longestWait && Duration.seconds(Int64.min).bounded == .zero)
        // Waiting for the unlimited time would crash the process.
        let deadline = Deadline(.milliseconds(Int64.max)) {}
        #expect(!deadline.hasFired)
        deadline.stop()
    }
}
