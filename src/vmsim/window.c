/* SPDX-License-Identifier: MIT */
/* window.c - see window.h. Apart from who uses it, so that a test can stand between. */
#include "vmsim/window.h"
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

size_t window_alignment(void)
{
    return (size_t)1 << (sizeof(void *) == 8 ? 32 : 24);
}

char *window_reserve(size_t bytes)
{
    const size_t all = bytes + window_alignment();
    char *const start =
        mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    madvise(start, all, MADV_NOHUGEPAGE);
    return start + (-(uintptr_t)start & (window_alignment() - 1));
}

bool window_discard(void *context, void *start, size_t bytes)
{
    (void)context;
    return madvise(start, bytes, MADV_DONTNEED) == 0;
}

void window_residence(void *start, size_t bytes, unsigned char *residence)
{
    if (bytes && mincore(start, bytes, residence) != 0)
        memset(residence, 1, bytes); /* the host does not say: so it may have it */
}
