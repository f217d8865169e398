import Testing

@testable import WeirTensor

@Suite("Device names")
struct DeviceNameTests {
    @Test(
        "full and short spellings name the same device",
        arguments: [
            "/job:worker/replica:0/task:1/device:GPU:2", "/task:1/gpu:2/job:worker/replica:0", "/job:worker/replica:0/task:1/GPU:2",
        ])
    func spellings(_ text: String) throws {
        #expect(try DeviceName(text).description == "/job:worker/replica:0/task:1/device:GPU:2")
    }

    @Test("a star or a missing part leaves the part open, the last of a repeated part wins")
    func openParts() throws {
        #expect(try DeviceName("/job:*/task:3").job == nil)
        #expect(try DeviceName("/device:GPU").index == nil)
        #expect(try DeviceName("/job:a/job:b").job == "b")
        #expect(try DeviceName("").isEmpty)
    }

    @Test("what is not a device name is an error that shows it", arguments: ["/cpu", "gpu:0", "/job:", "/task:-1", "/job:a-b", "/x:1"])
    func malformed(_ text: String) {
        #expect(throws: Status.self) { try DeviceName(text) }
    }

    @Test("merging fills what is open, and a conflict of tasks is always an error")
    func merging() throws {
        let merged = try DeviceName("/job:ps").merging(DeviceName("/task:1/cpu:0"))
        #expect(merged.description == "/job:ps/task:1/device:CPU:0")
        #expect(throws: Status.self) { try DeviceName("/job:ps").merging(DeviceName("/job:worker"), soft: true) }
        #expect(throws: Status.self) { try DeviceName("/cpu:0").merging(DeviceName("/gpu:0")) }
        #expect(try DeviceName("/task:0/cpu:0").merging(DeviceName("/gpu:0"), soft: true).description == "/task:0")
    }
}
