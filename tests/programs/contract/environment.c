/* SPDX-License-Identifier: MIT */
/*
 * environment.c - glibc's variables and tunables, read once at the start, in glibc's number syntax. Each case
 * runs its body in a process that was started with the variables it names, and no others of malloc's.
 */
#include <pthread.h>

#include "case.h"

#define MARKER "CONTRACT_ENVIRONMENT_CASE"

/* Runs `body` here if the environment is set up, else this case anew with it. */
static void with_environment(const char *name, const char *const *wanted, void (*body)(void))
{
    static char *entries[CASE_ENVIRONMENT_MAX + 10], marker[] = MARKER "=1";
    if (getenv(MARKER) != NULL) {
        body();
        return;
    }
    size_t n = case_plain_environment(entries);
    entries[n++] = marker;
    for (; *wanted != NULL; wanted++)
        memcpy(&entries[n++], wanted, sizeof *wanted);
    entries[n] = NULL;
    int status = case_run_self(name, entries);
    case_say_end(status);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

#define ENVIRONMENT_CASE(name, points, promise, ...)                                                         \
    static void in_environment_##name(void);                                                                 \
    CASE(name, points, promise)                                                                              \
    {                                                                                                        \
        static const char *const wanted[] = {__VA_ARGS__, NULL};                                             \
        with_environment(#name, wanted, in_environment_##name);                                              \
    }                                                                                                        \
    static void in_environment_##name(void)

/* ---- what settings do ---- */

static int is_mapped(size_t size)
{
    free(malloc(100)); /* what the allocator itself needs */
    size_t before = mallinfo2().hblks;
    void *block = malloc(size);
    REQUIRE(block != NULL);
    size_t during = mallinfo2().hblks;
    free(block);
    return during != before;
}

/* The threshold is in (low, high], not dynamic. */
static void expect_threshold(size_t low, size_t high)
{
    REQUIRE(malloc(60000) != NULL && malloc(10000) != NULL); /* no fresh heap with room for it */
    if (low > 0)
        EXPECT_EQ(is_mapped(low), 0);
    EXPECT_EQ(is_mapped(high), 1);
    EXPECT_EQ(is_mapped(high), 1);
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

static void expect_default_threshold(void)
{
    EXPECT_EQ(is_mapped(100000), 0);
    EXPECT_EQ(is_mapped(1000000), 1);
    EXPECT_EQ(is_mapped(1000000), 0);
}

static void expect_fill(int fill)
{
    unsigned char *block = malloc(5000);
    REQUIRE(block != NULL);
    EXPECT_NOTE(block[0] == fill && block[2500] == fill && block[4999] == fill, "byte 2500 is 0x%02x",
                block[2500]);
}

/* ---- the variables ---- */

ENVIRONMENT_CASE(env_none, "3.a", "without any variable the defaults hold, the threshold is dynamic",
                 "OTHER=1")
{
    expect_default_threshold();
}

ENVIRONMENT_CASE(env_mmap_threshold, "3.a 3.b 10.4", "MALLOC_MMAP_THRESHOLD_ is M_MMAP_THRESHOLD",
                 "MALLOC_MMAP_THRESHOLD_=300000")
{
    expect_threshold(250000, 310000);
}

ENVIRONMENT_CASE(env_mmap_max, "3.b", "MALLOC_MMAP_MAX_ is M_MMAP_MAX", "MALLOC_MMAP_MAX_=0")
{
    EXPECT_EQ(is_mapped(40 * MIB), 0);
}

ENVIRONMENT_CASE(env_mmap_max_negative_variable, "3.c 10.4", "a negative MALLOC_MMAP_MAX_ is ignored",
                 "MALLOC_MMAP_MAX_=-1")
{
    EXPECT_EQ(is_mapped(40 * MIB), 1);
}

ENVIRONMENT_CASE(env_top_pad, "3.b", "MALLOC_TOP_PAD_ is M_TOP_PAD", "MALLOC_TOP_PAD_=4194304")
{
    size_t arena = mallinfo2().arena;
    size_t growth = arena < 4 * MIB ? next_growth() : arena; /* unless it did already, before main */
    EXPECT_NOTE(growth >= 4 * MIB && growth <= 5 * MIB, "it grew by %zu", growth);
}

ENVIRONMENT_CASE(env_top_pad_zero, "0.15 3.b 2.14.a", "MALLOC_TOP_PAD_=0 ends the dynamic threshold",
                 "MALLOC_TOP_PAD_=0")
{
    EXPECT(next_growth() <= 80 * KIB);
    expect_threshold(100000, 1000000);
}

static size_t arena_after_frees(void)
{
    static void *blocks[100];
    for (size_t i = 0; i < 100; i++)
        REQUIRE((blocks[i] = malloc(100000)) != NULL);
    for (size_t i = 100; i-- > 0;)
        free(blocks[i]);
    return mallinfo2().arena;
}

ENVIRONMENT_CASE(env_trim_threshold, "3.b", "MALLOC_TRIM_THRESHOLD_ is M_TRIM_THRESHOLD",
                 "MALLOC_TRIM_THRESHOLD_=-1")
{
    EXPECT(arena_after_frees() >= 10000000);
}

ENVIRONMENT_CASE(env_trim_threshold_small, "3.b", "a small MALLOC_TRIM_THRESHOLD_ trims",
                 "MALLOC_TRIM_THRESHOLD_=65536")
{
    EXPECT(arena_after_frees() < 1000000);
}

ENVIRONMENT_CASE(env_perturb, "3.b 10.4", "MALLOC_PERTURB_ is M_PERTURB", "MALLOC_PERTURB_=165")
{
    expect_fill(165 ^ 255);
}

ENVIRONMENT_CASE(env_perturb_out_of_range, "3.c 10.4", "MALLOC_PERTURB_ beyond 255 is ignored",
                 "MALLOC_PERTURB_=300")
{
    expect_fill(0);
}

static pthread_barrier_t all_there;

static void *allocating_thread(void *argument)
{
    pthread_barrier_wait(&all_there);
    void *volatile block = malloc(1000);
    pthread_barrier_wait(&all_there);
    free(block);
    return argument;
}

static size_t arenas_of_threads(void)
{
    enum { N_THREADS = 6 };
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&all_there, NULL, N_THREADS);
    for (size_t i = 0; i < N_THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, allocating_thread, NULL) == 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    char *text = NULL;
    size_t length = 0, n_arenas = 0;
    FILE *stream = open_memstream(&text, &length);
    REQUIRE(stream != NULL);
    EXPECT_EQ(malloc_info(0, stream), 0);
    fclose(stream);
    for (const char *at = text; (at = strstr(at, "<heap nr=")) != NULL; at++)
        n_arenas++;
    free(text);
    return n_arenas;
}

ENVIRONMENT_CASE(env_arena_max, "3.b 10.4", "MALLOC_ARENA_MAX is M_ARENA_MAX", "MALLOC_ARENA_MAX=1")
{
    EXPECT_EQ(arenas_of_threads(), 1);
}

ENVIRONMENT_CASE(env_arena_max_zero, "3.c 10.4", "MALLOC_ARENA_MAX=0 and MALLOC_ARENA_TEST=0 are ignored",
                 "MALLOC_ARENA_MAX=0", "MALLOC_ARENA_TEST=0")
{
    EXPECT(arenas_of_threads() >= 1);
    expect_default_threshold();
}

ENVIRONMENT_CASE(env_without_effect, "3.d", "MALLOC_CHECK_ and MALLOC_TRACE have no effect and open no file",
                 "MALLOC_CHECK_=3", "MALLOC_TRACE=/tmp/contract-trace-that-is-never-written")
{
    expect_default_threshold();
    EXPECT(access("/tmp/contract-trace-that-is-never-written", F_OK) != 0);
}

/* ---- numbers ---- */

ENVIRONMENT_CASE(env_hexadecimal, "0.15 3.e 10.4", "0x10000 is hexadecimal", "MALLOC_MMAP_THRESHOLD_=0x10000")
{
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_octal, "0.15 3.e 10.4", "0200000 is octal", "MALLOC_MMAP_THRESHOLD_=0200000")
{
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_blanks_and_plus, "3.e 10.4", "leading blanks and a plus sign do not matter",
                 "MALLOC_MMAP_THRESHOLD_=  +65536")
{
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_negative, "0.15 3.e 10.4", "-1 wraps to the largest size: nothing is mapped",
                 "MALLOC_MMAP_THRESHOLD_=-1")
{
    EXPECT_EQ(is_mapped(40 * MIB), 0);
}

ENVIRONMENT_CASE(env_suffix, "0.15 3.e 10.4", "what follows the number is ignored: 1M is 1",
                 "MALLOC_MMAP_THRESHOLD_=1M")
{
    expect_threshold(0, 100000);
}

ENVIRONMENT_CASE(env_empty, "0.15 3.f 10.4", "an empty value is ignored",
                 "MALLOC_MMAP_THRESHOLD_=", "MALLOC_TOP_PAD_=")
{
    expect_default_threshold();
}

ENVIRONMENT_CASE(env_garbage, "3.f 10.4", "a value that is no number is ignored",
                 "MALLOC_MMAP_THRESHOLD_=large")
{
    expect_default_threshold();
}

/* ---- GLIBC_TUNABLES ---- */

ENVIRONMENT_CASE(env_tunables, "3.g", "GLIBC_TUNABLES: name=value pairs, joined by colons",
                 "GLIBC_TUNABLES=glibc.malloc.top_pad=0:glibc.malloc.mmap_threshold=0x10000")
{
    EXPECT(next_growth() <= 80 * KIB);
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_tunables_perturb, "3.g", "glibc.malloc.perturb",
                 "GLIBC_TUNABLES=glibc.malloc.perturb=0x33")
{
    expect_fill(0x33 ^ 255);
}

ENVIRONMENT_CASE(
    env_tunables_more, "3.g", "glibc.malloc.mmap_max, trim_threshold and arena_max",
    "GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=65536:glibc.malloc.arena_max=1")
{
    EXPECT_EQ(is_mapped(40 * MIB), 0);
    EXPECT(arena_after_frees() < 1000000);
    EXPECT_EQ(arenas_of_threads(), 1);
}

ENVIRONMENT_CASE(env_tunables_unknown, "3.h",
                 "unknown tunables, and those without a counterpart, are passed over",
                 "GLIBC_TUNABLES=glibc.none.such=1:glibc.malloc.tcache_count=0:glibc.malloc.tcache_max=100:"
                 "glibc.malloc.hugetlb=0:glibc.malloc.mxfast=64:glibc.malloc.mmap_threshold=65536")
{
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_tunables_win, "3.i", "a tunable beats the variable of the same meaning",
                 "MALLOC_MMAP_THRESHOLD_=1048576", "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=65536",
                 "MALLOC_TOP_PAD_=0")
{
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_mallopt_wins, "3.i", "mallopt beats both", "MALLOC_MMAP_THRESHOLD_=65536",
                 "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=65536")
{
    EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    expect_threshold(500000, 2000000);
}

/* ---- when ---- */

ENVIRONMENT_CASE(env_read_once, "3.j", "the environment is read at the first call, never again",
                 "MALLOC_MMAP_THRESHOLD_=65536")
{
    free(malloc(100));
    REQUIRE(setenv("MALLOC_MMAP_THRESHOLD_", "1000000", 1) == 0);
    expect_threshold(60000, 66000);
}

ENVIRONMENT_CASE(env_changed_text, "3.j", "no pointer into it is kept", "MALLOC_MMAP_THRESHOLD_=65536")
{
    free(malloc(100));
    memset(getenv("MALLOC_MMAP_THRESHOLD_"), '9', 5);
    clearenv();
    expect_threshold(60000, 66000);
}

int main(int argc, char **argv)
{
    return case_main(argc, argv);
}
