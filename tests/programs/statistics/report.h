/* SPDX-License-Identifier: MIT */
/*
 * report.h - what the tests of statistics share: the texts of the four reports, taken into memory of the test's own
 * without a single allocation in between, and the numbers in them.
 */
#ifndef VMALLOC_TESTS_PROGRAMS_STATISTICS_REPORT_H
#define VMALLOC_TESTS_PROGRAMS_STATISTICS_REPORT_H

#include <stdio.h>
#include <vmalloc/vmalloc.h>

#include "api.h"
#include "tools.h"

/* Only the library under test has it. */
extern __typeof__(vm_malloc_stats_print) vm_malloc_stats_print __attribute__((weak));

enum { REPORT_BYTES_MAX = 256 * 1024 };

/* One report: make with report_open, then take again and again. */
struct report {
    FILE *stream;
    char buffer[4096], text[REPORT_BYTES_MAX];
};

/* Allocates: do it for all reports before the first is taken. */
static inline void report_open(struct report *report)
{
    report->stream = fmemopen(report->text, sizeof report->text, "w");
    REQUIRE(report->stream != NULL);
    REQUIRE(setvbuf(report->stream, report->buffer, _IOFBF, sizeof report->buffer) == 0);
}

static inline void report_end(struct report *report)
{
    REQUIRE(fflush(report->stream) == 0);
    long length = ftell(report->stream);
    REQUIRE(length > 0 && length < REPORT_BYTES_MAX);
    report->text[length] = '\0';
}

static inline void report_take_info(struct report *report)
{
    rewind(report->stream);
    EXPECT_EQ(api_malloc_info(0, report->stream), 0);
    report_end(report);
}

static inline void report_take_stats(struct report *report)
{
    rewind(report->stream);
    FILE *real_stderr = stderr;
    stderr = report->stream;
    api_malloc_stats();
    stderr = real_stderr;
    report_end(report);
}

static inline void report_take_ours(struct report *report, enum vm_stats_format format)
{
    rewind(report->stream);
    EXPECT_EQ(vm_malloc_stats_print(report->stream, format), 0);
    report_end(report);
}

/* The text behind the first `marker` in the text; the program ends if there is none. */
static inline const char *report_after(const char *text, const char *marker)
{
    const char *found = strstr(text, marker);
    if (found == NULL)
        expect_say("no \"%s\" in:\n%.600s\n", marker, text);
    REQUIRE(found != NULL);
    return found + strlen(marker);
}

/* The number behind the first `marker`, blanks skipped. */
static inline size_t report_number(const char *text, const char *marker)
{
    const char *at = report_after(text, marker);
    while (*at == ' ')
        at++;
    REQUIRE(*at >= '0' && *at <= '9');
    return (size_t)strtoull(at, NULL, 10);
}

#endif
