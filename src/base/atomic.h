/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - atomic access to ordinary fields. A field that another thread may touch has a name that begins
 * with x_ and is reached through these alone; each use names, in a comment, what it pairs with.
 */
#ifndef VM_BASE_ATOMIC_H
#define VM_BASE_ATOMIC_H

#include "base/compiler.h"
#include "base/config.h"

#if VM_THREADS

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

#else /* the same for one thread: small processors have no atomic instructions, or none for 64 bits */

#define vm_load_relaxed(pointer) (*(pointer))
#define vm_load_acquire(pointer) (*(pointer))
#define vm_store_relaxed(pointer, value) ((void)(*(pointer) = (value)))
#define vm_store_release(pointer, value) ((void)(*(pointer) = (value)))
#define vm_exchange(pointer, value) vm_read_and_write_((pointer), (value))
#define vm_fetch_or(pointer, value) vm_read_and_write_((pointer), was_ | (value))
#define vm_fetch_add_relaxed(pointer, value) vm_read_and_write_((pointer), was_ + (value))
#define vm_fetch_sub_relaxed(pointer, value) vm_read_and_write_((pointer), was_ - (value))
#define vm_compare_exchange(pointer, expected, desired)                                                      \
    __extension__({                                                                                          \
        __typeof__(pointer) at_ = (pointer);                                                                 \
        __typeof__(*at_) *const expected_ = (expected);                                                      \
        const bool is_same_ = *at_ == *expected_;                                                            \
        if (is_same_)                                                                                        \
            *at_ = (desired);                                                                                \
        else                                                                                                 \
            *expected_ = *at_;                                                                               \
        is_same_;                                                                                            \
    })

/* What was there; the new value is made of it, under the name was_. */
#define vm_read_and_write_(pointer, value)                                                                   \
    __extension__({                                                                                          \
        __typeof__(pointer) at_ = (pointer);                                                                 \
        const __typeof__(*at_) was_ = *at_;                                                                  \
        *at_ = (value);                                                                                      \
        was_;                                                                                                \
    })

#endif

/*
 * Reads a field that may belong to something else by now, which its maker wrote plainly and without a word to
 * us: the value is a hint, acted upon only where a wrong one does no harm. For VM_UNSANITIZED functions, in which
 * the thread sanitizer overlooks plain reads alone.
 */
#ifdef VM_THREAD_SANITIZER
#define vm_load_late(pointer) (*(const volatile __typeof__(*(pointer)) *)(pointer))
#else
#define vm_load_late(pointer) vm_load_acquire(pointer)
#endif

/* Whether a word has this value. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(VM_THREAD_SANITIZER)
#define vm_is_relaxed(pointer, value)                                                                        \
    __extension__({                                                                                          \
        bool is_; /* compilers take two instructions to load it and compare */                               \
        __asm__("cmpq %1, %2" : "=@cce"(is_) : "m"(*(pointer)), "r"(value));                                 \
        is_;                                                                                                 \
    })
#else
#define vm_is_relaxed(pointer, value) (vm_load_relaxed(pointer) == (value))
#endif

/* An address and a word of memory, added. */
VM_INLINE uintptr_t vm_plus_relaxed(uintptr_t address, const uintptr_t *word)
{
#if defined(__x86_64__) && defined(__LP64__) && !defined(VM_THREAD_SANITIZER)
    __asm__("addq %1, %0" : "+r"(address) : "m"(*word) : "cc"); /* compilers take two for this, too */
    return address;
#else
    return address + vm_load_relaxed(word);
#endif
}

/* Adds to a counter that one thread (or one lock's holder) writes and others may read: no locked
   instruction. */
#define vm_counter_add(pointer, value) vm_store_relaxed((pointer), vm_load_relaxed(pointer) + (value))

#endif
