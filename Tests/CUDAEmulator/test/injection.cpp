// Every call fails when it is asked to, once; and none crashes when all its arguments are null or zero.
#include "api.hpp"

template <class... A> static int callWithZeros(int (*call)(A...)) { return call(A{}...); }

template <class... A> static void check(const char *name, int (*call)(A...), void *context) {
    int before = failures;
    OK(cuCtxSetCurrent(context));
    EQUAL(fail(name, 777, 1), 1);
    CHECK(callWithZeros(call) != 777);
    // Some calls change the current context; the call under test must not be the one that puts it back.
    if (name == std::string("cuCtxSetCurrent")) OK(cuCtxPushCurrent_v2(context));
    else OK(cuCtxSetCurrent(context));
    EQUAL(callWithZeros(call), 777);
    CHECK(callWithZeros(call) != 777);
    if (failures != before) fprintf(stderr, "in %s\n", name);
}

void testInjection() {
    void *context = nullptr;
    OK(cuCtxCreate_v2(&context, 0, 0));
#define CUEMU_CHECK(name, ...) check(#name, name, context);
    CUEMU_FUNCTIONS(CUEMU_CHECK)
    OK(cuCtxSetCurrent(context));

    // A fault leaves all as it was.
    Ptr address = upload(std::vector<int>(4));
    cuemu_counts before, after;
    statistics(&before);
    EQUAL(fail("cuMemAlloc", 2, 0), 1);  // the name without the suffix
    EQUAL(fail("cuMemFree_v2", 700, 0), 1);
    Ptr other = 5;
    EQUAL(cuMemAlloc_v2(&other, 4), 2);
    EQUAL(other, 5u);
    EQUAL(cuMemFree_v2(address), 700);
    statistics(&after);
    EQUAL(after.allocations, before.allocations);
    EQUAL(after.bytes, 16u);
    OK(cuMemFree_v2(address));
    EQUAL(fail("cuNoSuchCall", 1, 0), 0);
    EQUAL(fail("cuMemAlloc", 2, 0), 1);
    reset();
    OK(cuMemAlloc_v2(&other, 4));
    statistics(&after);
    EQUAL(after.copies + after.launches + after.compiles, 0u);
    OK(cuCtxDestroy_v2(context));
    void *none = context;
    OK(cuCtxGetCurrent(&none));
    CHECK(!none);
    EQUAL(cuMemAlloc_v2(&other, 4), 201);
}
