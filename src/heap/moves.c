/* SPDX-License-Identifier: MIT */
/* moves.c - see moves.h. Owns two words; no lock. */
#include "heap/moves.h"
#include "base/atomic.h"
#include "base/lock.h"

/* Slabs on their way, plus ONE_HOLD for each who wants them to stay. One word, so that of two who come at a time one sees the
   other. */
static uint32_t x_moves;
enum { ONE_HOLD = 1 << 16 };
/* Who wait for holds to end: they go before the next hold, or might wait for ever. */
static uint32_t x_n_leaving;
enum { WAITS_MAX = 1000 }; /* a second: whom one waits for may be one's own thread, below a handler */

bool vm_moves_begin(void)
{
    if (vm_fetch_add_relaxed(&x_moves, 1) < ONE_HOLD)
        return true;
    vm_moves_arrive();
    return false;
}

static void wait_while(uint32_t *word, uint32_t value)
{
    if (vm_lock_waiter.wait)
        vm_lock_waiter.wait(word, value);
}

static void wake(uint32_t *word)
{
    if (vm_lock_waiter.wake)
        vm_lock_waiter.wake(word);
}

void vm_moves_arrive(void)
{
    if (vm_load_relaxed(&x_moves) % ONE_HOLD == 0)
        return;                                       /* a child that was forked by a handler meanwhile */
    if (vm_fetch_sub_relaxed(&x_moves, 1) > ONE_HOLD) /* the lock under which it was listed orders it */
        wake(&x_moves);
}

void vm_moves_leave(void)
{
    if (vm_moves_begin())
        return;
    vm_fetch_add_relaxed(&x_n_leaving, 1);
    bool has_begun = false;
    for (unsigned i = 0; i < WAITS_MAX && !has_begun; i++) {
        wait_while(&x_moves, vm_load_relaxed(&x_moves));
        has_begun = vm_moves_begin();
    }
    if (!has_begun)
        vm_fetch_add_relaxed(&x_moves, 1);
    if (vm_load_relaxed(&x_n_leaving)) /* not so in a child that was forked by a handler meanwhile */
        vm_fetch_sub_relaxed(&x_n_leaving, 1);
    wake(&x_n_leaving);
}

void vm_moves_hold(void)
{
    for (unsigned i = 0, n; i < WAITS_MAX && (n = vm_load_relaxed(&x_n_leaving)) != 0; i++)
        wait_while(&x_n_leaving, n);
    vm_fetch_add_relaxed(&x_moves, ONE_HOLD);
    for (unsigned i = 0; i < WAITS_MAX; i++) {
        const uint32_t moves = vm_load_acquire(&x_moves);
        if (moves % ONE_HOLD == 0)
            break;
        if (vm_lock_waiter.forked && vm_lock_waiter.forked())
            vm_fetch_add_relaxed(&x_moves, ONE_HOLD); /* the reset forgot it */
        else
            wait_while(&x_moves, moves);
    }
}

void vm_moves_release(void)
{
    if (vm_load_relaxed(&x_moves) >= ONE_HOLD)
        vm_fetch_sub_relaxed(&x_moves, ONE_HOLD);
    if (vm_load_relaxed(&x_n_leaving))
        wake(&x_moves);
}

void vm_moves_reset_in_child(void)
{
    vm_store_relaxed(&x_moves, 0);
    vm_store_relaxed(&x_n_leaving, 0);
}
