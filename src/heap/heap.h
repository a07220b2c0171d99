/* SPDX-License-Identifier: MIT */
/*
 * heap.h - a thread's front end: for each class the group of blocks that malloc takes from, and all the slabs
 * that the thread owns.
 *
 * A heap is LIVE while a thread has it, ABANDONED after that thread's end until another thread adopts it with
 * all that is in it; SHARED ones are for threads above the limit of M_ARENA_MAX. Heaps are never unmade, so
 * whoever holds a pointer to one may always look.
 */
#ifndef VM_HEAP_HEAP_H
#define VM_HEAP_HEAP_H

#include "base/config.h"
#include "base/list.h"
#include "base/lock.h"
#include "slab/slab.h"

/* Which classes have slabs with many free blocks: of late. */
struct sparse_classes {
    uint32_t n_vain; /* searches for a host without success since that was found out */
    vm_word bits[(VM_N_CLASSES + VM_WORD_BITS - 1) / VM_WORD_BITS];
};

/* What malloc's fast path looks at: where blocks for requests of some size come from. */
struct bin {
    struct slab_group *group; /* of the class's current slab, or one without blocks */
    size_t block_bytes;       /* of the class; of a stand-in 0 */
};

enum heap_state {
    HEAP_LIVE,      /* a thread's own; only that thread makes slabs CURRENT and takes blocks */
    HEAP_ABANDONED, /* nobody's: whoever holds the lock may act as the owner */
    HEAP_SHARED,    /* everybody's: the same, but it keeps some empty slabs and is not adopted */
    HEAP_STAND_IN,  /* no heap: the constant ones, and those that have a taker; nothing of theirs changes */
    HEAP_FROZEN /* fork child: its owner was in the middle of a change; nothing but bits is ever touched */
};

/*
 * Who takes a thread's calls in place of its heap: front/trace.c. The heap's bins are empty, so all calls take slow
 * paths, which ask for a taker first.
 */
struct taker {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t bytes);
    void *(*aligned)(size_t alignment, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    int (*trim)(size_t pad);
    int (*mallopt)(int parameter, int value);
    void (*thread_ended)(void);
};

/* What became of a class's retired slabs. */
enum heap_regret {
    HEAP_NO_REGRET, /* none has gone of late */
    HEAP_GONE,      /* one has been given back */
    HEAP_REGRETTED  /* and then another had to be made */
};

struct heap {
    struct bin bin[VM_N_BINS];   /* see sizeclass.h; the owner's alone, without lock */
    struct lock lock;            /* rank HEAP; guards all below but what begins with x_ */
    uint32_t x_state;            /* enum heap_state; written under the lock */
    uint32_t index;              /* number of the heap, in order of making */
    struct heap *x_next;         /* all heaps ever made, newest first */
    struct heap *next_abandoned; /* guarded by the registry's lock; itself: it is not in the stack */
    struct slab *x_queue;        /* slabs with remote frees: pushed by anybody, taken whole under the lock */
    uint32_t x_missed;           /* a remote free may have gone past the queue: look at all slabs */
    uint32_t n_retired;
    uint32_t n_worn; /* of them, so many is_worn */
    size_t retired_bytes, worn_bytes;
    size_t x_put_off;                               /* see asleep.h; written under the lock */
    uint8_t regret[VM_N_CLASSES];                   /* enum heap_regret */
    struct slab *retired[VM_RETIRED_SLABS_MAX + 1]; /* slabs that ran empty, each also in slabs or current */
    struct slab *current[VM_N_CLASSES]; /* where its blocks come from: its own, or its host (compound.h) */
    const struct taker *taker;          /* NULL: the heap serves its thread itself */
    struct list slabs[VM_N_CLASSES];    /* all others of the class */
    uint32_t x_n_slabs[VM_N_CLASSES];   /* in each of these lists; changed under the lock */
    size_t n_listed;                    /* in all of them */
    uint8_t n_looks[VM_N_CLASSES];      /* how many of them the next search looks at: see find_listed */
    struct sparse_classes sparse;       /* where to look for hosts */
};

/*
 * Supplied by the layer above, which knows all functions of the interface.
 * vm_heap_first_call: sets the allocator up, once. vm_heap_expect_threads: makes ready for forks of a process with threads,
 * once; called while there is one thread, if the C library lets us know. Lock: none held, of the C library's for forks neither.
 * vm_heap_bad_free: `block` is not live; ends the process.
 */
void vm_heap_first_call(void);
void vm_heap_expect_threads(void);
VM_NORETURN void vm_heap_bad_free(const void *block);

