/* SPDX-License-Identifier: MIT */
/*
 * last-addresses.c - of the last addresses that a process may have, at least half serve as blocks: however many
 * they are, and also where the allocator's tables for them are still to be made. The program fills its address
 * space down to a multiple of a GiB, so that what follows lies in the next GiB, and a child each lives within
 * some limit. Run without a break, all of its memory is mapped.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "api.h"
#include "tools.h"

enum { SIZE = 100000, RESERVE = 2 << 20 /* for tables */ };

/* The kernel places mappings downwards: the next ones begin within 64 KiB of a multiple of a GiB. */
static void fill_down_to_next_gib(void)
{
    char *const at = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at != MAP_FAILED && munmap(at, 4096) == 0);
    const size_t above = (uintptr_t)at & ((1 << 30) - 1);
    if (above > 64 * KIB)
        REQUIRE(mmap(NULL, (above - 64 * KIB) & ~(64 * KIB - 1), PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED);
}

static void allow(rlim_t bytes)
{
    REQUIRE(setrlimit(RLIMIT_AS, &(struct rlimit){bytes, RLIM_INFINITY}) == 0);
}

/* Bytes of blocks until NULL, with `left` bytes of addresses. */
static size_t take_all(size_t left)
{
    allow(proc_status_bytes("VmSize:") + left);
    size_t taken = 0;
    while (api_malloc(SIZE) != NULL)
        taken += SIZE;
    return taken;
}

/* In a child, so that all begin alike. */
static void expect_half(size_t left)
{
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const size_t taken = take_all(left);
        EXPECT_NOTE(taken + RESERVE >= left / 2, "blocks of %zu bytes in all, of %zu", taken, left);
        _exit(expect_result());
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_EQ(status, 0);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    take_all(0); /* what the allocator has room for already */
    allow(RLIM_INFINITY);
    fill_down_to_next_gib();
    for (size_t power = 4 * MIB; power <= 64 * MIB; power *= 2)
        for (size_t more = 0; more < 1200 * KIB; more += 96 * KIB)
            expect_half(power + more);
    return expect_result();
}
