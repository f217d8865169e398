// Two processes share memory and an event. The second one is this program again.
#include "api.hpp"
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/// What the first process tells the second.
struct Message {
    CUipcMemHandle memory;
    CUipcEventHandle ready, answer;
};

/// A fault that is not a kernel's goes to the handler that was there before the driver's.
static int ownHandler() {
    struct sigaction action{};
    action.sa_handler = [](int) { _exit(42); };
    sigaction(SIGSEGV, &action, nullptr);
    OK(cuInit(0));
    volatile int *nowhere = (volatile int *)16;
    return *nowhere;
}

/// A process ends also while a stream's work does not.
static int blockedEnd() {
    OK(cuInit(0));
    void *context = nullptr;
    OK(cuCtxCreate_v2(&context, 0, 0));
    static std::atomic<bool> begun;
    OK(cuLaunchHostFunc(nullptr, [](void *) { for (begun = true;; pause()) {} }, nullptr));
    while (!begun) std::this_thread::yield();
    return failures ? 1 : 43;
}

/// Starts this program again, and returns how it ended.
static int run(const char *mode) {
    pid_t child = fork();
    if (!child) {
        execl(ownPath.c_str(), "test", libraryPath.c_str(), "--other-process", mode, nullptr);
        _exit(4);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int otherProcess(int argc, char **argv) {
    if (argc > 3 && !strcmp(argv[3], "handler")) return ownHandler();
    if (argc > 3 && !strcmp(argv[3], "blocked")) return blockedEnd();
    Message message;
    if (read(0, &message, sizeof message) != (ssize_t)sizeof message) return 3;
    OK(cuInit(0));
    Context context;
    Ptr address = 0, again = 0;
    void *ready = nullptr, *answer = nullptr, *stream = nullptr;
    EQUAL(cuIpcOpenMemHandle_v2(&address, message.memory, 0), 1);
    OK(cuIpcOpenMemHandle_v2(&address, message.memory, 1));
    OK(cuIpcOpenMemHandle_v2(&again, message.memory, 1));
    CHECK(address == again);
    OK(cuIpcCloseMemHandle(again));
    OK(cuIpcOpenEventHandle(&ready, message.ready));
    OK(cuIpcOpenEventHandle(&answer, message.answer));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    EQUAL(cuEventQuery(ready), 600);
    // The other process goes on when it reads this byte, so the wait is made before the event is done.
    OK(cuStreamWaitEvent(stream, ready, 0));
    std::vector<int> got(4);
    void *pinned = nullptr;
    OK(cuMemHostAlloc(&pinned, 16, 0));
    OK(cuMemcpyDtoHAsync_v2(pinned, address, 16, stream));
    OK(cuMemsetD32Async(address, 99, 4, stream));
    OK(cuEventRecord(answer, stream));
    if (write(1, "r", 1) != 1) return 3;
    OK(cuEventSynchronize(answer));
    EQUAL(((int *)pinned)[2], 30);
    EQUAL(cuMemFree_v2(address), 1);
    OK(cuIpcCloseMemHandle(address));
    EQUAL(cuIpcCloseMemHandle(address), 1);
    return failures ? 1 : 0;
}

void testProcesses() {
    Context context;
    void *ready = nullptr, *answer = nullptr, *plain = nullptr, *stream = nullptr, *opened = nullptr;
    Ptr address = upload(std::vector<int>{1, 2, 3, 4}), own = 0;
    Message message{};
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&plain, 0));
    OK(cuEventCreate(&ready, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS));
    OK(cuEventCreate(&answer, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS));
    OK(cuIpcGetMemHandle(&message.memory, address));
    OK(cuIpcGetEventHandle(&message.ready, ready));
    OK(cuIpcGetEventHandle(&message.answer, answer));
    EQUAL(cuIpcGetEventHandle(&message.answer, plain), 400);
    EQUAL(cuIpcOpenMemHandle_v2(&own, message.memory, 1), 201);
    EQUAL(cuIpcOpenEventHandle(&opened, message.ready), 201);
    CUipcMemHandle junk{};
    EQUAL(cuIpcOpenMemHandle_v2(&own, junk, 1), 1);

    int in[2], out[2];
    CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
    pid_t child = fork();
    if (!child) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl(ownPath.c_str(), "test", libraryPath.c_str(), "--other-process", nullptr);
        _exit(4);
    }
    close(in[0]);
    close(out[1]);
    char byte = 0;
    {
        // The event is recorded, but the work before it waits until the other process waits for the event.
        Gate gate(stream);
        std::vector<int> values{10, 20, 30, 40};
        OK(cuMemcpyHtoDAsync_v2(address, values.data(), 16, stream));
        OK(cuEventRecord(ready, stream));
        CHECK(write(in[1], &message, sizeof message) == (ssize_t)sizeof message);
        CHECK(read(out[0], &byte, 1) == 1);
        gate.open = true;
        OK(cuStreamSynchronize(stream));
    }
    int status = -1;
    waitpid(child, &status, 0);
    EQUAL(status, 0);
    OK(cuEventSynchronize(answer));
    EQUAL(download<int>(address, 4)[1], 99);
    EQUAL(run("handler"), 42);
    EQUAL(run("blocked"), 43);
    close(in[1]);
    close(out[0]);
}
