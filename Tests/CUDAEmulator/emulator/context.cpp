// Contexts: which one a thread works with, and what ends with one.
#include "core.hpp"
#include <algorithm>
#include <sys/mman.h>

namespace cuemu {

static thread_local std::vector<std::shared_ptr<Context>> currents;

std::shared_ptr<Context> currentContext() { return currents.empty() ? nullptr : currents.back(); }

template <class Handles> static void forget(Handles &handles, const Context &context) {
    for (auto entry = handles.begin(); entry != handles.end();)
        entry = entry->second->context.get() == &context ? handles.erase(entry) : std::next(entry);
}

void clear(Lock &lock, Context &context) {
    Driver &driver = Driver::shared();
    for (auto &capture : std::set(driver.captures)) {
        if (capture->origin->context.get() != &context) continue;
        invalidate(*capture);
        endCapture(capture);
    }
    drain(lock, context);
    for (auto &stream : context.streams) {
        stream->closing = true;
        stream->arrival.notify_one();
        driver.streams.erase(stream.get());
    }
    context.streams.clear();
    context.legacy = nullptr;
    forget(driver.events, context);
    forget(driver.execs, context);
    for (auto &[handle, module] : driver.modules)
        if (module->context.get() == &context)
            for (auto &[name, function] : module->functions) driver.functions.erase(function);
    forget(driver.modules, context);
    for (auto &device : driver.devices) {
        auto allocations = device->allocations;
        for (auto &[address, allocation] : allocations)
            if (allocation.context == &context) release(*device, allocation);
    }
    for (auto entry = driver.pinned.begin(); entry != driver.pinned.end();) {
        if (entry->second.context == &context) {
            munmap((void *)entry->first, entry->second.mapped);
            entry = driver.pinned.erase(entry);
        } else {
            ++entry;
        }
    }
    context.peers.clear();
    context.error = 0;
}

/// Makes a context of the card, known by its address.
static std::shared_ptr<Context> makeContext(Device &device, bool primary) {
    auto context = std::make_shared<Context>();
    context->device = &device;
    context->primary = primary;
    Driver::shared().contexts[context.get()] = context;
    return context;
}

static Device *deviceOf(CUdevice ordinal) {
    auto &devices = Driver::shared().devices;
    return ordinal >= 0 && (size_t)ordinal < devices.size() ? devices[(size_t)ordinal].get() : nullptr;
}

/// Ends a context; its handle means nothing afterwards.
static void destroy(Lock &lock, std::shared_ptr<Context> context) {
    clear(lock, *context);
    context->destroyed = true;
    Driver::shared().contexts.erase(context.get());
}
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuCtxCreate_v2(void **handle, unsigned flags, CUdevice ordinal) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!handle || (flags & ~0xffu)) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    Device *device = deviceOf(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    auto context = makeContext(*device, false);
    currents.push_back(context);
    *handle = context.get();
    return 0;
}

CUEMU_EXPORT CUresult cuCtxDestroy_v2(void *handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    auto found = driver.contexts.find(handle);
    if (found == driver.contexts.end() || found->second->primary) return CUDA_ERROR_INVALID_CONTEXT;
    auto context = found->second;
    destroy(lock, context);
    if (currentContext() == context) currents.pop_back();
    return 0;
}

CUEMU_EXPORT CUresult cuDevicePrimaryCtxRetain(void **handle, CUdevice ordinal) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    Device *device = deviceOf(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    if (!device->primary) device->primary = makeContext(*device, true);
    device->primaryUsers++;
    *handle = device->primary.get();
    return 0;
}

CUEMU_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice ordinal) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    Device *device = deviceOf(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    if (!device->primaryUsers) return CUDA_ERROR_INVALID_CONTEXT;
    if (--device->primaryUsers) return 0;
    auto context = std::move(device->primary);
    device->primary = nullptr;
    destroy(lock, context);
    return 0;
}

CUEMU_EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice ordinal) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    Device *device = deviceOf(ordinal);
    if (!device) return CUDA_ERROR_INVALID_DEVICE;
    // The handle stays valid for those who retain it, and names the new state.
    if (auto context = device->primary) clear(lock, *context);
    return 0;
}

static CUresult find(void *handle, std::shared_ptr<Context> &context) {
    auto found = Driver::shared().contexts.find(handle);
    if (found == Driver::shared().contexts.end()) return CUDA_ERROR_INVALID_CONTEXT;
    context = found->second;
    return 0;
}

CUEMU_EXPORT CUresult cuCtxSetCurrent(void *handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Context> context;
    if (handle)
        if (CUresult result = find(handle, context)) return result;
    if (!currents.empty()) currents.pop_back();
    if (context) currents.push_back(context);
    return 0;
}

CUEMU_EXPORT CUresult cuCtxGetCurrent(void **handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    *handle = currentContext().get();
    return 0;
}

CUEMU_EXPORT CUresult cuCtxPushCurrent_v2(void *handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Context> context;
    if (CUresult result = find(handle, context)) return result;
    currents.push_back(context);
    return 0;
}

CUEMU_EXPORT CUresult cuCtxPopCurrent_v2(void **handle) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (currents.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (handle) *handle = currents.back().get();
    currents.pop_back();
    return 0;
}

CUEMU_EXPORT CUresult cuCtxGetDevice(CUdevice *device) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    *device = call.context->device->ordinal;
    return 0;
}

CUEMU_EXPORT CUresult cuCtxSynchronize() {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    if (CUresult refused = refuseDuringCapture()) return refused;
    CUresult refused = 0;
    for (auto &stream : call.context->streams) {
        if (!stream->capture) continue;
        invalidate(*stream->capture);
        refused = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (refused) return refused;
    drain(lock, *call.context);
    return call.context->error;
}

CUEMU_EXPORT CUresult cuCtxEnablePeerAccess(void *handle, unsigned flags) {
    Call call(__func__);
    if (call.result) return call.result;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Context> peer;
    if (CUresult result = find(handle, peer)) return result;
    if (peer->device == call.context->device) return CUDA_ERROR_INVALID_DEVICE;
    bool fresh = call.context->peers.insert(peer->device->ordinal).second;
    return fresh ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

CUEMU_EXPORT CUresult cuCtxDisablePeerAccess(void *handle) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    std::shared_ptr<Context> peer;
    if (CUresult result = find(handle, peer)) return result;
    return call.context->peers.erase(peer->device->ordinal) ? CUDA_SUCCESS : 705;
}
