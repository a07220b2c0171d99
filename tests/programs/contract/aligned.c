/* SPDX-License-Identifier: MIT */
/* aligned.c - memalign, aligned_alloc, posix_memalign, valloc, pvalloc: every edge case. */
#include "api.h"
#include "tools.h"

enum { ERRNO_MARK = 12345, BITS = 8 * sizeof(size_t) };

static const size_t sizes[] = {0,     1,      7,      8,      15,     16,      17,
                               24,    63,     64,     100,    1000,   1024,    1025,
                               4095,  4096,   4097,   5000,   32768,  32769,   40000,
                               65536, 100000, 131071, 131072, 131073, 1000000, 3 * 1024 * 1024};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* A block that was just obtained with such an alignment is right in all; then it is written to, resized,
   freed. */
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

static void check_and_release(const char *what, void *block, size_t alignment, size_t size)
{
    check_block(what, block, alignment, size);
    if (block == NULL)
        return;
    size_t usable = api_malloc_usable_size(block);
    switch ((alignment / 16 + size) % 4) {
    case 0: {
        size_t larger = usable + 5000;
        unsigned char *moved = api_realloc(block, larger);
        REQUIRE(moved != NULL);
        EXPECT_STAMP(moved, usable, alignment ^ size);
        EXPECT(api_malloc_usable_size(moved) >= larger);
        EXPECT((uintptr_t)moved % 16 == 0);
        memset(moved, 0x5A, larger);
        block = moved;
        break;
    }
    case 1: {
        size_t smaller = size / 2 + 1;
        unsigned char *moved = api_realloc(block, smaller);
        REQUIRE(moved != NULL);
        EXPECT_STAMP(moved, smaller < usable ? smaller : usable, alignment ^ size);
        block = moved;
        break;
    }
    case 2:
        EXPECT_SAME(api_realloc(block, size == 0 ? 1 : size), block);
        EXPECT_STAMP(block, size, alignment ^ size);
        break;
    default:
        break;
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

static void check_memalign(void)
{
    static const size_t odd[] = {0,  1,  2,  3,  5,   7,    9,    15,   16,   17,    24,    31,
                                 33, 48, 63, 65, 100, 1000, 4095, 4097, 5000, 65537, 100000};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            check_and_release("memalign", api_memalign(odd[i], sizes[k]), power_above(odd[i]), sizes[k]);
        }
    }
    for (size_t alignment = 16; alignment <= 32 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            check_and_release("memalign", api_memalign(alignment, sizes[k]), alignment, sizes[k]);
        }
    }
    size_t too_large[] = {SIZE_MAX / 2 + 2, SIZE_MAX / 2 + 1000, SIZE_MAX - 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof too_large / sizeof too_large[0]; i++) {
        errno = ERRNO_MARK;
        EXPECT_SAME(api_memalign(too_large[i], 100), NULL);
        EXPECT_EQ(errno, EINVAL);
        errno = ERRNO_MARK;
        EXPECT_SAME(api_memalign(too_large[i], 0), NULL);
        EXPECT_EQ(errno, EINVAL);
    }
    /* SIZE_MAX / 4 + 2 is rounded up to the largest power of two. */
    errno = ERRNO_MARK;
    EXPECT_SAME(api_memalign(SIZE_MAX / 4 + 2, 100), NULL);
    EXPECT_EQ(errno, ENOMEM);
}

/* Blocks of several alignments at once do not overlap. */
static void check_together(void)
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

static void check_aligned_alloc(void)
{
    for (size_t alignment = 1; alignment <= 4 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            check_and_release("aligned_alloc", api_aligned_alloc(alignment, sizes[k]), alignment, sizes[k]);
        }
    }
    if (api_on_glibc())
        return; /* before 2.38 bad alignments are rounded up there */
    static const size_t bad[] = {0,       3, 5, 6, 12, 24, 48, 65, 100, 4097, SIZE_MAX / 2, SIZE_MAX / 2 + 2,
                                 SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t size = 0; size < 200; size += 99) {
            errno = ERRNO_MARK;
            void *block = api_aligned_alloc(bad[i], size);
            EXPECT_NOTE(block == NULL, "aligned_alloc(%zu, %zu) gave %p", bad[i], size, block);
            EXPECT_NOTE(errno == EINVAL, "aligned_alloc(%zu, %zu): errno %d", bad[i], size, errno);
        }
    }
}

