/* SPDX-License-Identifier: MIT */
/*
 * dynamic.c heap|mapping - after free(malloc(1 MiB)), malloc(512 KiB) lies where the argument says: in the heap, as
 * freeing a mapped block moves the threshold up to its size; in a mapping if the user set a threshold. KERNEL A4.
 */
#include "api.h"
#include "heap-range.h"
#include "tools.h"

int main(int argc, char **argv)
{
    api_assert_served();
    REQUIRE(argc == 2);
    heap_range_read();
    void *block = api_malloc(MIB);
    EXPECT(!is_in_heap(block));
    api_free(block);
    block = api_malloc(512 * KIB);
    REQUIRE(block != NULL);
    EXPECT_EQ(is_in_heap(block), strcmp(argv[1], "heap") == 0);
    return expect_result();
}
