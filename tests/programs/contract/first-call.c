/* SPDX-License-Identifier: MIT */
/*
 * first-call.c - any function of the family may be the first that a process calls.
 *
 *   first-call NAME     calls NAME first in main
 *   first-call @NAME    calls NAME in .preinit_array, before the constructors of all libraries, the
 *                       allocator's too
 *   first-call          runs itself with each of both: TAP on stdout, as case.h
 */
#include "case.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void __libc_free(void *block);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void *__libc_valloc(size_t size);
extern void *__libc_pvalloc(size_t size);

static void *keep(void *block)
{
    if (block == NULL)
        expect_count();
    return block;
}

#define CALL(name, statement)                                                                                \
    static void first_##name(void)                                                                           \
    {                                                                                                        \
        statement;                                                                                           \
    }

CALL(malloc, memset(keep(malloc(100)), 1, 100))
CALL(malloc_large, memset(keep(malloc(1000000)), 1, 1000000))
CALL(malloc_middle, memset(keep(malloc(50000)), 1, 50000))
CALL(malloc_zero, keep(malloc(0)))
CALL(malloc_too_large, volatile size_t size = (size_t)PTRDIFF_MAX + 1; EXPECT(malloc(size) == NULL))
CALL(calloc, EXPECT(zero_bytes(keep(calloc(10, 10)), 100) == 100))
CALL(realloc, memset(keep(realloc(NULL, 100)), 1, 100))
CALL(reallocarray, memset(keep(reallocarray(NULL, 10, 10)), 1, 100))
CALL(free, free(NULL))
CALL(free_sized, REQUIRE_FUNCTION(free_sized); free_sized(NULL, 0))
CALL(free_aligned_sized, REQUIRE_FUNCTION(free_aligned_sized); free_aligned_sized(NULL, 0, 0))
CALL(cfree, REQUIRE_FUNCTION(cfree); cfree(NULL))
CALL(memalign, EXPECT((uintptr_t)keep(memalign(64, 100)) % 64 == 0))
CALL(aligned_alloc, EXPECT((uintptr_t)keep(aligned_alloc(4096, 100)) % 4096 == 0))
CALL(posix_memalign, void *block = NULL; EXPECT(posix_memalign(&block, 64, 100) == 0); keep(block))
CALL(valloc, EXPECT((uintptr_t)keep(valloc(100)) % 4096 == 0))
CALL(pvalloc, EXPECT((uintptr_t)keep(pvalloc(100)) % 4096 == 0))
CALL(malloc_usable_size, EXPECT(malloc_usable_size(NULL) == 0))
CALL(mallopt, EXPECT(mallopt(M_TOP_PAD, 65536) == 1))
CALL(mallinfo2, struct mallinfo2 info = mallinfo2(); EXPECT(info.arena == info.uordblks + info.fordblks))
CALL(malloc_stats, malloc_stats())
CALL(malloc_info, EXPECT(malloc_info(0, stdout) == 0))
CALL(malloc_info_options, EXPECT(malloc_info(1, stdout) == EINVAL))
CALL(malloc_trim, int result = malloc_trim(0); EXPECT(result == 0 || result == 1))
CALL(libc_malloc, memset(keep(__libc_malloc(100)), 1, 100))
CALL(libc_calloc, EXPECT(zero_bytes(keep(__libc_calloc(10, 10)), 100) == 100))
CALL(libc_realloc, keep(__libc_realloc(NULL, 100)))
CALL(libc_free, __libc_free(NULL))
CALL(libc_memalign, EXPECT((uintptr_t)keep(__libc_memalign(64, 100)) % 64 == 0))
CALL(libc_valloc, EXPECT((uintptr_t)keep(__libc_valloc(100)) % 4096 == 0))
CALL(libc_pvalloc, EXPECT((uintptr_t)keep(__libc_pvalloc(100)) % 4096 == 0))
CALL(strdup, free(keep(strdup("first"))))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
CALL(mallinfo, struct mallinfo info = mallinfo(); EXPECT(info.arena >= 0))
#pragma GCC diagnostic pop

