/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a ranked lock.
 *
 * The rank is the lock order: a thread takes locks in rising rank only. From check level 2 on every
 * acquisition is tested against it. A lock knows its holder, so that after a fork the child can tell what
 * another thread, which does not exist there, was changing at that moment (see front/fork.c).
 */
#ifndef VM_BASE_LOCK_H
#define VM_BASE_LOCK_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/config.h"

/* Lowest first taken. */
enum lock_rank {
    VM_RANK_REGISTRY = 1, /* the list of heaps */
    VM_RANK_HEAP,         /* one heap's slow paths */
    VM_RANK_POOL,         /* the set of arenas */
    VM_RANK_ARENA,        /* one arena's pages and break */
    VM_RANK_PAGEMAP,      /* writers of the page map */
    VM_RANK_META,         /* memory for descriptors */
    VM_RANK_KERNEL,       /* the simulated kernel, if that serves */
    VM_N_RANKS
};

struct lock {
    uint32_t x_word;    /* 0 free, 1 held */
    uint32_t x_waiters; /* not 0: somebody may sleep */
    uintptr_t x_holder; /* vm_thread_id of the holder, 0 if free */
    uintptr_t rank;
};

#define VM_LOCK_INIT(lock_rank)                                                                              \
    {                                                                                                        \
        .rank = (lock_rank)                                                                                  \
    }

/*
 * What a waiting thread does, filled in by the kernel wall; without it, waiting is a loop. wait: sleep while
 * *word is `expected`, a millisecond at most; may return early. wake: wake one sleeper. forked: called before
 * sleeping; true if the process turned out to be a fresh fork child whose locks were just reset, so that the
 * caller tries again.
 */
struct lock_waiter {
    void (*wait)(uint32_t *word, uint32_t expected);
    void (*wake)(uint32_t *word);
    bool (*forked)(void);
};
extern struct lock_waiter vm_lock_waiter;

void vm_lock_acquire_slow(struct lock *lock);
void vm_lock_release_slow(struct lock *lock);

#if VM_CHECK_LEVEL >= 2
void vm_lock_rank_acquired(const struct lock *lock);
void vm_lock_rank_released(const struct lock *lock);
#else
VM_INLINE void vm_lock_rank_acquired(const struct lock *lock)
{
    (void)lock;
}
VM_INLINE void vm_lock_rank_released(const struct lock *lock)
{
    (void)lock;
}
#endif

/* Pairs with the release store of vm_lock_release. */
VM_INLINE bool vm_lock_try(struct lock *lock)
{
    uint32_t expected = 0;
    if (!vm_compare_exchange(&lock->x_word, &expected, 1))
        return false;
    vm_store_relaxed(&lock->x_holder, vm_thread_id());
    vm_lock_rank_acquired(lock);
    return true;
}

VM_INLINE void vm_lock_acquire(struct lock *lock)
{
    if (VM_UNLIKELY(!vm_lock_try(lock)))
        vm_lock_acquire_slow(lock);
}

VM_INLINE void vm_lock_release(struct lock *lock)
{
    vm_lock_rank_released(lock);
    vm_store_relaxed(&lock->x_holder, 0);
    vm_store_release(&lock->x_word, 0); /* pairs with vm_lock_try */
    if (VM_UNLIKELY(vm_load_relaxed(&lock->x_waiters)))
        vm_lock_release_slow(lock);
}

VM_INLINE bool vm_lock_is_mine(const struct lock *lock)
{
    return vm_load_relaxed(&lock->x_holder) == vm_thread_id();
}

/*
 * For a fork child, which has one thread: frees the lock unless that thread itself holds it. Returns true if
 * the holder was another thread: what the lock guards may then be half changed.
 */
bool vm_lock_reset_in_child(struct lock *lock);

#endif
