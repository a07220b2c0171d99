/* SPDX-License-Identifier: MIT */
/* config.h - every compile-time size and limit, each followed by what must hold of it. */
#ifndef VM_BASE_CONFIG_H
#define VM_BASE_CONFIG_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define VM_STRING(x) VM_STRING_(x)
#define VM_STRING_(x) #x

/* Static tables are made for an address space of gigabytes, of which what is not touched costs nothing; or, with
   VM_SMALL_TABLES, for a few hundred KiB in which each byte counts. */
#ifdef VM_SMALL_TABLES
enum {
    VM_GRANULE_SHIFT = 10,
    VM_LEAF_ADDRESS_BITS = sizeof(void *) == 8 ? 30 : 24,
    VM_NEAR_ENTRIES = 256,
    VM_NEAR_ALIGN = 64,
    VM_N_ARENAS_MAX = 4,
    VM_ARENA_GROUPS = 1,
};
#else
enum {
    VM_GRANULE_SHIFT = 14,                          /* the smallest slab, but where memory is little */
    VM_LEAF_ADDRESS_BITS = 30,                      /* 1 GiB */
    VM_NEAR_ENTRIES = 1 << (32 - VM_GRANULE_SHIFT), /* distinct for 4 GiB */
    VM_NEAR_ALIGN = 4096,                           /* so that whole pages of entries can be purged */
    VM_N_ARENAS_MAX = 256,
    VM_ARENA_GROUPS = 16, /* of 1024 pages each: see place.h */
};
#endif

enum {
    VM_KIB = 1024,
    VM_MIB = 1024 * 1024,

    /* Every block is aligned to this. x86-64's ABI and glibc promise 16, whatever the size. */
    VM_BLOCK_ALIGN_SHIFT = 4,
    VM_BLOCK_ALIGN = 1 << VM_BLOCK_ALIGN_SHIFT,

/* Addresses that a program can own: 47 bits on x86-64, 48 on arm64, unless it asks for more, which we
   don't. */
#if defined(__x86_64__)
    VM_ADDRESS_BITS = sizeof(void *) == 8 ? 47 : 32,
#else
    VM_ADDRESS_BITS = sizeof(void *) == 8 ? 48 : 32,
#endif

    /* The page map's unit: slabs are whole multiples, aligned to their own size. */
    VM_GRANULE = 1 << VM_GRANULE_SHIFT,

    /* Pages that the run-time page size may have. */
    VM_PAGE_SHIFT_MIN = 10,
    VM_PAGE_SHIFT_MAX = 16,

    /* A leaf of the page map covers VM_LEAF_ADDRESS_BITS of addresses, the root all of them. */
    VM_LEAF_ENTRIES = 1 << (VM_LEAF_ADDRESS_BITS - VM_GRANULE_SHIFT),
    VM_ROOT_ENTRIES = 1 << (VM_ADDRESS_BITS - VM_LEAF_ADDRESS_BITS),

    /* Buddy system: orders 0..10 as in Linux. */
    VM_ORDER_MAX = 10,
    VM_N_ORDERS = VM_ORDER_MAX + 1,

    /* Size classes: see slab/sizeclass.h for the rule. */
    VM_EVEN_MAX = 256, /* all multiples of the alignment up to here are classes */
    VM_SLAB_BLOCK_MAX = 32 * VM_KIB,
    VM_N_EVEN_CLASSES = VM_EVEN_MAX / VM_BLOCK_ALIGN,
    VM_CLASS_STEPS = 8, /* classes a doubling above VM_EVEN_MAX */
    VM_N_CLASSES = 1 + VM_N_EVEN_CLASSES + 7 * VM_CLASS_STEPS,
    VM_CLASS_OF_SMALL_MAX = VM_N_EVEN_CLASSES + 2 * VM_CLASS_STEPS,

    /* Requests up to this are small: a heap has a bin for each multiple of the alignment. Above, one for each class. */
    VM_SMALL_MAX = 1024,
    VM_N_SMALL_BINS = 1 + VM_SMALL_MAX / VM_BLOCK_ALIGN,
    VM_N_BINS = VM_N_SMALL_BINS + 5 * VM_CLASS_STEPS,

    VM_SLAB_BLOCKS = 64, /* in a class's largest slabs, or as many as this allows: see slab/sizeclass.h */
    VM_SLAB_DOUBLINGS_MAX = 4, /* from a class's smallest slab to its largest, at most */

    /* A heap keeps at most so many bytes of slabs that ran empty before it gives some back, and so many slabs: one for each
       class. Of those that were used up before it keeps so many bytes, or as many as a share of what is live, but no more than
       a part of all. */
    VM_RETIRED_BYTES_MAX = 2 * VM_MIB,
    VM_WORN_BYTES_MIN = 128 * VM_KIB,
    VM_WORN_SHARE_SHIFT = 1, /* 1/2 */
    VM_WORN_PART_SHIFT = 1,  /* 1/2 */
    VM_RETIRED_SLABS_MAX = VM_N_CLASSES - 1,

