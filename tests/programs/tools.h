/* SPDX-License-Identifier: MIT */
/*
 * tools.h - what the whole-program tests share: random numbers from a fixed seed, content stamps, the sizes
 * where allocators change their ways, memory of the process as the kernel counts it, a watchdog. Nothing here
 * allocates.
 */
#ifndef VMALLOC_TESTS_PROGRAMS_TOOLS_H
#define VMALLOC_TESTS_PROGRAMS_TOOLS_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "expect.h"

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)

struct rng {
    uint64_t state;
};

/* splitmix64: any seed is a good one. */
static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* A number from low to high, both included. */
static inline size_t rng_between(struct rng *rng, size_t low, size_t high)
{
    return low + (size_t)(rng_next(rng) % (high - low + 1));
}

/* Sizes 1..1024 mostly, now and then a few KiB, seldom middle or large ones: what programs ask for. */
static inline size_t rng_size(struct rng *rng)
{
    size_t kind = rng_between(rng, 0, 999);
    if (kind < 900)
        return rng_between(rng, 1, 1024);
    if (kind < 985)
        return rng_between(rng, 1025, 32 * KIB);
    if (kind < 998)
        return rng_between(rng, 32 * KIB, 128 * KIB);
    return rng_between(rng, 128 * KIB, 300 * KIB);
}

static inline uint64_t stamp_word(uint64_t id, size_t index)
{
    return (id + 1) * 0x9E3779B97F4A7C15u ^ (uint64_t)index * 0xD1B54A32D192ED03u;
}

/* Fills all n_bytes of the block with a pattern that depends on id and on the place in the block. */
static inline void stamp_fill(void *block, size_t n_bytes, uint64_t id)
{
    unsigned char *bytes = block;
    for (size_t at = 0; at < n_bytes; at += sizeof(uint64_t)) {
        uint64_t word = stamp_word(id, at);
        memcpy(bytes + at, &word, n_bytes - at < sizeof word ? n_bytes - at : sizeof word);
    }
}

/* n_bytes if the block still holds its stamp, else the offset of the first word that does not. */
static inline size_t stamp_good_bytes(const void *block, size_t n_bytes, uint64_t id)
{
    const unsigned char *bytes = block;
    for (size_t at = 0; at < n_bytes; at += sizeof(uint64_t)) {
        uint64_t word = stamp_word(id, at);
        if (memcmp(bytes + at, &word, n_bytes - at < sizeof word ? n_bytes - at : sizeof word) != 0)
            return at;
    }
    return n_bytes;
}

#define EXPECT_STAMP(block, n_bytes, id)                                                                     \
    do {                                                                                                     \
        size_t expect_good = stamp_good_bytes(block, n_bytes, id);                                           \
        if (expect_good != (size_t)(n_bytes) && expect_count())                                              \
            expect_say(                                                                                      \
                "%s:%d: content of the block %p of %zu bytes (stamp %llu) is wrong from byte %zu on\n",      \
                __FILE__, __LINE__, (const void *)(block), (size_t)(n_bytes), (unsigned long long)(id),      \
                expect_good);                                                                                \
    } while (0)

/* n_bytes if all bytes are zero, else the offset of the first that is not. */
static inline size_t zero_bytes(const void *block, size_t n_bytes)
{
    const unsigned char *bytes = block;
    if (n_bytes > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, n_bytes - 1) == 0)
        return n_bytes;
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i] != 0)
            return i;
    return n_bytes;
}

enum { INTERESTING_SIZES_MAX = 400 };

/* Every size to 80; around each power of two and its half-way point up to 4 MiB; around the default
   threshold. */
