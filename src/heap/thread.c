/* SPDX-License-Identifier: MIT */
/*
 * thread.c - see thread.h.
 *
 * A thread's life as seen by its thread-local pointer:
 *
 *   vm_heap_none --first slow path--> its heap --destructor of its thread key--> vm_heap_ended
 *
 * After that the C library and other destructors go on allocating and freeing: a malloc then borrows an
 * abandoned heap for one call, a free is a remote free. Nothing is lost, however late it comes.
 *
 * M_ARENA_MAX limits how many threads have a heap of their own. The others stay on vm_heap_none and take each
 * block, under its lock, from one of at most N_SHARED_MAX shared heaps: slower, but their memory is one
 * heap's. As soon as there are fewer threads with a heap, one of them gets its own. Without that limit the first
 * N_AT_ONCE threads get theirs at their first call, the others begin with shared ones, too, and one call in
 * CALLS_PER_HEAP of all of theirs makes one: of thousands that allocate once few have a heap, and who goes on
 * soon has.
 *
 * Lock: the registry's, rank REGISTRY, guards the stack of abandoned heaps. The list of all heaps only grows.
 */
#include "heap/thread.h"
#include "base/check.h"
#include "heap/heap_fast.h"
#include "heap/moves.h"
#include "heap/perturb.h"
#include "heap/remote.h"
#include "heap/retired.h"
#include "kernel/kernel.h"
#include "pool/meta.h"
#include "pool/quick.h"

struct slab_group vm_heap_no_blocks;

#define NO_BIN                                                                                               \
    {                                                                                                        \
        .group = &vm_heap_no_blocks                                                                          \
    }
#define NO_BINS_5 NO_BIN, NO_BIN, NO_BIN, NO_BIN, NO_BIN
#define NO_BINS_35 NO_BINS_5, NO_BINS_5, NO_BINS_5, NO_BINS_5, NO_BINS_5, NO_BINS_5, NO_BINS_5
#define NO_BINS NO_BINS_35, NO_BINS_35, NO_BINS_35
_Static_assert(VM_N_BINS == 105, "NO_BINS makes all bins");

/* Never written once made, but for the taker: all slow paths test for them. Not const, as a heap's pointer is not. The other
   three (stand_ins.c) are made when they are first needed, as each is about a page of every process. */
struct heap vm_heap_none = {.bin = {NO_BINS}, .x_state = HEAP_STAND_IN};

static bool has_ended(const struct heap *heap)
{
    return heap == &vm_heap_ended || heap == &vm_heap_ended_within;
}

/* Whether a thread's word points to its own heap. */
static bool is_own(const struct heap *heap)
{
    return vm_load_relaxed(&heap->x_state) == HEAP_LIVE;
}

VM_THREAD_LOCAL struct heap *vm_heap_self = &vm_heap_none;

static struct lock registry_lock = VM_LOCK_INIT(VM_RANK_REGISTRY);
static struct heap *abandoned; /* stack */
static struct heap *x_heaps;   /* all */
static uint32_t n_heaps;
static uint32_t x_n_own; /* threads that have a heap of their own */

enum { N_SHARED_MAX = 8, N_AT_ONCE = 32, CALLS_PER_HEAP = 16 };
static struct heap *x_shared[N_SHARED_MAX];

static struct heap *pop_abandoned(void)
{
    vm_lock_acquire(&registry_lock);
    struct heap *const heap = abandoned;
    if (heap) {
        abandoned = heap->next_abandoned;
        heap->next_abandoned = heap;
    }
    vm_lock_release(&registry_lock);
    return heap;
}

static void push_locked(struct heap *heap)
{
    if (heap->next_abandoned != heap)
        return; /* a fork child took it for one of another thread's, and pushed it */
    heap->next_abandoned = abandoned;
    abandoned = heap;
}

static void push_abandoned(struct heap *heap)
{
    vm_lock_acquire(&registry_lock);
    push_locked(heap);
    vm_lock_release(&registry_lock);
}

static void make_bins(struct heap *heap)
{
    for (unsigned i = 0, k = 0; i < VM_N_CLASSES; i++)
        for (; k <= vm_last_bin[i]; k++)
            heap->bin[k] = (struct bin){&vm_heap_no_blocks, vm_class_bytes(i)};
}

