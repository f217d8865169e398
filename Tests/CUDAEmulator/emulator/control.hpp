// What tests call beside CUDA's own functions.
#pragma once
#include <cstdint>

/// What lives now, and what has been done since the last `cuemu_reset`.
struct cuemu_counts {
    uint64_t contexts, allocations, bytes, pinned, modules, streams, events, graphs, execs;
    uint64_t launches, copies, graphLaunches, compiles;
};

extern "C" {
/// Lets one call of the function named `call` fail with `result`: the next for `after` 0, the one after it for 1, and so on.
/// The call does nothing else. The name may leave out the `_v2`. Returns 0 if there is no such function.
int cuemu_fail(const char *call, int result, int after);
/// Forgets the faults that have not come yet, and counts from zero.
void cuemu_reset(void);
void cuemu_statistics(cuemu_counts *counts);
/// Chooses the delays and orders; 0 for none.
void cuemu_set_seed(uint64_t seed);
}
