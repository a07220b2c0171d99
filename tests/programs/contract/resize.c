/* SPDX-License-Identifier: MIT */
/* resize.c - realloc and reallocarray. */
#include "case.h"

static size_t sizes[INTERESTING_SIZES_MAX];
static size_t n_sizes;

__attribute__((constructor)) static void choose_sizes(void)
{
    n_sizes = interesting_sizes(sizes);
}

CASE(realloc_null, "0.5 1.3.a", "realloc(NULL, n) is malloc(n), also for n = 0")
{
    for (size_t i = 0; i < n_sizes; i++) {
        errno = ERRNO_MARK;
        void *block = api_realloc(NULL, sizes[i]);
        EXPECT_BLOCK(block, sizes[i]);
        memset(block, 1, sizes[i]);
        api_free(block);
    }
}

/* A thousand of each kind do not add up, so they are freed. */
CASE(realloc_to_zero, "0.5 1.3.b", "realloc(p, 0) frees p, returns NULL, leaves errno alone")
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

CASE(reallocarray_to_zero, "0.5 1.4.b", "reallocarray with a factor of 0 frees, as realloc(p, 0)")
{
    for (size_t i = 0; i < 1000; i++) {
        void *left = api_malloc(100 * i), *right = api_malloc(100 * i);
        REQUIRE(left != NULL && right != NULL);
        errno = ERRNO_MARK;
        EXPECT_SAME(api_reallocarray(left, 0, i), NULL);
        EXPECT_SAME(api_reallocarray(right, i, 0), NULL);
        EXPECT_EQ(errno, ERRNO_MARK);
    }
}

CASE(reallocarray_content, "1.4.c", "reallocarray is realloc of the product")
{
    unsigned char *block = api_malloc(100);
    REQUIRE(block != NULL);
    stamp_fill(block, 100, 5);
    errno = ERRNO_MARK;
    unsigned char *grown = api_reallocarray(block, 50, 40);
    EXPECT_BLOCK(grown, 2000);
    EXPECT_STAMP(grown, 100, 5);
    api_free(grown);
    void *fresh = api_reallocarray(NULL, 10, 10);
    EXPECT_BLOCK(fresh, 100);
    api_free(fresh);
}

/* From each size to each: content, alignment, errno. Of pairs of large sizes, which cost, some will do. */
CASE(realloc_pairs, "1.3.f 1.3.e 1.29", "contents to the smaller size survive, alignment 16, errno unchanged")
{
    for (size_t i = 0; i < n_sizes; i += i < 70 ? 3 : 1) {
        for (size_t k = 0; k < n_sizes; k += k < 70 ? 5 : 1) {
            size_t old_size = sizes[i], new_size = sizes[k];
            size_t stride = 1 + (old_size + new_size) / (100 * KIB);
            if (new_size == 0 || (i * 7 + k) % stride != 0)
                continue;
            unsigned char *block = api_malloc(old_size);
            REQUIRE(block != NULL);
            size_t old_usable = api_malloc_usable_size(block);
            stamp_fill(block, old_usable, i + k);
            errno = ERRNO_MARK;
            unsigned char *moved = api_realloc(block, new_size);
            EXPECT_BLOCK(moved, new_size);
            EXPECT_STAMP(moved, old_usable < new_size ? old_usable : new_size, i + k);
            stamp_fill(moved, api_malloc_usable_size(moved), i);
            api_free(moved);
        }
    }
}

CASE(realloc_same_size, "1.3.c", "the size asked for before gives the same block, unchanged")
{
    for (size_t i = 0; i < n_sizes; i++) {
        if (sizes[i] == 0)
            continue;
        unsigned char *block = api_malloc(sizes[i]);
        REQUIRE(block != NULL);
        size_t usable = api_malloc_usable_size(block);
        stamp_fill(block, usable, i);
        for (size_t round = 0; round < 3; round++)
            EXPECT_SAME(api_realloc(block, sizes[i]), block);
        EXPECT_STAMP(block, usable, i);
        EXPECT_EQ(api_malloc_usable_size(block), usable);
        api_free(block);
    }
}

