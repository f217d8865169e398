import Testing
import WeirTensor

@testable import WeirGraph

@Suite("Device mesh")
struct DeviceMeshTests {
    private let devices = (0..<6).map { "/cpu:\($0)" }

    @Test("devices are in row-major order")
    func order() throws {
        let mesh = try DeviceMesh([.init("data", 2), .init("model", 3)], devices: devices)
        #expect(mesh.line(through: 0, along: 1) == [0, 1, 2])
        #expect(mesh.line(through: 4, along: 1) == [3, 4, 5])
        #expect(mesh.line(through: 4, along: 0) == [1, 4])
        #expect(mesh.positions { $0 == 0 } == [0, 3])
        #expect(mesh.positions { _ in false } == [0])
        #expect(mesh.positions { _ in true } == Array(0..<6))
        #expect(mesh.description == "data=2,model=3")
    }

    @Test("axes are read from text")
    func parsing() throws {
        #expect(try DeviceMesh.axes("data=2,model=3") == [.init("data", 2), .init("model", 3)])
    }

    @Test(
        "text that is no list of axes is an error",
        arguments: ["", "data", "data=", "data=two", "=2", "data=0", "data=-1", "data=2,data=2", "data=2,", "a=1=1"])
    func malformed(_ text: String) {
        #expect(throws: Status.self) { try DeviceMesh.axes(text) }
    }

    @Test("a mesh that does not fit the devices is an error that names both numbers")
    func doesNotFit() throws {
        let status = #expect(throws: Status.self) { try DeviceMesh([.init("data", 2), .init("model", 2)], devices: devices) }
        #expect(status?.code == .invalidArgument)
        #expect(status?.message.contains("needs 4 devices, found 6") == true)
        #expect(throws: Status.self) { try DeviceMesh([.init("data", .max), .init("model", .max)], devices: devices) }
        #expect(throws: Status.self) { try DeviceMesh([], devices: []) }
        #expect(throws: Status.self) { try DeviceMesh([.init("data", 2)], devices: ["/cpu:0", "/cpu:0"]) }
    }
}
