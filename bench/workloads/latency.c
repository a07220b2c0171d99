/* SPDX-License-Identifier: MIT */
/*
 * latency.c - sums and percentiles of latency.h.
 */
#include "latency.h"
#include "common.h"
#include <stdio.h>

static const struct {
    const char *name;
    double share;
} percentiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"p99.999", 0.99999},
};

void add_latencies(struct latencies *sum, const struct latencies *other)
{
    for (int i = 0; i < LATENCY_BUCKETS; i++) {
        sum->counts[i] += other->counts[i];
    }
    if (other->most_ns > sum->most_ns) {
        sum->most_ns = other->most_ns;
    }
}

/* The largest value of a bucket; latency_bucket's inverse. */
static uint64_t upper_end(unsigned bucket)
{
    if (bucket < 1u << LATENCY_SHIFT) {
        return bucket;
    }
    unsigned shift = (bucket >> LATENCY_SHIFT) - 1;
    uint64_t start = (1u << LATENCY_SHIFT) + (bucket & ((1u << LATENCY_SHIFT) - 1));
    return ((start + 1) << shift) - 1;
}

/* The least value that at least a share of all calls did not exceed. */
static uint64_t value_at(const struct latencies *latencies, double share)
{
    uint64_t n_calls = 0, n_below = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        n_calls += latencies->counts[i];
    }
    uint64_t wanted = n_calls - (uint64_t)((double)n_calls * (1 - share));
    unsigned bucket = 0;
    while ((n_below += latencies->counts[bucket]) < wanted) {
        bucket++;
    }
    uint64_t value = upper_end(bucket);
    return value < latencies->most_ns ? value : latencies->most_ns;
}

void print_latencies(const char *prefix, const struct latencies *latencies)
{
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        printf("%s_%s_ns=%llu\n", prefix, percentiles[i].name,
               (unsigned long long)value_at(latencies, percentiles[i].share));
    }
    printf("%s_max_ns=%llu\n", prefix, (unsigned long long)latencies->most_ns);
}

uint64_t clock_price_ns(void)
{
    static struct latencies nothing;
    for (int i = 0; i < 100000; i++) {
        uint64_t start = now_ns();
        note_latency(&nothing, now_ns() - start);
    }
    return value_at(&nothing, 0.5);
}
