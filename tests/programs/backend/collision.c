/* SPDX-License-Identifier: MIT */
/*
 * collision.c - KERNEL B4: somebody's mapping lies 1 MiB above the heap, in the way of the break. 64 MiB of blocks of 100
 * bytes are served all the same, from arenas of mappings. Prints the report on the kernel's calls.
 */
#include <vmalloc/vmalloc.h>
#include "api.h"
#include "region.h"
#include "tools.h"

enum { EACH = 100, N_BLOCKS = 64 * 1024 * 1024 / EACH };

int main(void)
{
    unsigned char **const blocks = table_map(N_BLOCKS * sizeof *blocks);
    const uintptr_t above = ((uintptr_t)region_sbrk(0) + 1024 * 1024 + 4095) & ~(uintptr_t)4095;
    REQUIRE(region_map_at((void *)above));
    for (size_t i = 0; i < N_BLOCKS; i++) {
        REQUIRE((blocks[i] = api_malloc(EACH)) != NULL);
        stamp_fill(blocks[i], EACH, i);
    }
    EXPECT((uintptr_t)region_sbrk(0) <= above);
    for (size_t i = 0; i < N_BLOCKS; i++)
        EXPECT_STAMP(blocks[i], EACH, i);
    EXPECT_EQ(vm_malloc_stats_print(stdout, VM_STATS_JSON), 0);
    for (size_t i = 0; i < N_BLOCKS; i++)
        api_free(blocks[i]);
    return expect_result();
}