static struct heap *create(enum heap_state state)
{
    struct heap *const heap = vm_meta_alloc(sizeof *heap);
    if (!heap)
        return NULL;
    heap->lock = (struct lock)VM_LOCK_INIT(VM_RANK_HEAP);
    heap->x_state = state;
    heap->next_abandoned = heap;
    vm_retired_forget_regrets(heap);
    make_bins(heap);
    vm_lock_acquire(&registry_lock);
    heap->index = n_heaps++;
    heap->x_next = x_heaps;
    vm_store_release(&x_heaps, heap); /* pairs with vm_thread_heaps */
    vm_lock_release(&registry_lock);
    return heap;
}

/* False: it is frozen, or has an owner, who was about to adopt it when this fork child began. */
static bool adopt(struct heap *heap)
{
    vm_lock_acquire(&heap->lock);
    const bool is_abandoned = vm_load_relaxed(&heap->x_state) == HEAP_ABANDONED;
    if (is_abandoned)
        vm_store_release(&heap->x_state, HEAP_LIVE);
    vm_lock_release(&heap->lock);
    return is_abandoned;
}

static struct heap *adopt_or_create(void)
{
    struct heap *heap;
    do
        heap = pop_abandoned();
    while (heap && !adopt(heap));
    return heap ? heap : create(HEAP_LIVE);
}

/* Whether a call of a thread without a heap is the one that gives it its own, if n others have one. */
static bool is_due(uint32_t n)
{
    static uint32_t x_n_calls;
    return n < N_AT_ONCE || vm_fetch_add_relaxed(&x_n_calls, 1) % CALLS_PER_HEAP == CALLS_PER_HEAP - 1;
}

/* Counts the calling thread in among those with a heap. False: there are as many as there may be, for now. */
static bool claim_own(void)
{
    const uint32_t n_max = vm_load_relaxed(&vm_heap_policy.x_n_own_max);
    const uint32_t n = vm_fetch_add_relaxed(&x_n_own, 1);
    if (n_max ? n < n_max : is_due(n))
        return true;
    vm_fetch_sub_relaxed(&x_n_own, 1);
    return false;
}

/* The shared heap that the calling thread uses; NULL: out of memory. */
static struct heap *shared_heap(void)
{
    const uint32_t n_max = vm_load_relaxed(&vm_heap_policy.x_n_own_max);
    const size_t n = n_max ? vm_min_size(n_max, N_SHARED_MAX) : N_SHARED_MAX;
    struct heap **const x_place = &x_shared[(vm_thread_id() >> 12) % n];
    struct heap *heap = vm_load_acquire(x_place);
    if (heap && vm_load_relaxed(&heap->x_state) == HEAP_SHARED)
        return heap;
    /* None yet, or it is frozen in this fork child. */
    struct heap *const made = create(HEAP_SHARED);
    if (!made || vm_compare_exchange(x_place, &heap, made)) /* pairs with the acquire above */
        return made;
    vm_store_release(&made->x_state, HEAP_ABANDONED); /* another thread was quicker */
    push_abandoned(made);
    return heap;
}

void vm_thread_make_stand_ins(void)
{
    static bool are_made;
    struct heap *const stand_ins[] = {&vm_heap_ended, &vm_heap_none_within, &vm_heap_ended_within};
    vm_lock_acquire(&registry_lock);
    for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins && !are_made; i++) {
        __builtin_memcpy(stand_ins[i]->bin, vm_heap_none.bin, sizeof vm_heap_none.bin);
        vm_store_relaxed(&stand_ins[i]->x_state, HEAP_STAND_IN);
    }
    are_made = true;
    vm_lock_release(&registry_lock);
}

void vm_thread_settle(void)
{
    struct heap *const heap = vm_heap_self;
    struct list emptied = {0};
    if (!is_own(heap) || !vm_heap_enter(heap))
        return;
    vm_heap_settle_locked(heap, &emptied);
    vm_lock_release(&heap->lock);
    vm_heap_destroy_slabs(&emptied);
}

static void abandon(struct heap *heap)
{
    struct list emptied = {0};
    if (!vm_heap_enter(heap))
        return;
    vm_heap_settle_locked(heap, &emptied);
    vm_store_release(&heap->x_state, HEAP_ABANDONED);
    vm_lock_release(&heap->lock);
    vm_heap_destroy_slabs(&emptied);
    push_abandoned(heap);
}

