/* SPDX-License-Identifier: MIT */
/*
 * expect.h - assertions of the whole-program tests. They never allocate: what fails may be the allocator. A
 * failed EXPECT is reported on stderr as file:line with the values and counted; a failed REQUIRE also ends
 * the program. main ends with `return expect_result();`. Exit status: 0 passed, 1 failed, 77 skipped (as
 * meson wants it).
 */
#ifndef VMALLOC_TESTS_PROGRAMS_EXPECT_H
#define VMALLOC_TESTS_PROGRAMS_EXPECT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXPECT_SKIPPED = 77, EXPECT_REPORTS_MAX = 25 };

static unsigned expect_failures;

/* Prints like printf on stderr, in one write and without allocating. Lines of at most 1000 characters. */
__attribute__((format(printf, 1, 2))) static inline void expect_say(const char *format, ...)
{
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t n_bytes = length < 0 ? 0 : (size_t)length;
    if (n_bytes >= sizeof text)
        n_bytes = sizeof text - 1;
    if (write(2, text, n_bytes) < 0)
        _exit(3);
}

/* As expect_say, on stdout: figures for the reader of the log. */
__attribute__((format(printf, 1, 2))) static inline void expect_figure(const char *format, ...)
{
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t n_bytes = length < 0 ? 0 : (size_t)length;
    if (n_bytes >= sizeof text)
        n_bytes = sizeof text - 1;
    if (write(1, text, n_bytes) < 0)
        _exit(3);
}

/* Counts a failure; true while it is still worth printing. */
static inline int expect_count(void)
{
    return __atomic_add_fetch(&expect_failures, 1, __ATOMIC_RELAXED) <= EXPECT_REPORTS_MAX;
}

static inline int expect_result(void)
{
    unsigned n_failed = __atomic_load_n(&expect_failures, __ATOMIC_RELAXED);
    if (n_failed > EXPECT_REPORTS_MAX)
        expect_say("%u expectations failed, the first %d are printed above\n", n_failed, EXPECT_REPORTS_MAX);
    return n_failed == 0 ? 0 : 1;
}

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition) && expect_count())                                                                  \
            expect_say("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                             \
    } while (0)

/* EXPECT with further values in printf form. */
#define EXPECT_NOTE(condition, ...)                                                                          \
    do {                                                                                                     \
        if (!(condition) && expect_count()) {                                                                \
            char expect_note[400];                                                                           \
            snprintf(expect_note, sizeof expect_note, __VA_ARGS__);                                          \
            expect_say("%s:%d: not true: %s; %s\n", __FILE__, __LINE__, #condition, expect_note);            \
        }                                                                                                    \
    } while (0)

#define EXPECT_EQ(got, wanted)                                                                               \
    do {                                                                                                     \
        long long expect_got = (long long)(got), expect_wanted = (long long)(wanted);                        \
        if (expect_got != expect_wanted && expect_count())                                                   \
            expect_say("%s:%d: %s is %lld (0x%llx), expected %s = %lld (0x%llx)\n", __FILE__, __LINE__,      \
                       #got, expect_got, (unsigned long long)expect_got, #wanted, expect_wanted,             \
                       (unsigned long long)expect_wanted);                                                   \
    } while (0)

#define EXPECT_SAME(got, wanted)                                                                             \
    do {                                                                                                     \
        const void *expect_got = (const void *)(got), *expect_wanted = (const void *)(wanted);               \
        if (expect_got != expect_wanted && expect_count())                                                   \
            expect_say("%s:%d: %s is %p, expected %s = %p\n", __FILE__, __LINE__, #got, expect_got, #wanted, \
                       expect_wanted);                                                                       \
    } while (0)

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            expect_say("%s:%d: not true, cannot go on: %s\n", __FILE__, __LINE__, #condition);               \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

#define SKIP(...)                                                                                            \
    do {                                                                                                     \
        expect_say("skipped: " __VA_ARGS__);                                                                 \
        expect_say("\n");                                                                                    \
        _exit(EXPECT_SKIPPED);                                                                               \
    } while (0)

#endif
