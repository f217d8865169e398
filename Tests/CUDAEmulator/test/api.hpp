// The functions under test, found by name in the library, and what the tests share.
#pragma once
#include "../emulator/control.hpp"
#include "../emulator/cuda.hpp"
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using Ptr = CUdeviceptr;

// Each line: the symbol and its parameters.
#define CUEMU_FUNCTIONS(X)                                                                                                           \
    X(cuInit, unsigned)                                                                                                              \
    X(cuDriverGetVersion, int *)                                                                                                     \
    X(cuDeviceGetCount, int *)                                                                                                       \
    X(cuDeviceGet, int *, int)                                                                                                       \
    X(cuDeviceGetName, char *, int, int)                                                                                             \
    X(cuDeviceTotalMem_v2, size_t *, int)                                                                                            \
    X(cuDeviceGetAttribute, int *, int, int)                                                                                         \
    X(cuDeviceGetPCIBusId, char *, int, int)                                                                                         \
    X(cuDeviceGetUuid_v2, CUuuid *, int)                                                                                             \
    X(cuCtxCreate_v2, void **, unsigned, int)                                                                                        \
    X(cuCtxDestroy_v2, void *)                                                                                                       \
    X(cuDevicePrimaryCtxRetain, void **, int)                                                                                        \
    X(cuDevicePrimaryCtxRelease_v2, int)                                                                                             \
    X(cuDevicePrimaryCtxReset_v2, int)                                                                                               \
    X(cuCtxSetCurrent, void *)                                                                                                       \
    X(cuCtxGetCurrent, void **)                                                                                                      \
    X(cuCtxPushCurrent_v2, void *)                                                                                                   \
    X(cuCtxPopCurrent_v2, void **)                                                                                                   \
    X(cuCtxSynchronize)                                                                                                              \
    X(cuMemGetInfo_v2, size_t *, size_t *)                                                                                           \
    X(cuMemAlloc_v2, Ptr *, size_t)                                                                                                  \
    X(cuMemFree_v2, Ptr)                                                                                                             \
    X(cuMemHostAlloc, void **, size_t, unsigned)                                                                                     \
    X(cuMemAllocHost_v2, void **, size_t)                                                                                            \
    X(cuMemFreeHost, void *)                                                                                                         \
    X(cuMemcpyHtoD_v2, Ptr, const void *, size_t)                                                                                    \
    X(cuMemcpyDtoH_v2, void *, Ptr, size_t)                                                                                          \
    X(cuMemcpyHtoDAsync_v2, Ptr, const void *, size_t, void *)                                                                       \
    X(cuMemcpyDtoHAsync_v2, void *, Ptr, size_t, void *)                                                                             \
    X(cuMemcpyDtoDAsync_v2, Ptr, Ptr, size_t, void *)                                                                                \
    X(cuMemcpyPeerAsync, Ptr, void *, Ptr, void *, size_t, void *)                                                                   \
    X(cuMemsetD8Async, Ptr, unsigned char, size_t, void *)                                                                           \
    X(cuMemsetD16Async, Ptr, unsigned short, size_t, void *)                                                                         \
    X(cuMemsetD32Async, Ptr, unsigned, size_t, void *)                                                                               \
    X(cuStreamCreate, void **, unsigned)                                                                                             \
    X(cuStreamCreateWithPriority, void **, unsigned, int)                                                                            \
    X(cuStreamDestroy_v2, void *)                                                                                                    \
    X(cuStreamSynchronize, void *)                                                                                                   \
    X(cuStreamQuery, void *)                                                                                                         \
    X(cuStreamWaitEvent, void *, void *, unsigned)                                                                                   \
    X(cuStreamBeginCapture_v2, void *, int)                                                                                          \
    X(cuStreamEndCapture, void *, void **)                                                                                           \
    X(cuStreamIsCapturing, void *, int *)                                                                                            \
    X(cuGraphInstantiateWithFlags, void **, void *, unsigned long long)                                                              \
    X(cuGraphLaunch, void *, void *)                                                                                                 \
    X(cuGraphExecDestroy, void *)                                                                                                    \
    X(cuGraphDestroy, void *)                                                                                                        \
    X(cuGraphGetNodes, void *, void **, size_t *)                                                                                    \
    X(cuEventCreate, void **, unsigned)                                                                                              \
    X(cuEventRecord, void *, void *)                                                                                                 \
    X(cuEventQuery, void *)                                                                                                          \
    X(cuEventSynchronize, void *)                                                                                                    \
    X(cuEventDestroy_v2, void *)                                                                                                     \
    X(cuEventElapsedTime, float *, void *, void *)                                                                                   \
    X(cuLaunchHostFunc, void *, CUhostFn, void *)                                                                                    \
    X(cuModuleLoadData, void **, const void *)                                                                                       \
    X(cuModuleUnload, void *)                                                                                                        \
    X(cuModuleGetFunction, void **, void *, const char *)                                                                            \
    X(cuFuncGetAttribute, int *, int, void *)                                                                                        \
    X(cuFuncSetAttribute, void *, int, int)                                                                                          \
    X(cuLaunchKernel, void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **)        \
    X(cuOccupancyMaxActiveBlocksPerMultiprocessor, int *, void *, int, size_t)                                                       \
    X(cuDeviceCanAccessPeer, int *, int, int)                                                                                        \
    X(cuCtxEnablePeerAccess, void *, unsigned)                                                                                       \
    X(cuIpcGetMemHandle, CUipcMemHandle *, Ptr)                                                                                      \
    X(cuIpcOpenMemHandle_v2, Ptr *, CUipcMemHandle, unsigned)                                                                        \
    X(cuIpcCloseMemHandle, Ptr)                                                                                                      \
    X(cuIpcGetEventHandle, CUipcEventHandle *, void *)                                                                               \
    X(cuIpcOpenEventHandle, void **, CUipcEventHandle)                                                                               \
    X(cuPointerGetAttribute, void *, int, Ptr)                                                                                       \
    X(cuGetErrorName, int, const char **)                                                                                            \
    X(cuGetErrorString, int, const char **)                                                                                          \
    X(cuGetProcAddress_v2, const char *, void **, int, uint64_t, int *)                                                              \
    X(nvrtcVersion, int *, int *)                                                                                                    \
    X(nvrtcGetNumSupportedArchs, int *)                                                                                              \
    X(nvrtcGetSupportedArchs, int *)                                                                                                 \
    X(nvrtcCreateProgram, void **, const char *, const char *, int, const char *const *, const char *const *)                        \
    X(nvrtcCompileProgram, void *, int, const char *const *)                                                                         \
    X(nvrtcGetCUBINSize, void *, size_t *)                                                                                           \
    X(nvrtcGetCUBIN, void *, char *)                                                                                                 \
    X(nvrtcGetPTXSize, void *, size_t *)                                                                                             \
    X(nvrtcGetPTX, void *, char *)                                                                                                   \
    X(nvrtcGetProgramLogSize, void *, size_t *)                                                                                      \
    X(nvrtcGetProgramLog, void *, char *)                                                                                            \
    X(nvrtcDestroyProgram, void **)                                                                                                  \
    X(cublasLtCreate, void **)                                                                                                       \
    X(cublasLtDestroy, void *)                                                                                                       \
    X(cublasLtMatmulDescCreate, void **, int, int)                                                                                   \
    X(cublasLtMatmulDescDestroy, void *)                                                                                             \
    X(cublasLtMatmulDescSetAttribute, void *, int, const void *, size_t)                                                             \
    X(cublasLtMatrixLayoutCreate, void **, int, uint64_t, uint64_t, int64_t)                                                         \
    X(cublasLtMatrixLayoutDestroy, void *)                                                                                           \
    X(cublasLtMatrixLayoutSetAttribute, void *, int, const void *, size_t)                                                           \
    X(cublasLtMatmulPreferenceCreate, void **)                                                                                       \
    X(cublasLtMatmulPreferenceDestroy, void *)                                                                                       \
    X(cublasLtMatmulPreferenceSetAttribute, void *, int, const void *, size_t)                                                       \
    X(cublasLtMatmulAlgoGetHeuristic, void *, void *, void *, void *, void *, void *, void *, int, void *, int *)                    \
    X(cublasLtMatmul, void *, void *, const void *, const void *, void *, const void *, void *, const void *, const void *, void *,  \
      void *, void *, const void *, void *, size_t, void *)

