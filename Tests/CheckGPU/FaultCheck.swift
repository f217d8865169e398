import Weir
import WeirDevice
import WeirRuntime

/// What must not end the process: too little memory, a card that stops.
struct FaultCheck {
    let runtime: CUDARuntime
    let gpu: Int

    func devices(limit: Int? = nil) throws -> LocalDevices {
        var options = RuntimeOptions(gpus: GPUOptions(visibleDevices: [gpu], virtualDevices: limit.map { [[$0]] } ?? []))
        options.cuda = runtime
        return try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: options)
    }

    func run(_ tally: inout Tally) throws {
        try outOfMemory(&tally)
        try stoppedCard(&tally)
    }

    /// A step that needs more than there is fails with the op's name, and the next step works.
    private func outOfMemory(_ tally: inout Tally) throws {
        let builder = GraphBuilder()
        let count = builder.placeholder(.int32, shape: [1], name: "count")
        let sum = builder.device("/device:GPU:0") { builder.add("Fill", [count, builder.constant(Tensor(Float(1)))], name: "large")[0].sum() }
        let session = try DirectSession(builder.graph(), registry: .standard, devices: devices(limit: 64 << 20), options: RuntimeOptions())
        func run(_ elements: Int32) -> Result<[Tensor], Status> {
            Result { () throws(Status) in
                do { return try session.run(feeds: [("count:0", Tensor([elements]))], fetches: [sum.name]) } catch { throw Status(error) }
            }
        }
        guard case .failure(let status) = run(1 << 28) else { return tally.expect(false, "a tensor of 1 GiB does not fit into 64 MiB") }
        tally.expect(status.code == .resourceExhausted, "out of memory is RESOURCE_EXHAUSTED (\(status.message.prefix(160)))")
        tally.expect(status.message.firstRange(of: "large") != nil, "the message names the node")
        let after = try? run(1 << 20).get()[0].scalar(of: Float.self)
        tally.expect(after == Float(1 << 20), "the session goes on")
    }

    /// A kernel that writes where it may not stops the card: its sessions fail with a status that says so, and once they are closed the
    /// card can be opened again.
    private func stoppedCard(_ tally: inout Tally) throws {
        do {
            let devices = try devices()
            guard let device = devices.places.compactMap({ $0.device as? CUDADevice }).first else { return tally.expect(false, "a device") }
            let module = try device.modules.module(CUDAProgram("wild write", "KERNEL wild(int64 address) { *(volatile int*)address = 1; }"))
            try device.launch(module.function("wild"), CUDAGrid(1, 1), [.int(64)])
            let failure = Result { () throws(Status) in try device.compute.synchronize() }
            guard case .failure(let status) = failure else { return tally.expect(false, "a write to address 64 fails") }
            tally.expect(status.message.firstRange(of: "has stopped") != nil, "a stopped card says so (\(status.message.prefix(160)))")
            let again = Result { () throws(Status) in try self.runtime.open(gpu) }
            if case .failure(let status) = again {
                tally.expect(status.message.firstRange(of: "has stopped") != nil, "it is not opened again while it is in use")
            } else {
                tally.expect(false, "it is not opened again while it is in use")
            }
        }
        let builder = GraphBuilder()
        let sum = builder.device("/device:GPU:0") { builder.placeholder(.float32, shape: [3], name: "x").sum() }
        // Threads of the old device's streams may still put things away; until then opening the card says that it has stopped.
        let end = ContinuousClock.now + .seconds(10)
        var opened = Result { try devices() }
        while case .failure(let error) = opened, Status(error).message.firstRange(of: "has stopped") != nil, ContinuousClock.now < end {
            opened = Result { try devices() }
        }
        let session = try DirectSession(builder.graph(), registry: .standard, devices: opened.get(), options: RuntimeOptions())
        let values = try session.run(feeds: [("x:0", Tensor([Float(1), 2, 3]))], fetches: [sum.name])
        tally.expect(try values[0].scalar(of: Float.self) == 6, "it computes again once it was closed")
    }
}
