/* SPDX-License-Identifier: MIT */
/*
 * fork.c - the child of a process with threads.
 *
 * No lock is held over a fork: a prepare handler that took ours would meet the C library's stdio locks in the
 * wrong order, and would hang in a signal handler that interrupted malloc. Instead the child repairs what it
 * finds.
 *
 * What it finds is a consistent cut: each other thread appears stopped between two of its stores, and
 * whatever one thread had seen of another is there. (The kernel copies page tables with the address space
 * locked; a thread that writes to a copied page waits until the fork is over, so its visible stores are a
 * prefix of what it did.) Hence:
 *   - a lock that is free guards something whole; one that another thread held guards something half changed,
 *     and that is left alone from now on: an arena, a heap or the chunks of descriptors are frozen;
 *   - a thread in the fast path was between two stores to its own masks: at worst one block stays taken for
 *     ever;
 *   - everything else of the vanished threads is adopted like that of dead ones.
 * A lock that the forking thread itself holds (a fork in a signal handler inside malloc) stays held: the
 * interrupted call goes on in the child, too. If that call waits for a lock that another thread held, it gets it, and what it
 * guards is frozen: so whoever has taken an arena's or a heap's lock asks (enter in pool/arena.c, vm_heap_enter).
 *
 * The repair runs from fork's child handler or, if another library's handler allocates before ours runs, or
 * nobody ran handlers at all (_Fork), when the child first waits for a lock. The handler is registered while there is one
 * thread (start.c): a process that never had another has nothing to repair.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "front/trace.h"
#include "heap/thread.h"
#include "kernel/kernel.h"
#include "kernel/sim.h"
#include "pool/meta.h"
#include "pool/pagemap.h"
#include "pool/pool.h"

static void repair(void)
{
    struct recorder *const recorder = vm_trace_suspend_in_child();
    vm_sim_reset_in_child();
    vm_meta_reset_in_child();
    vm_pagemap_reset_in_child();
    vm_pool_reset_in_child();
    vm_thread_reset_in_child();
    vm_trace_resume_in_child(recorder);
}

bool vm_fork_repair(void)
{
    const bool is_fresh = vm_process_is_fresh_child();
    if (is_fresh)
        repair();
    return is_fresh;
}

void vm_fork_in_child(void)
{
    if (!vm_process_can_tell_child() || vm_process_is_fresh_child())
        repair();
}
