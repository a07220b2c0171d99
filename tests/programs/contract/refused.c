/* SPDX-License-Identifier: MIT */
/*
 * refused.c - every entry point against every size: what can be is given, what cannot be - sizes and alignments -
 * is refused with NULL and the right errno, the old block as it was, nothing stored.
 */
#include "case.h"

enum { BITS = 8 * sizeof(size_t), REFUSED_MAX = 6000, WARM_BLOCKS = 64, KEPT_BYTES = 1000 };

#if !defined(USE_VM_NAMES) && !defined(API_STATIC_LINK)
#define HAS_LIBC_NAMES 1
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void *__libc_valloc(size_t size);
extern void *__libc_pvalloc(size_t size);
#endif

static const size_t ptrdiff_max = (size_t)PTRDIFF_MAX;
static char untouched;
static unsigned char *kept; /* a live block that the refused calls are to leave alone */

/* Each entry point as a function of the size alone. */
static void *by_malloc(size_t size)
{
    return api_malloc(size);
}

static void *by_calloc_size(size_t size)
{
    return api_calloc(1, size);
}

static void *by_calloc_count(size_t size)
{
    return api_calloc(size, 1);
}

static void *by_realloc_null(size_t size)
{
    return api_realloc(NULL, size);
}

static void *by_realloc(size_t size)
{
    return api_realloc(kept, size);
}

static void *by_reallocarray_null(size_t size)
{
    return api_reallocarray(NULL, 1, size);
}

static void *by_reallocarray_size(size_t size)
{
    return api_reallocarray(kept, 1, size);
}

static void *by_reallocarray_count(size_t size)
{
    return api_reallocarray(kept, size, 1);
}

static void *by_memalign(size_t size)
{
    return api_memalign(64, size);
}

static void *by_memalign_small(size_t size)
{
    return api_memalign(1, size);
}

static void *by_aligned_alloc(size_t size)
{
    return api_aligned_alloc(4096, size);
}

static void *by_valloc(size_t size)
{
    return api_valloc(size);
}

static void *by_pvalloc(size_t size)
{
    return api_pvalloc(size);
}

#ifdef HAS_LIBC_NAMES
static void *by_libc_calloc(size_t size)
{
    return __libc_calloc(size, 1);
}

static void *by_libc_realloc(size_t size)
{
    return __libc_realloc(kept, size);
}

static void *by_libc_memalign(size_t size)
{
    return __libc_memalign(256, size);
}
#endif

static const struct entry {
    const char *name;
    void *(*call)(size_t size);
} entries[] = {
    {"malloc", by_malloc},
    {"calloc(1, n)", by_calloc_size},
    {"calloc(n, 1)", by_calloc_count},
    {"realloc(NULL, n)", by_realloc_null},
    {"realloc(p, n)", by_realloc},
    {"reallocarray(NULL, 1, n)", by_reallocarray_null},
    {"reallocarray(p, 1, n)", by_reallocarray_size},
    {"reallocarray(p, n, 1)", by_reallocarray_count},
    {"memalign(64, n)", by_memalign},
    {"memalign(1, n)", by_memalign_small},
    {"aligned_alloc(4096, n)", by_aligned_alloc},
    {"valloc", by_valloc},
    {"pvalloc", by_pvalloc},
#ifdef HAS_LIBC_NAMES
    {"__libc_malloc", __libc_malloc},
    {"__libc_calloc", by_libc_calloc},
    {"__libc_realloc", by_libc_realloc},
    {"__libc_memalign", by_libc_memalign},
    {"__libc_valloc", __libc_valloc},
    {"__libc_pvalloc", __libc_pvalloc},
#endif
};
enum { N_ENTRIES = sizeof entries / sizeof entries[0] };

/* Free blocks of the smallest sizes lie ready: a size that wraps when it is rounded up must not be given one.
 */
static void warm_small_blocks(void)
{
    void *blocks[WARM_BLOCKS];
    for (size_t i = 0; i < WARM_BLOCKS; i++)
        blocks[i] = api_malloc(i);
    for (size_t i = 0; i < WARM_BLOCKS; i++)
        api_free(blocks[i]);
}

static void expect_refused(const struct entry *entry, size_t size)
{
    errno = ERRNO_MARK;
    void *refused = entry->call(size);
    int error = errno;
    EXPECT_NOTE(refused == NULL, "%s gave %p for 0x%zx", entry->name, refused, size);
    EXPECT_NOTE(error == ENOMEM, "%s: errno %d for 0x%zx", entry->name, error, size);
}

