/* SPDX-License-Identifier: MIT */
/*
 * lock.c - see lock.h. States of x_word, after U. Drepper, "Futexes Are Tricky":
 *   0 free -> 1 held (vm_lock_try) -> 0 (vm_lock_release)
 *   any -> 2 held, perhaps sleepers (vm_lock_acquire_slow) -> 0 and wake one (vm_lock_release_slow)
 */
#include "base/lock.h"
#include "base/check.h"

struct lock_waiter vm_lock_waiter;

enum { SPINS_BEFORE_SLEEP = 100 };

void vm_lock_acquire_slow(struct lock *lock)
{
    for (unsigned spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
        vm_cpu_relax();
        if (vm_load_relaxed(&lock->x_word) == 0 && vm_lock_try(lock))
            return;
    }
    while (vm_exchange(&lock->x_word, 2) != 0) {
        if (vm_lock_waiter.forked && vm_lock_waiter.forked())
            continue;
        if (vm_lock_waiter.wait)
            vm_lock_waiter.wait(&lock->x_word, 2);
        else
            vm_cpu_relax();
    }
    vm_store_relaxed(&lock->x_holder, vm_thread_id());
    vm_lock_rank_acquired(lock);
}

void vm_lock_release_slow(struct lock *lock)
{
    if (vm_lock_waiter.wake)
        vm_lock_waiter.wake(&lock->x_word);
}

bool vm_lock_reset_in_child(struct lock *lock)
{
    if (vm_lock_is_mine(lock))
        return false;
    const bool was_held = vm_load_relaxed(&lock->x_word) != 0;
    vm_store_relaxed(&lock->x_holder, 0);
    vm_store_relaxed(&lock->x_word, 0);
    return was_held;
}

#if VM_CHECK_LEVEL >= 2
/* Bit r: this thread holds a lock of rank r. A second thread-local word, in checking builds only. */
static VM_THREAD_LOCAL uint32_t held_ranks;

void vm_lock_rank_acquired(const struct lock *lock)
{
    VM_ASSERT(lock->rank > 0 && lock->rank < VM_N_RANKS);
    VM_ASSERT(held_ranks >> lock->rank == 0); /* none of this or a higher rank */
    held_ranks |= 1U << lock->rank;
}

void vm_lock_rank_released(const struct lock *lock)
{
    VM_ASSERT(held_ranks & 1U << lock->rank);
    held_ranks &= ~(1U << lock->rank);
}
#else
void vm_lock_rank_acquired(const struct lock *lock)
{
    (void)lock;
}

void vm_lock_rank_released(const struct lock *lock)
{
    (void)lock;
}
#endif
