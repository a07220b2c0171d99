/* SPDX-License-Identifier: MIT */
/* aligned.c - aligned mappings from kernels that do not align. */
#include "base/bits.h"
#include "kernel/kernel.h"

void *vm_kernel_cut_aligned(void *(*map)(size_t bytes, enum vm_access access),
                            bool (*unmap)(void *context, void *start, size_t bytes), size_t bytes,
                            size_t alignment, enum vm_access access)
{
    char *start = map(bytes, access);
    if (!start || ((uintptr_t)start & (alignment - 1)) == 0)
        return start;
    unmap(NULL, start, bytes);
    if (alignment > SIZE_MAX - bytes)
        return NULL;
    start = map(bytes + alignment, access); /* more than needed; the ends are cut off */
    if (!start)
        return NULL;
    char *const aligned = (char *)vm_round_up((uintptr_t)start, alignment);
    if (aligned != start)
        unmap(NULL, start, (size_t)(aligned - start));
    unmap(NULL, aligned + bytes, (size_t)(start + alignment - aligned));
    return aligned;
}