static inline size_t interesting_sizes(size_t sizes[static INTERESTING_SIZES_MAX])
{
    size_t n_sizes = 0;
    for (size_t size = 0; size <= 80; size++)
        sizes[n_sizes++] = size;
    for (unsigned shift = 7; shift <= 22; shift++) {
        for (size_t step = 0; step < 2; step++) {
            size_t base = ((size_t)1 << shift) + step * ((size_t)1 << (shift - 1));
            sizes[n_sizes++] = base - 1;
            sizes[n_sizes++] = base;
            sizes[n_sizes++] = base + 1;
        }
    }
    static const size_t others[] = {100,    1000,   1008,   1009,   4080,   4088,   5000,   10000,
                                    32752,  32760,  33000,  40960,  61440,  100000, 131040, 131048,
                                    131049, 131056, 131057, 131064, 131065, 200000, 1000000};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        sizes[n_sizes++] = others[i];
    REQUIRE(n_sizes <= INTERESTING_SIZES_MAX);
    return n_sizes;
}

/* The figure in KiB behind `field` in /proc/self/status, as bytes; 0 if it is not there. */
static inline size_t proc_status_bytes(const char *field)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    size_t n_bytes = 0;
    for (;;) {
        ssize_t got = read(fd, text + n_bytes, sizeof text - 1 - n_bytes);
        if (got <= 0)
            break;
        n_bytes += (size_t)got;
    }
    close(fd);
    text[n_bytes] = '\0';
    const char *at = strstr(text, field);
    return at == NULL ? 0 : (size_t)strtoull(at + strlen(field), NULL, 10) * KIB;
}

static inline size_t rss_bytes(void)
{
    return proc_status_bytes("VmRSS:");
}

static inline size_t rss_peak_bytes(void)
{
    return proc_status_bytes("VmHWM:");
}

static inline double mib(size_t n_bytes)
{
    return (double)n_bytes / (double)MIB;
}

/* Memory for the test's own tables: mapped and touched now, so that it does not count as growth later. */
static inline void *table_map(size_t n_bytes)
{
    void *table = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(table != MAP_FAILED);
    memset(table, 0, n_bytes);
    return table;
}

/* Whether an entry of the environment changes the allocator's settings; which kernel it stands on is none. */
static inline int is_setting(const char *entry)
{
    if (strncmp(entry, "VMALLOC_BACKEND=", 16) == 0)
        return 0;
    return strncmp(entry, "MALLOC_", 7) == 0 || strncmp(entry, "VMALLOC_", 8) == 0 ||
           strncmp(entry, "GLIBC_TUNABLES=", 15) == 0;
}

/* Takes such entries out of this process's environment: for programs that start others to test the defaults. */
static inline void forget_settings(void)
{
    char **to = environ;
    for (char **from = environ; *from != NULL; from++)
        if (!is_setting(*from))
            *to++ = *from;
    *to = NULL;
}

/* The bytes of the region that VMALLOC_BACKEND=sim:SIZE has everything come from; 0: Linux serves. */
static inline size_t region_bytes(void)
{
    const char *setting = getenv("VMALLOC_BACKEND");
    unsigned long long number = 0;
    char unit = '\0';
    if (setting == NULL || sscanf(setting, "sim:%llu%c", &number, &unit) != 2)
        return 0;
    REQUIRE(unit == 'G' || unit == 'M');
    return (size_t)number * (unit == 'G' ? 1024 * MIB : MIB);
}

static inline void watchdog_bite(int number)
{
    (void)number;
    static const char text[] = "watchdog: the program hangs\n";
    if (write(2, text, sizeof text - 1) < 0)
        _exit(3);
    abort();
}

/* The process ends with SIGABRT if it still runs after so many seconds. Uses SIGALRM. */
static inline void watchdog_start(unsigned seconds)
{
    signal(SIGALRM, watchdog_bite);
    alarm(seconds);
}

/* The scale factor of a test: a number as the given argument, 1 without. */
static inline size_t scale_argument(int argc, char **argv, int index)
{
    if (argc <= index)
        return 1;
    size_t scale = (size_t)strtoull(argv[index], NULL, 10);
    REQUIRE(scale > 0);
    return scale;
}

#endif