/* Takes the heap's lock. False, and no lock: the heap is frozen; in a fork child it may have been frozen while the caller
   waited, or at any moment before. */
VM_INLINE bool vm_heap_enter(struct heap *heap)
{
    vm_lock_acquire(&heap->lock);
    if (VM_LIKELY(vm_load_relaxed(&heap->x_state) != HEAP_FROZEN))
        return true;
    vm_lock_release(&heap->lock);
    return false;
}

/* A block of the class for the calling thread, or a compound block at least as large. NULL: out of memory. Lock: none
   held. */
void *vm_heap_alloc(unsigned class_index);

/* The same, but a block of the class: as aligned as those are. */
void *vm_heap_alloc_plain(unsigned class_index);

/* A block of the class or a larger one, from what the thread's heap has, wherever it is: for when there is no
   memory for more slabs. NULL: there is none. Cost: a look at each slab of those classes. Lock: none held. */
void *vm_heap_alloc_spare(unsigned class_index);

/* Frees block `index` of a slab that the page map knows. Lock: none held. */
void vm_heap_free(struct slab *slab, size_t index);

/* The calling thread freed a block, and now all blocks of this group of one of its slabs are free. (In this order, free's
   fast path need not move the block out of the first argument's register.) */
void vm_heap_group_emptied(struct slab_group *group, struct slab *slab);

/*
 * The same for a thread that holds the heap's lock and may act as its owner. What runs empty is moved to
 * `emptied`, to be given to vm_heap_destroy_slabs after the lock is released. False: the block is free
 * already.
 */
bool vm_heap_free_locked(struct heap *heap, struct slab *slab, size_t index, struct list *emptied);

/* Frees a block of one of the calling thread's slabs that is CURRENT, after collecting what others freed in it, or that
   may have joined blocks. False: there is no live block. Lock: none, as nobody else writes its masks meanwhile. */
bool vm_heap_free_own(struct slab *slab, size_t index);

/* Moves what other threads freed to the masks. Returns whether there was anything. Needs: to act as owner. */
bool vm_heap_collect_remote(struct slab *slab);

/* The slab becomes CURRENT: the class's blocks come from there. Needs: the lock, to act as owner, the slab LOOSE, and
   that the class has none. */
void vm_heap_make_current(struct heap *heap, unsigned class_index, struct slab *slab);

/* Has frees that empty the slab's groups call for attention again. Needs: to act as owner. */
void vm_heap_watch_groups(struct slab *slab);

/* Blocks of the slab were freed otherwise than by the fast path, or may have been: retires it if all are free. Needs: as
   vm_heap_drain_locked. */
void vm_heap_settle_slab(struct heap *heap, struct slab *slab, struct list *emptied);

/* Moves remote frees of queued slabs to their masks. Needs: the lock, and to be the owner or act as one. */
void vm_heap_drain_locked(struct heap *heap, struct list *emptied);

/* Detaches all bins, and moves every slab that is empty to `emptied`. Needs: as vm_heap_drain_locked. */
void vm_heap_settle_locked(struct heap *heap, struct list *emptied);

/* Whether all blocks are free and no remote free is on its way: the slab may be destroyed. Needs: the
   lock. */
bool vm_heap_is_slab_done(struct slab *slab);

/* Takes a slab out of its list and of retired[]. Needs: the lock, and the slab LISTED. */
void vm_heap_unlist_locked(struct heap *heap, struct slab *slab);

/* Puts a LOOSE slab of the heap into its list. Needs: the lock. */
void vm_heap_list_locked(struct heap *heap, struct slab *slab);

/* A LISTED slab of the class with enough free blocks, taken out of its list and LOOSE; NULL: none was found. Needs:
   as vm_heap_drain_locked. */
struct slab *vm_heap_find_listed_locked(struct heap *heap, unsigned class_index);

/* Takes an empty slab out of the heap, wherever it is, and moves it to `emptied`. Needs: the lock, and
   vm_heap_is_slab_done; for a visitor of a live heap, the slab LISTED. */
void vm_heap_expel_locked(struct heap *heap, struct slab *slab, struct list *emptied);

/* Leaves the class's bins without blocks, so that the next malloc takes the slow path. Needs: to act as owner. */
void vm_heap_detach(struct heap *heap, unsigned class_index);

/* Gives slabs back to the pool, and what other heaps need not keep, now that less is live. Lock: none held. */
void vm_heap_destroy_slabs(struct list *emptied);

void vm_heap_check(struct heap *heap);

#endif
