/* SPDX-License-Identifier: MIT */
/* mallopt.c - every parameter: what is accepted, what it returns, what it does. Settings stay, so one case
 * each. */
#include <pthread.h>

#define CASES_NEED_DEFAULTS
#include "case.h"

static void expect_results(const int (*rows)[3], size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        errno = ERRNO_MARK;
        int result = mallopt(rows[i][0], rows[i][1]);
        EXPECT_NOTE(result == rows[i][2], "mallopt(%d, %d) gave %d", rows[i][0], rows[i][1], result);
        EXPECT_EQ(errno, ERRNO_MARK);
        static const size_t sizes[] = {100, 50000, 1000000};
        for (size_t k = 0; k < 3; k++) {
            void *block = malloc(sizes[k]);
            REQUIRE(block != NULL);
            memset(block, 1, sizes[k]);
            free(block);
        }
    }
}

#define EXPECT_RESULTS(...)                                                                                  \
    do {                                                                                                     \
        const int rows[][3] = __VA_ARGS__;                                                                   \
        expect_results(rows, sizeof rows / sizeof rows[0]);                                                  \
    } while (0)

/* 1 if a block of that size gets a mapping of its own just now. */
static int is_mapped(size_t size)
{
    size_t before = mallinfo2().hblks;
    void *block = malloc(size);
    REQUIRE(block != NULL);
    memset(block, 1, size < 4096 ? size : 4096);
    size_t during = mallinfo2().hblks;
    free(block);
    EXPECT_EQ(mallinfo2().hblks, before);
    return during != before;
}

/* ---- return values ---- */

CASE(mxfast_values, "0.11 2.1.a 2.2.a 10.4", "M_MXFAST: 0 to 160 give 1, all else 0")
{
    int most = (int)(80 * sizeof(size_t) / 4);
    EXPECT_RESULTS({{1, 0, 1},
                    {1, 1, 1},
                    {1, 64, 1},
                    {1, most, 1},
                    {1, most + 1, 0},
                    {1, -1, 0},
                    {1, 1 << 30, 0},
                    {1, INT32_MIN, 0}});
}

CASE(ignored_values, "0.11 1.13 2.1.a 2.3 2.8 2.12 10.4",
     "unknown and historic parameters give 1, whatever the value")
{
    EXPECT_RESULTS({{2, 5, 1},
                    {3, 5, 1},
                    {4, 5, 1},
                    {2, -1, 1},
                    {M_CHECK_ACTION, 0, 1},
                    {M_CHECK_ACTION, 3, 1},
                    {M_CHECK_ACTION, -1, 1},
                    {-9, 1, 1},
                    {-100, 0, 1},
                    {5, 0, 1},
                    {100, 1, 1},
                    {0, 0, 1},
                    {12345678, -1, 1},
                    {INT32_MIN, INT32_MAX, 1}});
}

CASE(threshold_values, "0.11 2.1.a 2.4.a 2.5.a 2.6.a 2.7.a 10.4",
     "thresholds, pad and count accept every int")
{
    EXPECT_RESULTS({{M_TOP_PAD, 0, 1},
                    {M_TOP_PAD, 65536, 1},
                    {M_TOP_PAD, -1, 1},
                    {M_TOP_PAD, 4096, 1},
                    {M_TRIM_THRESHOLD, 0, 1},
                    {M_TRIM_THRESHOLD, -1, 1},
                    {M_TRIM_THRESHOLD, 131072, 1},
                    {M_MMAP_MAX, 0, 1},
                    {M_MMAP_MAX, -1, 1},
                    {M_MMAP_MAX, 65536, 1},
                    {M_MMAP_THRESHOLD, 0, 1},
                    {M_MMAP_THRESHOLD, 131072, 1},
                    {M_MMAP_THRESHOLD, 1 << 30, 1},
                    {M_MMAP_THRESHOLD, -1, 1},
                    {M_MMAP_THRESHOLD, 131072, 1}});
}

