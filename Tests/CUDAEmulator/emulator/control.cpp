// Faults on demand, statistics, the seed, and the names of errors.
#include "control.hpp"
#include "core.hpp"
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace cuemu {

Driver &Driver::shared() {
    static Driver *driver = new Driver;
    return *driver;
}

namespace {
struct Fault {
    std::string call;
    int result, after;
};
struct Faults {
    std::mutex lock;
    std::vector<Fault> list;
    std::atomic<size_t> count{0};
};
Faults &faults() {
    static Faults *faults = new Faults;
    return *faults;
}
struct ErrorName {
    int code;
    const char *name, *text;
};
#define CUEMU_ERROR(code, name, text) {code, "CUDA_" name, text}
const ErrorName errorNames[] = {
    CUEMU_ERROR(0, "SUCCESS", "no error"),
    CUEMU_ERROR(1, "ERROR_INVALID_VALUE", "invalid argument"),
    CUEMU_ERROR(2, "ERROR_OUT_OF_MEMORY", "out of memory"),
    CUEMU_ERROR(3, "ERROR_NOT_INITIALIZED", "initialization error"),
    CUEMU_ERROR(4, "ERROR_DEINITIALIZED", "driver shutting down"),
    CUEMU_ERROR(34, "ERROR_STUB_LIBRARY", "CUDA driver is a stub library"),
    CUEMU_ERROR(46, "ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"),
    CUEMU_ERROR(100, "ERROR_NO_DEVICE", "no CUDA-capable device is detected"),
    CUEMU_ERROR(101, "ERROR_INVALID_DEVICE", "invalid device ordinal"),
    CUEMU_ERROR(200, "ERROR_INVALID_IMAGE", "device kernel image is invalid"),
    CUEMU_ERROR(201, "ERROR_INVALID_CONTEXT", "invalid device context"),
    CUEMU_ERROR(205, "ERROR_MAP_FAILED", "mapping of buffer object failed"),
    CUEMU_ERROR(209, "ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"),
    CUEMU_ERROR(214, "ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"),
    CUEMU_ERROR(217, "ERROR_PEER_ACCESS_UNSUPPORTED", "peer access is not supported between these two devices"),
    CUEMU_ERROR(218, "ERROR_INVALID_PTX", "a PTX JIT compilation failed"),
    CUEMU_ERROR(220, "ERROR_NVLINK_UNCORRECTABLE", "uncorrectable NVLink error detected during the execution"),
    CUEMU_ERROR(300, "ERROR_INVALID_SOURCE", "device kernel image is invalid"),
    CUEMU_ERROR(301, "ERROR_FILE_NOT_FOUND", "file not found"),
    CUEMU_ERROR(304, "ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS"),
    CUEMU_ERROR(400, "ERROR_INVALID_HANDLE", "invalid resource handle"),
    CUEMU_ERROR(401, "ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"),
    CUEMU_ERROR(500, "ERROR_NOT_FOUND", "named symbol not found"),
    CUEMU_ERROR(600, "ERROR_NOT_READY", "device not ready"),
    CUEMU_ERROR(700, "ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"),
    CUEMU_ERROR(701, "ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"),
    CUEMU_ERROR(702, "ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"),
    CUEMU_ERROR(704, "ERROR_PEER_ACCESS_ALREADY_ENABLED", "peer access is already enabled"),
    CUEMU_ERROR(705, "ERROR_PEER_ACCESS_NOT_ENABLED", "peer access has not been enabled"),
    CUEMU_ERROR(708, "ERROR_PRIMARY_CONTEXT_ACTIVE", "cannot set while device is active in this process"),
    CUEMU_ERROR(709, "ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"),
    CUEMU_ERROR(710, "ERROR_ASSERT", "device-side assert triggered"),
    CUEMU_ERROR(714, "ERROR_HARDWARE_STACK_ERROR", "hardware stack error"),
    CUEMU_ERROR(715, "ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"),
    CUEMU_ERROR(716, "ERROR_MISALIGNED_ADDRESS", "misaligned address"),
    CUEMU_ERROR(717, "ERROR_INVALID_ADDRESS_SPACE", "operation not supported on global/shared address space"),
    CUEMU_ERROR(718, "ERROR_INVALID_PC", "invalid program counter"),
    CUEMU_ERROR(719, "ERROR_LAUNCH_FAILED", "unspecified launch failure"),
    CUEMU_ERROR(800, "ERROR_NOT_PERMITTED", "operation not permitted"),
    CUEMU_ERROR(801, "ERROR_NOT_SUPPORTED", "operation not supported"),
    CUEMU_ERROR(802, "ERROR_SYSTEM_NOT_READY", "system not yet initialized"),
    CUEMU_ERROR(803, "ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"),
    CUEMU_ERROR(900, "ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"),
    CUEMU_ERROR(901, "ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"),
    CUEMU_ERROR(902, "ERROR_STREAM_CAPTURE_MERGE", "operation would result in a merge of separate capture sequences"),
    CUEMU_ERROR(903, "ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not ended in the same stream as it began"),
    CUEMU_ERROR(904, "ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"),
    CUEMU_ERROR(905, "ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"),
    CUEMU_ERROR(906, "ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"),
    CUEMU_ERROR(907, "ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"),
    CUEMU_ERROR(908, "ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"),
    CUEMU_ERROR(999, "ERROR_UNKNOWN", "unknown error"),
};
} // namespace

CUresult injectedFault(const char *name) {
    Faults &all = faults();
    if (!all.count) return 0;
    std::lock_guard guard(all.lock);
    for (auto fault = all.list.begin(); fault != all.list.end(); ++fault) {
        if (fault->call != name || fault->after--) continue;
        CUresult result = fault->result;
        all.list.erase(fault);
        all.count = all.list.size();
        return result;
    }
    return 0;
}
} // namespace cuemu

