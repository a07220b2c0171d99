/* SPDX-License-Identifier: MIT */
/*
 * lock.c - see lock.h.
 *
 * Taking a lock costs one locked instruction, giving it back none: the release is a plain store, and only
 * then are the waiters looked at. A thread that begins to wait in between may be overlooked, therefore nobody
 * sleeps longer than a millisecond before it looks again. Locks here are held for so short that this is
 * seldom seen at all.
 */
#include "base/lock.h"
#include "base/check.h"

struct lock_waiter vm_lock_waiter;

enum { SPINS_BEFORE_SLEEP = 100 };

VM_COLD VM_NORETURN static void refuse_second_call(void)
{
    struct message message = {0};
    vm_message_text(
        &message,
        "vmalloc: called while a call is under way: by the handler of an interrupt, or by a hook, and "
        "there is no thread to wait for\n");
    vm_report_fatal(&message);
}

void vm_lock_acquire_slow(struct lock *lock)
{
    if (!VM_THREADS)
        refuse_second_call();
    for (unsigned spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
        vm_cpu_relax();
        if (vm_load_relaxed(&lock->x_word) == 0 && vm_lock_try(lock))
            return;
    }
    uint32_t counted = 1;
    vm_fetch_add_relaxed(&lock->x_waiters, 1);
    while (!vm_lock_try(lock)) {
        if (vm_lock_waiter.forked && vm_lock_waiter.forked()) {
            counted = 0; /* the reset forgot all waiters */
            continue;
        }
        if (vm_lock_waiter.wait)
            vm_lock_waiter.wait(&lock->x_word, 1);
        else
            vm_cpu_relax();
    }
    vm_fetch_sub_relaxed(&lock->x_waiters, counted);
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
    vm_store_relaxed(&lock->x_waiters, 0);
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
#endif
