/* SPDX-License-Identifier: MIT */
/*
 * broken.c - allocators that are wrong on purpose, for tests/real/selftest/run: the comparison must notice them.
 *
 * Compiled once for each fault, by -DFAULT=NAME:
 *   FAULT_CALLOC    calloc returns junk instead of zeros
 *   FAULT_REALLOC   realloc keeps only the first half of the block
 *   FAULT_MALLOC    after 8 blocks malloc, and with it the rest, finds no memory
 *   FAULT_NAMES     correct, but exported under a symbol version, so that no program gets to it
 * and with -DVICTIMS='" NAME NAME "', the programs in which the fault shows: in the shell and the tools of a job
 * everything is right, so that only the programs under test can make the case fail. The memory itself comes from
 * the C library.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <string.h>

#define FAULT_CALLOC 1
#define FAULT_REALLOC 2
#define FAULT_MALLOC 3
#define FAULT_NAMES 4

enum { BLOCKS_BEFORE_FAILURE = 8 };

void *__libc_malloc(size_t size);
void __libc_free(void *block);

static unsigned n_blocks;

/* Whether the fault shows here. The C library knows the program's name only once it is initialised. */
static int is_broken(int fault)
{
    static const char victims[] = VICTIMS;
    if (fault != FAULT || program_invocation_short_name == NULL || *program_invocation_short_name == '\0') {
        return 0;
    }
    size_t length = strlen(program_invocation_short_name);
    for (const char *at = victims; (at = strstr(at, program_invocation_short_name)) != NULL; at++) {
        if (at[-1] == ' ' && at[length] == ' ') {
            return 1;
        }
    }
    return 0;
}

void *malloc(size_t size)
{
    if (is_broken(FAULT_MALLOC) &&
        __atomic_add_fetch(&n_blocks, 1, __ATOMIC_RELAXED) > BLOCKS_BEFORE_FAILURE) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void free(void *block)
{
    __libc_free(block);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(bytes);
    if (block != NULL) {
        memset(block, is_broken(FAULT_CALLOC) ? 0xa5 : 0, bytes);
    }
    return block;
}

void *realloc(void *block, size_t size)
{
    void *moved = malloc(size);
    if (block != NULL && moved != NULL) {
        size_t old_size = malloc_usable_size(block);
        size_t kept = old_size < size ? old_size : size;
        memcpy(moved, block, is_broken(FAULT_REALLOC) ? kept / 2 : kept);
        free(block);
    }
    return moved;
}