CASE(realloc_to_usable, "1.3.d", "growing to at most the usable size gives the same block, mapped or not")
{
    for (size_t i = 0; i < n_sizes; i++) {
        unsigned char *block = api_malloc(sizes[i]);
        REQUIRE(block != NULL);
        size_t usable = api_malloc_usable_size(block);
        stamp_fill(block, usable, i);
        for (size_t step = 0; step < 4; step++) {
            size_t size = sizes[i] + (usable - sizes[i]) * (step + 1) / 4;
            unsigned char *resized = size > 0 ? api_realloc(block, size) : block;
            REQUIRE(resized != NULL);
            EXPECT_NOTE(resized == block, "size %zu, usable %zu, then %zu", sizes[i], usable, size);
            block = resized;
        }
        EXPECT_STAMP(block, usable, i);
        api_free(block);
    }
}

CASE(realloc_walk, "1.3.f", "growing and shrinking by random steps keeps content, neighbours unharmed")
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

CASE(realloc_shrink_gives_back, "1.3.e", "shrinking a large block gives its memory back")
{
    static const size_t kinds[] = {30000, 100000, 20 * 1024 * 1024};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        unsigned char *block = api_malloc(kinds[i]);
        REQUIRE(block != NULL);
        memset(block, 7, kinds[i]);
        block = api_realloc(block, 100);
        REQUIRE(block != NULL);
        EXPECT_NOTE(api_malloc_usable_size(block) < 4096 + 1, "from %zu to 100: usable %zu", kinds[i],
                    api_malloc_usable_size(block));
        EXPECT(block[0] == 7 && block[99] == 7);
        api_free(block);
    }
    unsigned char *block = api_malloc(64 * MIB);
    REQUIRE(block != NULL);
    memset(block, 7, 64 * MIB);
    size_t before = rss_bytes();
    block = api_realloc(block, 1 * MIB);
    REQUIRE(block != NULL);
    EXPECT_NOTE(API_UNDER_SANITIZER || rss_bytes() + 60 * MIB <= before, "RSS %.1f MiB, then %.1f",
                mib(before), mib(rss_bytes()));
    api_free(block);
}

/* A copy would need both blocks at once. */
CASE(realloc_remap, "1.3.g", "growing a mapped block needs no second copy of it")
{
    if (region_bytes() > 0)
        SKIP("where nothing pages, a block that cannot grow in its place is copied");
    unsigned char *block = api_malloc(100 * MIB);
    REQUIRE(block != NULL);
    memset(block, 7, 100 * MIB);
    block = api_realloc(block, 101 * MIB);
    REQUIRE(block != NULL);
    EXPECT(block[0] == 7 && block[100 * MIB - 1] == 7);
    EXPECT_NOTE(API_UNDER_SANITIZER || rss_peak_bytes() < 150 * MIB, "peak %.1f MiB", mib(rss_peak_bytes()));
    api_free(block);
}

CASE(realloc_aligned, "1.7.f 1.3.f", "blocks of the memalign family can be resized, content kept")
{
    for (size_t alignment = 32; alignment <= 64 * KIB; alignment *= 2) {
        for (size_t i = 0; i < n_sizes; i += 7) {
            unsigned char *block = api_memalign(alignment, sizes[i]);
            REQUIRE(block != NULL);
            size_t usable = api_malloc_usable_size(block);
            stamp_fill(block, usable, i);
            unsigned char *grown = api_realloc(block, 2 * usable + 100);
            REQUIRE(grown != NULL);
            EXPECT_STAMP(grown, usable, i);
            EXPECT((uintptr_t)grown % 16 == 0);
            unsigned char *shrunk = api_realloc(grown, usable / 3 + 1);
            REQUIRE(shrunk != NULL);
            EXPECT_STAMP(shrunk, usable / 3 + 1, i);
            api_free(shrunk);
        }
    }
}

/* Growing a buffer by doubling, as a program reads a file. */
CASE(realloc_doubling, "1.3.f 1.3.g", "a buffer grown by a fifth at a time to 200 MiB stays as it was")
{
    size_t length = 10;
    uint32_t *buffer = api_malloc(length * sizeof *buffer);
    REQUIRE(buffer != NULL);
    size_t filled = 0;
    while (length < 50 * MIB / (API_UNDER_SANITIZER ? 16 : 1)) {
        for (; filled < length; filled += 997)
            buffer[filled] = (uint32_t)filled;
        length += length / 5 + 1;
        buffer = api_realloc(buffer, length * sizeof *buffer);
        REQUIRE(buffer != NULL);
    }
    for (size_t at = 0; at < filled; at += 997)
        EXPECT_EQ(buffer[at], at);
    api_free(buffer);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
