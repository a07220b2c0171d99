/* SPDX-License-Identifier: MIT */
/*
 * growth.c - strings and vectors that grow by realloc.
 *
 * What P. Wilson and others (Dynamic Storage Allocation, IWMM 1995) call ramps, in the form that programs of
 * today have them: arrays that are extended by a factor when they are full, in many at once. Most stay short,
 * a few become a MiB long; one in eight is cut to its length before it is read and dropped.
 */
#include "common.h"

enum { N_VECTORS = 500, LEAST_WORDS = 4, N_DOUBLINGS = 15 };

static struct vector {
    uint64_t *words;
    size_t n_words, capacity;
    size_t most_words; /* at which length it ends */
    uint64_t key;
} vectors[N_VECTORS];

static uint64_t word_at(const struct vector *vector, size_t index)
{
    return vector->key + index * 0x9e3779b97f4a7c15u;
}

static void set_capacity(struct worker *worker, struct vector *vector, size_t capacity)
{
    vector->words = resize(worker, vector->words, vector->capacity * sizeof *vector->words,
                           capacity * sizeof *vector->words);
    vector->capacity = capacity;
}

static void append(struct worker *worker, struct vector *vector, size_t n)
{
    size_t length = vector->n_words + n;
    if (length > vector->capacity) {
        size_t grown = vector->capacity + vector->capacity / 2;
        set_capacity(worker, vector, grown > length ? grown : length);
    }
    for (size_t i = vector->n_words; i < length; i++) {
        vector->words[i] = word_at(vector, i);
    }
    vector->n_words = length;
}

/* All words, read and compared; then it begins anew. */
static void finish(struct worker *worker, struct vector *vector)
{
    if (vector->key % 8 == 0 && vector->n_words > 0) {
        set_capacity(worker, vector, vector->n_words);
    }
    uint64_t sum = 0, wrong = 0;
    for (size_t i = 0; i < vector->n_words; i++) {
        sum += vector->words[i];
        wrong |= vector->words[i] ^ word_at(vector, i);
    }
    if (wrong != 0) {
        fail("a vector lost what was in it");
    }
    worker->checksum += mix(sum);
    give(worker, vector->words, vector->capacity * sizeof *vector->words);
    *vector = (struct vector){.key = next_random(&worker->rng)};
    vector->most_words = skewed(next_random(&worker->rng), LEAST_WORDS, N_DOUBLINGS);
}

static void run(void)
{
    struct worker *worker = &workers[0];
    for (int i = 0; i < N_VECTORS; i++) {
        finish(worker, &vectors[i]);
    }
    for (uint64_t n = steps_of(1200000); n > 0; n--) {
        struct vector *vector = &vectors[below(&worker->rng, N_VECTORS)];
        if (vector->n_words >= vector->most_words) {
            finish(worker, vector);
        }
        append(worker, vector, 1 + below(&worker->rng, 16 + (uint32_t)vector->n_words / 4));
        step(worker);
    }
    for (int i = 0; i < N_VECTORS; i++) {
        finish(worker, &vectors[i]);
    }
}

const struct workload workload = {
    .name = "growth",
    .imitates = "500 strings and vectors at a time that grow by half when they are full, to lengths of 32 "
                "bytes to 1 MiB",
    .why = "realloc in place where there is room, without copying pages where they can be moved, and without "
           "leaving holes behind",
    .after = "Wilson, Johnstone, Neely and Boles, Dynamic Storage Allocation: A Survey and Critical Review, "
             "IWMM 1995: ramps",
    .run = run,
};
