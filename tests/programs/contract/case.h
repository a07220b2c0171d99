/* SPDX-License-Identifier: MIT */
/*
 * case.h - the cases of a contract program. A case states one promise of docs/contract.md and cites the
 * points by number; it is run in a process of its own, so that settings do not stay and a crash ends one case
 * alone.
 *
 *     CASE(realloc_to_zero, "0.5 1.3.b", "realloc(p, 0) frees, returns NULL, keeps errno")
 *     {
 *         EXPECT(...);
 *     }
 *     int main(int argc, char **argv) { return case_main(argc, argv); }
 *
 *     PROGRAM          runs all, one after another: TAP on stdout, "ok 3 - NAME [0.5 1.3.b] promise"
 *     PROGRAM CASE     does that one
 *
 * A program that defines CASES_NEED_DEFAULTS runs its cases without the allocator's environment variables; the
 * others hold under any setting.
 *
 * A case says what vmalloc promises, never what another malloc does: with VMTEST_ON_GLIBC=1 and without the
 * library the same cases run on glibc, and those that fail there are the differences (tests/contract/run).
 */
#ifndef VMALLOC_TESTS_CONTRACT_CASE_H
#define VMALLOC_TESTS_CONTRACT_CASE_H

#include <spawn.h>
#include <sys/wait.h>

#include "api.h"
#include "tools.h"

extern char **environ;

enum { ERRNO_MARK = 12345, CASE_SECONDS = 100, CASES_MAX = 100, CASE_ENVIRONMENT_MAX = 2000 };

struct contract_case {
    const char *name, *points, *promise;
    void (*run)(void);
};

static struct contract_case case_table[CASES_MAX];
static size_t n_cases;

static inline void case_add(const char *name, const char *points, const char *promise, void (*run)(void))
{
    REQUIRE(n_cases < CASES_MAX);
    case_table[n_cases++] = (struct contract_case){name, points, promise, run};
}

#define CASE(name, points, promise)                                                                          \
    static void case_##name(void);                                                                           \
    __attribute__((constructor)) static void case_add_##name(void)                                           \
    {                                                                                                        \
        case_add(#name, points, promise, case_##name);                                                       \
    }                                                                                                        \
    static void case_##name(void)

/* The case needs a function that not every C library has: absence is a difference, not a skip. */
#if defined(USE_VM_NAMES) || defined(API_STATIC_LINK)
#define REQUIRE_FUNCTION(name)
#else
#define REQUIRE_FUNCTION(name)                                                                               \
    do {                                                                                                     \
        if (!dlsym(RTLD_DEFAULT, #name)) {                                                                   \
            expect_say("absent: %s\n", #name);                                                               \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)
#endif

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

/* The end of a child, as waitpid told it. */
static inline void case_say_end(int status)
{
    if (WIFSIGNALED(status))
        expect_say("ended by signal %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        expect_say("ended with status %d\n", WEXITSTATUS(status));
}

/* Gathers the environment without any such variable, and NULL behind it; returns how many there are. */
static inline size_t case_plain_environment(char *entries[static CASE_ENVIRONMENT_MAX])
{
    size_t n = 0;
    for (char **entry = environ; *entry != NULL && n < CASE_ENVIRONMENT_MAX - 1; entry++)
        if (!is_setting(*entry))
            entries[n++] = *entry;
    entries[n] = NULL;
    return n;
}

/* Runs this program anew with one argument and an environment, and waits for its end. */
static inline int case_run_self(const char *argument, char **environment)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", argument);
    char self[] = "contract-case";
    char *arguments[] = {self, copy, NULL};
    pid_t child;
    REQUIRE(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environment) == 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

/* One line of TAP. */
static inline void case_tap(size_t number, const struct contract_case *one, int status)
{
    const char *word = "not ok", *skip = "";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        word = "ok";
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXPECT_SKIPPED) {
        word = "ok";
        skip = " # SKIP";
    }
    expect_figure("%s %zu - %s [%s] %s%s\n", word, number, one->name, one->points, one->promise, skip);
}

static inline int case_run_all(void)
{
    int n_failed = 0;
    char **environment = environ;
#ifdef CASES_NEED_DEFAULTS
    static char *plain[CASE_ENVIRONMENT_MAX];
    case_plain_environment(plain);
    environment = plain;
#endif
    for (size_t i = 0; i < n_cases; i++) {
        int status = case_run_self(case_table[i].name, environment);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != EXPECT_SKIPPED)) {
            expect_say("case %s: ", case_table[i].name);
            case_say_end(status);
            n_failed++;
        }
        case_tap(i + 1, &case_table[i], status);
    }
    expect_figure("1..%zu\n", n_cases);
    return n_failed == 0 ? 0 : 1;
}

static inline int case_main(int argc, char **argv)
{
    if (argc == 1)
        return case_run_all();
    for (size_t i = 0; i < n_cases; i++) {
        if (strcmp(case_table[i].name, argv[1]) == 0) {
            watchdog_start(CASE_SECONDS);
            api_assert_served();
            case_table[i].run();
            return expect_result();
        }
    }
    expect_say("there is no case %s\n", argv[1]);
    return 2;
}

#endif
