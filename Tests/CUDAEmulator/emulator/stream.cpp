// Streams: queues whose threads do their work in order, with delays that depend on the seed.
#include "core.hpp"
#include <chrono>
#include <system_error>

namespace cuemu {

uint64_t Random::next() {
    uint64_t value = state += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

thread_local bool inHostFunction = false;

uint64_t nanoseconds() {
    return (uint64_t)std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Context::fail(CUresult result) {
    CUresult none = 0;
    error.compare_exchange_strong(none, result);
}

/// Waits at random, so that streams interleave differently. Holds no lock.
void Stream::pause() {
    Driver &driver = Driver::shared();
    uint64_t epoch = driver.seedEpoch, seed = driver.seed;
    if (epoch != seedEpoch) {
        seedEpoch = epoch;
        random.state = seed * 0x2545f4914f6cdd1dull + number;
        random.next();
    }
    if (!seed || random.below(2)) return;
    uint64_t end = nanoseconds() + 1000 * random.below(driver.delay + 1);
    std::this_thread::sleep_for(std::chrono::nanoseconds(end - nanoseconds()));
}

void Stream::main() {
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    for (;;) {
        arrival.wait(lock, [&] { return closing || !queue.empty(); });
        if (queue.empty()) return;
        Work work = std::move(queue.front());
        queue.pop_front();
        lock.unlock();
        CUresult result = 0;
        if (!work.bookkeeping && !context->error) pause();
        if (work.bookkeeping || !context->error) result = work.run();
        work = {};
        if (result) context->fail(result);
        lock.lock();
        completed++;
        driver.progress.notify_all();
    }
}

void Stream::push(Work work) {
    submitted++;
    queue.push_back(std::move(work));
    arrival.notify_one();
}

CUresult start(const std::shared_ptr<Stream> &stream) {
    stream->number = Driver::shared().nextStream++;
    try {
        std::thread([stream] { stream->main(); }).detach();
    } catch (const std::system_error &) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    stream->context->streams.insert(stream);
    return 0;
}

std::shared_ptr<Stream> legacyStream(Context &context) {
    if (!context.legacy) {
        auto stream = std::make_shared<Stream>();
        stream->context = context.shared_from_this();
        stream->legacy = true;
        if (start(stream)) return nullptr;
        context.legacy = stream;
    }
    return context.legacy;
}

CUresult findStream(const Call &call, void *handle, std::shared_ptr<Stream> &stream) {
    if (!handle || handle == (void *)1) {
        stream = legacyStream(*call.context);
        return stream ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (handle == (void *)2) return CUDA_ERROR_NOT_SUPPORTED;
    auto found = Driver::shared().streams.find(handle);
    if (found == Driver::shared().streams.end()) return CUDA_ERROR_INVALID_HANDLE;
    stream = found->second;
    return stream->context->error;
}

/// Makes `stream` wait for what `other` has been given so far.
static void join(Stream &stream, const std::shared_ptr<Stream> &other) {
    uint64_t ticket = other->submitted;
    if (other->completed >= ticket) return;
    stream.push({[other, ticket] {
        Lock lock(Driver::shared().lock);
        Driver::shared().progress.wait(lock, [&] { return other->completed >= ticket; });
        return CUDA_SUCCESS;
    }, true});
}

void submit(Stream &stream, Work work) {
    Context &context = *stream.context;
    if (stream.legacy) {
        for (auto &other : context.streams)
            if (other->blocking()) join(stream, other);
    } else if (stream.blocking() && context.legacy) {
        join(stream, context.legacy);
    }
    stream.push(std::move(work));
}

void drain(Lock &lock, Stream &stream) {
    uint64_t ticket = stream.submitted;
    auto keep = stream.shared_from_this();
    Driver::shared().progress.wait(lock, [&] { return keep->completed >= ticket; });
}

void drain(Lock &lock, Context &context) {
    auto streams = context.streams;
    for (auto &stream : streams) drain(lock, *stream);
}
} // namespace cuemu

using namespace cuemu;

static CUresult createStream(const Call &call, void **handle, unsigned flags) {
    if (!handle || (flags & ~CU_STREAM_NON_BLOCKING)) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    auto stream = std::make_shared<Stream>();
    stream->context = call.context;
    stream->flags = flags;
    if (CUresult result = start(stream)) return result;
    driver.streams[stream.get()] = stream;
    *handle = stream.get();
    return 0;
}

CUEMU_EXPORT CUresult cuStreamCreate(void **handle, unsigned flags) {
    Call call(__func__);
    return call.result ? call.result : createStream(call, handle, flags);
}

CUEMU_EXPORT CUresult cuStreamCreateWithPriority(void **handle, unsigned flags, int) {
    Call call(__func__);
    return call.result ? call.result : createStream(call, handle, flags);
}

CUEMU_EXPORT CUresult cuStreamDestroy_v2(void *handle) {
    Call call(__func__, Needs::brokenContext);
    if (call.result) return call.result;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    auto found = driver.streams.find(handle);
    if (found == driver.streams.end()) return CUDA_ERROR_INVALID_HANDLE;
    auto stream = found->second;
    if (stream->capture) {
        auto capture = stream->capture;
        invalidate(*capture);
        if (capture->origin == stream.get()) endCapture(capture);
        capture->members.erase(stream);
        stream->capture = nullptr;
    }
    // The call returns at once; the thread ends when the stream's work is done. The legacy stream still waits for it.
    driver.streams.erase(found);
    auto context = stream->context;
    stream->closing = true;
    stream->arrival.notify_one();
    for (auto other = context->streams.begin(); other != context->streams.end();)
        other = (*other)->closing && (*other)->completed == (*other)->submitted ? context->streams.erase(other) : std::next(other);
    return context->error;
}

/// A call that the stream's capture forbids.
static CUresult refuse(Stream &stream) {
    if (stream.capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    invalidate(*stream.capture);
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

/// Whether a use of the legacy stream would touch a captured stream; such a use ends the capture.
static CUresult refuseLegacy(Stream &stream) {
    if (!stream.legacy) return 0;
    CUresult result = 0;
    for (auto &other : stream.context->streams) {
        if (!other->blocking() || !other->capture) continue;
        invalidate(*other->capture);
        result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    return result;
}

namespace cuemu {
CUresult dispatch(Stream &stream, NodeKind kind, std::function<CUresult()> run) {
    if (auto capture = stream.capture) {
        if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        capture->graph->nodes.push_back({kind, std::move(run), stream.tips});
        stream.tips = {capture->graph->nodes.size() - 1};
        return 0;
    }
    if (CUresult result = refuseLegacy(stream)) return result;
    submit(stream, {std::move(run), false});
    return 0;
}
} // namespace cuemu

CUEMU_EXPORT CUresult cuStreamSynchronize(void *handle) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    if (stream->capture) return refuse(*stream);
    if (CUresult result = refuseLegacy(*stream)) return result;
    if (stream->legacy) submit(*stream, {[] { return CUDA_SUCCESS; }, true});
    drain(lock, *stream);
    return stream->context->error;
}

CUEMU_EXPORT CUresult cuStreamQuery(void *handle) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    if (stream->capture) return refuse(*stream);
    if (CUresult result = refuseLegacy(*stream)) return result;
    bool busy = stream->completed < stream->submitted;
    if (stream->legacy)
        for (auto &other : stream->context->streams) busy = busy || (other->blocking() && other->completed < other->submitted);
    if (busy) return CUDA_ERROR_NOT_READY;
    return stream->context->error;
}

CUEMU_EXPORT CUresult cuLaunchHostFunc(void *handle, CUhostFn function, void *data) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!function) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    return dispatch(*stream, NodeKind::host, [function, data] {
        inHostFunction = true;
        function(data);
        inHostFunction = false;
        return CUDA_SUCCESS;
    });
}
