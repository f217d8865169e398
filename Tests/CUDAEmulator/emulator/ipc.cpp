// Memory and events of another process. A handle names the process and its open file.
#include "core.hpp"
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cuemu {

namespace {
/// What the 64 bytes of a handle hold. `start` tells a process from a later one with the same number.
struct Handle {
    char magic[8];
    uint64_t process, start, file, offset, size;
    uint32_t ordinal, kind;
};
static_assert(sizeof(Handle) <= 64);

uint64_t processStart(uint64_t process) {
    std::string path = "/proc/" + std::to_string(process) + "/stat";
    int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[1024];
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return 0;
    text[length] = 0;
    // The 22nd field; the second, a name in brackets, may hold spaces.
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at ? strtoull(at, nullptr, 10) : 0;
}

void fillHandle(void *out, uint32_t kind, int file, uint64_t offset, uint64_t size, int ordinal) {
    Handle handle{{'c', 'u', 'e', 'm', 'u', '-', 'i', 'p'}, (uint64_t)getpid(), processStart((uint64_t)getpid()),
                  (uint64_t)file, offset, size, (uint32_t)ordinal, kind};
    memset(out, 0, 64);
    memcpy(out, &handle, sizeof handle);
}

/// Opens the file that the handle names; -1 if the handle is none or its process has ended.
int openHandle(const void *in, uint32_t kind, Handle &handle) {
    memcpy(&handle, in, sizeof handle);
    if (memcmp(handle.magic, "cuemu-ip", 8) || handle.kind != kind || processStart(handle.process) != handle.start) return -1;
    std::string path = "/proc/" + std::to_string(handle.process) + "/fd/" + std::to_string(handle.file);
    return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

std::shared_ptr<SharedEvent> mapEvent(int file) {
    void *memory = mmap(nullptr, sizeof(SharedEvent), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return nullptr;
    return {(SharedEvent *)memory, [](SharedEvent *event) { munmap(event, sizeof *event); }};
}
} // namespace

CUresult makeShared(Event &event) {
    event.file = memfd_create("cuemu-event", MFD_CLOEXEC);
    if (event.file < 0 || ftruncate(event.file, sizeof(SharedEvent))) return CUDA_ERROR_OUT_OF_MEMORY;
    event.shared = mapEvent(event.file);
    return event.shared ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    Allocation *allocation = allocationAt(address, 1);
    if (!allocation || allocation->opened) return CUDA_ERROR_INVALID_VALUE;
    Device *device = deviceAt(address);
    fillHandle(handle, 1, device->file, allocation->pageOffset, allocation->size, device->ordinal);
    return 0;
}

CUEMU_EXPORT CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!address || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    Handle contents;
    std::string key(handle.reserved, sizeof handle.reserved);
    for (auto &device : driver.devices)
        for (auto &[start, allocation] : device->allocations) {
            if (allocation.handle != key || allocation.context != call.context.get()) continue;
            allocation.openings++;
            *address = start;
            return 0;
        }
    int file = openHandle(handle.reserved, 1, contents);
    if (file < 0) return CUDA_ERROR_INVALID_VALUE;
    if (contents.process == (uint64_t)getpid()) {
        close(file);
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    Allocation allocation;
    allocation.context = call.context.get();
    allocation.opened = true;
    allocation.openings = 1;
    allocation.handle = key;
    CUresult result = place(*call.context->device, contents.size, file, (off_t)contents.offset, allocation);
    close(file);
    if (result) return CUDA_ERROR_MAP_FAILED;
    *address = allocation.address;
    return 0;
}

CUEMU_EXPORT CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
    Call call(__func__);
    if (call.result) return call.result;
    Lock lock(Driver::shared().lock);
    Allocation *allocation = allocationAt(address, 1);
    if (!allocation || allocation->address != address || !allocation->opened) return CUDA_ERROR_INVALID_VALUE;
    if (--allocation->openings) return 0;
    drain(lock, *call.context);
    allocation = allocationAt(address, 1);
    if (allocation && !allocation->openings) release(*deviceAt(address), *allocation);
    return 0;
}

CUEMU_EXPORT CUresult cuIpcGetEventHandle(CUipcEventHandle *handle, void *eventHandle) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!handle) return CUDA_ERROR_INVALID_VALUE;
    Lock lock(Driver::shared().lock);
    auto found = Driver::shared().events.find(eventHandle);
    if (found == Driver::shared().events.end() || !found->second->shared || found->second->opened)
        return CUDA_ERROR_INVALID_HANDLE;
    fillHandle(handle, 2, found->second->file, 0, sizeof(SharedEvent), call.context->device->ordinal);
    return 0;
}

CUEMU_EXPORT CUresult cuIpcOpenEventHandle(void **eventHandle, CUipcEventHandle handle) {
    Call call(__func__);
    if (call.result) return call.result;
    if (!eventHandle) return CUDA_ERROR_INVALID_VALUE;
    Handle contents;
    int file = openHandle(handle.reserved, 2, contents);
    if (file < 0) return CUDA_ERROR_INVALID_VALUE;
    auto event = std::make_shared<Event>();
    event->context = call.context;
    event->flags = CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    event->opened = true;
    event->file = file;
    if (contents.process == (uint64_t)getpid()) return CUDA_ERROR_INVALID_CONTEXT;
    event->shared = mapEvent(file);
    if (!event->shared) return CUDA_ERROR_MAP_FAILED;
    Lock lock(Driver::shared().lock);
    Driver::shared().events[event.get()] = event;
    *eventHandle = event.get();
    return 0;
}
