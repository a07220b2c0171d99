/* SPDX-License-Identifier: MIT */
/* crew.h - threads that do one thing after another, and what the allocator holds at a moment. */
#ifndef TESTS_UNIT_CREW_H
#define TESTS_UNIT_CREW_H

#include <pthread.h>
#include "heap/heap_fast.h"
#include "heap/thread.h"
#include "pool/pool.h"
#include "unit.h"
#include "vmalloc/vmalloc.h"

/* A thread that is given pieces of work one by one, and sleeps in between. */
struct worker {
    pthread_t thread;
    pthread_barrier_t begin, end;
    void (*work)(void *argument); /* NULL: the thread ends */
    void *argument;
};

static inline void *crew_live(void *argument)
{
    struct worker *const worker = argument;
    for (;;) {
        pthread_barrier_wait(&worker->begin);
        if (!worker->work)
            return NULL;
        worker->work(worker->argument);
        pthread_barrier_wait(&worker->end);
    }
}

static inline void crew_hire(struct worker *worker)
{
    pthread_barrier_init(&worker->begin, NULL, 2);
    pthread_barrier_init(&worker->end, NULL, 2);
    UNIT_REQUIRE(pthread_create(&worker->thread, NULL, crew_live, worker) == 0);
}

/* Has the worker do this, and returns when it is done. */
static inline void crew_do(struct worker *worker, void (*work)(void *argument), void *argument)
{
    worker->work = work;
    worker->argument = argument;
    pthread_barrier_wait(&worker->begin);
    pthread_barrier_wait(&worker->end);
}

/* Ends the thread. */
static inline void crew_dismiss(struct worker *worker)
{
    worker->work = NULL;
    pthread_barrier_wait(&worker->begin);
    pthread_join(worker->thread, NULL);
    pthread_barrier_destroy(&worker->begin);
    pthread_barrier_destroy(&worker->end);
}

static inline unsigned crew_count_heaps(void)
{
    unsigned n = 0;
    for (const struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        n++;
    return n;
}

static inline struct slab *crew_slab_of(void *block)
{
    struct slab *const slab = (struct slab *)vm_pagemap_find(block);
    UNIT_REQUIRE(slab && slab->span.kind == SPAN_SLAB);
    return slab;
}

/* Slabs of a heap whose thread sleeps. */
static inline unsigned crew_count_slabs(const struct heap *heap)
{
    unsigned n = 0;
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        n += heap->current[i] != NULL;
        for (const struct list_node *node = heap->slabs[i].first; node; node = node->next)
            n++;
    }
    return n;
}

/* Blocks that other threads freed and that nothing would make the owner look at, while nobody runs; R2. */
static inline size_t crew_count_overlooked(void)
{
    size_t n = 0;
    for (const struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next) {
        if (vm_load_relaxed(&heap->x_missed))
            continue;
        for (unsigned i = 0; i < VM_N_CLASSES; i++)
            for (const struct list_node *node = heap->slabs[i].first; node; node = node->next) {
                const struct slab *const slab = VM_CONTAINER((uintptr_t)node, struct slab, span.node);
                for (size_t group = 0; group < slab->n_groups && !vm_load_relaxed(&slab->x_is_queued);
                     group++)
                    n += vm_bits_count(vm_load_relaxed(&vm_slab_remote(slab)[group]));
            }
    }
    return n;
}

/* Bytes that were taken from the pool and not given back. */
static inline size_t crew_pool_bytes(void)
{
    const struct pool_totals totals = vm_pool_totals();
    return totals.arena_bytes - totals.free_bytes;
}

/* Hidden from the compiler, which believes that a block is nobody else's. */
static inline void *crew_alloc(size_t size)
{
    return VM_OPAQUE(vm_malloc(size));
}

static inline void crew_free(void *block)
{
    vm_free(VM_OPAQUE(block));
}

#endif
