/* SPDX-License-Identifier: MIT */
/*
 * refused-later.c - in the middle of its life the process is refused more memory: its limits drop to what it
 * uses now, or the room behind the break is taken. Freed memory serves further requests, new memory is NULL
 * with ENOMEM, and when the limits rise again all is as before.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "api.h"
#include "tools.h"

enum { N_BLOCKS = 4000 };

static struct {
    void *block;
    size_t n_bytes;
} blocks[N_BLOCKS];

static void fill(uint64_t seed)
{
    struct rng rng = {.state = seed};
    for (size_t i = 0; i < N_BLOCKS; i++) {
        blocks[i].n_bytes = rng_size(&rng);
        blocks[i].block = api_malloc(blocks[i].n_bytes);
        REQUIRE(blocks[i].block != NULL);
        stamp_fill(blocks[i].block, blocks[i].n_bytes, i);
    }
}

static void drain(size_t nth)
{
    for (size_t i = 0; i < N_BLOCKS; i++) {
        if (blocks[i].block == NULL)
            continue;
        EXPECT_STAMP(blocks[i].block, blocks[i].n_bytes, i);
        if (i % nth == 0) {
            errno = 777;
            api_free(blocks[i].block);
            EXPECT_EQ(errno, 777);
            blocks[i].block = NULL;
        }
    }
}

/* Limits of this process: 0 bytes more of either than it has, or as before. */
static void drop(int resource, const char *field)
{
    struct rlimit limit;
    REQUIRE(getrlimit(resource, &limit) == 0);
    limit.rlim_cur = field == NULL ? limit.rlim_max : proc_status_bytes(field);
    REQUIRE(setrlimit(resource, &limit) == 0);
}

static void under_limit(int resource, const char *field)
{
    fill(1);
    drop(resource, field);
    errno = 0;
    EXPECT_SAME(api_malloc(64 * MIB), NULL);
    EXPECT_EQ(errno, ENOMEM);
    /* Small ones go on for a while from what is there, and end with ENOMEM. */
    size_t n_bytes = 0;
    void *last = NULL;
    for (;;) {
        errno = 0;
        void **block = api_malloc(1000);
        if (block == NULL) {
            EXPECT_EQ(errno, ENOMEM);
            break;
        }
        *block = last;
        last = block;
        n_bytes += 1000;
        REQUIRE(n_bytes < 512 * MIB);
    }
    errno = 0;
    EXPECT_SAME(api_realloc(blocks[0].block, 64 * MIB), NULL);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_STAMP(blocks[0].block, blocks[0].n_bytes, 0);
    /* What is freed can be had again. */
    drain(2);
    struct rng rng = {.state = 1};
    size_t n_again = 0, n_refused = 0;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        size_t size = rng_size(&rng);
        if (blocks[i].block != NULL)
            continue;
        blocks[i].n_bytes = size > 32 * KIB ? 1000 : size;
        blocks[i].block = api_malloc(blocks[i].n_bytes);
        if (blocks[i].block == NULL)
            n_refused++;
        else
            n_again++;
        if (blocks[i].block != NULL)
            stamp_fill(blocks[i].block, blocks[i].n_bytes, i);
    }
    expect_figure(
        "refused-later: %s %.1f MiB of small blocks until NULL, then %zu of %zu freed blocks again\n", field,
        mib(n_bytes), n_again, n_again + n_refused);
    EXPECT_NOTE(n_again >= 9 * n_refused, "%zu blocks again, %zu refused", n_again, n_refused);
    while (last != NULL) {
        void **block = last;
        last = *block;
        api_free(block);
    }
    drop(resource, NULL);
    void *large = api_malloc(64 * MIB);
    EXPECT(large != NULL);
    api_free(large);
    drain(1);
}

static void limit_as(void)
{
    under_limit(RLIMIT_AS, "VmSize:");
}

static void limit_data(void)
{
    under_limit(RLIMIT_DATA, "VmData:");
}

/* A foreign mapping right behind the break: it cannot move on, and the allocator has to go elsewhere. */
static void obstructed(void)
{
    void *first = api_malloc(100);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *end = sbrk(0);
    REQUIRE(first != NULL && end != (void *)-1);
    void *wanted = (void *)(((uintptr_t)end + page - 1) & ~(page - 1));
    unsigned char *wall =
        mmap(wanted, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    REQUIRE(wall == wanted);
    memset(wall, 0x5C, page);
    for (uint64_t round = 0; round < 5; round++) {
        fill(round);
        drain(2);
        drain(1);
    }
    for (size_t i = 0; i < page; i++)
        EXPECT_EQ(wall[i], 0x5C);
    EXPECT((char *)sbrk(0) <= (char *)wall);
    REQUIRE(munmap(wall, page) == 0);
    fill(9);
    drain(1);
    api_free(first);
}

static const struct part {
    const char *name;
    void (*run)(void);
} parts[] = {{"as", limit_as}, {"data", limit_data}, {"obstructed", obstructed}};

int main(void)
{
    watchdog_start(120);
    api_assert_served();
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            alarm(60);
            parts[i].run();
            _exit(expect_result());
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        EXPECT_NOTE(status == 0, "part %s: wait status 0x%x", parts[i].name, status);
    }
    return expect_result();
}
