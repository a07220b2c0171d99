/* SPDX-License-Identifier: MIT */
/* unit.h - what the unit tests share: random numbers with a fixed seed, child processes, what is resident. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "vmalloc/kernel.h"

/* A 64-bit random number; the sequence depends on the seed in *state alone. */
uint64_t unit_random(uint64_t *state);

/* A random number below `bound`, which is not 0. */
size_t unit_below(uint64_t *state, size_t bound);

/* How a child process ended and what it wrote to standard error, cut to what fits. */
struct unit_outcome {
    bool exited;     /* else a signal ended it */
    int code;        /* its status, or the signal */
    char text[8192]; /* terminated */
};

/*
 * Runs act(argument) in a forked child, which ends with status 0 when it returns; waits for it. No assert of
 * cmocka's may fail in there: it would go on with the next test.
 */
struct unit_outcome unit_fork(void (*act)(void *argument), void *argument);

/*
 * Runs this program again with the one argument and, of settings of the allocator, those given up to NULL
 * alone in its environment; waits for it.
 */
struct unit_outcome unit_rerun(const char *program, const char *argument, const char *const *environment);

/*
 * Asserts that act(argument) in a child returns, or that it ends the process by SIGABRT with `text` among
 * its words.
 */
void unit_assert_returns(void (*act)(void *argument), void *argument);
void unit_assert_aborts(void (*act)(void *argument), void *argument, const char *text);

/*
 * That a checker finds what is broken by hand. check makes what it looks at, breaks it, and looks. With harm 0, or without a
 * damage, it finds nothing; with a number from 1 to n_harms, or with one of the damages, which it does by unit_damage, it
 * aborts with the text.
 */
struct unit_damage {
    void (*act)(void);
    const char *text;
};
void unit_damage(const struct unit_damage *damage); /* NULL: nothing is broken */
void unit_assert_harms_found(void (*check)(void *harm), int n_harms, const char *text);
void unit_assert_damages_found(void (*check)(void *damage), const struct unit_damage *damages, size_t n);

/* Ends a child with status 1 and a message unless the condition holds: cmocka's asserts do not work there. */
#define UNIT_REQUIRE(condition) ((condition) ? (void)0 : unit_give_up(__FILE__, __LINE__, #condition))
void unit_give_up(const char *file, int line, const char *condition);

/* Puts standard error and abort behind vm_report_sink, for rooms that are tested without the kernel wall. */
void unit_report_to_stderr(void);

/* Pages of the range that are in memory now. Needs a page-aligned start. */
size_t unit_resident_pages(const void *start, size_t bytes);

/* Whether all bytes of the range are `value`. */
bool unit_is_filled(const void *start, size_t bytes, unsigned char value);

/*
 * The kernel under a room that is tested without the front: Linux, or with VMALLOC_BACKEND=sim:nG the simulated one. Of
 * all settings that one is kept, as the suite `conformance` runs the rooms on both.
 */
struct vm_kernel_backend *unit_backend(void);

/* What the program's own sbrk does on that kernel: where its break was, NULL if it has none or refuses. */
void *unit_sbrk(ptrdiff_t bytes);

/* Starts a backend and the process, as front/init.c would, for rooms that are tested without the front. */
void unit_start(struct vm_kernel_backend *backend);

/*
 * Whether this runs under valgrind, whose memcheck takes the new part of a mapping that mremap made longer
 * for inaccessible now and then: tests that let programs write there do without.
 */
bool unit_is_under_valgrind(void);

/* Whether a sanitizer or valgrind makes everything slow: tests then do a tenth of the work. */
bool unit_is_slow(void);

#endif
