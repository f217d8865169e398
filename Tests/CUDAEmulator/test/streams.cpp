// Streams and events: order within and between streams, and that a missing wait shows with some seed.
#include "api.hpp"

static const char source[] = R"(
extern "C" __global__ void fill(int *out, int n, int value) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = value;
}
extern "C" __global__ void add(const int *a, int *out, int n, int more) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = a[i] + more;
}
)";

/// One stream makes values that another one uses. Returns how many are wrong.
static int producer(void *module, bool waits, unsigned flags) {
    const int n = 64;
    void *first = nullptr, *second = nullptr, *event = nullptr;
    OK(cuStreamCreate(&first, flags));
    OK(cuStreamCreate(&second, flags));
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    Ptr a = 0, b = 0, c = 0;
    for (Ptr *address : {&a, &b, &c}) OK(cuMemAlloc_v2(address, n * 4));
    OK(launch(function(module, "fill"), 1, 32, first, a, n, 5));
    OK(launch(function(module, "add"), 1, 32, first, a, b, n, 6));
    OK(cuEventRecord(event, first));
    if (waits) OK(cuStreamWaitEvent(second, event, 0));
    OK(launch(function(module, "add"), 1, 32, second, b, c, n, 7));
    OK(cuStreamSynchronize(second));
    int wrong = 0;
    for (int value : download<int>(c, n)) wrong += value != 18;
    OK(cuStreamDestroy_v2(first));
    OK(cuStreamDestroy_v2(second));
    OK(cuEventDestroy_v2(event));
    for (Ptr address : {a, b, c}) OK(cuMemFree_v2(address));
    return wrong;
}

static void checkSeeds(void *module) {
    int wrongWithout = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        setSeed(seed);
        EQUAL(producer(module, true, CU_STREAM_NON_BLOCKING), 0);
        if (seed <= 40) wrongWithout += producer(module, false, CU_STREAM_NON_BLOCKING) != 0;
    }
    CHECK(wrongWithout > 0);
    printf("             a missing wait showed with %d of 40 seeds\n", wrongWithout);
    setSeed(0);
}

static void checkEvents() {
    void *stream = nullptr, *start = nullptr, *end = nullptr, *untimed = nullptr;
    float time = -1;
    OK(cuStreamCreateWithPriority(&stream, 0, -1));
    OK(cuEventCreate(&start, 0));
    OK(cuEventCreate(&end, CU_EVENT_BLOCKING_SYNC));
    OK(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
    EQUAL(cuEventCreate(&untimed, CU_EVENT_INTERPROCESS), 1);
    EQUAL(cuEventElapsedTime(&time, start, end), 400);
    OK(cuEventQuery(start));
    OK(cuEventSynchronize(start));
    OK(cuStreamWaitEvent(stream, start, 0));
    {
        Gate gate(stream);
        OK(cuEventRecord(start, stream));
        EQUAL(cuEventQuery(start), 600);
        OK(cuEventRecord(end, stream));
        EQUAL(cuEventElapsedTime(&time, start, end), 600);
        gate.open = true;
        OK(cuEventSynchronize(end));
    }
    OK(cuEventElapsedTime(&time, start, end));
    CHECK(time >= 0 && time < 1000);
    EQUAL(cuEventElapsedTime(&time, start, untimed), 400);
    EQUAL(cuEventRecord(start, (void *)7), 400);
    EQUAL(cuEventRecord((void *)7, stream), 400);
    OK(cuEventDestroy_v2(start));
    EQUAL(cuEventDestroy_v2(start), 400);
    EQUAL(cuEventQuery(start), 400);
}

/// The legacy stream waits for blocking streams, and they for it; other streams do neither.
static void checkLegacy(void *module) {
    void *blocking = nullptr, *free = nullptr;
    OK(cuStreamCreate(&blocking, 0));
    OK(cuStreamCreate(&free, CU_STREAM_NON_BLOCKING));
    Ptr a = upload(std::vector<int>(4));
    {
        Gate gate(blocking);
        OK(launch(function(module, "fill"), 1, 4, blocking, a, 4, 1));
        OK(launch(function(module, "add"), 1, 4, nullptr, a, a, 4, 1));
        OK(launch(function(module, "fill"), 1, 4, free, a, 4, 50));
        OK(cuStreamSynchronize(free));
        EQUAL(cuStreamQuery(nullptr), 600);
        gate.open = true;
    }
    OK(cuStreamSynchronize(nullptr));
    EQUAL(download<int>(a, 4)[0], 2);
    Gate gate(nullptr);
    OK(launch(function(module, "fill"), 1, 4, blocking, a, 4, 9));
    EQUAL(cuStreamQuery(blocking), 600);
    OK(cuStreamQuery(free));
    // A stream that is destroyed does its work first.
    OK(cuStreamDestroy_v2(blocking));
    EQUAL(cuStreamDestroy_v2(blocking), 400);
    gate.open = true;
    EQUAL(download<int>(a, 4)[0], 9);
}

/// Many host threads use one card at the same time.
static void checkThreads(void *module, void *context) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; i++)
        threads.emplace_back([=] {
            OK(cuCtxSetCurrent(context));
            for (int round = 0; round < 15; round++) EQUAL(producer(module, true, round & 1), 0);
        });
    for (auto &thread : threads) thread.join();
}

void testStreams() {
    Context context;
    void *module = load(source);
    setSeed(11);
    checkThreads(module, context.handle);
    checkSeeds(module);
    checkEvents();
    checkLegacy(module);
    setSeed(3);
    for (int i = 0; i < 20; i++) EQUAL(producer(module, true, 0), 0);
    void *stream = nullptr;
    EQUAL(cuStreamCreate(nullptr, 0), 1);
    EQUAL(cuStreamCreate(&stream, 2), 1);
    EQUAL(cuStreamSynchronize((void *)64), 400);
    EQUAL(cuLaunchHostFunc(nullptr, nullptr, nullptr), 1);
    // A function that a stream calls may not call the driver.
    static std::atomic<int> within;
    OK(cuLaunchHostFunc(nullptr, [](void *) { within = cuMemFree_v2(0); }, nullptr));
    OK(cuStreamSynchronize(nullptr));
    EQUAL(within.load(), 800);
    // Limits of launches.
    void *fill = function(module, "fill");
    Ptr a = upload(std::vector<int>(4));
    int n = 4, value = 2;
    void *parameters[] = {&a, &n, &value};
    EQUAL(cuLaunchKernel(fill, 0, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr), 1);
    EQUAL(cuLaunchKernel(fill, 1, 65536, 1, 1, 1, 1, 0, nullptr, parameters, nullptr), 1);
    EQUAL(cuLaunchKernel(fill, 1, 1, 1, 1025, 1, 1, 0, nullptr, parameters, nullptr), 1);
    EQUAL(cuLaunchKernel(fill, 1, 1, 1, 1, 1, 65, 0, nullptr, parameters, nullptr), 1);
    EQUAL(cuLaunchKernel(fill, 1, 1, 1, 1, 1, 1, 50000, nullptr, parameters, nullptr), 1);
    OK(cuFuncSetAttribute(fill, 8, 60000));
    OK(cuLaunchKernel(fill, 1, 1, 1, 1, 1, 1, 50000, nullptr, parameters, nullptr));
    EQUAL(cuLaunchKernel(fill, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr), 1);
    void *extra[] = {nullptr};
    EQUAL(cuLaunchKernel(fill, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, extra), 801);
}
