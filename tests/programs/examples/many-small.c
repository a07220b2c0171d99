/* SPDX-License-Identifier: MIT */
/*
 * many-small.c - a million blocks of 1 to 1000 bytes, all live: the heap grows for them by moving the break, each
 * block lies in it, and what is mapped besides is the allocator's records, by their documented lengths
 * (docs/architecture.md). KERNEL A1. The calls getppid() mark for strace where allocating begins and ends.
 */
#include "api.h"
#include "heap-range.h"
#include "tools.h"

enum { N_BLOCKS = 1000000 };

static size_t requested_bytes, n_outside;

static void allocate(size_t n_blocks)
{
    struct rng rng = {.state = 17};
    for (size_t i = 0; i < n_blocks; i++) {
        const size_t n_bytes = rng_between(&rng, 1, 1000);
        void *block = api_malloc(n_bytes);
        REQUIRE(block != NULL);
        requested_bytes += n_bytes;
        n_outside += !is_in_heap(block);
    }
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    heap_range_read();
    const size_t mapped_before = proc_status_bytes("VmSize:");
    const char *end_before = sbrk(0);
    if (getppid() < 0)
        return 1;
    allocate(N_BLOCKS);
    if (getppid() < 0)
        return 1;
    const char *end = sbrk(0);
    const size_t grown = (size_t)(end - end_before);
    const size_t mapped = proc_status_bytes("VmSize:") - mapped_before - grown;
    expect_figure("many-small: %zu bytes requested, heap grown by %zu, %zu mapped for records\n",
                  requested_bytes, grown, mapped);
    EXPECT_EQ(n_outside, 0);
    EXPECT(grown >= requested_bytes - (size_t)(end_before - heap_start));
    EXPECT(mapped < requested_bytes / 32);
    EXPECT((uintptr_t)end % (uintptr_t)sysconf(_SC_PAGESIZE) == 0);
    return expect_result();
}