/* Given whole, or refused with ENOMEM. */
static void expect_given(const struct entry *entry, size_t size)
{
    REQUIRE((kept = api_malloc(KEPT_BYTES)) != NULL);
    stamp_fill(kept, KEPT_BYTES, size);
    bool is_realloc = strstr(entry->name, "(p") != NULL || strcmp(entry->name, "__libc_realloc") == 0;
    errno = ERRNO_MARK;
    unsigned char *block = entry->call(size);
    int error = errno;
    if (block != NULL) {
        EXPECT_NOTE(error == ERRNO_MARK, "%s: errno %d for 0x%zx", entry->name, error, size);
        EXPECT_NOTE((uintptr_t)block % 16 == 0, "%s gave %p for 0x%zx", entry->name, (void *)block, size);
        size_t usable = api_malloc_usable_size(block);
        EXPECT_NOTE(usable >= size, "%s: usable 0x%zx for 0x%zx", entry->name, usable, size);
        if (is_realloc)
            EXPECT_STAMP(block, size < KEPT_BYTES ? size : KEPT_BYTES, size);
        block[0] = block[usable - 1] = 1;
        errno = ERRNO_MARK;
        api_free(block);
        EXPECT_EQ(errno, ERRNO_MARK);
    } else if (!is_realloc || size > 0) {
        EXPECT_NOTE(error == ENOMEM && size > 16 * MIB, "%s: NULL, errno %d for 0x%zx", entry->name, error,
                    size);
    }
    if (!is_realloc || (block == NULL && size > 0)) {
        EXPECT_STAMP(kept, KEPT_BYTES, size);
        api_free(kept);
    }
}

/* The largest power of two to ask for: with M_PERTURB a block is written to as a whole. */
static unsigned most_shift(void)
{
    unsigned char *block = api_malloc(16 * MIB);
    REQUIRE(block != NULL);
    bool is_filled = block[8 * MIB] != 0;
    api_free(block);
    if (is_filled)
        return 22;
    return sizeof(size_t) == 8 ? 46 : 30;
}

CASE(every_size, "1.1.a 1.29 10.2", "every entry point: 0, 1, 8, 16, 24 and around each power of two")
{
    static const size_t small[] = {0, 1, 8, 16, 24};
    unsigned most = most_shift();
    for (size_t k = 0; k < N_ENTRIES; k++) {
        for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
            expect_given(&entries[k], small[i]);
        for (unsigned shift = 5; shift <= most; shift++) {
            expect_given(&entries[k], ((size_t)1 << shift) - 1);
            expect_given(&entries[k], (size_t)1 << shift);
            expect_given(&entries[k], ((size_t)1 << shift) + 1);
        }
    }
}

static size_t refused_sizes(size_t sizes[static REFUSED_MAX])
{
    size_t n = 0;
    for (size_t k = 0; k <= 4200; k++)
        sizes[n++] = SIZE_MAX - k;
    for (unsigned shift = 7; shift < BITS - 1; shift++) {
        sizes[n++] = SIZE_MAX - ((size_t)1 << shift);
        sizes[n++] = SIZE_MAX - ((size_t)1 << shift) + 1;
    }
    for (size_t k = 1; k <= 70; k++)
        sizes[n++] = ptrdiff_max + k;
    sizes[n++] = ptrdiff_max + 4096;
    /* Below the limit a 64-bit machine has no such memory either; a 32-bit one might. */
    if (sizeof(void *) == 8) {
        for (size_t k = 0; k <= 70; k++)
            sizes[n++] = ptrdiff_max - k;
        for (unsigned shift = 48; shift < 63; shift++) {
            sizes[n++] = (size_t)((uint64_t)1 << shift) - 1;
            sizes[n++] = (size_t)((uint64_t)1 << shift);
            sizes[n++] = (size_t)((uint64_t)1 << shift) + 1;
        }
    }
    return n;
}

CASE(too_large, "0.6 1.1.f 1.2.a 1.3.h 1.7.e 1.8.c 1.10.b 1.11.b 1.20.b 6.5 10.2",
     "every entry point refuses every size above PTRDIFF_MAX with ENOMEM")
{
    static size_t sizes[REFUSED_MAX];
    warm_small_blocks();
    REQUIRE((kept = api_malloc(KEPT_BYTES)) != NULL);
    size_t usable = api_malloc_usable_size(kept);
    stamp_fill(kept, usable, 77);
    size_t n_sizes = refused_sizes(sizes);
    for (size_t i = 0; i < n_sizes; i++)
        for (size_t k = 0; k < N_ENTRIES; k++)
            expect_refused(&entries[k], sizes[i]);
    EXPECT_EQ(api_malloc_usable_size(kept), usable);
    EXPECT_STAMP(kept, usable, 77);
    api_free(kept);
}

