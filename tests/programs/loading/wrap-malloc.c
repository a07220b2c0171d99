/* SPDX-License-Identifier: MIT */
/*
 * wrap-malloc.c - a library preloaded before the allocator that wraps its functions and finds them by
 * dlsym(RTLD_NEXT), as heap profilers do. It counts calls, and calls that arrive from inside a wrapped
 * function: the allocator's own calls must not come back through its public names.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) unsigned long wrap_n_calls, wrap_n_nested;

static __thread int depth __attribute__((tls_model("initial-exec")));
static void *(*next_malloc)(size_t), *(*next_calloc)(size_t, size_t), *(*next_realloc)(void *, size_t);
static void *(*next_memalign)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void (*next_free)(void *);

/* dlsym may allocate before the functions are found: from here. */
static char early[16384] __attribute__((aligned(16)));
static size_t early_used;

static int is_early(const void *block)
{
    return (const char *)block >= early && (const char *)block < early + sizeof early;
}

static void *early_block(size_t size)
{
    void *block = early + early_used;
    early_used += (size + 15) & ~(size_t)15;
    if (early_used > sizeof early)
        abort();
    return block;
}

static void find(void *where, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    memcpy(where, &found, sizeof found);
}

/* 1 if the functions are known, 0 while they are being looked up. */
static int find_all(void)
{
    static int state;
    if (state == 2)
        return 1;
    if (state == 1)
        return 0;
    state = 1;
    find(&next_malloc, "malloc");
    find(&next_calloc, "calloc");
    find(&next_realloc, "realloc");
    find(&next_memalign, "memalign");
    find(&next_posix_memalign, "posix_memalign");
    find(&next_free, "free");
    state = 2;
    return 1;
}

static void enter(void)
{
    __atomic_add_fetch(&wrap_n_calls, 1, __ATOMIC_RELAXED);
    if (depth++ > 0)
        __atomic_add_fetch(&wrap_n_nested, 1, __ATOMIC_RELAXED);
}

#define EXPORT __attribute__((visibility("default")))

EXPORT void *malloc(size_t size)
{
    if (!find_all())
        return early_block(size);
    enter();
    void *block = next_malloc(size);
    depth--;
    return block;
}

EXPORT void *calloc(size_t count, size_t size)
{
    if (!find_all())
        return early_block(count * size);
    enter();
    void *block = next_calloc(count, size);
    depth--;
    return block;
}

EXPORT void *realloc(void *old, size_t size)
{
    if (!find_all())
        abort();
    if (is_early(old)) {
        void *moved = malloc(size);
        if (moved != NULL)
            memcpy(moved, old, size < 64 ? size : 64);
        return moved;
    }
    enter();
    void *block = next_realloc(old, size);
    depth--;
    return block;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    if (!find_all())
        abort();
    enter();
    void *block = next_memalign(alignment, size);
    depth--;
    return block;
}

EXPORT int posix_memalign(void **result, size_t alignment, size_t size)
{
    if (!find_all())
        abort();
    enter();
    int status = next_posix_memalign(result, alignment, size);
    depth--;
    return status;
}

EXPORT void free(void *block)
{
    if (is_early(block) || !find_all())
        return;
    enter();
    next_free(block);
    depth--;
}