CASE(other_values, "2.9.a 2.10 2.11.a 10.4", "M_PERTURB, M_ARENA_TEST and M_ARENA_MAX give 1 for every value")
{
    EXPECT_RESULTS({{M_ARENA_TEST, 8, 1},
                    {M_ARENA_TEST, 0, 1},
                    {M_ARENA_TEST, -1, 1},
                    {M_ARENA_MAX, 2, 1},
                    {M_ARENA_MAX, 0, 1},
                    {M_ARENA_MAX, -1, 1},
                    {M_PERTURB, 0, 1},
                    {M_PERTURB, 255, 1},
                    {M_PERTURB, 256, 1},
                    {M_PERTURB, -1, 1},
                    {M_PERTURB, 0, 1}});
}

/* ---- mapped or not ---- */

CASE(threshold_first_mapped, "2.6.b",
     "the padded request, n + 8 rounded up to 16, is compared with 131072: mapped")
{
    REQUIRE(malloc(60000) != NULL); /* no fresh heap with room for it */
    if (sizeof(void *) == 8)
        EXPECT_EQ(is_mapped(131049), 1);
    else
        EXPECT_EQ(is_mapped(131072), 1);
}

/* The first mapped block that is freed moves the threshold, so its lower end has a process of its own. */
CASE(threshold_last_unmapped, "2.6.b",
     "the padded request, n + 8 rounded up to 16, is compared with 131072: not mapped")
{
    EXPECT_EQ(is_mapped(100000), 0);
    EXPECT_EQ(is_mapped(131048), 0);
}

CASE(dynamic_threshold, "2.13.a 2.13.b 10.4",
     "a freed mapping of up to 32 MiB raises the threshold to its size")
{
    EXPECT_EQ(is_mapped(1000000), 1);
    EXPECT_EQ(is_mapped(1000000), 0);
    EXPECT_EQ(is_mapped(900000), 0);
    EXPECT_EQ(is_mapped(3000000), 1);
    EXPECT_EQ(is_mapped(3000000), 0);
    EXPECT_EQ(is_mapped(1000000), 0);
    EXPECT_EQ(is_mapped(40 * MIB), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 1);
}

/* After 6 MB were mapped and freed, the 5 MB that lie free at the break are less than the trim threshold. */
CASE(dynamic_trim_threshold, "2.13.c", "it raises the trim threshold to twice that size")
{
    free(malloc(6000000));
    enum { COUNT = 50 };
    void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        REQUIRE((blocks[i] = malloc(100000)) != NULL);
    size_t arena = mallinfo2().arena;
    for (size_t i = COUNT; i-- > 0;)
        free(blocks[i]);
    EXPECT_NOTE(mallinfo2().arena + MIB >= arena, "%zu, then %zu", arena, mallinfo2().arena);
}

static void expect_dynamic(int parameter, int value, int is_dynamic)
{
    EXPECT_EQ(mallopt(parameter, value), 1);
    EXPECT_EQ(is_mapped(1000000), 1);
    EXPECT_EQ(is_mapped(1000000), !is_dynamic);
}

CASE(top_pad_ends_dynamic, "2.14.a", "M_TOP_PAD, even to its default, ends the dynamic threshold")
{
    expect_dynamic(M_TOP_PAD, 131072, 0);
}

CASE(trim_threshold_ends_dynamic, "2.14.a",
     "M_TRIM_THRESHOLD, even to its default, ends the dynamic threshold")
{
    expect_dynamic(M_TRIM_THRESHOLD, 131072, 0);
}

CASE(mmap_threshold_ends_dynamic, "2.14.a",
     "M_MMAP_THRESHOLD, even to its default, ends the dynamic threshold")
{
    expect_dynamic(M_MMAP_THRESHOLD, 131072, 0);
}

CASE(mmap_max_ends_dynamic, "2.14.a", "M_MMAP_MAX, even to its default, ends the dynamic threshold")
{
    expect_dynamic(M_MMAP_MAX, 65536, 0);
}

CASE(others_keep_dynamic, "2.14.b", "no other parameter ends it")
{
    EXPECT_EQ(mallopt(M_ARENA_TEST, 8), 1);
    EXPECT_EQ(mallopt(M_ARENA_MAX, 2), 1);
    EXPECT_EQ(mallopt(M_MXFAST, 64), 1);
    EXPECT_EQ(mallopt(M_CHECK_ACTION, 3), 1);
    EXPECT_EQ(mallopt(1000, 3), 1);
    expect_dynamic(M_PERTURB, 0x5A, 1);
}

