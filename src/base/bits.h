/* SPDX-License-Identifier: MIT */
/* bits.h - words of bits, powers of two, rounding. */
#ifndef VM_BASE_BITS_H
#define VM_BASE_BITS_H

#include <limits.h>
#include "base/compiler.h"

/* The unit of every bitmap: what one instruction handles. As wide as an address, which `long` is not everywhere. */
typedef uintptr_t vm_word;

#if UINTPTR_MAX <= ULONG_MAX
#define VM_WORD_BUILTIN(name) __builtin_##name##l
#else
#define VM_WORD_BUILTIN(name) __builtin_##name##ll
#endif

enum { VM_WORD_BITS = sizeof(vm_word) * CHAR_BIT, VM_WORD_SHIFT = sizeof(vm_word) == 8 ? 6 : 5 };
_Static_assert(1 << VM_WORD_SHIFT == VM_WORD_BITS, "words of 32 or 64 bits");

/* Index of the lowest set bit. Needs word != 0. */
VM_INLINE size_t vm_bits_lowest(vm_word word)
{
#if defined(__x86_64__) && defined(__LP64__)
    size_t index; /* tzcnt, or bsf on processors without it: the same for words that are not 0 */
    __asm__("rep bsfq %1, %0" : "=r"(index) : "r"(word) : "cc");
    return index;
#else
    return (size_t)VM_WORD_BUILTIN(ctz)(word);
#endif
}

/* A word with its lowest `n_bits` bits set; n_bits from 1 to VM_WORD_BITS. */
VM_INLINE vm_word vm_bits_low_mask(unsigned n_bits)
{
    return ~(vm_word)0 >> (VM_WORD_BITS - n_bits);
}

/* The bits of `n` things from `index` on, in a bitmap's word of `index`; *n_here says how many of them the word has. */
VM_INLINE vm_word vm_bits_from(size_t index, size_t n, unsigned *n_here)
{
    const unsigned first = (unsigned)(index % VM_WORD_BITS), n_left = (unsigned)VM_WORD_BITS - first;
    *n_here = n < n_left ? (unsigned)n : n_left;
    return vm_bits_low_mask(*n_here) << first;
}

/* How many bits are set, by sums of 2, 4 and 8 bits side by side: H. S. Warren, Hacker's Delight, 5-1. The compiler's own is
   a call of its library where processors may lack the instruction, and makes the instruction of this where they have it. */
VM_INLINE unsigned vm_bits_count(vm_word word)
{
    const vm_word ones = ~(vm_word)0;
    word -= word >> 1 & ones / 3;
    word = (word & ones / 15 * 3) + (word >> 2 & ones / 15 * 3);
    word = (word + (word >> 4)) & ones / 255 * 15;
    return (unsigned)(word * (ones / 255) >> (VM_WORD_BITS - 8));
}

/* Sets bit `index` modulo the word's bits in *word; returns whether it was set already. */
VM_INLINE bool vm_bits_test_set(vm_word *word, size_t index)
{
#if defined(__x86_64__) && defined(__LP64__)
    bool was_set; /* GCC makes two instructions of the portable form where one does both */
    __asm__("btsq %2, %0" : "+r"(*word), "=@ccc"(was_set) : "r"(index));
    return was_set;
#else
    const vm_word bit = (vm_word)1 << (index & (VM_WORD_BITS - 1));
    const bool was_set = (*word & bit) != 0;
    *word |= bit;
    return was_set;
#endif
}

/* The low half of a * *b; the high half goes to *high. */
VM_INLINE uint64_t vm_multiply(uint64_t a, const uint64_t *b, uint64_t *high)
{
#if defined(__x86_64__)
    uint64_t low; /* GCC takes moves more for the portable form */
    __asm__("mulq %3" : "=a"(low), "=d"(*high) : "a"(a), "m"(*b) : "cc");
    return low;
#elif defined(__SIZEOF_INT128__)
    const unsigned __int128 product = (unsigned __int128)a * *b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)*b, b1 = *b >> 32;
    const uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), cross = a0 * b1 + (uint32_t)middle;
    *high = a1 * b1 + (middle >> 32) + (cross >> 32);
    return cross << 32 | (uint32_t)low;
#endif
}

VM_INLINE bool vm_is_power_of_two(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Index of the highest set bit. Needs value != 0. */
VM_INLINE unsigned vm_floor_log2(size_t value)
{
    return (unsigned)(VM_WORD_BITS - 1) ^
           (unsigned)VM_WORD_BUILTIN(clz)(value); /* as a difference, but one instruction */
}

/* Least n with 2^n >= value. Needs value != 0. */
VM_INLINE unsigned vm_ceil_log2(size_t value)
{
    return value == 1 ? 0 : vm_floor_log2(value - 1) + 1;
}

/* Rounds to a multiple of `unit`, a power of two. Up: needs value <= SIZE_MAX - unit + 1. */
VM_INLINE size_t vm_round_up(size_t value, size_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

VM_INLINE size_t vm_round_down(size_t value, size_t unit)
{
    return value & ~(unit - 1);
}

VM_INLINE size_t vm_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

VM_INLINE size_t vm_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
