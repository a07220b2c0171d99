/* SPDX-License-Identifier: MIT */
/* aligned.c - what memalign, aligned_alloc, posix_memalign, valloc and pvalloc give; refused.c has what they
 * refuse. */
#include "case.h"

static const size_t sizes[] = {0,     1,      7,      8,      15,     16,      17,
                               24,    63,     64,     100,    1000,   1024,    1025,
                               4095,  4096,   4097,   5000,   32768,  32769,   40000,
                               65536, 100000, 131071, 131072, 131073, 1000000, 3 * 1024 * 1024};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* A block that was just obtained with such an alignment is right in all; it is written to. */
static void check_block(const char *what, void *block, size_t alignment, size_t size)
{
    EXPECT_NOTE(errno == ERRNO_MARK, "%s(%zu, %zu): errno is now %d", what, alignment, size, errno);
    EXPECT_NOTE(block != NULL, "%s(%zu, %zu)", what, alignment, size);
    if (block == NULL)
        return;
    EXPECT_NOTE((uintptr_t)block % alignment == 0, "%s: alignment %zu, size %zu: %p", what, alignment, size,
                block);
    EXPECT_NOTE((uintptr_t)block % 16 == 0, "%s: alignment %zu, size %zu: %p", what, alignment, size, block);
    size_t usable = api_malloc_usable_size(block);
    EXPECT_NOTE(usable >= size, "%s: alignment %zu, size %zu: usable %zu", what, alignment, size, usable);
    EXPECT_EQ(api_malloc_usable_size(block), usable);
    stamp_fill(block, usable, alignment ^ size);
    EXPECT_STAMP(block, usable, alignment ^ size);
}

/* Resized, by a way that depends on the figures, and freed. */
static void check_and_release(const char *what, void *block, size_t alignment, size_t size)
{
    check_block(what, block, alignment, size);
    if (block == NULL)
        return;
    size_t usable = api_malloc_usable_size(block);
    size_t wanted[] = {usable + 5000, size / 2 + 1, size == 0 ? 1 : size};
    size_t way = (alignment / 16 + size) % 4;
    if (way < 3) {
        unsigned char *moved = api_realloc(block, wanted[way]);
        REQUIRE(moved != NULL);
        EXPECT_STAMP(moved, wanted[way] < usable ? wanted[way] : usable, alignment ^ size);
        EXPECT(api_malloc_usable_size(moved) >= wanted[way]);
        EXPECT((uintptr_t)moved % 16 == 0);
        EXPECT(way != 2 || (void *)moved == block);
        memset(moved, 0x5A, wanted[way]);
        block = moved;
    }
    errno = ERRNO_MARK;
    api_free(block);
    EXPECT_EQ(errno, ERRNO_MARK);
}

static size_t power_above(size_t alignment)
{
    size_t power = 16;
    while (power < alignment)
        power *= 2;
    return power;
}

CASE(memalign_rounds_up, "0.8 1.7.a 1.7.b",
     "memalign: up to 16, 0 too, is malloc; no power of two is rounded up")
{
    static const size_t odd[] = {0,  1,  2,  3,  5,   7,    9,    15,   16,   17,    24,    31,
                                 33, 48, 63, 65, 100, 1000, 4095, 4097, 5000, 65537, 100000};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            check_and_release("memalign", api_memalign(odd[i], sizes[k]), power_above(odd[i]), sizes[k]);
        }
    }
}

CASE(memalign_powers, "1.7.d 1.7.f 1.29", "memalign: all powers of two to 32 MiB, also for size 0")
{
    for (size_t alignment = 16; alignment <= 32 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            check_and_release("memalign", api_memalign(alignment, sizes[k]), alignment, sizes[k]);
        }
    }
}

CASE(memalign_together, "1.7.f", "blocks of many alignments and sizes at once do not overlap")
{
    enum { COUNT = 600 };
    static unsigned char *blocks[COUNT];
    static size_t lengths[COUNT];
    struct rng rng = {.state = 7};
    for (size_t i = 0; i < COUNT; i++) {
        size_t alignment = (size_t)1 << rng_between(&rng, 3, 15);
        lengths[i] = rng_size(&rng);
        blocks[i] = api_memalign(alignment, lengths[i]);
        REQUIRE(blocks[i] != NULL);
        EXPECT_NOTE((uintptr_t)blocks[i] % alignment == 0, "alignment %zu: %p", alignment, (void *)blocks[i]);
        lengths[i] = api_malloc_usable_size(blocks[i]);
        stamp_fill(blocks[i], lengths[i], i);
    }
    for (size_t i = 0; i < COUNT; i++)
        EXPECT_STAMP(blocks[i], lengths[i], i);
    for (size_t i = 0; i < COUNT; i++)
        api_free(blocks[i]);
}

CASE(aligned_alloc_powers, "0.8 1.8.b", "aligned_alloc: powers of two from 1 on, size need not be a multiple")
{
    for (size_t alignment = 1; alignment <= 4 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            check_and_release("aligned_alloc", api_aligned_alloc(alignment, sizes[k]), alignment, sizes[k]);
        }
    }
}

CASE(posix_memalign_powers, "0.9 1.9.e 1.9.d", "posix_memalign: 0 and a block, also for size 0; errno stays")
{
    for (size_t alignment = sizeof(void *); alignment <= 4 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            void *block = NULL;
            EXPECT_EQ(api_posix_memalign(&block, alignment, sizes[k]), 0);
            check_and_release("posix_memalign", block, alignment, sizes[k]);
        }
    }
}