CASE(threshold_set, "0.11 2.1.b 2.6.c 2.6.d", "M_MMAP_THRESHOLD takes effect at once; -1 means never")
{
    free(malloc(100));
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    EXPECT_EQ(is_mapped(512 * KIB), 0);
    EXPECT_EQ(is_mapped(2 * MIB), 1);
    EXPECT_EQ(is_mapped(2 * MIB), 1);
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, -1), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 0);
}

CASE(threshold_zero, "2.6.e", "a threshold of 0: requests of pages are mapped")
{
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 0), 1);
    free(malloc(100)); /* what the allocator itself needs */
    EXPECT_EQ(is_mapped(5000), 1);
    EXPECT_EQ(is_mapped(50000), 1);
    EXPECT_EQ(is_mapped(5000), 1);
}

CASE(small_never_mapped, "2.6.e", "requests of up to 1 KiB are never mapped, whatever the threshold")
{
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 0), 1);
    free(malloc(100)); /* what the allocator itself needs */
    for (size_t size = 1; size <= 1024; size *= 2)
        EXPECT_EQ(is_mapped(size), 0);
}

/* Whether or not freed memory lies ready that would do. */
CASE(threshold_alone, "2.6.f", "the threshold alone decides what is mapped, not free memory that would fit")
{
    enum { COUNT = 30 };
    void *blocks[COUNT];
    EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, -1), 1);
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    for (size_t i = 0; i < COUNT; i++)
        REQUIRE((blocks[i] = malloc(500000)) != NULL);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    EXPECT_EQ(is_mapped(2 * MIB), 1);
}

CASE(mmap_max_zero, "2.7.b", "M_MMAP_MAX 0: huge blocks come from the heap")
{
    EXPECT_EQ(mallopt(M_MMAP_MAX, 0), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 0);
    EXPECT_EQ(is_mapped(200000), 0);
}

CASE(mmap_max_negative, "2.7.b", "a negative M_MMAP_MAX is as 0")
{
    EXPECT_EQ(mallopt(M_MMAP_MAX, -5), 1);
    EXPECT_EQ(is_mapped(40 * MIB), 0);
}

CASE(mmap_max_bounds, "2.7.c", "at most M_MMAP_MAX blocks are mapped at a time")
{
    EXPECT_EQ(mallopt(M_MMAP_MAX, 3), 1);
    void *blocks[6];
    size_t before = mallinfo2().hblks;
    for (size_t i = 0; i < 6; i++) {
        REQUIRE((blocks[i] = malloc(20 * MIB)) != NULL);
        memset(blocks[i], 1, 100);
    }
    EXPECT_EQ(mallinfo2().hblks, before + 3);
    for (size_t i = 0; i < 6; i++)
        free(blocks[i]);
    EXPECT_EQ(mallinfo2().hblks, before);
}

/* ---- growth and trim ---- */

enum { HEAP_BLOCKS = 100, HEAP_BLOCK_BYTES = 100000 };

/* Bytes of the arenas after so many blocks were taken and freed, the last one first. */
static size_t arena_after_frees(size_t *peak)
{
    static void *blocks[HEAP_BLOCKS];
    for (size_t i = 0; i < HEAP_BLOCKS; i++) {
        REQUIRE((blocks[i] = malloc(HEAP_BLOCK_BYTES)) != NULL);
        memset(blocks[i], 1, HEAP_BLOCK_BYTES);
    }
    *peak = mallinfo2().arena;
    EXPECT(*peak >= (size_t)HEAP_BLOCKS * HEAP_BLOCK_BYTES);
    for (size_t i = HEAP_BLOCKS; i-- > 0;)
        free(blocks[i]);
    return mallinfo2().arena;
}

CASE(trim_by_itself, "2.4.b", "free memory at the break beyond the trim threshold goes back")
{
    size_t peak;
    EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, 65536), 1);
    size_t after = arena_after_frees(&peak);
    EXPECT_NOTE(after < peak / 10, "arena %zu, then %zu", peak, after);
}

CASE(trim_never, "2.4.c", "M_TRIM_THRESHOLD -1: the break never moves down by itself")
{
    size_t peak;
    EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, -1), 1);
    size_t after = arena_after_frees(&peak);
    EXPECT_NOTE(after == peak, "arena %zu, then %zu", peak, after);
}

