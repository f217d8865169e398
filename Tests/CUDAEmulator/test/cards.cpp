// Two cards: what they say, copies between them, and access to the other's memory.
#include "api.hpp"
#include <cstring>

static const char source[] = R"(
extern "C" __global__ void copy(const int *from, int *to) { to[threadIdx.x] = from[threadIdx.x]; }
)";

static void checkDevices() {
    int count = 0, card = -1, value = 0;
    char name[64], bus[2][16];
    CUuuid uuid[2];
    size_t bytes = 0;
    OK(cuDriverGetVersion(&value));
    EQUAL(value, 12090);
    OK(cuDeviceGetCount(&count));
    EQUAL(count, 2);
    for (int i = 0; i < 2; i++) {
        OK(cuDeviceGet(&card, i));
        OK(cuDeviceGetName(name, 64, card));
        OK(cuDeviceGetPCIBusId(bus[i], 16, card));
        OK(cuDeviceGetUuid_v2(&uuid[i], card));
        OK(cuDeviceTotalMem_v2(&bytes, card));
        EQUAL(bytes, 67108864u);
    }
    CHECK(strcmp(bus[0], bus[1]) && memcmp(&uuid[0], &uuid[1], 16));
    EQUAL(cuDeviceGet(&card, 2), 101);
    const int wanted[][2] = {{1, 1024}, {8, 49152}, {97, 232448}, {10, 32}, {75, 9}, {76, 0}, {5, 2147483647}, {6, 65535},
                             {41, 1}, {115, 0}, {39, 2048}};
    for (auto &[attribute, expected] : wanted) {
        OK(cuDeviceGetAttribute(&value, attribute, 0));
        EQUAL(value, expected);
    }
    EQUAL(cuDeviceGetAttribute(&value, 0, 0), 1);
    EQUAL(cuDeviceGetAttribute(&value, 1, 2), 101);
    OK(cuDeviceCanAccessPeer(&value, 0, 1));
    EQUAL(value, 1);
    OK(cuDeviceCanAccessPeer(&value, 1, 1));
    EQUAL(value, 0);
    const char *text = nullptr;
    OK(cuGetErrorName(700, &text));
    CHECK(!strcmp(text, "CUDA_ERROR_ILLEGAL_ADDRESS"));
    OK(cuGetErrorString(2, &text));
    CHECK(!strcmp(text, "out of memory"));
    EQUAL(cuGetErrorName(12345, &text), 1);
    void *address = nullptr;
    OK(cuGetProcAddress_v2("cuMemAlloc", &address, 12090, 0, &value));
    CHECK(address == (void *)cuMemAlloc_v2 && value == 0);
    EQUAL(cuGetProcAddress_v2("cuNoSuchCall", &address, 12090, 0, &value), 500);
    EQUAL(value, 1);
}

void testCards() {
    checkDevices();
    Context second(1), first(0);
    void *now = nullptr;
    OK(cuCtxGetCurrent(&now));
    CHECK(now == first.handle);
    Ptr here = upload(std::vector<int>{1, 2, 3, 4});
    OK(cuCtxPushCurrent_v2(second.handle));
    Ptr there = upload(std::vector<int>(4, 7)), back = upload(std::vector<int>(4));
    void *module = load(source), *stream = nullptr;
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(here >> 32 != there >> 32);
    EQUAL(cuMemcpyPeerAsync(there, first.handle, here, first.handle, 16, stream), 1);
    EQUAL(cuMemcpyPeerAsync(there, second.handle, here, (void *)5, 16, stream), 201);
    OK(cuMemcpyPeerAsync(there, second.handle, here, first.handle, 16, stream));
    OK(cuStreamSynchronize(stream));
    EQUAL(download<int>(there, 4)[3], 4);
    // An event of one card orders work on the other.
    void *event = nullptr, *other = nullptr;
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    Gate gate(stream);
    OK(cuMemsetD32Async(there, 55, 4, stream));
    OK(cuEventRecord(event, stream));
    OK(cuCtxSetCurrent(first.handle));
    OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    EQUAL(cuEventRecord(event, other), 400);
    OK(cuStreamWaitEvent(other, event, 0));
    OK(cuMemcpyPeerAsync(here, first.handle, there, second.handle, 16, other));
    EQUAL(cuStreamQuery(other), 600);
    gate.open = true;
    OK(cuStreamSynchronize(other));
    EQUAL(download<int>(here, 4)[1], 55);
    // Kernels reach the other card's memory only if they may.
    OK(cuCtxSetCurrent(second.handle));
    EQUAL(cuCtxEnablePeerAccess(second.handle, 0), 101);
    OK(cuCtxEnablePeerAccess(first.handle, 0));
    EQUAL(cuCtxEnablePeerAccess(first.handle, 0), 704);
    OK(launch(function(module, "copy"), 1, 4, stream, here, back));
    OK(cuStreamSynchronize(stream));
    EQUAL(download<int>(back, 4)[2], 55);
    OK(cuCtxSetCurrent(first.handle));
    OK(launch(function(load(source), "copy"), 1, 4, other, there, here));
    EQUAL(cuStreamSynchronize(other), 700);
    OK(cuCtxPopCurrent_v2(&now));
    CHECK(now == first.handle);
    OK(cuCtxGetCurrent(&now));
    CHECK(now == first.handle);
    OK(cuCtxSetCurrent(second.handle));
    OK(cuCtxSynchronize());
}
