// Cards' address spaces. Addresses that callers get have no bytes behind them; the bytes lie in a second range.
#include "core.hpp"
#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cuemu {

static constexpr size_t rangeSize = 64ull << 30;
static constexpr size_t alignment = 256;
// The first place that is free is taken. The upper bits are unlike those of numbers that kernels get.
static const uintptr_t places[] = {0x7e9000000000, 0x7d9000000000, 0x6d9000000000, 0x3d9000000000, 0x2d9000000000};

static size_t roundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }
static size_t pageSize() {
    static const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

CUresult reserve(Device &device) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    for (uintptr_t place : places) {
        void *wanted = (void *)(place + (uintptr_t)device.ordinal * rangeSize);
        void *got = mmap(wanted, rangeSize, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == wanted) {
            device.base = (char *)got;
            break;
        }
        if (got != MAP_FAILED) munmap(got, rangeSize);
    }
    if (!device.base) {
        void *got = mmap(nullptr, rangeSize, PROT_NONE, flags, -1, 0);
        if (got == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
        device.base = (char *)got;
    }
    void *window = mmap(nullptr, rangeSize, PROT_NONE, flags, -1, 0);
    if (window == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    device.window = (char *)window;
    device.file = memfd_create("cuemu-card", MFD_CLOEXEC);
    if (device.file < 0 || ftruncate(device.file, (off_t)rangeSize)) return CUDA_ERROR_OPERATING_SYSTEM;
    return 0;
}

Device *deviceAt(CUdeviceptr address) {
    for (auto &device : Driver::shared().devices)
        if (address - (CUdeviceptr)device->base < rangeSize) return device.get();
    return nullptr;
}

Allocation *allocationAt(CUdeviceptr address, size_t size) {
    Device *device = deviceAt(address);
    if (!device) return nullptr;
    auto next = device->allocations.upper_bound(address);
    if (next == device->allocations.begin()) return nullptr;
    Allocation &allocation = std::prev(next)->second;
    size_t offset = address - allocation.address;
    return offset < allocation.size && size <= allocation.size - offset ? &allocation : nullptr;
}

const Pinned *pinnedAt(const void *pointer, size_t size) {
    auto &pinned = Driver::shared().pinned;
    auto next = pinned.upper_bound((uintptr_t)pointer);
    if (next == pinned.begin()) return nullptr;
    auto &[start, entry] = *std::prev(next);
    size_t offset = (uintptr_t)pointer - start;
    return offset < entry.size && size <= entry.size - offset ? &entry : nullptr;
}

void *bytesAt(CUdeviceptr address) {
    Device *device = deviceAt(address);
    return device ? device->window + (address - (CUdeviceptr)device->base) : (void *)address;
}

uint64_t translate(uint64_t word, const Context &context) {
    Device *device = deviceAt(word);
    if (!device || (device != context.device && !context.peers.count(device->ordinal))) return word;
    return (uint64_t)bytesAt(word);
}

CUresult place(Device &device, size_t size, int file, off_t offset, Allocation &allocation) {
    size_t pages = roundUp(size, pageSize()), needed = pages + pageSize();
    // Addresses are used again only after the whole range has been used, so that a stale pointer faults.
    size_t start = device.cursor;
    for (int lap = 0;; ) {
        if (start + needed > rangeSize) {
            if (lap++) return CUDA_ERROR_OUT_OF_MEMORY;
            start = 0;
        }
        auto clash = std::find_if(device.allocations.begin(), device.allocations.end(), [&](auto &entry) {
            const Allocation &other = entry.second;
            return start < other.pageOffset + other.pageSize + pageSize() && other.pageOffset < start + needed;
        });
        if (clash == device.allocations.end()) break;
        start = clash->second.pageOffset + clash->second.pageSize + pageSize();
    }
    if (offset < 0) offset = (off_t)start;
    if (mmap(device.window + start, pages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, offset) == MAP_FAILED)
        return CUDA_ERROR_OUT_OF_MEMORY;
    device.cursor = start + needed;
    allocation.pageOffset = start;
    allocation.pageSize = pages;
    allocation.size = size;
    allocation.address = (CUdeviceptr)device.base + start + pages - roundUp(size, alignment);
    device.allocations[allocation.address] = allocation;
    return 0;
}

void release(Device &device, Allocation allocation) {
    char *bytes = device.window + allocation.pageOffset;
    if (!allocation.opened) {
        // Whoever still reads these bytes (another process, or a worker that should have ended) sees the filling or a fault.
        device.used -= allocation.size;
        fallocate(device.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)allocation.pageOffset,
                  (off_t)allocation.pageSize);
    }
    mmap(bytes, allocation.pageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    device.allocations.erase(allocation.address);
}
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    Device &device = *call.context->device;
    *free = device.limit - device.used;
    *total = device.limit;
    return 0;
}

CUEMU_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!address || !size) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    if (CUresult refused = refuseDuringCapture()) return refused;
    Device &device = *call.context->device;
    if (size > device.limit - device.used) return CUDA_ERROR_OUT_OF_MEMORY;
    Allocation allocation;
    allocation.context = call.context.get();
    if (CUresult result = place(device, size, device.file, -1, allocation)) return result;
    memset(device.window + allocation.pageOffset, 0xff, allocation.pageSize);
    device.used += size;
    *address = allocation.address;
    return 0;
}

