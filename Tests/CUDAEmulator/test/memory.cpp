// Memory: poison, limits, ranges, attributes; when copies read and write what lies on the host.
#include "api.hpp"
#include <cstring>

static void checkHostCopies() {
    Context context;
    void *stream = nullptr, *pinned = nullptr;
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemHostAlloc(&pinned, 4096, 0));
    int *shared = (int *)pinned, pageable[4] = {1, 2, 3, 4};
    Ptr a = upload(std::vector<int>(4)), b = upload(std::vector<int>(4));
    Gate gate(stream);
    shared[0] = 1;
    OK(cuMemcpyHtoDAsync_v2(a, shared, 16, stream));
    OK(cuMemcpyHtoDAsync_v2(b, pageable, 16, stream));
    shared[0] = pageable[0] = 9;  // pinned memory is read later, pageable memory was read at the call
    EQUAL(cuStreamQuery(stream), 600);
    gate.open = true;
    OK(cuStreamSynchronize(stream));
    OK(cuStreamQuery(stream));
    EQUAL(download<int>(a, 4)[0], 9);
    EQUAL(download<int>(b, 4)[0], 1);
    Gate second(stream);
    shared[8] = -1;
    OK(cuMemcpyDtoHAsync_v2(shared + 8, a, 16, stream));
    EQUAL(shared[8], -1);
    second.open = true;
    OK(cuMemcpyDtoHAsync_v2(pageable, a, 16, stream));  // pageable memory: the call waits
    EQUAL(pageable[0], 9);
    EQUAL(shared[8], 9);
    OK(cuMemFreeHost(pinned));
    EQUAL(cuMemFreeHost(pinned), 1);
    OK(cuMemAllocHost_v2(&pinned, 10));
}

void testMemory() {
    checkHostCopies();
    Context context;
    size_t free = 0, total = 0, freeNow = 0;
    OK(cuMemGetInfo_v2(&free, &total));
    EQUAL(total, 67108864u);
    EQUAL(free, total);
    Ptr address = 0, second = 0;
    OK(cuMemAlloc_v2(&address, 1000));
    EQUAL(address % 256, 0u);
    OK(cuMemGetInfo_v2(&freeNow, &total));
    EQUAL(free - freeNow, 1000u);
    for (unsigned char byte : download<unsigned char>(address, 1000)) EQUAL(byte, 0xff);
    EQUAL(cuMemAlloc_v2(&second, total), 2);
    EQUAL(cuMemAlloc_v2(&second, 0), 1);
    OK(cuMemAlloc_v2(&second, freeNow));
    EQUAL(cuMemAlloc_v2(&second, 1), 2);
    OK(cuMemFree_v2(second));
    OK(cuMemFree_v2(0));
    EQUAL(cuMemFree_v2(second), 1);
    EQUAL(cuMemFree_v2(address + 8), 1);

    char bytes[1001] = {};
    EQUAL(cuMemcpyHtoD_v2(address, bytes, 1001), 1);
    EQUAL(cuMemcpyHtoD_v2((Ptr)bytes, bytes, 1), 1);
    EQUAL(cuMemcpyDtoH_v2((void *)address, address, 1), 1);
    EQUAL(cuMemcpyDtoH_v2(bytes, address + 990, 11), 1);
    EQUAL(cuMemcpyDtoDAsync_v2(address, second, 4, nullptr), 1);
    OK(cuMemsetD8Async(address, 1, 4, nullptr));
    OK(cuMemsetD16Async(address + 4, 0x0203, 2, nullptr));
    OK(cuMemsetD32Async(address + 8, 0x04050607, 1, nullptr));
    EQUAL(cuMemsetD32Async(address + 9, 0, 1, nullptr), 1);
    EQUAL(cuMemsetD32Async(address, 0, 251, nullptr), 1);
    OK(cuMemcpyDtoDAsync_v2(address + 500, address, 12, nullptr));
    CHECK(!memcmp(download<char>(address + 500, 12).data(), "\1\1\1\1\3\2\3\2\7\6\5\4", 12));

    unsigned type = 0;
    int card = -1;
    Ptr start = 0;
    size_t size = 0;
    void *pinned = nullptr;
    OK(cuMemHostAlloc(&pinned, 100, 0));
    EQUAL(cuMemHostAlloc(&pinned, 100, 64), 1);
    OK(cuPointerGetAttribute(&type, 2, address + 7));
    EQUAL(type, 2u);
    OK(cuPointerGetAttribute(&card, 9, address + 7));
    EQUAL(card, 0);
    OK(cuPointerGetAttribute(&start, 11, address + 7));
    EQUAL(start, address);
    OK(cuPointerGetAttribute(&size, 12, address + 7));
    EQUAL(size, 1000u);
    OK(cuPointerGetAttribute(&type, 2, (Ptr)pinned));
    EQUAL(type, 1u);
    EQUAL(cuPointerGetAttribute(&type, 2, (Ptr)bytes), 1);

    // Many allocations go through the range without meeting each other, and each is poison at first.
    std::vector<Ptr> all;
    for (int i = 0; i < 300; i++) {
        Ptr one = 0;
        OK(cuMemAlloc_v2(&one, (size_t)(1 + i * 37)));
        OK(cuMemsetD8Async(one, (unsigned char)i, (size_t)(1 + i * 37), nullptr));
        all.push_back(one);
    }
    for (int i = 0; i < 300; i++) {
        EQUAL(download<unsigned char>(all[(size_t)i], (size_t)(1 + i * 37))[(size_t)i * 37], (unsigned char)i);
        OK(cuMemFree_v2(all[(size_t)i]));
    }
}