CASE(zero_size_aligned, "1.7.d 1.9.e 1.10.a", "aligned blocks of size 0 are aligned and apart")
{
    enum { COUNT = 200 };
    static void *blocks[COUNT];
    for (size_t alignment = 32; alignment <= 64 * KIB; alignment *= 8) {
        for (size_t i = 0; i < COUNT; i++) {
            blocks[i] = i % 2 == 0 ? api_memalign(alignment, 0) : NULL;
            if (i % 2 == 1)
                EXPECT_EQ(api_posix_memalign(&blocks[i], alignment, 0), 0);
            EXPECT(blocks[i] != NULL && (uintptr_t)blocks[i] % alignment == 0);
            for (size_t k = 0; k < i; k++)
                EXPECT_NOTE(blocks[k] != blocks[i], "two live blocks at %p", blocks[i]);
        }
        for (size_t i = 0; i < COUNT; i++)
            api_free(blocks[i]);
    }
}

CASE(valloc_pages, "1.10.a", "valloc: aligned to the page, size 0 too")
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t k = 0; k < N_SIZES; k++) {
        errno = ERRNO_MARK;
        check_and_release("valloc", api_valloc(sizes[k]), page, sizes[k]);
    }
}

CASE(pvalloc_pages, "1.11.a 1.11.c", "pvalloc: whole pages, all of them usable; size 0 gives a block")
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t k = 0; k < N_SIZES; k++) {
        errno = ERRNO_MARK;
        void *block = api_pvalloc(sizes[k]);
        size_t rounded = (sizes[k] + page - 1) / page * page;
        EXPECT_NOTE(api_malloc_usable_size(block) >= rounded, "pvalloc(%zu): usable %zu", sizes[k],
                    api_malloc_usable_size(block));
        check_and_release("pvalloc", block, page, sizes[k]);
    }
}

/* A huge alignment costs address space only, and only while the block lives. */
CASE(huge_alignment, "1.7.g 0.26", "alignments of gigabytes cost no memory and no address space for good")
{
    if (sizeof(void *) == 4)
        SKIP("no room for that in a 32-bit process");
    const size_t before = proc_status_bytes("VmSize:"), region = region_bytes();
    for (unsigned shift = 26; shift <= 34 && (region == 0 || (size_t)1 << shift <= region / 2); shift++) {
        for (size_t round = 0; round < 20; round++) {
            size_t size = round * 1000;
            void *block = api_memalign((size_t)1 << shift, size);
            EXPECT_NOTE(block != NULL, "alignment 2^%u, size %zu", shift, size);
            EXPECT_NOTE((uintptr_t)block % ((size_t)1 << shift) == 0, "alignment 2^%u: %p", shift, block);
            REQUIRE(block != NULL);
            memset(block, 1, size);
            EXPECT(api_malloc_usable_size(block) >= size);
            api_free(block);
        }
    }
    size_t now = proc_status_bytes("VmSize:");
    EXPECT_NOTE(API_UNDER_SANITIZER || rss_bytes() < 100 * MIB, "RSS %.1f MiB", mib(rss_bytes()));
    EXPECT_NOTE(API_UNDER_SANITIZER || now <= before + 512 * MIB, "VmSize %.0f MiB, then %.0f", mib(before),
                mib(now));
}

CASE(aligned_usable_close, "1.7.g 1.12.d",
     "usable exceeds an aligned request by its alignment or little more")
{
    for (size_t alignment = 32; alignment <= 4 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            void *block = api_memalign(alignment, sizes[k]);
            REQUIRE(block != NULL);
            size_t usable = api_malloc_usable_size(block);
            size_t slack = sizes[k] / 8 + (alignment <= 4096 || alignment > 16 * KIB ? 4096 : alignment);
            EXPECT_NOTE(usable <= sizes[k] + slack, "alignment %zu, size %zu: usable %zu", alignment,
                        sizes[k], usable);
            api_free(block);
        }
    }
}

/* A block that was freed serves the same request again, alone and among others. */
CASE(aligned_again, "1.7.h", "freed aligned blocks are used again")
{
    for (size_t alignment = 32; alignment <= 4096; alignment *= 2) {
        for (size_t size = 32; size <= 1024; size *= 2) {
            void *first = api_memalign(alignment, size);
            api_free(first);
            void *second = api_memalign(alignment, size);
            EXPECT_NOTE(first == second, "alignment %zu, size %zu", alignment, size);
            api_free(second);
        }
    }
    enum { COUNT = 40 };
    static const size_t large[] = {2000, 5000, 20000, 70000};
    void *before[COUNT], *after[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        before[i] = api_memalign(4096, large[i % 4]);
        REQUIRE(before[i] != NULL && api_malloc(512) != NULL); /* a live block between them */
    }
    for (size_t i = 0; i < COUNT; i++)
        api_free(before[i]);
    size_t n_again = 0;
    for (size_t i = 0; i < COUNT; i++) {
        after[i] = api_memalign(4096, large[i % 4]);
        for (size_t k = 0; k < COUNT; k++)
            n_again += after[i] == before[k];
    }
    EXPECT_NOTE(n_again > COUNT / 2, "%zu of %d addresses came again", n_again, COUNT);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
