/* SPDX-License-Identifier: MIT */
/* alloc.c - malloc, calloc, free and its C23 and old relatives, malloc_usable_size. */
#include "case.h"

static size_t sizes[INTERESTING_SIZES_MAX];
static size_t n_sizes;

__attribute__((constructor)) static void choose_sizes(void)
{
    n_sizes = interesting_sizes(sizes);
}

CASE(malloc_every_size, "1.1.a 1.1.d 1.5.b 1.12.b 1.29",
     "malloc gives writable blocks apart, errno unchanged")
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
}

CASE(alignment_16, "0.7 1.1.c", "every block is 16-aligned, malloc(1) too")
{
    enum { COUNT = 200 };
    unsigned char *blocks[COUNT];
    for (size_t size = 0; size <= 1100; size += size < 130 ? 1 : 33) {
        for (size_t i = 0; i < COUNT; i++) {
            blocks[i] = i % 3 == 0   ? api_malloc(size)
                        : i % 3 == 1 ? api_calloc(1, size)
                                     : api_realloc(NULL, size);
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

static void *zero_sized(size_t kind)
{
    switch (kind % 6) {
    case 0:
        return api_malloc(0);
    case 1:
        return api_calloc(0, kind);
    case 2:
        return api_calloc(kind, 0);
    case 3:
        return api_realloc(NULL, 0);
    case 4:
        return api_reallocarray(NULL, 0, kind);
    default:
        return api_memalign(16, 0);
    }
}

CASE(zero_size_unique, "1.1.b 1.2.b 1.3.a 1.7.d", "blocks of size 0 differ from NULL and from each other")
{
    enum { COUNT = 2000 };
    static void *blocks[COUNT], *sorted[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        errno = ERRNO_MARK;
        blocks[i] = zero_sized(i);
        EXPECT_BLOCK(blocks[i], 0);
    }
    memcpy(sorted, blocks, sizeof blocks);
    qsort(sorted, COUNT, sizeof sorted[0], order_pointers);
    for (size_t i = 1; i < COUNT; i++)
        EXPECT_NOTE(sorted[i] != sorted[i - 1], "two blocks of size 0 at %p", sorted[i]);
    for (size_t i = 0; i < COUNT; i++)
        api_free(blocks[i]);
}

CASE(usable_ladder, "1.1.e", "usable is the size rounded up to 16, 32 or 64, and 16 for size 0")
{
    for (size_t size = 0; size <= 1024; size++) {
        void *block = api_malloc(size);
        size_t step = size <= 256 ? 16 : size <= 512 ? 32 : 64;
        EXPECT_EQ(api_malloc_usable_size(block), size == 0 ? 16 : (size + step - 1) / step * step);
        api_free(block);
    }
}

CASE(usable_close, "1.12.d", "usable exceeds a request of 1 KiB or more by an eighth or a page at most")
{
    for (size_t size = 1024; size < 3 * MIB; size += size / 61) {
        void *block = api_malloc(size);
        size_t usable = api_malloc_usable_size(block);
        size_t slack = size / 8 > 4096 ? size / 8 : 4096;
        EXPECT_NOTE(usable - size <= slack, "size %zu, usable %zu", size, usable);
        api_free(block);
    }
}

CASE(usable_constant, "1.12.c", "usable of a live block never changes, all of it survives other traffic")
{
    enum { COUNT = 300 };
    static unsigned char *blocks[COUNT];
    static size_t usable[COUNT];
    struct rng rng = {.state = 42};
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = api_malloc(rng_size(&rng));
        REQUIRE(blocks[i] != NULL);
        usable[i] = api_malloc_usable_size(blocks[i]);
        stamp_fill(blocks[i], usable[i], i);
    }
    for (size_t step = 0; step < 20000; step++)
        api_free(api_malloc(rng_size(&rng)));
    for (size_t i = 0; i < COUNT; i++) {
        EXPECT_EQ(api_malloc_usable_size(blocks[i]), usable[i]);
        EXPECT_STAMP(blocks[i], usable[i], i);
        api_free(blocks[i]);
    }
}

CASE(null_arguments, "1.5.a 1.12.a", "free(NULL) does nothing, usable size of NULL is 0, errno unchanged")
{
    errno = ERRNO_MARK;
    api_free(NULL);
    EXPECT_EQ(api_malloc_usable_size(NULL), 0);
    EXPECT_EQ(errno, ERRNO_MARK);
}

/* Written to, freed, used again: each size three times over. */
CASE(calloc_zero, "1.2.c 1.2.e", "calloc clears the whole usable size, also of memory used before")
{
    enum { COUNT = 40 };
    static unsigned char *blocks[COUNT];
    for (size_t i = 0; i < n_sizes; i++) {
        size_t size = sizes[i];
        size_t count = size > 100 * KIB ? 3 : size > KIB ? 10 : COUNT;
        for (size_t round = 0; round < 3; round++) {
            for (size_t k = 0; k < count; k++) {
                errno = ERRNO_MARK;
                blocks[k] = round == 1   ? api_malloc(size)
                            : k % 2 == 0 ? api_calloc(1, size)
                                         : api_calloc(size, 1);
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
    unsigned char *block = api_calloc(1000, 24);
    REQUIRE(block != NULL);
    EXPECT_EQ(zero_bytes(block, 24000), 24000);
    api_free(block);
}

CASE(calloc_zero_factor, "1.2.b", "a factor of 0 gives a unique block, whatever the other is")
{
    static const size_t any[] = {0, 1, 16, 100000, SIZE_MAX};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        errno = ERRNO_MARK;
        void *volatile left = api_calloc(0, any[i]), *volatile right = api_calloc(any[i], 0);
        EXPECT_BLOCK(left, 0);
        EXPECT_BLOCK(right, 0);
        EXPECT(left != right);
        api_free(left);
        api_free(right);
    }
}

CASE(free_keeps_errno, "0.4 1.5.b", "free leaves errno alone for blocks of all kinds")
{
    for (size_t i = 0; i < n_sizes; i++) {
        void *blocks[3] = {api_malloc(sizes[i]), api_calloc(1, sizes[i]), api_memalign(8192, sizes[i])};
        for (size_t k = 0; k < 3; k++) {
            REQUIRE(blocks[k] != NULL);
            memset(blocks[k], 1, sizes[i]);
            errno = ERRNO_MARK;
            api_free(blocks[k]);
            EXPECT_EQ(errno, ERRNO_MARK);
        }
    }
}

CASE(free_by_size, "0.22 1.19.a 1.19.b", "free_sized and free_aligned_sized are free, whatever size is said")
{
    REQUIRE_FUNCTION(free_sized);
    REQUIRE_FUNCTION(free_aligned_sized);
    static const size_t said[] = {0, 1, 24, 100, 5000, 70000, 2000000, SIZE_MAX};
    static const size_t real[] = {0, 1, 24, 100, 5000, 70000, 2000000};
    errno = ERRNO_MARK;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        for (size_t k = 0; k < sizeof real / sizeof real[0]; k++) {
            api_free_sized(api_malloc(real[k]), said[i]);
            api_free_aligned_sized(api_aligned_alloc(64, real[k]), said[i], said[i]);
            api_free_aligned_sized(api_aligned_alloc(64, real[k]), 64, real[k]);
            api_free_sized(api_aligned_alloc(4096, real[k]), said[i]);
        }
    }
    api_free_sized(NULL, 0);
    api_free_sized(NULL, 100);
    api_free_aligned_sized(NULL, 0, 0);
    api_free_aligned_sized(NULL, 64, 100);
    EXPECT_EQ(errno, ERRNO_MARK);
    api_mallinfo2_struct before = api_mallinfo2();
    for (size_t i = 0; i < 20000; i++) {
        api_free_sized(api_malloc(1000), 1);
        api_free_aligned_sized(api_malloc(1000), 1, 1);
    }
    api_mallinfo2_struct after = api_mallinfo2();
    EXPECT_NOTE(after.uordblks <= before.uordblks + 64 * KIB, "in use %zu, then %zu", before.uordblks,
                after.uordblks);
}

/* What a program sees that frees and asks again: the memory goes round. */
CASE(freed_memory_again, "1.5.c", "freed blocks serve later requests: many pairs take no more memory")
{
    static const size_t kinds[] = {16, 200, 3000, 40000, 400000};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        api_free(api_malloc(kinds[i]));
        api_mallinfo2_struct before = api_mallinfo2();
        for (size_t k = 0; k < 50000; k++) {
            char *block = api_malloc(kinds[i]);
            REQUIRE(block != NULL);
            block[0] = 1;
            api_free(block);
        }
        api_mallinfo2_struct after = api_mallinfo2();
        EXPECT_NOTE(after.arena + after.hblkhd <= before.arena + before.hblkhd + 1 * MIB,
                    "size %zu: %zu bytes, then %zu", kinds[i], before.arena + before.hblkhd,
                    after.arena + after.hblkhd);
    }
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