    /* So much that others freed in the slabs that a thread takes blocks from is purged: see heap/asleep.h. */
    VM_ASLEEP_BYTES_MIN = 128 * VM_KIB,

    /* Of a class with so many slabs, a heap passes over those that have few free blocks; and with so many in all, it looks for
       holes in them before it asks for pages: see heap/compound.h. */
    VM_PICKY_CLASS_SLABS = 16,
    VM_COMPOUND_HEAP_SLABS = 1024,

    /* An arena keeps dirty free pages up to what is live and the first of these, but no more than the second; or to a share of
       what was live of late, or more: see dirty.c. */
    VM_DIRTY_EMPTY_BYTES_MIN = 128 * VM_KIB,
    VM_DIRTY_BYTES_MIN = 1 * VM_MIB,
    VM_DIRTY_SHARE_SHIFT = 3, /* 1/8 */
    VM_DIRTY_SPANS_MAX = 8,
    VM_DIRTY_SLABS_MAX = 2,
    VM_DIRTY_REUSED_BYTES_MIN = 256 * VM_KIB, /* spans of more are those that come and go: see dirty.c */
    /* Beyond what was live of late, where so little was not enough. */
    VM_DIRTY_MISSED_BYTES_MAX = 8 * VM_MIB,
    /* So often the use must ebb away and come back, or the break of a small heap move down and up, before the pages wait for
       it; the former with so much live in all arenas at most: the largest block that glibc's dynamic threshold has it keep. */
    VM_DIRTY_TIDES_MIN = 4,
    VM_DIRTY_TIDE_BYTES_MAX = 32 * VM_MIB,
    /* A purge leaves so much less than may stay, or an eighth less. */
    VM_DIRTY_SLACK_BYTES = 2 * VM_MIB,

    /* Spans of so many bytes are taken from the shortest of so many runs of pages; others from the lowest. */
    VM_TIGHT_BYTES_MIN = 1 * VM_MIB,
    VM_TIGHT_RUNS = 64,

    /* Middle blocks that were freed wait for a request of about their length: so many, of so many bytes, in all threads. */
    VM_QUICK_SLOTS = 24,
    VM_QUICK_BYTES_MAX = 4 * VM_MIB,
    /* So many of them beyond their room, until the next request, and no more than a share of what is live. */
    VM_QUICK_DEBTS_MAX = 8,
    VM_QUICK_DEBTS_SHIFT = 3, /* 1/8 */

    /* Arenas. */
    VM_PRIVATE_ARENA_BYTES = 64 * VM_MIB,
    VM_PRIVATE_ARENA_BYTES_MIN = 1 * VM_MIB,
    VM_FOREIGN_GAP_BYTES_MAX = 256 * VM_MIB,

    /* Defaults of the tunables that glibc has too. */
    VM_DEFAULT_TOP_PAD = 128 * VM_KIB,
    VM_DEFAULT_TRIM_THRESHOLD = 128 * VM_KIB,
    VM_DEFAULT_MMAP_THRESHOLD = 128 * VM_KIB,
    VM_DYNAMIC_MMAP_THRESHOLD_MAX = sizeof(long) * 4 * VM_MIB,
    VM_DEFAULT_MMAP_MAX = 65536,

    VM_CACHE_LINE = 64,
};

_Static_assert((VM_BLOCK_ALIGN & (VM_BLOCK_ALIGN - 1)) == 0, "alignment is a power of two");
_Static_assert(VM_SLAB_BLOCK_MAX == VM_EVEN_MAX << 7,
               "VM_N_CLASSES counts seven doublings above VM_EVEN_MAX");
_Static_assert(VM_SLAB_BLOCK_MAX == VM_SMALL_MAX << 5, "VM_N_BINS counts five doublings above VM_SMALL_MAX");
_Static_assert(VM_EVEN_MAX / VM_CLASS_STEPS / 2 == VM_BLOCK_ALIGN,
               "the steps above go on where the even ones end");
_Static_assert(VM_SMALL_MAX % VM_BLOCK_ALIGN == 0, "small classes are multiples of the alignment");
_Static_assert(VM_DYNAMIC_MMAP_THRESHOLD_MAX >= VM_DEFAULT_MMAP_THRESHOLD,
               "the dynamic threshold only grows");
_Static_assert(VM_DEFAULT_MMAP_THRESHOLD > VM_SLAB_BLOCK_MAX,
               "slabs never serve what gets a mapping by default");

/* 0 for a target without threads: no atomic instruction, no thread-local variable, and nobody waits for a lock. */
#ifndef VM_THREADS
#define VM_THREADS 1
#endif
_Static_assert(VM_THREADS == 0 || VM_THREADS == 1, "with threads or without");

/* How much the code checks itself: 0 what users can cause, 1 cheap asserts, 2 and lock order, 3 and whole
   rooms. */
#ifndef VM_CHECK_LEVEL
#define VM_CHECK_LEVEL 0
#endif
_Static_assert(VM_CHECK_LEVEL >= 0 && VM_CHECK_LEVEL <= 3, "check level");

#endif
