// Events. Those of one process are records that a stream's thread completes; shared ones count in memory of both.
#include "core.hpp"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cuemu {

Event::~Event() {
    if (file >= 0) close(file);
}

static bool reached(const SharedEvent &event, uint32_t ticket) { return (int32_t)(event.completed.load() - ticket) >= 0; }

/// Waits until the ticket is done; another process may be the one that does it.
static void await(const SharedEvent &event, uint32_t ticket) {
    for (;;) {
        uint32_t now = event.completed.load();
        if ((int32_t)(now - ticket) >= 0) return;
        // The time limit lets a wait end also where a wake-up came between the load and the call.
        timespec limit{0, 20'000'000};
        syscall(SYS_futex, &event.completed, FUTEX_WAIT, now, &limit, nullptr, 0);
    }
}

static void complete(SharedEvent &event, uint32_t ticket) {
    uint32_t now = event.completed.load();
    while ((int32_t)(now - ticket) < 0 && !event.completed.compare_exchange_weak(now, ticket)) {}
    syscall(SYS_futex, &event.completed, FUTEX_WAKE, 0x7fffffff, nullptr, nullptr, 0);
}

void awaitRecord(Stream &stream, std::shared_ptr<Record> record) {
    if (!record || record->done) return;
    submit(stream, {[record] {
        Lock lock(Driver::shared().lock);
        Driver::shared().progress.wait(lock, [&] { return record->done; });
        return CUDA_SUCCESS;
    }, true});
}

void completeRecord(Stream &stream, std::shared_ptr<Record> record) {
    submit(stream, {[record] {
        Lock lock(Driver::shared().lock);
        record->nanoseconds = nanoseconds();
        record->done = true;
        return CUDA_SUCCESS;
    }, true});
}

static CUresult findEvent(void *handle, std::shared_ptr<Event> &event) {
    auto found = Driver::shared().events.find(handle);
    if (found == Driver::shared().events.end()) return CUDA_ERROR_INVALID_HANDLE;
    event = found->second;
    return event->context->error;
}

/// A wait of the host for an event that a capture has recorded cannot end. Other events may not be asked while a capture
/// forbids calls that it cannot see.
static CUresult refuseCaptured(Event &event) {
    if (!event.capture) return refuseDuringCapture();
    if (!event.capture->ended) invalidate(*event.capture);
    return CUDA_ERROR_CAPTURED_EVENT;
}
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuEventCreate(void **handle, unsigned flags) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!handle || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    if ((flags & CU_EVENT_INTERPROCESS) && !(flags & CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_VALUE;
    auto event = std::make_shared<Event>();
    event->context = call.context;
    event->flags = flags;
    if (flags & CU_EVENT_INTERPROCESS)
        if (CUresult result = makeShared(*event)) return result;
    Lock lock(Driver::shared().lock);
    Driver::shared().events[event.get()] = event;
    *handle = event.get();
    return 0;
}

CUEMU_EXPORT CUresult cuEventDestroy_v2(void *handle) {
    Call call(__func__, Needs::brokenContext);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    return Driver::shared().events.erase(handle) ? call.context->error.load() : CUDA_ERROR_INVALID_HANDLE;
}

CUEMU_EXPORT CUresult cuEventRecord(void *eventHandle, void *streamHandle) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Event> event;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findEvent(eventHandle, event)) return result;
    if (CUresult result = findStream(call, streamHandle, stream)) return result;
    if (event->context != stream->context) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) {
        if (stream->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        event->capture = stream->capture;
        event->tips = stream->tips;
        return 0;
    }
    if (stream->legacy)
        for (auto &other : stream->context->streams)
            if (other->blocking() && other->capture) {
                invalidate(*other->capture);
                return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
            }
    event->capture = nullptr;
    if (auto shared = event->shared) {
        uint32_t ticket = ++shared->submitted;
        submit(*stream, {[shared, ticket] {
            complete(*shared, ticket);
            return CUDA_SUCCESS;
        }, true});
        return 0;
    }
    auto record = std::make_shared<Record>();
    event->record = record;
    completeRecord(*stream, record);
    return 0;
}

CUEMU_EXPORT CUresult cuStreamWaitEvent(void *streamHandle, void *eventHandle, unsigned flags) {
    Call call(__func__);
    if (call.result) return call.result;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Event> event;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, streamHandle, stream)) return result;
    if (CUresult result = findEvent(eventHandle, event)) return result;
    if (stream->capture && stream->capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (auto capture = event->capture) {
        if (capture->ended) return CUDA_ERROR_INVALID_VALUE;
        if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        if (stream->capture && stream->capture != capture) {
            invalidate(*capture);
            invalidate(*stream->capture);
            return CUDA_ERROR_STREAM_CAPTURE_MERGE;
        }
        if (stream->legacy) {
            invalidate(*capture);
            return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
        stream->capture = capture;
        capture->members.insert(stream);
        std::set<size_t> tips(stream->tips.begin(), stream->tips.end());
        tips.insert(event->tips.begin(), event->tips.end());
        stream->tips.assign(tips.begin(), tips.end());
        return 0;
    }
    if (stream->capture) {
        // A captured stream cannot depend on work that is not part of the graph.
        if (!event->record && !event->shared) return 0;
        invalidate(*stream->capture);
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (auto shared = event->shared) {
        uint32_t ticket = shared->submitted;
        if (reached(*shared, ticket)) return 0;
        submit(*stream, {[shared, ticket] {
            await(*shared, ticket);
            return CUDA_SUCCESS;
        }, true});
        return 0;
    }
    awaitRecord(*stream, event->record);
    return 0;
}

CUEMU_EXPORT CUresult cuEventQuery(void *handle) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Event> event;
    if (CUresult result = findEvent(handle, event)) return result;
    if (CUresult result = refuseCaptured(*event)) return result;
    if (event->shared) return reached(*event->shared, event->shared->submitted) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
    return !event->record || event->record->done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUEMU_EXPORT CUresult cuEventSynchronize(void *handle) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Event> event;
    if (CUresult result = findEvent(handle, event)) return result;
    if (CUresult result = refuseCaptured(*event)) return result;
    if (auto shared = event->shared) {
        uint32_t ticket = shared->submitted;
        lock.unlock();
        await(*shared, ticket);
        return event->context->error;
    }
    auto record = event->record;
    Driver::shared().progress.wait(lock, [&] { return !record || record->done; });
    return event->context->error;
}

static CUresult elapsed(float *milliseconds, void *startHandle, void *endHandle) {
    if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Event> start, end;
    if (CUresult result = findEvent(startHandle, start)) return result;
    if (CUresult result = findEvent(endHandle, end)) return result;
    if ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
    if (start->context != end->context || !start->record || !end->record) return CUDA_ERROR_INVALID_HANDLE;
    if (!start->record->done || !end->record->done) return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)((double)((int64_t)end->record->nanoseconds / 1000 - (int64_t)start->record->nanoseconds / 1000) / 1000);
    return 0;
}

CUEMU_EXPORT CUresult cuEventElapsedTime(float *milliseconds, void *start, void *end) {
    Call call(__func__);
    return call.result ? call.result : elapsed(milliseconds, start, end);
}

CUEMU_EXPORT CUresult cuEventElapsedTime_v2(float *milliseconds, void *start, void *end) {
    Call call(__func__);
    return call.result ? call.result : elapsed(milliseconds, start, end);
}