CASE(too_large_mapped, "1.3.h", "a refused realloc leaves a mapped block as it was")
{
    REQUIRE((kept = api_malloc(3 * MIB)) != NULL);
    stamp_fill(kept, 3 * MIB, 78);
    static const size_t sizes[] = {(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};
    for (size_t i = sizeof(void *) == 4; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = ERRNO_MARK;
        EXPECT_SAME(api_realloc(kept, sizes[i]), NULL);
        EXPECT_EQ(errno, ENOMEM);
    }
    EXPECT_STAMP(kept, 3 * MIB, 78);
    api_free(kept);
}

CASE(products, "0.6 1.2.a 1.4.a", "calloc and reallocarray refuse products that overflow or exceed the limit")
{
    warm_small_blocks();
    REQUIRE((kept = api_malloc(100)) != NULL);
    stamp_fill(kept, 100, 5);
    const size_t half = (size_t)1 << (BITS / 2);
    const struct {
        size_t count, size;
    } table[] = {
        {SIZE_MAX, 2},           {2, SIZE_MAX},         {SIZE_MAX, SIZE_MAX},     {half, half},
        {half + 1, half},        {SIZE_MAX / 2 + 1, 2}, {2, SIZE_MAX / 2 + 1},    {SIZE_MAX / 16 + 1, 16},
        {SIZE_MAX / 24 + 1, 24}, {SIZE_MAX / 3 + 1, 3}, {ptrdiff_max / 2 + 1, 2}, {half / 2 + 1, half},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t count = table[i].count, size = table[i].size;
        void *got[3];
        int errors[3];
        errno = ERRNO_MARK;
        got[0] = api_calloc(count, size);
        errors[0] = errno;
        errno = ERRNO_MARK;
        got[1] = api_reallocarray(kept, count, size);
        errors[1] = errno;
        errno = ERRNO_MARK;
        got[2] = api_reallocarray(NULL, count, size);
        errors[2] = errno;
        for (size_t k = 0; k < 3; k++)
            EXPECT_NOTE(got[k] == NULL && errors[k] == ENOMEM, "call %zu, %zu * %zu: %p, errno %d", k, count,
                        size, got[k], errors[k]);
    }
    EXPECT_STAMP(kept, 100, 5);
    api_free(kept);
}

static size_t refused_with_alignment(size_t sizes[static 400])
{
    size_t n = 0;
    for (size_t k = 0; k < 100; k++)
        sizes[n++] = SIZE_MAX - k;
    for (size_t k = 1; k <= 40; k++)
        sizes[n++] = ptrdiff_max + k;
    for (unsigned shift = 7; shift < BITS - 1; shift++)
        sizes[n++] = SIZE_MAX - ((size_t)1 << shift);
    for (size_t k = 0; sizeof(void *) == 8 && k < 20; k++)
        sizes[n++] = ptrdiff_max - k;
    return n;
}

CASE(too_large_aligned, "0.6 1.7.e 1.8.c 1.9.b 1.9.c 6.5 10.2",
     "no alignment makes a size fit that does not; *memptr stays")
{
    static size_t sizes[400];
    warm_small_blocks();
    size_t n_sizes = refused_with_alignment(sizes);
    for (size_t i = 0; i < n_sizes; i++) {
        for (unsigned shift = 3; shift < BITS; shift += shift < 14 ? 1 : 7) {
            size_t alignment = (size_t)1 << shift;
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_memalign(alignment, sizes[i]) == NULL, "2^%u, size 0x%zx", shift, sizes[i]);
            EXPECT_NOTE(errno == ENOMEM, "2^%u, size 0x%zx: errno %d", shift, sizes[i], errno);
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_aligned_alloc(alignment, sizes[i]) == NULL, "2^%u, size 0x%zx", shift, sizes[i]);
            EXPECT_NOTE(errno == ENOMEM, "2^%u, size 0x%zx: errno %d", shift, sizes[i], errno);
            void *block = &untouched;
            int result = api_posix_memalign(&block, alignment, sizes[i]);
            EXPECT_NOTE(result == ENOMEM, "2^%u, size 0x%zx: %d", shift, sizes[i], result);
            EXPECT_SAME(block, &untouched);
        }
    }
}

