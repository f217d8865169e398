// Two processes share memory and an event. The second one is this program again.
#include "api.hpp"
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/// What the first process tells the second.
struct Message {
    CUipcMemHandle memory;
    CUipcEventHandle ready, answer;
};

int otherProcess(int, char **) {
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
    // The handle of a process that has ended means nothing, also to a process that gets it later.
    close(in[1]);
    close(out[0]);
}
