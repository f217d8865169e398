// Copies and fills. What may be read or written later, and what at the call, is as with CUDA.
#include "core.hpp"
#include <cstring>

using namespace cuemu;

namespace {
/// A copy whose device side lies within one allocation; the bytes are found when the call is made.
std::function<CUresult()> copyWork(std::shared_ptr<Context> context, void *to, const void *from, size_t size) {
    return [context, to, from, size] { return copyBytes(*context, to, from, size); };
}

CUresult copyToDevice(const Call &call, CUdeviceptr to, const void *from, size_t size, void *handle, bool wait) {
    if (!size) return 0;
    if (!from) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    if (wait)
        if (CUresult refused = refuseDuringCapture()) return refused;
    if (!allocationAt(to, size) || deviceAt((CUdeviceptr)from)) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    void *bytes = bytesAt(to);
    std::function<CUresult()> work;
    if (pinnedAt(from, size) || stream->capture) {
        work = copyWork(stream->context, bytes, from, size);
    } else {
        // Pageable memory is read before the call returns. The caller's fault is the caller's.
        lock.unlock();
        auto staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + size);
        lock.lock();
        if (!allocationAt(to, size)) return CUDA_ERROR_INVALID_VALUE;
        work = [context = stream->context, bytes, staged] {
            return copyBytes(*context, bytes, staged->data(), staged->size());
        };
    }
    if (CUresult result = dispatch(*stream, NodeKind::copy, std::move(work))) return result;
    Driver::shared().copies++;
    if (!wait) return 0;
    drain(lock, *stream);
    return stream->context->error;
}

CUresult copyToHost(const Call &call, void *to, CUdeviceptr from, size_t size, void *handle, bool wait) {
    if (!size) return 0;
    if (!to) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    if (wait)
        if (CUresult refused = refuseDuringCapture()) return refused;
    if (!allocationAt(from, size) || deviceAt((CUdeviceptr)to)) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    bool pageable = !pinnedAt(to, size), captured = stream->capture != nullptr;
    if (CUresult result = dispatch(*stream, NodeKind::copy, copyWork(stream->context, to, bytesAt(from), size))) return result;
    Driver::shared().copies++;
    // A copy into pageable memory is over when the call returns, unless a graph will make it.
    if (!wait && (!pageable || captured)) return 0;
    drain(lock, *stream);
    return stream->context->error;
}

CUresult copyOnDevice(const Call &call, CUdeviceptr to, CUdeviceptr from, size_t size, void *handle) {
    if (!size) return 0;
    Lock lock(Driver::shared().lock);
    if (!allocationAt(to, size) || !allocationAt(from, size)) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    CUresult result = dispatch(*stream, NodeKind::copy, copyWork(stream->context, bytesAt(to), bytesAt(from), size));
    if (!result) Driver::shared().copies++;
    return result;
}

template <class Value> CUresult fill(const Call &call, CUdeviceptr to, Value value, size_t count, void *handle) {
    if (!count) return 0;
    if (to % sizeof(Value) || count > SIZE_MAX / sizeof(Value)) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    if (!allocationAt(to, count * sizeof(Value))) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (CUresult result = findStream(call, handle, stream)) return result;
    auto *bytes = (Value *)bytesAt(to);
    return dispatch(*stream, NodeKind::fill, [context = stream->context, bytes, value, count] {
        return guarded(*context, [=] {
            for (size_t i = 0; i < count; i++) bytes[i] = value;
        });
    });
}
} // namespace

CUEMU_EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    Call call(__func__);
    return call.result ? call.result : copyToDevice(call, to, from, size, nullptr, true);
}

CUEMU_EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    Call call(__func__);
    return call.result ? call.result : copyToHost(call, to, from, size, nullptr, true);
}

CUEMU_EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, void *stream) {
    Call call(__func__);
    return call.result ? call.result : copyToDevice(call, to, from, size, stream, false);
}

CUEMU_EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, void *stream) {
    Call call(__func__);
    return call.result ? call.result : copyToHost(call, to, from, size, stream, false);
}

CUEMU_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, void *stream) {
    Call call(__func__);
    return call.result ? call.result : copyOnDevice(call, to, from, size, stream);
}

CUEMU_EXPORT CUresult cuMemcpyPeerAsync(CUdeviceptr to, void *toContext, CUdeviceptr from, void *fromContext, size_t size,
                                        void *stream) {
    Call call(__func__);
    if (call.result) return call.result;
    {
        Driver &driver = Driver::shared();
        Lock lock(driver.lock);
        auto target = driver.contexts.find(toContext), source = driver.contexts.find(fromContext);
        if (target == driver.contexts.end() || source == driver.contexts.end()) return CUDA_ERROR_INVALID_CONTEXT;
        if (size && (deviceAt(to) != target->second->device || deviceAt(from) != source->second->device))
            return CUDA_ERROR_INVALID_VALUE;
    }
    return copyOnDevice(call, to, from, size, stream);
}

CUEMU_EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, void *stream) {
    Call call(__func__);
    return call.result ? call.result : fill(call, to, value, count, stream);
}

CUEMU_EXPORT CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, void *stream) {
    Call call(__func__);
    return call.result ? call.result : fill(call, to, value, count, stream);
}

CUEMU_EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, void *stream) {
    Call call(__func__);
    return call.result ? call.result : fill(call, to, value, count, stream);
}
