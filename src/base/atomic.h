/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - atomic access to ordinary fields. A field that another thread may touch has a name that begins
 * with x_ and is reached through these alone; each use names, in a comment, what it pairs with.
 */
#ifndef VM_BASE_ATOMIC_H
#define VM_BASE_ATOMIC_H

#define vm_load_relaxed(pointer) __atomic_load_n((pointer), __ATOMIC_RELAXED)
#define vm_load_acquire(pointer) __atomic_load_n((pointer), __ATOMIC_ACQUIRE)
#define vm_store_relaxed(pointer, value) __atomic_store_n((pointer), (value), __ATOMIC_RELAXED)
#define vm_store_release(pointer, value) __atomic_store_n((pointer), (value), __ATOMIC_RELEASE)
#define vm_exchange(pointer, value) __atomic_exchange_n((pointer), (value), __ATOMIC_ACQ_REL)
#define vm_fetch_or(pointer, value) __atomic_fetch_or((pointer), (value), __ATOMIC_ACQ_REL)
#define vm_fetch_add_relaxed(pointer, value) __atomic_fetch_add((pointer), (value), __ATOMIC_RELAXED)
#define vm_fetch_sub_relaxed(pointer, value) __atomic_fetch_sub((pointer), (value), __ATOMIC_RELAXED)
/* True if *pointer was *expected and is `desired` now; else *expected is what it was. */
#define vm_compare_exchange(pointer, expected, desired)                                                      \
    __atomic_compare_exchange_n((pointer), (expected), (desired), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Adds to a counter that one thread (or one lock's holder) writes and others may read: no locked
   instruction. */
#define vm_counter_add(pointer, value) vm_store_relaxed((pointer), vm_load_relaxed(pointer) + (value))

#endif