/* By how many bytes the heap grows when it is full next. */
static size_t next_growth(void)
{
    size_t before = mallinfo2().arena, after = before;
    while (after <= before) {
        REQUIRE(malloc(50000) != NULL);
        after = mallinfo2().arena;
    }
    return after - before;
}

CASE(top_pad_growth, "2.1.b 2.5.b", "M_TOP_PAD is what the heap grows by beyond the need")
{
    EXPECT_EQ(mallopt(M_TOP_PAD, 4 << 20), 1);
    size_t growth = next_growth();
    EXPECT_NOTE(growth >= 4 * MIB && growth <= 5 * MIB, "it grew by %zu", growth);
}

CASE(top_pad_zero, "2.1.b 2.5.b", "M_TOP_PAD 0: the heap grows by what is needed")
{
    EXPECT_EQ(mallopt(M_TOP_PAD, 0), 1);
    for (size_t round = 0; round < 5; round++) {
        size_t growth = next_growth();
        EXPECT_NOTE(growth <= 80 * KIB, "it grew by %zu", growth);
    }
}

CASE(top_pad_negative, "2.5.c", "a negative M_TOP_PAD does no harm")
{
    EXPECT_EQ(mallopt(M_TOP_PAD, -1), 1);
    for (size_t size = 1; size < 10 * MIB; size *= 3) {
        void *block = malloc(size);
        REQUIRE(block != NULL);
        memset(block, 1, size);
        free(block);
    }
}

CASE(mxfast_zero, "2.2.b", "after M_MXFAST 0 mallinfo has no fastbin blocks")
{
    EXPECT_EQ(mallopt(M_MXFAST, 0), 1);
    void *blocks[100];
    for (size_t i = 0; i < 100; i++)
        blocks[i] = malloc(i);
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
    EXPECT_EQ(mallinfo2().smblks, 0);
    EXPECT_EQ(mallinfo2().fsmblks, 0);
}

/* ---- the number of arenas ---- */

enum { N_THREADS = 8 };
static pthread_barrier_t all_there;

static void *working_thread(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    unsigned char *blocks[100] = {0};
    pthread_barrier_wait(&all_there);
    for (size_t step = 0; step < 20000; step++) {
        size_t i = rng_between(&rng, 0, 99);
        free(blocks[i]);
        size_t size = rng_size(&rng);
        REQUIRE((blocks[i] = malloc(size)) != NULL);
        blocks[i][0] = blocks[i][size - 1] = 1;
    }
    pthread_barrier_wait(&all_there); /* all threads live, each with its blocks */
    pthread_barrier_wait(&all_there);
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
    return NULL;
}

/* The arenas that malloc_info lists while many threads hold blocks. */
static size_t arenas_of_threads(void)
{
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&all_there, NULL, N_THREADS + 1);
    for (size_t i = 0; i < N_THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, working_thread, (void *)(uintptr_t)(i + 1)) == 0);
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&all_there);
    char *text = NULL;
    size_t length = 0, n_arenas = 0;
    FILE *stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    EXPECT_EQ(malloc_info(0, stream), 0);
    fclose(stream);
    for (const char *at = text; (at = strstr(at, "<heap nr=")) != NULL; at++)
        n_arenas++;
    free(text);
    pthread_barrier_wait(&all_there);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    return n_arenas;
}

CASE(arena_max_one, "2.11.b 2.11.c", "M_ARENA_MAX 1: eight threads work, in one arena")
{
    EXPECT_EQ(mallopt(M_ARENA_MAX, 1), 1);
    EXPECT_EQ(arenas_of_threads(), 1);
}

CASE(arena_max_three, "2.11.b", "M_ARENA_MAX 3: at most three arenas")
{
    EXPECT_EQ(mallopt(M_ARENA_MAX, 3), 1);
    size_t n_arenas = arenas_of_threads();
    EXPECT_NOTE(n_arenas >= 1 && n_arenas <= 3, "%zu arenas", n_arenas);
}

CASE(arena_max_ignored, "2.11.a", "M_ARENA_MAX 0 and below change nothing")
{
    EXPECT_EQ(mallopt(M_ARENA_MAX, 0), 1);
    EXPECT_EQ(mallopt(M_ARENA_MAX, -1), 1);
    EXPECT(arenas_of_threads() >= 1);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
