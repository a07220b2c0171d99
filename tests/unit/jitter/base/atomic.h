/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - stands before src/base/atomic.h on the include path of one build of the rooms, and lets a
 * thread pause before any atomic access now and then: windows of a few instructions between two of them
 * become wide enough for other threads to step in.
 */
#ifndef TESTS_UNIT_JITTER_ATOMIC_H
#define TESTS_UNIT_JITTER_ATOMIC_H

#include <sched.h>
#include <stdint.h>
#include_next "base/atomic.h"

static __thread uint32_t jitter_state;

static inline __attribute__((unused)) void jitter(void)
{
    if (!jitter_state)
        jitter_state = (uint32_t)(uintptr_t)&jitter_state >> 4 | 1;
    jitter_state ^= jitter_state << 13;
    jitter_state ^= jitter_state >> 17;
    jitter_state ^= jitter_state << 5;
    if (jitter_state % 64 == 0)
        sched_yield();
    else if (jitter_state % 16 == 0)
        for (volatile unsigned i = 0; i < jitter_state >> 24; i++)
            continue;
}

#undef vm_load_relaxed
#undef vm_load_acquire
#undef vm_store_relaxed
#undef vm_store_release
#undef vm_exchange
#undef vm_fetch_or
#define vm_load_relaxed(pointer) (jitter(), __atomic_load_n((pointer), __ATOMIC_RELAXED))
#define vm_load_acquire(pointer) (jitter(), __atomic_load_n((pointer), __ATOMIC_ACQUIRE))
#define vm_store_relaxed(pointer, value) (jitter(), __atomic_store_n((pointer), (value), __ATOMIC_RELAXED))
#define vm_store_release(pointer, value) (jitter(), __atomic_store_n((pointer), (value), __ATOMIC_RELEASE))
#define vm_exchange(pointer, value) (jitter(), __atomic_exchange_n((pointer), (value), __ATOMIC_ACQ_REL))
#define vm_fetch_or(pointer, value) (jitter(), __atomic_fetch_or((pointer), (value), __ATOMIC_ACQ_REL))

#endif
