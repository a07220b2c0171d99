/* SPDX-License-Identifier: MIT */
/*
 * latency.h - how long calls took: counts in buckets whose width is 1/32 of their value, from 1 ns up.
 *
 * The idea is G. Tene's HdrHistogram: the same relative precision everywhere, no allocation, and adding is
 * one increment. One set a thread.
 */
#ifndef BENCH_WORKLOADS_LATENCY_H
#define BENCH_WORKLOADS_LATENCY_H
#include <stdint.h>

enum { LATENCY_SHIFT = 5, LATENCY_BUCKETS = (64 - LATENCY_SHIFT + 1) << LATENCY_SHIFT };

struct latencies {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t most_ns;
};

/* Below 32 each number has a bucket; above, the upper bits of a number and its five bits behind the first. */
static inline unsigned latency_bucket(uint64_t ns)
{
    if (ns < 1u << LATENCY_SHIFT) {
        return (unsigned)ns;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - LATENCY_SHIFT;
    return ((shift + 1) << LATENCY_SHIFT) + ((unsigned)(ns >> shift) - (1u << LATENCY_SHIFT));
}

static inline void note_latency(struct latencies *latencies, uint64_t ns)
{
    latencies->counts[latency_bucket(ns)]++;
    if (ns > latencies->most_ns) {
        latencies->most_ns = ns;
    }
}

void add_latencies(struct latencies *sum, const struct latencies *other);

/* Lines PREFIX_p50_ns= to PREFIX_p99.999_ns=, the upper ends of buckets, and PREFIX_max_ns=. */
void print_latencies(const char *prefix, const struct latencies *latencies);

/* What two readings of the clock with nothing between them show, in the middle of many. */
uint64_t clock_price_ns(void);

#endif