static void check_posix_memalign(void)
{
    for (size_t alignment = sizeof(void *); alignment <= 4 * MIB; alignment *= 2) {
        for (size_t k = 0; k < N_SIZES; k++) {
            errno = ERRNO_MARK;
            void *block = NULL;
            EXPECT_EQ(api_posix_memalign(&block, alignment, sizes[k]), 0);
            check_and_release("posix_memalign", block, alignment, sizes[k]);
        }
    }
    static char untouched;
    static const size_t bad[] = {0,
                                 1,
                                 2,
                                 3,
                                 sizeof(void *) / 2,
                                 5,
                                 7,
                                 9,
                                 12,
                                 20,
                                 24,
                                 28,
                                 40,
                                 48,
                                 65,
                                 72,
                                 96,
                                 100,
                                 4092,
                                 4104,
                                 4100,
                                 SIZE_MAX / 2 + 9,
                                 SIZE_MAX,
                                 SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t size = 0; size < 200; size += 99) {
            void *block = &untouched;
            errno = ERRNO_MARK;
            int result = api_posix_memalign(&block, bad[i], size);
            EXPECT_NOTE(result == EINVAL, "alignment %zu, size %zu: %d", bad[i], size, result);
            EXPECT_SAME(block, &untouched);
            EXPECT_EQ(errno, ERRNO_MARK);
        }
    }
}

static void check_too_large(void)
{
    static char untouched;
    const size_t ptrdiff_max = (size_t)PTRDIFF_MAX;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static size_t too_large[300];
    size_t n_too_large = 0;
    for (size_t k = 0; k < 100; k++)
        too_large[n_too_large++] = SIZE_MAX - k;
    for (size_t k = 1; k <= 40; k++)
        too_large[n_too_large++] = ptrdiff_max + k;
    for (unsigned shift = 7; shift < BITS - 1; shift++)
        too_large[n_too_large++] = SIZE_MAX - ((size_t)1 << shift);
    too_large[n_too_large++] = SIZE_MAX - page;
    too_large[n_too_large++] = SIZE_MAX - page + 1;
    if (sizeof(void *) == 8) {
        for (size_t k = 0; k < 20; k++)
            too_large[n_too_large++] = ptrdiff_max - k;
    }
    for (size_t i = 0; i < n_too_large; i++) {
        size_t size = too_large[i];
        for (unsigned shift = 3; shift < BITS; shift += shift < 14 ? 1 : 7) {
            size_t alignment = (size_t)1 << shift;
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_memalign(alignment, size) == NULL, "alignment 2^%u, size 0x%zx", shift, size);
            EXPECT_NOTE(errno == ENOMEM, "alignment 2^%u, size 0x%zx: errno %d", shift, size, errno);
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_aligned_alloc(alignment, size) == NULL, "alignment 2^%u, size 0x%zx", shift,
                        size);
            EXPECT_NOTE(errno == ENOMEM, "alignment 2^%u, size 0x%zx: errno %d", shift, size, errno);
            void *block = &untouched;
            errno = ERRNO_MARK;
            int result = api_posix_memalign(&block, alignment, size);
            EXPECT_NOTE(result == ENOMEM, "alignment 2^%u, size 0x%zx: %d", shift, size, result);
            EXPECT_SAME(block, &untouched);
            if (!api_on_glibc())
                EXPECT_EQ(errno, ERRNO_MARK);
        }
        errno = ERRNO_MARK;
        EXPECT_NOTE(api_valloc(size) == NULL, "size 0x%zx", size);
        EXPECT_NOTE(errno == ENOMEM, "size 0x%zx: errno %d", size, errno);
        errno = ERRNO_MARK;
        EXPECT_NOTE(api_pvalloc(size) == NULL, "size 0x%zx", size);
        EXPECT_NOTE(errno == ENOMEM, "size 0x%zx: errno %d", size, errno);
    }
    /* The two largest powers of two can be met by no address space. */
    for (unsigned shift = BITS - 2; shift < BITS; shift++) {
        static const size_t small[] = {0, 1, 24, 1000, 100000};
        for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
            if (sizeof(void *) == 4 && shift == BITS - 2)
                continue; /* 1 GiB: a 32-bit process may have that */
            size_t alignment = (size_t)1 << shift;
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_memalign(alignment, small[i]) == NULL, "alignment 2^%u, size %zu", shift,
                        small[i]);
            EXPECT_NOTE(errno == ENOMEM, "alignment 2^%u, size %zu: errno %d", shift, small[i], errno);
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_aligned_alloc(alignment, small[i]) == NULL, "alignment 2^%u, size %zu", shift,
                        small[i]);
            EXPECT_NOTE(errno == ENOMEM, "alignment 2^%u, size %zu: errno %d", shift, small[i], errno);
            void *block = &untouched;
            EXPECT_EQ(api_posix_memalign(&block, alignment, small[i]), ENOMEM);
            EXPECT_SAME(block, &untouched);
        }
    }
}