CUEMU_EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!address) return 0;
    Lock lock(Driver::shared().lock);
    if (CUresult refused = refuseDuringCapture()) return refused;
    Allocation *found = allocationAt(address, 1);
    if (!found || found->address != address || found->opened) return CUDA_ERROR_INVALID_VALUE;
    Context *owner = found->context;
    drain(lock, *owner->shared_from_this());
    found = allocationAt(address, 1);
    if (!found || found->address != address) return CUDA_ERROR_INVALID_VALUE;
    release(*deviceAt(address), *found);
    return call.context->error;
}

CUEMU_EXPORT CUresult cuMemHostAlloc(void **pointer, size_t size, unsigned flags) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!pointer || !size || (flags & ~CU_MEMHOSTALLOC_ALL)) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    if (CUresult refused = refuseDuringCapture()) return refused;
    // A page without access follows, so that a write past the end faults, also on the host.
    size_t pages = roundUp(size, pageSize()), mapped = pages + pageSize();
    if (pages < size) return CUDA_ERROR_OUT_OF_MEMORY;
    char *memory = (char *)mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    mprotect(memory + pages, pageSize(), PROT_NONE);
    Driver::shared().pinned[(uintptr_t)memory] = {size, mapped, call.context.get()};
    *pointer = memory;
    return 0;
}

CUEMU_EXPORT CUresult cuMemAllocHost_v2(void **pointer, size_t size) {
    if (CUresult fault = injectedFault(__func__)) return fault;
    return cuMemHostAlloc(pointer, size, 0);
}

CUEMU_EXPORT CUresult cuMemFreeHost(void *pointer) {
    Call call(__func__);
    if (call.result) return call.result;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    if (CUresult refused = refuseDuringCapture()) return refused;
    auto found = driver.pinned.find((uintptr_t)pointer);
    if (found == driver.pinned.end()) return CUDA_ERROR_INVALID_VALUE;
    drain(lock, *found->second.context->shared_from_this());
    found = driver.pinned.find((uintptr_t)pointer);
    if (found == driver.pinned.end()) return CUDA_ERROR_INVALID_VALUE;
    munmap(pointer, found->second.mapped);
    driver.pinned.erase(found);
    return call.context->error;
}

CUEMU_EXPORT CUresult cuPointerGetAttribute(void *data, int attribute, CUdeviceptr address) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!data) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    const Allocation *allocation = allocationAt(address, 1);
    const Pinned *pinned = pinnedAt((const void *)address, 1);
    if (!allocation && !pinned) return CUDA_ERROR_INVALID_VALUE;
    CUdeviceptr start = allocation ? allocation->address : (CUdeviceptr)std::prev(
        Driver::shared().pinned.upper_bound(address))->first;
    size_t size = allocation ? allocation->size : pinned->size;
    Context *context = allocation ? allocation->context : pinned->context;
    switch (attribute) {
    case 1: *(Context **)data = context; return 0;
    case 2: *(unsigned *)data = allocation ? 2 : 1; return 0;
    case 3: *(CUdeviceptr *)data = address; return 0;
    case 4:
        if (allocation) return CUDA_ERROR_INVALID_VALUE;
        *(void **)data = (void *)address;
        return 0;
    case 8: *(unsigned *)data = 0; return 0;
    case 9: *(int *)data = context->device->ordinal; return 0;
    case 10: *(int *)data = allocation && !allocation->opened; return 0;
    case 11: *(CUdeviceptr *)data = start; return 0;
    case 12: *(size_t *)data = size; return 0;
    case 13: *(int *)data = 1; return 0;
    default: return CUDA_ERROR_NOT_SUPPORTED;
    }
}