#define CUEMU_DECLARE(name, ...) inline int (*name)(__VA_ARGS__) = nullptr;
CUEMU_FUNCTIONS(CUEMU_DECLARE)
inline size_t (*cublasLtGetVersion)() = nullptr;
inline const char *(*cublasLtGetStatusString)(int) = nullptr;
inline const char *(*nvrtcGetErrorString)(int) = nullptr;
inline decltype(cuemu_fail) *fail = nullptr;
inline decltype(cuemu_reset) *reset = nullptr;
inline decltype(cuemu_statistics) *statistics = nullptr;
inline decltype(cuemu_set_seed) *setSeed = nullptr;

/// The tests that have failed so far.
inline int failures = 0;
inline std::string libraryPath, ownPath;

#define CHECK(condition)                                                                                                             \
    do {                                                                                                                             \
        if (!(condition)) {                                                                                                          \
            failures++;                                                                                                              \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                                           \
        }                                                                                                                            \
    } while (0)
#define EQUAL(got, wanted)                                                                                                           \
    do {                                                                                                                             \
        auto got_ = (got);                                                                                                           \
        decltype(got_) wanted_ = (wanted);                                                                                           \
        if (!(got_ == wanted_)) {                                                                                                    \
            failures++;                                                                                                              \
            fprintf(stderr, "%s:%d: %s is %g, expected %g\n", __FILE__, __LINE__, #got, (double)got_, (double)wanted_);              \
        }                                                                                                                            \
    } while (0)
#define OK(call) EQUAL(call, 0)

/// Makes a context of the card current while it lives.
struct Context {
    void *handle = nullptr;
    explicit Context(int card = 0) { OK(cuCtxCreate_v2(&handle, 0, card)); }
    ~Context() { OK(cuCtxDestroy_v2(handle)); }
};

/// A stream that does nothing until it is opened.
struct Gate {
    // The stream may look at it once more after the gate has ended, so it is never freed.
    std::atomic<bool> &open = *new std::atomic<bool>(false);
    static void wait(void *open) {
        while (!*(std::atomic<bool> *)open) std::this_thread::yield();
    }
    explicit Gate(void *stream) { OK(cuLaunchHostFunc(stream, wait, &open)); }
    ~Gate() { open = true; }
};

/// Compiles a source; the test fails if that does not work.
std::string compile(const std::string &source, const char *architecture = "--gpu-architecture=sm_90");
/// Compiles and loads a source, each source compiled once.
void *load(const std::string &source);
void *function(void *module, const char *name);

/// Launches with parameters given by value.
template <class... A> int launch(void *function, unsigned grid, unsigned block, void *stream, A... values) {
    void *parameters[sizeof...(A) + 1] = {&values..., nullptr};
    return cuLaunchKernel(function, grid, 1, 1, block, 1, 1, 0, stream, parameters, nullptr);
}

template <class T> Ptr upload(const std::vector<T> &values) {
    Ptr address = 0;
    OK(cuMemAlloc_v2(&address, values.size() * sizeof(T)));
    OK(cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(T)));
    return address;
}
template <class T> std::vector<T> download(Ptr address, size_t count) {
    std::vector<T> values(count);
    OK(cuMemcpyDtoH_v2(values.data(), address, count * sizeof(T)));
    return values;
}

void testKernels();
void testMathematics();
void testFaults();
void testMemory();
void testStreams();
void testCapture();
void testCards();
void testProcesses();
void testCompiler();
void testInjection();
void testMatmul();
/// What the second process of `testProcesses` does.
int otherProcess(int argc, char **argv);
