/* SPDX-License-Identifier: MIT */
/*
 * noop.c - an allocator that does next to nothing: the floor that bench/instructions prints beside the real
 * ones.
 *
 * malloc moves a pointer through a fixed pool and free does nothing. The first START_UP_BLOCKS blocks,
 * among them all that the loader and libc take before main, are handed out once. The later ones come from
 * the last LAP_BYTES of the pool, over and over: a loop that stores at most one byte in a block does not
 * mind. One thread only. Not an allocator for any other program.
 */
#include <stddef.h>
#include <stdint.h>

enum { POOL_BYTES = 32 << 20, LAP_BYTES = 16 << 20, LARGEST_BYTES = 1 << 20, START_UP_BLOCKS = 200 };

static _Alignas(4096) char pool[POOL_BYTES];
static char *const pool_end = pool + POOL_BYTES;
static int n_start_up;
static char *start_up_next = pool;

/* The next block, and where the slow path takes over: at once, until the start-up blocks are used up. */
static char *next = pool;
static char *limit = pool;

#define PUBLIC __attribute__((visibility("default"), nothrow))

PUBLIC void *malloc(size_t size);
PUBLIC void free(void *block);
PUBLIC void *calloc(size_t count, size_t size);
PUBLIC void *realloc(void *block, size_t size);
PUBLIC int posix_memalign(void **result, size_t alignment, size_t size);
PUBLIC size_t malloc_usable_size(void *block);

__attribute__((noinline, cold)) static void *malloc_slow(size_t size)
{
    if (n_start_up < START_UP_BLOCKS) {
        char *block = start_up_next;
        start_up_next += (size | 15) + 1;
        n_start_up++;
        if (start_up_next > pool_end - LAP_BYTES) {
            __builtin_trap();
        }
        return block;
    }
    limit = pool_end - LARGEST_BYTES;
    next = pool_end - LAP_BYTES + (size | 15) + 1;
    return pool_end - LAP_BYTES;
}

PUBLIC void *malloc(size_t size)
{
    char *block = next;
    if (__builtin_expect(block >= limit, 0)) {
        return malloc_slow(size);
    }
    next = block + (size | 15) + 1;
    return block;
}

PUBLIC void free(void *block)
{
    (void)block;
}

/* The pool is .bss, and what the loops store in it they never read again: nothing is cleared. */
PUBLIC void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

/* What the loops resize is large enough. Before them the old size is unknown, but the pool is one piece: copying past the end of
   the old block is harmless. */
PUBLIC void *realloc(void *block, size_t size)
{
    if ((char *)block >= pool_end - LAP_BYTES) {
        return block;
    }
    char *to = malloc(size);
    const char *from = block;
    for (size_t i = 0; from != NULL && i < size && from + i < pool_end; i++) {
        to[i] = from[i];
    }
    return to;
}

PUBLIC int posix_memalign(void **result, size_t alignment, size_t size)
{
    char *block = malloc(size + alignment);
    *result = block + (-(uintptr_t)block & (alignment - 1));
    return 0;
}

PUBLIC size_t malloc_usable_size(void *block)
{
    (void)block;
    return 16;
}
