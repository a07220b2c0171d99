/* SPDX-License-Identifier: MIT */
/* program.c - a WASI program on vmalloc: what mixed.c checks, and how the memory grows, and that it stops. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "../mixed.h"

enum { MIB = 1 << 20 };

static size_t memory_bytes(void)
{
    return __builtin_wasm_memory_size(0) * 65536;
}

static bool is_ours(const void *block)
{
    const struct vk_usage usage = vk_usage(vk_flat_mm(port_kernel));
    return (vk_va)block >= usage.low && (vk_va)block < usage.high;
}

static void check_library(void)
{
    free(malloc(1)); /* the heap is there */
    const size_t before = vm_mallinfo2().uordblks;
    char *const copy = strdup("copy"), *text = NULL;
    say(is_ours(copy) && vm_mallinfo2().uordblks > before, "strdup allocates here", 0);
    free(copy);
    size_t length = 0;
    FILE *const stream = open_memstream(&text, &length);
    for (int i = 0; i < 1000; i++)
        fprintf(stream, "%d ", i);
    fclose(stream);
    say(is_ours(text) && length == 3890, "a stream in memory is ours", (unsigned long)length);
    free(text);
}

/* Blocks of 1 MiB, whose bytes are used: how much they make the memory grow. */
static void check_growth(void)
{
    enum { N = 8 };
    char *blocks[N];
    const size_t before = memory_bytes();
    for (int i = 0; i < N; i++) {
        blocks[i] = malloc(MIB);
        say(blocks[i] != NULL, "memory grows by a MiB", (unsigned long)i);
        memset(blocks[i], i, MIB);
    }
    const size_t grown = memory_bytes() - before;
    say(grown > (N - 2) * MIB && grown < (N + 4) * MIB, "it grows by what is needed", (unsigned long)grown);
    for (int i = 0; i < N; i++)
        free(blocks[i]);
    for (int i = 0; i < N; i++)
        blocks[i] = malloc(MIB);
    say(memory_bytes() - before == grown, "what was freed is used again before it grows",
        (unsigned long)(memory_bytes() - before));
    for (int i = 0; i < N; i++)
        free(blocks[i]);
}

/* Somebody else grows the memory in between; those pages are not ours to give out. */
static void check_others(void)
{
    unsigned char *const theirs = (unsigned char *)(__builtin_wasm_memory_grow(0, 1) * 65536);
    memset(theirs, 0x77, 65536);
    const size_t before = memory_bytes();
    unsigned char *const block = malloc(12 * MIB);
    say(memory_bytes() > before && block, "memory grows behind pages of others", 0);
    memset(block, 0, block ? 12 * MIB : 0);
    size_t i = 0;
    while (i < 65536 && theirs[i] == 0x77)
        i++;
    say(i == 65536, "which stay theirs", (unsigned long)i);
    free(block);
}

int main(void)
{
    say(memory_bytes() < 3 * MIB, "the module begins small", (unsigned long)memory_bytes());
    check_library();
    check_growth();
    check_others();
    check_malloc();
    say(memory_bytes() == MEMORY_MAX, "memory grew to what the linker allowed",
        (unsigned long)memory_bytes());
    return finish();
}
