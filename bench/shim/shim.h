/* SPDX-License-Identifier: MIT */
/*
 * shim.h - google-benchmark, a C++ library, for benchmarks that are written in C.
 *
 * A case is added, with its arguments and numbers of threads; bench_main() runs all cases that the command
 * line asks for, and takes the library's options (--benchmark_filter, --benchmark_format=json,
 * --benchmark_repetitions ...). The library decides how many iterations a run makes; the body makes them in
 * one call, so that nothing of the library is in the measured loop.
 */
#ifndef BENCH_SHIM_H
#define BENCH_SHIM_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of a case, in one of its threads. */
struct bench_run {
    uint64_t n_iterations;
    uint64_t argument;
    int thread, n_threads;
    void *own;     /* for the case, one a thread */
    void *library; /* the library's */
};

/* Which time is that of an iteration. */
enum bench_clock {
    BENCH_PROCESSOR, /* the thread's own processor time */
    BENCH_REAL,      /* from the start to the end of all threads */
    BENCH_TOLD       /* what the body tells by bench_add_seconds */
};

struct bench_case {
    const char *name;
    void (*body)(struct bench_run *run);    /* n_iterations iterations, timed */
    void (*prepare)(struct bench_run *run); /* before, not timed; may be NULL */
    void (*finish)(struct bench_run *run);  /* after; may be NULL */
    uint64_t first, last,
        factor; /* of the arguments first, first * factor ... last; factor 0: there is none */
    int least_threads, most_threads; /* doubled from the one to the other; 0: one thread */
    enum bench_clock clock;
    uint64_t n_iterations; /* 0: the library finds how many give a steady figure */
};

void bench_add(const struct bench_case *one);
void bench_add_seconds(struct bench_run *run, double seconds);

/* The run is wrong and its figure void; the body goes on or returns. bench_main will return 1. Only with a
   literal text. */
void bench_fail(struct bench_run *run, const char *why);

/* Status for main: 0, 1 if a case failed or none was run, 2 for a wrong command line. */
int bench_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
