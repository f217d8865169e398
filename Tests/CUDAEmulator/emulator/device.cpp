// The start of the driver, and what a card says about itself.
#include "fiber.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>

namespace cuemu {

static uint64_t setting(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    char *end = nullptr;
    uint64_t value = text ? strtoull(text, &end, 10) : 0;
    return text && end != text && !*end ? value : fallback;
}

static CUresult initialise() {
    Driver &driver = Driver::shared();
    Lock lock(driver.lock);
    if (driver.initialised) return 0;
    uint64_t count = std::min<uint64_t>(setting("CUEMU_DEVICES", 1), 16);
    if (!count) return 100;
    for (uint64_t i = 0; i < count; i++) {
        auto device = std::make_unique<Device>();
        device->ordinal = (int)i;
        device->limit = setting("CUEMU_MEMORY", 1ull << 30);
        if (CUresult result = reserve(*device)) {
            driver.devices.clear();
            return result;
        }
        driver.devices.push_back(std::move(device));
    }
    driver.delay = setting("CUEMU_DELAY_US", 300);
    if (!driver.seed) driver.seed = setting("CUEMU_SEED", 0);
    installFaultHandler();
    // A child that forks has none of the threads; like the real driver, this one does not work there.
    pthread_atfork(nullptr, nullptr, [] { Driver::shared().forked = true; });
    driver.initialised = true;
    return 0;
}

Call::Call(const char *name, Needs needs) {
    if ((name && (result = injectedFault(name))) || needs == Needs::nothing) return;
    Driver &driver = Driver::shared();
    if (!driver.initialised || driver.forked) {
        result = CUDA_ERROR_NOT_INITIALIZED;
        return;
    }
    if (inHostFunction) {
        result = CUDA_ERROR_NOT_PERMITTED;
        return;
    }
    if (needs == Needs::initialised) return;
    context = currentContext();
    if (!context) result = CUDA_ERROR_INVALID_CONTEXT;
    else if (context->destroyed) result = CUDA_ERROR_CONTEXT_IS_DESTROYED;
    else if (needs == Needs::context) result = context->error;
}

static bool valid(CUdevice device) { return device >= 0 && (size_t)device < Driver::shared().devices.size(); }
} // namespace cuemu

using namespace cuemu;

CUEMU_EXPORT CUresult cuInit(unsigned flags) {
    Call call(__func__, Needs::nothing);
    if (call.result) return call.result;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (Driver::shared().forked) return CUDA_ERROR_NOT_INITIALIZED;
    return initialise();
}

CUEMU_EXPORT CUresult cuDriverGetVersion(int *version) {
    Call call(__func__, Needs::nothing);
    if (call.result) return call.result;
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = 12090;
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceGetCount(int *count) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = (int)Driver::shared().devices.size();
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!name || length <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, (size_t)length, "Emulated CUDA card %d", device);
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = Driver::shared().devices[(size_t)device]->limit;
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceGetPCIBusId(char *text, int length, CUdevice device) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!text || length < 13) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(text, (size_t)length, "0000:%02X:00.0", 0x10 + device);
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!uuid) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    memcpy(uuid->bytes, "emulated-card-00", 16);
    uuid->bytes[14] = (char)('0' + device / 10);
    uuid->bytes[15] = (char)('0' + device % 10);
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!value || attribute <= 0 || attribute > 143) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
    static const std::map<int, int> values = {
        {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},           // threads of a block, per dimension
        {5, 2147483647}, {6, 65535}, {7, 65535},            // blocks of a grid, per dimension
        {8, 49152}, {9, 65536}, {10, 32}, {11, 2147483647}, // shared and constant memory, warp, pitch
        {12, 65536}, {13, 1980000}, {14, 512}, {15, 1},     // registers, clock in kHz, texture alignment, overlap
        {16, 16}, {17, 0}, {18, 0}, {19, 1}, {20, 0},       // multiprocessors, no time limit, maps host memory
        {31, 1}, {32, 1}, {34, 0}, {50, 0},                 // concurrent kernels, ECC, PCI device and domain
        {36, 2619000}, {37, 5120}, {38, 52428800},          // memory clock and bus, second-level cache
        {39, 2048}, {40, 3}, {41, 1},                       // threads of a multiprocessor, engines, unified addresses
        {75, 9}, {76, 0}, {78, 1},                          // compute capability, priorities
        {79, 1}, {80, 1}, {81, 233472}, {82, 65536},        // caches, shared memory and registers of a multiprocessor
        {87, 2}, {90, 1}, {97, 232448}, {106, 32},          // ratio of precisions, shared memory that may be asked for
        {111, 1024}, {125, 1},                              // shared memory kept by the driver, shared events
    };
    auto found = values.find(attribute);
    // What is not named here (pools, managed memory, cooperative launches, textures) is not supported.
    *value = attribute == 33 ? 0x10 + device : found == values.end() ? 0 : found->second;
    return 0;
}

CUEMU_EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    Call call(__func__, Needs::initialised);
    if (call.result) return call.result;
    if (!can) return CUDA_ERROR_INVALID_VALUE;
    if (!valid(device) || !valid(peer)) return CUDA_ERROR_INVALID_DEVICE;
    *can = device != peer;
    return 0;
}