void vm_thread_end(void *argument)
{
    struct heap *const heap = argument;
    vm_thread_make_stand_ins();
    vm_heap_self = &vm_heap_ended;
    vm_quick_flush(); /* before the slabs: what it leaves is to be coalesced with them */
    abandon(heap);
    vm_fetch_sub_relaxed(&x_n_own, 1);
}

struct heap *vm_thread_enter(void)
{
    struct heap *heap = vm_heap_self;
    if (VM_LIKELY(is_own(heap)))
        return heap;
    vm_heap_first_call();
    if (VM_UNLIKELY(heap->taker != NULL))
        return NULL;
    if (has_ended(heap))
        return adopt_or_create();
    if (vm_thread_heaps()) /* not the first thread */
        vm_heap_expect_threads();
    if (!claim_own())
        return shared_heap();
    heap = adopt_or_create();
    if (!heap || is_own(vm_heap_self)) { /* setting up, or a signal handler, was first: borrowed */
        vm_fetch_sub_relaxed(&x_n_own, 1);
        return heap;
    }
    vm_heap_self = heap; /* first: the next line may allocate */
    vm_process_at_thread_exit(heap);
    return heap;
}

void vm_thread_leave(struct heap *heap)
{
    if (VM_UNLIKELY(heap != vm_heap_self) && vm_load_relaxed(&heap->x_state) != HEAP_SHARED)
        abandon(heap);
}

struct heap *vm_thread_heaps(void)
{
    return vm_load_acquire(&x_heaps);
}

/* --- slabs that change their heap ------------------------------------------------------------------------ */

/* A slab of an abandoned heap with free blocks that no remote free is about to touch. NULL: none. */
static struct slab *take_slab_locked(struct heap *heap, unsigned class_index)
{
    struct slab *const slab = vm_heap_find_listed_locked(heap, class_index);
    if (!slab)
        return NULL;
    if (vm_load_acquire(&slab->x_is_queued) || !vm_moves_begin()) {
        vm_heap_list_locked(heap, slab);
        return NULL;
    }
    return slab;
}

struct slab *vm_thread_adopt_slab(struct heap *heap, unsigned class_index)
{
    enum { TRIES = 16 };
    struct slab *slab = NULL;
    unsigned n_tries = 0;
    for (struct heap *from = vm_thread_heaps(); from && !slab && n_tries < TRIES;
         from = from->x_next, n_tries++) {
        if (vm_load_relaxed(&from->x_state) != HEAP_ABANDONED || !vm_lock_try(&from->lock))
            continue;
        struct list emptied = {0};
        if (vm_load_relaxed(&from->x_state) == HEAP_ABANDONED) {
            vm_heap_drain_locked(from, &emptied);
            slab = take_slab_locked(from, class_index);
            if (slab) {
                vm_store_relaxed(&slab->x_fast_heap, NULL); /* `from` may be adopted before we are done */
                vm_store_release(&slab->x_heap, heap);
            }
        }
        vm_lock_release(&from->lock);
        vm_heap_destroy_slabs(&emptied);
    }
    return slab;
}

/* No lock is taken: this may run while the only thread waits for one. Bins stay attached; an adopter goes on
   there. */
void vm_thread_reset_in_child(void)
{
    const bool is_changing = vm_lock_is_mine(&registry_lock);
    vm_lock_reset_in_child(&registry_lock);
    vm_moves_reset_in_child();
    abandoned = is_changing ? abandoned : NULL;
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next) {
        const bool was_changing = vm_lock_reset_in_child(&heap->lock);
        if (was_changing || vm_load_relaxed(&heap->x_state) == HEAP_FROZEN) {
            vm_store_relaxed(&heap->x_state, HEAP_FROZEN);
            if (heap == vm_heap_self)
                vm_heap_self = &vm_heap_none;
        } else if (heap != vm_heap_self && vm_load_relaxed(&heap->x_state) != HEAP_SHARED) {
            vm_store_relaxed(&heap->x_state, HEAP_ABANDONED);
            if (is_changing)
                continue; /* the interrupted call goes on with the stack as it was; only single slabs are adopted of this one */
            heap->next_abandoned = heap;
            push_locked(heap);
        }
    }
    vm_store_relaxed(&x_n_own, is_own(vm_heap_self));
}
