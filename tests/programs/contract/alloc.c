/* SPDX-License-Identifier: MIT */
/* alloc.c - malloc, calloc, realloc, reallocarray, free and their C23 and old relatives: every edge case. */
#include "api.h"
#include "tools.h"

enum { ERRNO_MARK = 12345, WARM_BLOCKS = 64 };

static const size_t ptrdiff_max = (size_t)PTRDIFF_MAX;

/* A block that was just obtained: there, aligned, as large as asked for, errno as before. */
#define EXPECT_BLOCK(block, request)                                                                         \
    do {                                                                                                     \
        EXPECT_NOTE((block) != NULL, "size %zu", (size_t)(request));                                         \
        EXPECT_NOTE((uintptr_t)(block) % 16 == 0, "size %zu: %p", (size_t)(request), (void *)(block));       \
        EXPECT_NOTE(errno == ERRNO_MARK, "size %zu: errno is now %d", (size_t)(request), errno);             \
        size_t block_usable = api_malloc_usable_size(block);                                                 \
        EXPECT_NOTE(block_usable >= (size_t)(request), "usable %zu, size %zu", block_usable,                 \
                    (size_t)(request));                                                                      \
        EXPECT_EQ(api_malloc_usable_size(block), block_usable);                                              \
        errno = ERRNO_MARK;                                                                                  \
    } while (0)

