/* SPDX-License-Identifier: MIT */
/*
 * random.h - random numbers with a fixed seed, and sizes: for the workloads and the micro benchmarks.
 */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static inline uint64_t next_random(struct rng *rng)
{
    return mix(rng->state += 0x9e3779b97f4a7c15u);
}

/* 0 .. n-1 out of 32 random bits. */
static inline uint32_t scale(uint32_t random, uint32_t n)
{
    return (uint32_t)((uint64_t)random * n >> 32);
}

static inline uint32_t below(struct rng *rng, uint32_t n)
{
    return scale((uint32_t)(next_random(rng) >> 32), n);
}

/* A size of least << 0..n_doublings: each doubling as probable as another, even inside of it. Few are large,
   as in real programs. */
static inline size_t skewed(uint64_t random, uint32_t least, uint32_t n_doublings)
{
    uint32_t start = least << scale((uint32_t)random, n_doublings);
    return start + scale((uint32_t)(random >> 32), start);
}

#endif