static void check_pages(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t k = 0; k < N_SIZES; k++) {
        errno = ERRNO_MARK;
        check_and_release("valloc", api_valloc(sizes[k]), page, sizes[k]);
        errno = ERRNO_MARK;
        void *block = api_pvalloc(sizes[k]);
        size_t rounded = (sizes[k] + page - 1) / page * page;
        EXPECT_NOTE(api_malloc_usable_size(block) >= rounded, "pvalloc(%zu): usable %zu", sizes[k],
                    api_malloc_usable_size(block));
        check_and_release("pvalloc", block, page, sizes[k]);
    }
}

/* A huge alignment costs address space only, and only while the block lives. */
static void check_huge_alignment(void)
{
    if (sizeof(void *) == 4)
        return;
    for (unsigned shift = 26; shift <= 34; shift++) {
        for (size_t round = 0; round < 20; round++) {
            size_t size = round * 1000;
            void *block = api_memalign((size_t)1 << shift, size);
            EXPECT_NOTE(block != NULL, "alignment 2^%u, size %zu", shift, size);
            EXPECT_NOTE((uintptr_t)block % ((size_t)1 << shift) == 0, "alignment 2^%u: %p", shift, block);
            REQUIRE(block != NULL);
            memset(block, 1, size);
            size_t usable = api_malloc_usable_size(block);
            EXPECT_NOTE(usable >= size && (api_on_glibc() || usable <= size + 64 * KIB),
                        "size %zu, usable %zu", size, usable);
            api_free(block);
        }
    }
    EXPECT_NOTE(API_UNDER_SANITIZER || rss_bytes() < 100 * MIB, "RSS %.1f MiB", mib(rss_bytes()));
}

/* What comes and goes leaves no addresses taken behind it: a private arena or two, not hundreds. */
static void expect_address_space(size_t before)
{
    size_t now = proc_status_bytes("VmSize:");
    EXPECT_NOTE(API_UNDER_SANITIZER || now <= before + 512 * MIB, "VmSize %.0f MiB at the start, %.0f now",
                mib(before), mib(now));
}

int main(void)
{
    watchdog_start(120);
    api_assert_served();
    size_t address_space = proc_status_bytes("VmSize:");
    check_memalign();
    check_together();
    check_aligned_alloc();
    check_posix_memalign();
    check_pages();
    check_too_large();
    expect_address_space(address_space);
    check_huge_alignment();
    return expect_result();
}
