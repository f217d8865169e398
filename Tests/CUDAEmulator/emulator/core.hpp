// The emulated driver's own objects. One lock guards all of them; workers hold it only between pieces of work.
#pragma once
#include "../device/abi.h"
#include "cuda.hpp"
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace cuemu {

struct Context;
struct Stream;
struct Event;
struct Module;
struct Function;
struct Capture;
struct Graph;
struct GraphExec;

/// Numbers that depend on the seed only.
struct Random {
    uint64_t state = 0;
    uint64_t next();
    /// A number below `bound`; 0 for a bound of 0.
    uint64_t below(uint64_t bound) { return bound ? next() % bound : 0; }
};

/// A range of a card's address space that is in use.
struct Allocation {
    CUdeviceptr address = 0;
    size_t size = 0;
    /// The mapped pages, as an offset in the card's range. The allocation ends where they end, up to 255 bytes.
    size_t pageOffset = 0, pageSize = 0;
    Context *context = nullptr;
    /// Whether another process owns the bytes, and how often this one has opened them.
    bool opened = false;
    int openings = 0;
    std::string handle;
};

/// One emulated card. Its addresses lie in a range without access; the bytes lie at `window`.
struct Device {
    int ordinal = 0;
    char *base = nullptr, *window = nullptr;
    int file = -1;
    size_t limit = 0, used = 0, cursor = 0;
    std::map<CUdeviceptr, Allocation> allocations;
    std::shared_ptr<Context> primary;
    int primaryUsers = 0;
};

/// Memory of the host that a context has pinned.
struct Pinned {
    size_t size = 0, mapped = 0;
    Context *context = nullptr;
};

/// One piece of a stream's work. Bookkeeping (events, waits) is done also after the context has failed.
struct Work {
    std::function<CUresult()> run;
    bool bookkeeping = false;
};

struct Context : std::enable_shared_from_this<Context> {
    Device *device = nullptr;
    bool primary = false, destroyed = false;
    std::atomic<CUresult> error{0};
    std::set<int> peers;
    std::set<std::shared_ptr<Stream>> streams;
    std::shared_ptr<Stream> legacy;
    /// Sets the error that all later calls return, unless there is one.
    void fail(CUresult result);
};

/// A queue with a thread that does its work in order.
struct Stream : std::enable_shared_from_this<Stream> {
    std::shared_ptr<Context> context;
    unsigned flags = 0;
    bool legacy = false, closing = false;
    uint64_t number = 0, submitted = 0, completed = 0, seedEpoch = 0;
    std::deque<Work> queue;
    std::condition_variable arrival;
    Random random;
    std::shared_ptr<Capture> capture;
    /// While the stream is captured, the nodes its next node depends on.
    std::vector<size_t> tips;
    bool blocking() const { return !legacy && !(flags & CU_STREAM_NON_BLOCKING); }
    void push(Work work);
    void main();
    void pause();
};

/// One recording of an event.
struct Record {
    bool done = false;
    uint64_t nanoseconds = 0;
};

/// The part of an event that processes share; tickets are handed out at the record, and done when a stream gets there.
struct SharedEvent {
    std::atomic<uint32_t> submitted, completed;
};

struct Event {
    std::shared_ptr<Context> context;
    unsigned flags = 0;
    std::shared_ptr<Record> record;
    std::shared_ptr<SharedEvent> shared;
    int file = -1;
    bool opened = false;
    std::shared_ptr<Capture> capture;
    std::vector<size_t> tips;
    ~Event();
};

struct Module {
    std::shared_ptr<Context> context;
    void *library = nullptr;
    int file = -1;
    size_t sharedBytes = 0, sharedModule = 0;
    std::map<std::string, Function *> functions;
    ~Module();
};

struct Function {
    std::weak_ptr<Module> module;
    std::string name;
    const cuemu_kernel *kernel = nullptr;
    int dynamicShared = 0;
};

enum class NodeKind { kernel, copy, fill, host };

struct Node {
    NodeKind kind;
    std::function<CUresult()> run;
    std::vector<size_t> dependencies;
};

struct Graph {
    std::vector<Node> nodes;
};

struct GraphExec {
    std::shared_ptr<Context> context;
    std::shared_ptr<const Graph> graph;
    /// Done when the latest launch is: launches of one graph come one after the other, on whatever streams.
    std::shared_ptr<Record> latest;
};

/// A capture that goes on. It ends with the stream it began on.
struct Capture {
    CUcaptureMode mode = captureGlobal;
    std::thread::id thread;
    Stream *origin = nullptr;
    bool invalid = false, ended = false;
    std::set<std::shared_ptr<Stream>> members;
    std::shared_ptr<Graph> graph = std::make_shared<Graph>();
};

/// The driver's state. It is never destroyed, since threads may still use it while the process ends.
struct Driver {
    std::mutex lock;
    std::condition_variable progress;
    std::atomic<bool> initialised{false}, forked{false};
    std::vector<std::unique_ptr<Device>> devices;
    std::map<void *, std::shared_ptr<Context>> contexts;
    std::map<void *, std::shared_ptr<Stream>> streams;
    std::map<void *, std::shared_ptr<Event>> events;
    std::map<void *, std::shared_ptr<Module>> modules;
    std::map<void *, std::shared_ptr<Function>> functions;
    std::map<void *, std::shared_ptr<Graph>> graphs;
    std::map<void *, std::shared_ptr<GraphExec>> execs;
    std::map<uintptr_t, Pinned> pinned;
    std::set<std::shared_ptr<Capture>> captures;
    std::atomic<uint64_t> seed{0}, seedEpoch{1}, launches{0}, copies{0}, graphLaunches{0}, compiles{0};
    uint64_t delay = 300, nextStream = 1;
    static Driver &shared();
};

using Lock = std::unique_lock<std::mutex>;

/// What a call needs before it does anything.
enum class Needs { nothing, initialised, context, brokenContext };

/// The beginning of each call: a fault on demand (unless `name` is null), the initialisation, the current context and its error.
struct Call {
    CUresult result = CUDA_SUCCESS;
    std::shared_ptr<Context> context;
    explicit Call(const char *name, Needs needs = Needs::context);
};

/// Whether this thread runs a function that a stream calls on the host; such a function may not call the driver.
extern thread_local bool inHostFunction;

/// The context that the calling thread works with, or null.
std::shared_ptr<Context> currentContext();

/// The fault that the next call of `name` has to return, or 0.
CUresult injectedFault(const char *name);

/// Sets `stream` to what the handle names; a null handle names the context's legacy stream.
CUresult findStream(const Call &call, void *handle, std::shared_ptr<Stream> &stream);
/// The stream that synchronises with all blocking streams of its context.
std::shared_ptr<Stream> legacyStream(Context &context);
/// Puts work on a stream behind the work that the legacy stream's rules put before it.
void submit(Stream &stream, Work work);
/// Puts a wait for a record on a stream.
void awaitRecord(Stream &stream, std::shared_ptr<Record> record);
/// Puts on a stream what makes a record done.
void completeRecord(Stream &stream, std::shared_ptr<Record> record);
/// Gives work to a stream, or makes it a node while the stream is captured.
CUresult dispatch(Stream &stream, NodeKind kind, std::function<CUresult()> run);
/// Waits until the stream has done all that it has been given so far.
void drain(Lock &lock, Stream &stream);
/// Waits for all streams of a context.
void drain(Lock &lock, Context &context);
/// Stops a context's streams and frees all it owns.
void clear(Lock &lock, Context &context);
/// Starts a stream's thread.
CUresult start(const std::shared_ptr<Stream> &stream);

/// Refuses a call that may synchronise while a capture goes on that forbids it, and invalidates that capture.
CUresult refuseDuringCapture();
void invalidate(Capture &capture);
/// Releases the streams of a capture.
void endCapture(const std::shared_ptr<Capture> &capture);

Device *deviceAt(CUdeviceptr address);
/// The allocation that holds all of `size` bytes at `address`, or null.
Allocation *allocationAt(CUdeviceptr address, size_t size);
const Pinned *pinnedAt(const void *pointer, size_t size);
/// The bytes behind a card's address; other addresses stay as they are.
void *bytesAt(CUdeviceptr address);
/// As `bytesAt` for a kernel of the context, which reaches its own card's and its peers' memory only.
uint64_t translate(uint64_t word, const Context &context);
CUresult reserve(Device &device);
/// Finds pages for an allocation and maps a file's bytes there. The last page is followed by one without access.
CUresult place(Device &device, size_t size, int file, off_t offset, Allocation &allocation);
void release(Device &device, Allocation allocation);

/// Runs `body` so that a fault in it becomes an error.
CUresult guarded(Context &context, const std::function<void()> &body);
/// Copies bytes; a fault is the context's error.
CUresult copyBytes(Context &context, void *to, const void *from, size_t size);

struct Launch {
    std::shared_ptr<Module> module;
    std::string name;
    const cuemu_kernel *kernel = nullptr;
    cuemu_index grid{}, block{};
    std::vector<unsigned char> storage;
    std::vector<size_t> offsets;
};
CUresult runLaunch(const Launch &launch, Random random, bool shuffled);

/// Gives an event memory that other processes can map.
CUresult makeShared(Event &event);

uint64_t nanoseconds();
} // namespace cuemu
