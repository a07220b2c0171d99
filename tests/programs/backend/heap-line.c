/* SPDX-License-Identifier: MIT */
/*
 * heap-line.c - the script of the break's demo program: the program raises the break by 1 MiB, then asks for 1024 bytes.
 * Prints what maps says then; malloc_stats goes to standard error.
 */
#include "api.h"
#include "region.h"
#include "tools.h"

int main(void)
{
    REQUIRE(region_sbrk(1024 * 1024) != (void *)-1);
    void *const block = api_malloc(1024);
    REQUIRE(block != NULL);
    region_print_maps();
    api_malloc_stats();
    api_free(block);
    return expect_result();
}
