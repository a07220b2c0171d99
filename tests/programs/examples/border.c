/* SPDX-License-Identifier: MIT */
/*
 * border.c - where malloc(n) lands, for each n from 1 to 256 KiB: there is one size from which on blocks get a
 * mapping of their own, and it is where glibc's documentation and header put it: by default where the request
 * and a header of one word, rounded up to 16 bytes, reach 131072; after mallopt(M_MMAP_THRESHOLD, 65536) where
 * they reach that. KERNEL A2.
 */
#include "api.h"
#include "heap-range.h"
#include "tools.h"

enum { N_KEPT = 4096 };

/* The smallest request that reaches the threshold. */
static size_t first_mapped(size_t threshold)
{
    const size_t header = sizeof(size_t), unit = 16;
    return threshold - unit - header + 1;
}

static void expect_place(size_t size, size_t border)
{
    void *block = api_malloc(size);
    REQUIRE(block != NULL);
    EXPECT_NOTE(is_in_heap(block) == (size < border), "malloc(%zu) = %p, border %zu, heap %p to %p", size,
                block, border, (void *)heap_start, sbrk(0));
    api_free(block);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    heap_range_read();
    size_t border = first_mapped(128 * KIB);
    for (size_t size = 1; size < border; size++)
        expect_place(size, border);
    /* Freeing one of these would move the border up. */
    for (size_t size = border; size < border + N_KEPT; size++) {
        void *block = api_malloc(size);
        REQUIRE(block != NULL);
        EXPECT_NOTE(!is_in_heap(block), "malloc(%zu) = %p is in the heap", size, block);
    }
    EXPECT_EQ(api_mallopt(M_MMAP_MAX, 65536), 1); /* its default: sets nothing but that the border stays */
    for (size_t size = border - 100; size <= 256 * KIB; size++)
        expect_place(size, border);

    EXPECT_EQ(api_mallopt(M_MMAP_THRESHOLD, 65536), 1);
    border = first_mapped(64 * KIB);
    for (size_t size = 1; size <= 256 * KIB; size++)
        expect_place(size, border);
    return expect_result();
}