/* NULL, and the errno wanted. Frees what should not have come. */
#define EXPECT_REFUSED(call, wanted_errno, size)                                                             \
    do {                                                                                                     \
        errno = ERRNO_MARK;                                                                                  \
        void *refused = (call);                                                                              \
        int refused_errno = errno;                                                                           \
        EXPECT_NOTE(refused == NULL, "%s gave %p for 0x%zx", #call, refused, (size_t)(size));                \
        EXPECT_NOTE(refused_errno == (wanted_errno), "%s: errno %d, expected %d, size 0x%zx", #call,         \
                    refused_errno, (wanted_errno), (size_t)(size));                                          \
    } while (0)

static size_t sizes[INTERESTING_SIZES_MAX];
static size_t n_sizes;

static void check_malloc(void)
{
    static void *blocks[INTERESTING_SIZES_MAX];
    for (size_t i = 0; i < n_sizes; i++) {
        errno = ERRNO_MARK;
        blocks[i] = api_malloc(sizes[i]);
        EXPECT_BLOCK(blocks[i], sizes[i]);
        stamp_fill(blocks[i], api_malloc_usable_size(blocks[i]), i);
    }
    for (size_t i = 0; i < n_sizes; i++) {
        EXPECT_STAMP(blocks[i], api_malloc_usable_size(blocks[i]), i);
        errno = ERRNO_MARK;
        api_free(blocks[i]);
        EXPECT_EQ(errno, ERRNO_MARK);
    }
    errno = ERRNO_MARK;
    api_free(NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
    EXPECT_EQ(api_malloc_usable_size(NULL), 0);
    EXPECT_EQ(errno, ERRNO_MARK);
}

/* Each of many blocks of one size is 16-aligned and apart from the others. */
static void check_alignment_and_overlap(void)
{
    enum { COUNT = 200 };
    unsigned char *blocks[COUNT];
    for (size_t size = 0; size <= 1100; size += size < 130 ? 1 : 33) {
        for (size_t i = 0; i < COUNT; i++) {
            blocks[i] = api_malloc(size);
            REQUIRE(blocks[i] != NULL);
            EXPECT_NOTE((uintptr_t)blocks[i] % 16 == 0, "size %zu: %p", size, (void *)blocks[i]);
            stamp_fill(blocks[i], api_malloc_usable_size(blocks[i]), i);
        }
        for (size_t i = 0; i < COUNT; i++)
            EXPECT_STAMP(blocks[i], api_malloc_usable_size(blocks[i]), i);
        for (size_t i = 0; i < COUNT; i++)
            api_free(blocks[i]);
    }
}

static int order_pointers(const void *a, const void *b)
{
    uintptr_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

/* Blocks of size 0 differ from each other and from NULL, whatever function gave them. */
static void check_zero_size_unique(void)
{
    enum { COUNT = 2000 };
    static void *blocks[COUNT], *sorted[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        errno = ERRNO_MARK;
        switch (i % 6) {
        case 0:
            blocks[i] = api_malloc(0);
            break;
        case 1:
            blocks[i] = api_calloc(0, i);
            break;
        case 2:
            blocks[i] = api_calloc(i, 0);
            break;
        case 3:
            blocks[i] = api_realloc(NULL, 0);
            break;
        case 4:
            blocks[i] = api_reallocarray(NULL, 0, i);
            break;
        default:
            blocks[i] = api_memalign(16, 0);
            break;
        }
        EXPECT_BLOCK(blocks[i], 0);
    }
    memcpy(sorted, blocks, sizeof blocks);
    qsort(sorted, COUNT, sizeof sorted[0], order_pointers);
    for (size_t i = 1; i < COUNT; i++)
        EXPECT_NOTE(sorted[i] != sorted[i - 1], "two blocks of size 0 at %p", sorted[i]);
    for (size_t i = 0; i < COUNT; i++)
        api_free(blocks[i]);
}

/* Free blocks of the smallest sizes lie ready: a size that wraps when it is rounded up must not be given one.
   */
static void warm_small_blocks(void)
{
    static void *blocks[WARM_BLOCKS];
    for (size_t i = 0; i < WARM_BLOCKS; i++)
        blocks[i] = api_malloc(i);
    for (size_t i = 0; i < WARM_BLOCKS; i++)
        api_free(blocks[i]);
}

static void check_too_large(void)
{
    warm_small_blocks();
    unsigned char *kept = api_malloc(1000);
    REQUIRE(kept != NULL);
    size_t usable = api_malloc_usable_size(kept);
    stamp_fill(kept, usable, 77);
    static size_t too_large[6000];
    size_t n_too_large = 0;
    for (size_t k = 0; k <= 4200; k++)
        too_large[n_too_large++] = SIZE_MAX - k;
    for (unsigned shift = 13; shift < 8 * sizeof(size_t) - 1; shift++)
        too_large[n_too_large++] = SIZE_MAX - ((size_t)1 << shift);
    for (size_t k = 1; k <= 70; k++)
        too_large[n_too_large++] = ptrdiff_max + k;
    too_large[n_too_large++] = ptrdiff_max + 4096;
    /* At the limit itself a 64-bit machine has no such memory; a 32-bit one might. */
    if (sizeof(void *) == 8) {
        for (size_t k = 0; k <= 70; k++)
            too_large[n_too_large++] = ptrdiff_max - k;
        for (unsigned shift = 48; shift < 63; shift++)
            too_large[n_too_large++] = (size_t)((uint64_t)1 << shift);
    }
    for (size_t i = 0; i < n_too_large; i++) {
        size_t size = too_large[i];
        EXPECT_REFUSED(api_malloc(size), ENOMEM, size);
        EXPECT_REFUSED(api_calloc(1, size), ENOMEM, size);
        EXPECT_REFUSED(api_calloc(size, 1), ENOMEM, size);
        EXPECT_REFUSED(api_realloc(NULL, size), ENOMEM, size);
        EXPECT_REFUSED(api_realloc(kept, size), ENOMEM, size);
        EXPECT_REFUSED(api_reallocarray(kept, size, 1), ENOMEM, size);
        EXPECT_REFUSED(api_reallocarray(kept, 1, size), ENOMEM, size);
        EXPECT_REFUSED(api_reallocarray(NULL, 1, size), ENOMEM, size);
    }
    EXPECT_EQ(api_malloc_usable_size(kept), usable);
    EXPECT_STAMP(kept, usable, 77);
    api_free(kept);

    unsigned char *large = api_malloc(3 * MIB);
    REQUIRE(large != NULL);
    stamp_fill(large, 3 * MIB, 78);
    volatile size_t beyond = ptrdiff_max + 1, most = SIZE_MAX;
    EXPECT_REFUSED(api_realloc(large, beyond), ENOMEM, beyond);
    EXPECT_REFUSED(api_realloc(large, most), ENOMEM, most);
    EXPECT_STAMP(large, 3 * MIB, 78);
    api_free(large);
}

static void check_products(void)
{
    warm_small_blocks();
    unsigned char *kept = api_malloc(100);
    REQUIRE(kept != NULL);
    stamp_fill(kept, 100, 5);
    const size_t half = (size_t)1 << (8 * sizeof(size_t) / 2);
    const struct {
        size_t count, size;
    } products[] = {
        {SIZE_MAX, 2},           {2, SIZE_MAX},         {SIZE_MAX, SIZE_MAX},     {half, half},
        {half + 1, half},        {SIZE_MAX / 2 + 1, 2}, {2, SIZE_MAX / 2 + 1},    {SIZE_MAX / 16 + 1, 16},
        {SIZE_MAX / 24 + 1, 24}, {SIZE_MAX / 3 + 1, 3}, {ptrdiff_max / 2 + 1, 2}, {half / 2 + 1, half},
    };
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        size_t count = products[i].count, size = products[i].size;
        EXPECT_REFUSED(api_calloc(count, size), ENOMEM, i);
        EXPECT_REFUSED(api_reallocarray(kept, count, size), ENOMEM, i);
        EXPECT_REFUSED(api_reallocarray(NULL, count, size), ENOMEM, i);
    }
    EXPECT_STAMP(kept, 100, 5);
    static const size_t any[] = {1, 16, SIZE_MAX};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        errno = ERRNO_MARK;
        void *volatile left = api_calloc(0, any[i]), *volatile right = api_calloc(any[i], 0);
        EXPECT_BLOCK(left, 0);
        EXPECT_BLOCK(right, 0);
        EXPECT(left != right);
        api_free(left);
        api_free(right);
    }
    errno = ERRNO_MARK;
    unsigned char *grown = api_reallocarray(kept, 50, 40);
    EXPECT_BLOCK(grown, 2000);
    EXPECT_STAMP(grown, 100, 5);
    EXPECT_SAME(api_reallocarray(grown, 0, 40), NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
    void *other = api_malloc(10);
    errno = ERRNO_MARK;
    EXPECT_SAME(api_reallocarray(other, 40, 0), NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
}

/* calloc zeroes the whole usable size, also of memory that was written to, freed and is used again. */
static void check_calloc_zero(void)
{
    enum { COUNT = 40 };
    static unsigned char *blocks[COUNT];
    for (size_t i = 0; i < n_sizes; i++) {
        size_t size = sizes[i];
        size_t count = size > 100 * KIB ? 3 : size > KIB ? 10 : COUNT;
        for (size_t round = 0; round < 3; round++) {
            for (size_t k = 0; k < count; k++) {
                errno = ERRNO_MARK;
                blocks[k] =
                    round == 1 ? api_malloc(size) : api_calloc(k % 2 == 0 ? 1 : size, k % 2 == 0 ? size : 1);
                EXPECT_BLOCK(blocks[k], size);
                size_t usable = api_malloc_usable_size(blocks[k]);
                size_t n_zero = round == 1 ? usable : zero_bytes(blocks[k], usable);
                EXPECT_NOTE(n_zero == usable, "calloc of %zu: byte %zu of %zu usable is not zero", size,
                            n_zero, usable);
                memset(blocks[k], 0xA5, usable);
            }
            for (size_t k = 0; k < count; k++)
                api_free(blocks[k]);
        }
    }
    /* Members of several bytes. */
    unsigned char *block = api_calloc(1000, 24);
    REQUIRE(block != NULL);
    EXPECT_EQ(zero_bytes(block, 24000), 24000);
    api_free(block);
}

static void check_realloc_pairs(void)
{
    for (size_t i = 0; i < n_sizes; i += i < 70 ? 3 : 1) {
        for (size_t k = 0; k < n_sizes; k += k < 70 ? 5 : 1) {
            size_t old_size = sizes[i], new_size = sizes[k];
            size_t stride =
                1 + (old_size + new_size) / (100 * KIB); /* large pairs cost: some of them will do */
            if (new_size == 0 || (old_size != new_size && (i * 7 + k) % stride != 0))
                continue;
            unsigned char *block = api_malloc(old_size);
            REQUIRE(block != NULL);
            size_t old_usable = api_malloc_usable_size(block);
            stamp_fill(block, old_usable, i + k);
            uintptr_t old_address = (uintptr_t)block;
            errno = ERRNO_MARK;
            unsigned char *moved = api_realloc(block, new_size);
            EXPECT_BLOCK(moved, new_size);
            EXPECT_STAMP(moved, old_usable < new_size ? old_usable : new_size, i + k);
            if (new_size == old_size || (new_size >= old_size && new_size <= old_usable))
                EXPECT_NOTE((uintptr_t)moved == old_address,
                            "from %zu (usable %zu) to %zu: it moved from 0x%zx to %p", old_size, old_usable,
                            new_size, (size_t)old_address, (void *)moved);
            size_t new_usable = api_malloc_usable_size(moved);
            stamp_fill(moved, new_usable, i);
            EXPECT_SAME(api_realloc(moved, new_size), moved);
            EXPECT_SAME(api_realloc(moved, new_usable), moved);
            EXPECT_STAMP(moved, new_usable, i);
            api_free(moved);
        }
    }
}

/* Growing and shrinking by steps, content kept all the way; neighbours unharmed. */
static void check_realloc_walk(void)
{
    enum { COUNT = 8, STEPS = 4000 };
    struct rng rng = {.state = 20240607};
    unsigned char *blocks[COUNT];
    size_t lengths[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        lengths[i] = 100;
        blocks[i] = api_malloc(lengths[i]);
        REQUIRE(blocks[i] != NULL);
        stamp_fill(blocks[i], lengths[i], i);
    }
    for (size_t step = 0; step < STEPS; step++) {
        size_t i = rng_between(&rng, 0, COUNT - 1);
        size_t length = rng_between(&rng, 0, 9) == 0 ? rng_between(&rng, 1, 2 * MIB) : rng_size(&rng);
        unsigned char *moved = api_realloc(blocks[i], length);
        REQUIRE(moved != NULL);
        EXPECT_STAMP(moved, length < lengths[i] ? length : lengths[i], i);
        blocks[i] = moved;
        lengths[i] = length;
        stamp_fill(moved, length, i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        EXPECT_STAMP(blocks[i], lengths[i], i);
        api_free(blocks[i]);
    }
}

/* realloc(block, 0) frees: a million of them, of all kinds, do not add up. */
static void check_realloc_to_zero(void)
{
    static const size_t kinds[] = {1, 24, 1000, 20000, 50000, 140000, 3000000};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        api_free(api_malloc(kinds[i]));
        api_mallinfo2_struct before = api_mallinfo2();
        for (size_t k = 0; k < 1000; k++) {
            void *block = api_malloc(kinds[i]);
            REQUIRE(block != NULL);
            errno = ERRNO_MARK;
            EXPECT_SAME(api_realloc(block, 0), NULL);
            EXPECT_EQ(errno, ERRNO_MARK);
        }
        api_mallinfo2_struct after = api_mallinfo2();
        EXPECT_NOTE(after.uordblks <= before.uordblks + 64 * KIB, "size %zu: in use %zu, then %zu", kinds[i],
                    before.uordblks, after.uordblks);
        EXPECT_NOTE(after.hblkhd <= before.hblkhd, "size %zu: mapped %zu, then %zu", kinds[i], before.hblkhd,
                    after.hblkhd);
    }
}

/* The C23 functions and cfree are free; what the caller says about size and alignment is not trusted. */
static void check_other_frees(void)
{
    if (api_on_glibc() && (api_free_sized == NULL || api_free_aligned_sized == NULL))
        return;
    static const size_t said[] = {0, 1, 24, 100, 5000, 70000, 2000000, SIZE_MAX};
    static const size_t real[] = {0, 1, 24, 100, 5000, 70000, 2000000};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        for (size_t k = 0; k < sizeof real / sizeof real[0]; k++) {
            errno = ERRNO_MARK;
            api_free_sized(api_malloc(real[k]), said[i]);
            api_free_aligned_sized(api_aligned_alloc(64, real[k]), said[i], said[i]);
            api_free_aligned_sized(api_aligned_alloc(64, real[k]), 64, real[k]);
            api_free_sized(api_aligned_alloc(4096, real[k]), said[i]);
            api_cfree(api_malloc(real[k]));
            EXPECT_EQ(errno, ERRNO_MARK);
        }
    }
    api_free_sized(NULL, 0);
    api_free_sized(NULL, 100);
    api_free_aligned_sized(NULL, 0, 0);
    api_free_aligned_sized(NULL, 64, 100);
    api_cfree(NULL);
    EXPECT_EQ(errno, ERRNO_MARK);
    /* They do free. */
    api_mallinfo2_struct before = api_mallinfo2();
    for (size_t i = 0; i < 20000; i++) {
        api_free_sized(api_malloc(1000), 1);
        api_free_aligned_sized(api_malloc(1000), 1, 1);
        api_cfree(api_malloc(1000));
    }
    api_mallinfo2_struct after = api_mallinfo2();
    EXPECT_NOTE(after.uordblks <= before.uordblks + 64 * KIB, "in use %zu, then %zu", before.uordblks,
                after.uordblks);
}

int main(void)
{
    watchdog_start(120);
    api_assert_served();
    n_sizes = interesting_sizes(sizes);
    check_malloc();
    check_alignment_and_overlap();
    check_zero_size_unique();
    check_too_large();
    check_products();
    check_calloc_zero();
    check_realloc_pairs();
    check_realloc_walk();
    check_realloc_to_zero();
    check_other_frees();
    return expect_result();
}
