import COneDNN
import Glibc
import WeirTensor

/// The interface to oneDNN, a library of dense CPU kernels: matrix products and convolutions of floats.
///
/// oneDNN is usually built with OpenMP, whose threads spin after each call and wake up even for small work. Here oneDNN uses
/// the calling thread only. To use several threads, the caller divides the work with a `ComputePool` and calls oneDNN from
/// each of them. All functions are thread-safe.
package enum OneDNN {
    /// `omp_set_num_threads`, which applies to the calling thread only; nil when oneDNN is built without OpenMP.
    private static let setThreadCount: (@convention(c) (Int32) -> Void)? =
        dlsym(nil, "omp_set_num_threads").map { unsafeBitCast($0, to: (@convention(c) (Int32) -> Void).self) }

    /// Limits oneDNN to the calling thread. Call it before every call into oneDNN, also before those that only make primitives:
    /// a primitive is compiled for the number of threads that is set. It takes nanoseconds.
    static func limitToCallingThread() { setThreadCount?(1) }

    /// oneDNN's engine for the CPUs of this machine.
    static let engine: Result<Engine, Status> = {
        var engine: dnnl_engine_t?
        limitToCallingThread()
        let status = dnnl_engine_create(&engine, dnnl_cpu, 0)
        guard status == dnnl_success, let engine else {
            return .failure(.internalError("oneDNN has no CPU engine (status \(status.rawValue))"))
        }
        return .success(Engine(handle: engine))
    }()
    struct Engine: @unchecked Sendable {  // immutable
        let handle: dnnl_engine_t
    }

    static func check(_ status: dnnl_status_t, _ what: @autoclosure () -> String) throws(Status) {
        guard status != dnnl_success else { return }
        if status == dnnl_out_of_memory { throw .resourceExhausted("oneDNN ran out of memory in \(what())") }
        throw .internalError("oneDNN failed in \(what()) with status \(status.rawValue)")
    }
}

/// A computation that oneDNN has compiled for one shape (a primitive).
///
/// Several threads may run it at once, because each call allocates its own scratch memory.
final class OneDNNPrimitive: @unchecked Sendable {  // the handle is immutable
    private let handle: dnnl_primitive_t
    private let descriptor: const_dnnl_primitive_desc_t
    private let engine: dnnl_engine_t
    private let scratchpad: OneDNNLayout
    /// oneDNN's name of the implementation that it chose.
    let implementation: String
    /// Whether oneDNN has no fast implementation. oneDNN 3 wraps some, such as `jit_uni_ncsp:conv+ref:any`.
    var isReference: Bool { implementation.split(separator: "+").contains { $0.hasPrefix("ref") } }

    /// Compiles a copy from one memory layout to another.
    convenience init(reordering source: OneDNNLayout, to destination: OneDNNLayout) throws(Status) {
        try self.init { engine, attributes, made in
            dnnl_reorder_primitive_desc_create(&made, source.handle, engine, destination.handle, engine, attributes)
        }
    }

    /// Compiles an operation.
    /// - Parameter describe: makes the primitive descriptor, with these attributes.
    init(
        _ describe: (dnnl_engine_t, dnnl_primitive_attr_t?, inout dnnl_primitive_desc_t?) -> dnnl_status_t
    ) throws(Status) {
        engine = try OneDNN.engine.get().handle
        OneDNN.limitToCallingThread()
        var attributes: dnnl_primitive_attr_t?
        try OneDNN.check(dnnl_primitive_attr_create(&attributes), "making attributes")
        defer { dnnl_primitive_attr_destroy(attributes) }
        try OneDNN.check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "setting attributes")
        var description: dnnl_primitive_desc_t?
        try OneDNN.check(describe(engine, attributes, &description), "describing a primitive")
        defer { dnnl_primitive_desc_destroy(description) }
        var made: dnnl_primitive_t?
        try OneDNN.check(dnnl_primitive_create(&made, description), "making a primitive")
        guard let made else { throw .internalError("oneDNN made no primitive") }
        var own: const_dnnl_primitive_desc_t?
        guard dnnl_primitive_get_primitive_desc(made, &own) == dnnl_success, let own,
            let scratchpad = OneDNNLayout(dnnl_query_scratchpad_md, of: own)
        else {
            dnnl_primitive_destroy(made)
            throw .internalError("oneDNN does not describe its primitive")
        }
        handle = made
        descriptor = own
        self.scratchpad = scratchpad
        var name: UnsafePointer<CChar>?
        dnnl_primitive_desc_query(own, dnnl_query_impl_info_str, 0, &name)
        implementation = name.map { String(cString: $0) } ?? ""
    }
    deinit { dnnl_primitive_destroy(handle) }

    /// The memory layout that the primitive expects for one of its arguments.
    func layout(_ query: dnnl_query_t) -> OneDNNLayout? { OneDNNLayout(query, of: descriptor) }

    /// An argument of a call: its index, its memory layout and its address.
    struct Argument {
        var index: Int32
        var layout: OneDNNLayout
        var memory: UnsafeMutableRawPointer
        /// The distance in bytes between the arguments of consecutive repetitions.
        var step = 0
    }

    /// Runs the primitive on the calling thread, once for each repetition.
    /// - Parameter finish: called after each repetition, with its number.
    func run(_ arguments: [Argument], repetitions: Int = 1, finish: (Int) -> Void = { _ in }) throws(Status) {
        OneDNN.limitToCallingThread()
        var stream: dnnl_stream_t?
        try OneDNN.check(dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "making a stream")
        defer { dnnl_stream_destroy(stream) }
        var arguments = arguments
        if scratchpad.byteCount > 0 {
            let memory = try HostAllocator.shared.allocate(scratchpad.byteCount)
            arguments.append(Argument(index: DNNL_ARG_SCRATCHPAD, layout: scratchpad, memory: memory))
        }
        defer {
            if scratchpad.byteCount > 0, let scratch = arguments.last {
                HostAllocator.shared.deallocate(scratch.memory, scratchpad.byteCount)
            }
        }
        var memories: [dnnl_exec_arg_t] = []
        defer { for memory in memories { dnnl_memory_destroy(memory.memory) } }
        for argument in arguments {
            var memory: dnnl_memory_t?
            try OneDNN.check(dnnl_memory_create(&memory, argument.layout.handle, engine, argument.memory), "describing memory")
            memories.append(dnnl_exec_arg_t(arg: argument.index, memory: memory))
        }
        for repetition in 0..<repetitions {
            if repetition > 0 {
                for (argument, memory) in zip(arguments, memories) where argument.step > 0 {
                    let place = argument.memory + repetition * argument.step
                    try OneDNN.check(dnnl_memory_set_data_handle(memory.memory, place), "describing memory")
                }
            }
            try OneDNN.check(dnnl_primitive_execute(handle, stream, Int32(memories.count), memories), implementation)
            try OneDNN.check(dnnl_stream_wait(stream), implementation)
            finish(repetition)
        }
    }
}