static const struct first {
    const char *name;
    void (*call)(void);
} firsts[] = {
    {"malloc", first_malloc},
    {"malloc_large", first_malloc_large},
    {"malloc_middle", first_malloc_middle},
    {"malloc_zero", first_malloc_zero},
    {"malloc_too_large", first_malloc_too_large},
    {"calloc", first_calloc},
    {"realloc", first_realloc},
    {"reallocarray", first_reallocarray},
    {"free", first_free},
    {"free_sized", first_free_sized},
    {"free_aligned_sized", first_free_aligned_sized},
    {"cfree", first_cfree},
    {"memalign", first_memalign},
    {"aligned_alloc", first_aligned_alloc},
    {"posix_memalign", first_posix_memalign},
    {"valloc", first_valloc},
    {"pvalloc", first_pvalloc},
    {"malloc_usable_size", first_malloc_usable_size},
    {"mallopt", first_mallopt},
    {"mallinfo", first_mallinfo},
    {"mallinfo2", first_mallinfo2},
    {"malloc_stats", first_malloc_stats},
    {"malloc_info", first_malloc_info},
    {"malloc_info_options", first_malloc_info_options},
    {"malloc_trim", first_malloc_trim},
    {"libc_malloc", first_libc_malloc},
    {"libc_calloc", first_libc_calloc},
    {"libc_realloc", first_libc_realloc},
    {"libc_free", first_libc_free},
    {"libc_memalign", first_libc_memalign},
    {"libc_valloc", first_libc_valloc},
    {"libc_pvalloc", first_libc_pvalloc},
    {"strdup", first_strdup},
};
enum { N_FIRSTS = sizeof firsts / sizeof firsts[0] };

static void call_first(const char *name)
{
    for (size_t i = 0; i < N_FIRSTS; i++) {
        if (strcmp(firsts[i].name, name) == 0) {
            errno = 0;
            firsts[i].call();
            if (strcmp(name, "malloc_too_large") == 0)
                EXPECT_EQ(errno, ENOMEM);
            else
                EXPECT_EQ(errno, 0);
            return;
        }
    }
    expect_say("no first call %s\n", name);
    _exit(2);
}

static void before_all(int argc, char **argv, char **environment)
{
    (void)environment;
    if (argc == 2 && argv[1][0] == '@')
        call_first(argv[1] + 1);
}

__attribute__((section(".preinit_array"), used)) static void (*before_all_entry)(int, char **,
                                                                                 char **) = before_all;

/* After the first call everything else works. */
static void use_the_rest(void)
{
    void *blocks[200];
    struct rng rng = {.state = 3};
    for (size_t i = 0; i < 200; i++) {
        size_t size = rng_size(&rng);
        blocks[i] = i % 3 == 0 ? calloc(1, size) : i % 3 == 1 ? malloc(size) : memalign(64, size);
        REQUIRE(blocks[i] != NULL);
        stamp_fill(blocks[i], malloc_usable_size(blocks[i]), i);
    }
    for (size_t i = 0; i < 200; i++) {
        EXPECT_STAMP(blocks[i], malloc_usable_size(blocks[i]), i);
        free(blocks[i]);
    }
}

/* What the reports print is of no interest here: without stdout, and those that go to stderr without that. */
static int run_child(const char *argument)
{
    pid_t child;
    char self[] = "first-call", copy[64];
    snprintf(copy, sizeof copy, "%s", argument);
    char *arguments[] = {self, copy, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (strstr(argument, "malloc_stats") != NULL)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    REQUIRE(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

/* Every function twice, with and without '@'. */
static int run_all(void)
{
    int n_failed = 0;
    for (size_t i = 0; i < 2 * N_FIRSTS; i++) {
        bool is_before = i % 2 == 1;
        char argument[64];
        snprintf(argument, sizeof argument, "%s%s", is_before ? "@" : "", firsts[i / 2].name);
        int status = run_child(argument);
        struct contract_case one = {argument, is_before ? "0.24 0.2 8.a" : "0.24",
                                    is_before ? "first call of the process, before all constructors"
                                              : "first call of the process, in main",
                                    NULL};
        case_tap(i + 1, &one, status);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            expect_say("first call %s: ", argument);
            case_say_end(status);
            n_failed++;
        }
    }
    expect_figure("1..%d\n", 2 * N_FIRSTS);
    return n_failed != 0;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return run_all();
    if (argv[1][0] != '@')
        call_first(argv[1]);
    watchdog_start(20);
    use_the_rest();
    api_assert_served();
    return expect_result();
}
