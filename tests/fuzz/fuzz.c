/* SPDX-License-Identifier: MIT */
/*
 * fuzz.c - see fuzz.h. libFuzzer sees what an input reached in an array of counters, one for each edge of the code, which
 * its instrumentation puts in a section of its own. For what a child reaches to count, the pages of the section are shared
 * memory. The edges whose counters are on its first and last page, beside other data, go uncounted in a child.
 */
#include "fuzz.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MOST = 10 };

/* The section's bounds, as the linker names them. */
extern unsigned char counters_start[] __asm__("__start___sancov_cntrs");
extern unsigned char counters_stop[] __asm__("__stop___sancov_cntrs");

void fuzz_give_up(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

void *fuzz_shared(size_t bytes)
{
    void *const memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    return memory;
}

static void share_counters(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = ((uintptr_t)counters_start + page - 1) & -page;
    const uintptr_t end = (uintptr_t)counters_stop & -page;
    REQUIRE(start < end);
    void *const copy = fuzz_shared(end - start);
    memcpy(copy, (void *)start, end - start);
    REQUIRE(mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) ==
            (void *)start);
}

void fuzz_apart(void (*act)(void *context), void *context)
{
    static bool are_shared;
    if (!are_shared)
        share_counters();
    are_shared = true;
    int status;
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){SECONDS_MOST, SECONDS_MOST});
        act(context);
        _exit(0);
    }
    while (waitpid(child, &status, 0) != child)
        REQUIRE(errno == EINTR); /* libFuzzer's clock */
    REQUIRE(status == 0);
}