CASE(posix_memalign_errno, "1.9.d", "posix_memalign leaves errno alone, also when there is no memory")
{
    void *block = &untouched;
    errno = ERRNO_MARK;
    EXPECT_EQ(api_posix_memalign(&block, 64, SIZE_MAX), ENOMEM);
    EXPECT_EQ(api_posix_memalign(&block, 64, ptrdiff_max + 1), ENOMEM);
    if (sizeof(void *) == 8) {
        EXPECT_EQ(api_posix_memalign(&block, 16, ptrdiff_max / 2), ENOMEM);
        EXPECT_EQ(api_posix_memalign(&block, 4096, ptrdiff_max / 2), ENOMEM);
    }
    EXPECT_EQ(errno, ERRNO_MARK);
    EXPECT_SAME(block, &untouched);
}

CASE(largest_alignments, "1.7.c 6.5", "the two largest powers of two are ENOMEM: no address space has them")
{
    static const size_t sizes[] = {0, 1, 24, 1000, 100000};
    for (unsigned shift = sizeof(void *) == 4 ? BITS - 1 : BITS - 2; shift < BITS; shift++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t alignment = (size_t)1 << shift;
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_memalign(alignment, sizes[i]) == NULL, "2^%u, size %zu", shift, sizes[i]);
            EXPECT_NOTE(errno == ENOMEM, "2^%u, size %zu: errno %d", shift, sizes[i], errno);
            errno = ERRNO_MARK;
            EXPECT_NOTE(api_aligned_alloc(alignment, sizes[i]) == NULL, "2^%u, size %zu", shift, sizes[i]);
            EXPECT_NOTE(errno == ENOMEM, "2^%u, size %zu: errno %d", shift, sizes[i], errno);
            void *block = &untouched;
            EXPECT_EQ(api_posix_memalign(&block, alignment, sizes[i]), ENOMEM);
            EXPECT_SAME(block, &untouched);
        }
    }
    volatile size_t rounded_up = SIZE_MAX / 4 + 2; /* to the largest power */
    errno = ERRNO_MARK;
    EXPECT_SAME(api_memalign(rounded_up, 100), NULL);
    EXPECT_EQ(errno, ENOMEM);
}

CASE(alignment_beyond, "0.8 1.7.b", "memalign: an alignment above the largest power of two is EINVAL")
{
    static const size_t alignments[] = {SIZE_MAX / 2 + 2, SIZE_MAX / 2 + 1000, SIZE_MAX - 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        for (size_t size = 0; size <= 5000; size += 2500) {
            errno = ERRNO_MARK;
            EXPECT_SAME(api_memalign(alignments[i], size), NULL);
            EXPECT_EQ(errno, EINVAL);
        }
    }
}

/* Powers of two that are multiples of a pointer's size are all that posix_memalign takes. */
CASE(posix_memalign_bad, "0.9 1.9.a 1.9.c 1.9.d",
     "posix_memalign: a bad alignment is EINVAL, *memptr and errno stay")
{
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
                                 4100,
                                 SIZE_MAX / 2 + 9,
                                 SIZE_MAX,
                                 SIZE_MAX - 7,
                                 4104};
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

CASE(aligned_alloc_bad, "0.8 1.8.a", "aligned_alloc: 0 and what is not a power of two is EINVAL")
{
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

/* Programs probe with huge sizes. Half a million of such calls are nothing if none goes to the kernel. */
CASE(huge_fails_fast, "0.26 6.5", "sizes beyond the address space fail at once, and cost no memory")
{
    if (sizeof(void *) == 4)
        SKIP("a size can be beyond the address space of a 64-bit process only");
    volatile size_t huge = ptrdiff_max / 2 + 1;
    size_t before = rss_bytes();
    for (size_t i = 0; i < 100000; i++) {
        errno = ERRNO_MARK;
        EXPECT_SAME(api_malloc(huge), NULL);
        EXPECT_EQ(errno, ENOMEM);
        EXPECT_SAME(api_memalign(huge, 100), NULL);
    }
    EXPECT_NOTE(API_UNDER_SANITIZER || rss_bytes() < before + 2 * MIB, "RSS %.1f MiB, then %.1f", mib(before),
                mib(rss_bytes()));
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
