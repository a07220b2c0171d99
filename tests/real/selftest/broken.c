/* SPDX-License-Identifier: MIT */
/*
 * broken.c - allocators that are wrong on purpose, for tests/real/selftest/run, tests/bench/run and tests/bench-run/run: what
 * compares, checks or measures must notice them.
 *
 * Compiled once for each fault, by -DFAULT=NAME:
 *   FAULT_CALLOC    calloc returns junk instead of zeros
 *   FAULT_REALLOC   realloc keeps only the first half of the block
 *   FAULT_MALLOC    after 8 blocks malloc, and with it the rest, finds no memory
 *   FAULT_OVERLAP   each ONE_OF-th block that malloc returns is the same memory
 *   FAULT_SLOW      malloc does much work besides
 *   FAULT_LEAK      free keeps every second block
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
#define FAULT_OVERLAP 5
#define FAULT_SLOW 6
#define FAULT_LEAK 7

#ifndef ONE_OF
#define ONE_OF 64
#endif

enum { BLOCKS_BEFORE_FAILURE = 8, WORK_BESIDES = 500 };

void *__libc_malloc(size_t size);
void __libc_free(void *block);

static unsigned n_blocks;
static _Alignas(4096) char one_for_many[64 << 20];

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

static unsigned count_block(void)
{
    return __atomic_add_fetch(&n_blocks, 1, __ATOMIC_RELAXED);
}

static void *allocate(size_t size)
{
    if (is_broken(FAULT_SLOW)) {
        for (volatile int i = 0; i < WORK_BESIDES;) {
            i = i + 1;
        }
    }
    if (is_broken(FAULT_MALLOC) && count_block() > BLOCKS_BEFORE_FAILURE) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *malloc(size_t size)
{
    if (is_broken(FAULT_OVERLAP) && size <= sizeof one_for_many && count_block() % ONE_OF == 0) {
        return one_for_many;
    }
    return allocate(size);
}

void free(void *block)
{
    if (block != one_for_many && !(is_broken(FAULT_LEAK) && count_block() % 2 == 0)) {
        __libc_free(block);
    }
}

static size_t bytes_of(void *block)
{
    return block == one_for_many ? sizeof one_for_many : malloc_usable_size(block);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = allocate(bytes);
    if (block != NULL) {
        memset(block, is_broken(FAULT_CALLOC) ? 0xa5 : 0, bytes);
    }
    return block;
}

void *realloc(void *block, size_t size)
{
    void *moved = malloc(size);
    if (block != NULL && moved != NULL) {
        size_t old_size = bytes_of(block);
        size_t kept = old_size < size ? old_size : size;
        memcpy(moved, block, is_broken(FAULT_REALLOC) ? kept / 2 : kept);
        free(block);
    }
    return moved;
}
