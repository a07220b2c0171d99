/* SPDX-License-Identifier: MIT */
/* perturb.c - M_PERTURB: what fills a block, and what is left of a freed one. */
#define CASES_NEED_DEFAULTS
#include "case.h"

enum { FILL = 0xA5, FILLED = FILL ^ 0xFF };

static const size_t sizes[] = {1, 16, 24, 100, 500, 1024, 1025, 5000, 20000, 50000, 120000, 300000, 3000000};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* The offset of the first byte that is not `fill`, or `n_bytes`. */
static size_t filled_bytes(const unsigned char *block, size_t n_bytes, int fill)
{
    size_t n = 0;
    while (n < n_bytes && block[n] == fill)
        n++;
    return n;
}

#define EXPECT_FILLED(block, size, fill)                                                                     \
    EXPECT_NOTE(filled_bytes(block, size, fill) == (size), "size %zu: byte %zu is 0x%02x, not 0x%02x",       \
                (size_t)(size), filled_bytes(block, size, fill), (block)[filled_bytes(block, size, fill)],   \
                (unsigned)(fill))

/* Through a volatile pointer, so that no compiler sees the use after free. */
static void (*volatile do_free)(void *) = free;

CASE(perturb_fresh, "2.9.b",
     "memory that malloc gives for the first time is filled with the value's complement")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    for (size_t i = 0; i < N_SIZES; i++) {
        unsigned char *block = malloc(sizes[i]);
        REQUIRE(block != NULL);
        EXPECT_FILLED(block, sizes[i], FILLED);
    }
}

CASE(perturb_again, "2.9.c", "so is memory that was freed before: nothing old is ever seen")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t round = 0; round < 20; round++) {
            unsigned char *block = malloc(sizes[i]);
            REQUIRE(block != NULL);
            EXPECT_FILLED(block, sizes[i], FILLED);
            memset(block, 7, sizes[i]);
            free(block);
        }
    }
}

CASE(perturb_aligned, "2.9.b", "so is memory of the memalign family")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    for (size_t i = 0; i < N_SIZES; i++) {
        void *stored = NULL;
        EXPECT_EQ(posix_memalign(&stored, 512, sizes[i]), 0);
        unsigned char *blocks[] = {memalign(64, sizes[i]), aligned_alloc(4096, sizes[i]), stored,
                                   valloc(sizes[i])};
        for (size_t k = 0; k < 4; k++) {
            REQUIRE(blocks[k] != NULL);
            EXPECT_FILLED(blocks[k], sizes[i], FILLED);
        }
    }
}

CASE(perturb_calloc, "1.2.d 2.9.d", "calloc clears all the same")
{
    static const int fills[] = {FILL, 0xFF, 1, 0x123};
    for (size_t k = 0; k < sizeof fills / sizeof fills[0]; k++) {
        EXPECT_EQ(mallopt(M_PERTURB, fills[k]), 1);
        for (size_t i = 0; i < N_SIZES; i++) {
            for (size_t round = 0; round < 3; round++) {
                free(malloc(sizes[i]));
                unsigned char *block = calloc(1, sizes[i]);
                REQUIRE(block != NULL);
                size_t usable = malloc_usable_size(block);
                EXPECT_EQ(zero_bytes(block, usable), usable);
                memset(block, 3, usable);
                free(block);
            }
        }
    }
}

/* Only what surely stays mapped may be looked at: small blocks with live neighbours. Of what is free the
   allocator may use two words. */
static void expect_old_gone(size_t n_before)
{
    enum { COUNT = 40, BYTES = 200 };
    unsigned char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        REQUIRE((blocks[i] = malloc(BYTES)) != NULL);
        memset(blocks[i], 7, BYTES);
    }
    for (size_t i = 0; i < n_before; i++)
        do_free(blocks[2 * i]);
    unsigned char *volatile last = blocks[2 * n_before];
    do_free(last);
    size_t n_filled = filled_bytes(last + 16, BYTES - 32, FILL);
    EXPECT_NOTE(n_filled == BYTES - 32, "byte %zu is 0x%02x", 16 + n_filled, last[16 + n_filled]);
}

CASE(perturb_freed, "2.9.e", "a freed block is filled with the value at once")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    expect_old_gone(0);
}

CASE(perturb_freed_many, "2.9.e", "so is one freed after a dozen others of its size")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    expect_old_gone(15);
}

CASE(perturb_zero_fill, "2.9.b", "0xff fills with zeros; only the low byte counts")
{
    EXPECT_EQ(mallopt(M_PERTURB, 0xFF), 1);
    unsigned char *block = malloc(1000);
    EXPECT_FILLED(block, 1000, 0);
    EXPECT_EQ(mallopt(M_PERTURB, 0x7700 + FILL), 1);
    block = malloc(5000);
    EXPECT_FILLED(block, 5000, FILLED);
}

CASE(perturb_realloc, "2.9.f", "realloc keeps content, and what a moved block gains is filled")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    for (size_t i = 0; i + 2 < N_SIZES; i++) {
        unsigned char *block = malloc(sizes[i]);
        REQUIRE(block != NULL && malloc(sizes[i]) != NULL);
        memset(block, 7, sizes[i]);
        block = realloc(block, sizes[i + 2]);
        REQUIRE(block != NULL);
        EXPECT_FILLED(block, sizes[i], 7);
        size_t end = sizes[i + 2] - 1;
        EXPECT_NOTE(block[end] != 7, "from %zu to %zu: the last byte is 7", sizes[i], sizes[i + 2]);
        free(block);
    }
}

CASE(perturb_off, "2.9.a", "0 turns it off: malloc writes nothing")
{
    EXPECT_EQ(mallopt(M_PERTURB, FILL), 1);
    free(malloc(100));
    EXPECT_EQ(mallopt(M_PERTURB, 0), 1);
    unsigned char *block = malloc(64 * MIB);
    REQUIRE(block != NULL);
    size_t before = rss_bytes();
    unsigned char *other = malloc(64 * MIB);
    REQUIRE(other != NULL);
    EXPECT(rss_bytes() < before + MIB);
    EXPECT_FILLED(other, 100000, 0);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