using namespace cuemu;

/// The library's function of that name, or of the name with one of the suffixes, which come in the order of preference.
static void *ownFunction(std::string &name, std::initializer_list<const char *> suffixes) {
    Dl_info own{};
    if (!dladdr((void *)cuemu_reset, &own)) return nullptr;
    void *library = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD), *found = nullptr;
    for (const char *suffix : suffixes) {
        std::string candidate = name + suffix;
        if (library) found = dlsym(library, candidate.c_str());
        if (!found) continue;
        name = candidate;
        break;
    }
    // The library is never unloaded, so the address stays right.
    if (library) dlclose(library);
    return found;
}

CUEMU_EXPORT int cuemu_fail(const char *call, int result, int after) {
    if (!call || after < 0) return 0;
    std::string name = call;
    if (!ownFunction(name, {"", "_v2"})) return 0;
    std::lock_guard guard(faults().lock);
    faults().list.push_back({name, result, after});
    faults().count = faults().list.size();
    return 1;
}

CUEMU_EXPORT void cuemu_reset() {
    Driver &driver = Driver::shared();
    std::lock_guard guard(faults().lock);
    faults().list.clear();
    faults().count = 0;
    driver.launches = driver.copies = driver.graphLaunches = driver.compiles = 0;
}

CUEMU_EXPORT void cuemu_set_seed(uint64_t seed) {
    Driver::shared().seed = seed;
    Driver::shared().seedEpoch++;
}

CUEMU_EXPORT void cuemu_statistics(cuemu_counts *counts) {
    if (!counts) return;
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    *counts = {};
    for (auto &device : driver.devices) {
        counts->allocations += device->allocations.size();
        counts->bytes += device->used;
    }
    counts->contexts = driver.contexts.size();
    counts->pinned = driver.pinned.size();
    counts->modules = driver.modules.size();
    counts->streams = driver.streams.size();
    counts->events = driver.events.size();
    counts->graphs = driver.graphs.size();
    counts->execs = driver.execs.size();
    counts->launches = driver.launches;
    counts->copies = driver.copies;
    counts->graphLaunches = driver.graphLaunches;
    counts->compiles = driver.compiles;
}

CUEMU_EXPORT CUresult cuGetProcAddress_v2(const char *symbol, void **function, int, uint64_t, int *status) {
    if (CUresult fault = injectedFault(__func__)) return fault;
    if (!symbol || !function) return CUDA_ERROR_INVALID_VALUE;
    std::string name = symbol;
    // The newest variant is asked for by the plain name. `cuEventElapsedTime_v2` does the same as its first.
    *function = ownFunction(name, {"_v2", ""});
    if (status) *status = *function ? 0 : 1;
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUEMU_EXPORT CUresult cuGetErrorName(CUresult error, const char **text) {
    if (CUresult fault = injectedFault(__func__)) return fault;
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    *text = nullptr;
    for (auto &entry : errorNames)
        if (entry.code == error) *text = entry.name;
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUEMU_EXPORT CUresult cuGetErrorString(CUresult error, const char **text) {
    if (CUresult fault = injectedFault(__func__)) return fault;
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    *text = nullptr;
    for (auto &entry : errorNames)
        if (entry.code == error) *text = entry.text;
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
