/* SPDX-License-Identifier: MIT */
/*
 * arena.h - a region of memory that grows by moving a break, cut up by the buddy system of place.h.
 *
 * Arena 0 moves the process's break; every other moves a private break inside a mapping of its own, behind
 * which the addresses are reserved but inaccessible. Growth, trim and purge are the same code for both.
 */
#ifndef VM_POOL_ARENA_H
#define VM_POOL_ARENA_H

#include "base/bits.h"
#include "base/lock.h"
#include "kernel/kernel.h"
#include "pool/place.h"
#include "pool/quick.h"
#include "pool/span.h"

enum arena_kind { ARENA_PROCESS_BREAK, ARENA_PRIVATE_BREAK };

/* How often something was done to an arena, and to how many pages. */
struct arena_counts {
    uint64_t n_locked; /* acquisitions of its lock */
    uint64_t n_taken, n_given;
    uint64_t n_grown, n_trimmed;
    uint64_t n_purged, n_purged_pages;
};

/* What an arena was used for while a number of spans were given back. */
struct arena_turn {
    uint32_t n_live;        /* most pages in use at a time */
    uint32_t n_reused;      /* dirty pages that larger spans took again: VM_DIRTY_REUSED_BYTES_MIN */
    uint32_t n_tides;       /* times that the use ebbed away and came back */
    uint32_t n_returns;     /* times that the break moved down and up again */
    bool is_missing;        /* middle blocks missed pages: see vm_dirty_note_missed */
    bool are_slabs_missing; /* the same of slabs */
};

/* Pages that blocks took, and how many of these they missed, until the next look at them. */
struct arena_missed {
    size_t n_taken, n_missed;
};

struct arena {
    struct lock lock; /* rank ARENA; guards all below but what begins with x_ */
    enum arena_kind kind;
    uint32_t index;  /* number of the arena; 0 is the one on the process's break */
    char *base;      /* address of page 0: aligned, so that blocks are aligned too: vm_arena_alignment */
    char *start;     /* where the break was at first: nothing below is ours */
    char *break_end; /* where we left the break */
    char *limit;     /* private break: end of the reservation */
    struct place
        place; /* its pages: which are free, and which of these are dirty: their contents may not be zero */
    size_t group_bytes; /* mapped for its groups, if they are more than own_group */
    uint32_t capacity;  /* pages that the groups have room for */
    uint32_t n_alien;   /* pages that are not ours: below the start, or foreign */
    uint32_t n_kept; /* pages that no trim goes below: those up to the last gap, and one of ours above it */
    uint32_t n_refused; /* fewest pages that the kernel refused to grow by, until a trim; 0: none yet */
    bool is_contested;  /* others move the break, maybe at this moment: it stays where it is */
    bool is_inherited;  /* by a fork child: the kernel may remember an older break than we do */
    bool is_ebb;        /* little is in use of what was of late */
    bool is_trimmed;    /* the break has moved down, and not up since */
    struct arena_turn turn, last_turn;
    struct arena_missed middle_missed, slabs_missed;
    struct arena_counts counts;
    VM_ALIGNED(VM_CACHE_LINE) /* what is read without the lock, not on its line */
    bool x_is_frozen;   /* fork child: another thread was changing it; never used again, never given to */
    uint32_t x_n_pages; /* pages that are ours; this and the next two for readers without the lock */
    uint32_t x_n_free;  /* of these, free */
    uint32_t x_n_dirty; /* of the free ones, with contents */
    uint32_t x_n_pages_max;
    uint32_t
        x_n_clean_taken; /* that had no contents, for spans below VM_TIGHT_BYTES_MIN: see purge_for_clean */
    uint32_t
        x_n_asleep; /* taken ones in slabs whose owners sleep, purged but for little: vm_pool_count_asleep */
    uint32_t x_n_empty;   /* taken ones in empty slabs that heaps keep: vm_pool_count_empty */
    size_t x_n_quick;     /* taken ones that the quick list had when it was looked at last */
    size_t x_n_dirty_max; /* this and the next two: see look_at_top_locked */
    size_t x_until_trim;
    const char *x_top;                             /* where the pages begin that are free at the break */
    uint32_t x_n_live_recent, x_n_reused_recent;   /* the more of this turn and the last */
    uint32_t x_n_tides_recent, x_n_returns_recent; /* of both */
    bool x_is_missing_recent, x_are_slabs_missing_recent; /* of either */
    size_t x_n_middle, x_middle_bytes; /* middle blocks among its taken pages, with those of the quick list */
    struct place_group own_group[VM_ARENA_GROUPS]; /* for the first pages */
};

/* Tunables that arenas follow, in bytes; see front/tune.c. */
struct arena_policy {
    size_t x_top_pad;        /* added to each growth, kept by each trim */
    size_t x_trim_threshold; /* free at the break: trim; SIZE_MAX for never */
    bool x_is_trim_lazy;     /* and the dirty pages that the live ones are worth may wait: see trim_pad */
};
extern struct arena_policy vm_arena_policy;

/* What every arena's page 0 is aligned to, and blocks at most: as many pages as the largest order has; where memory
   is little, a sixteenth of it, as pages before the first have records, too. */
size_t vm_arena_alignment(void);

/* Addresses for a private break with room for n_pages, and how many bytes they are: 64 MiB, half of the memory if that is
   less, a quarter of what arenas have where the memory grows by it, or what can be had. NULL: none. Supplied, as the
   last, by pool/reserve.c. */
char *vm_arena_reserve(size_t n_pages, size_t *bytes);

/* Makes an arena on the process's break, or with room for n_pages on a private one. False: not to be had. */
bool vm_arena_init(struct arena *arena, uint32_t index, enum arena_kind kind, size_t n_pages);

/*
 * Takes n_pages, aligned to 2^align_order pages, where place.h says, growing the arena if need be, and
 * describes them in `span`: start, bytes, arena, is_zeroed. False: not to be had.
 */
bool vm_arena_take(struct arena *arena, size_t n_pages, unsigned align_order, struct span *span);

/* The same of an arena as it is. */
bool vm_arena_take_free(struct arena *arena, size_t n_pages, unsigned align_order, struct span *span);

/* Makes a taken span longer, to n_pages in all, if the pages behind it are free; their contents are anything. */
bool vm_arena_extend(struct arena *arena, struct span *span, size_t n_pages);

/* Gives a span's pages back; those from `start` to `dirty_end` may have contents. Trims the break if it is
   due. */
void vm_arena_give(struct arena *arena, const struct span *span, size_t dirty_bytes);

/* Less is live than before, though no pages came back: looks at what may be dirty, and trims the break if it is due. */
void vm_arena_review(struct arena *arena);

/* Gives pages at the end of a taken span back, which thereby shrinks to `bytes`. */
void vm_arena_give_tail(struct arena *arena, struct span *span, size_t bytes);

/* Purges free pages until at most `n_keep` of them are dirty. Returns how many were purged. Lock: none
   held. */
size_t vm_arena_purge(struct arena *arena, size_t n_keep);

/* So many bytes more at the break made a trim due when pages there were counted last, at each give: 0 if one was. Lock: none
   needed. */
VM_INLINE size_t vm_arena_until_trim(const struct arena *arena)
{
    return vm_load_relaxed(&arena->x_until_trim);
}

/* Moves the break down, keeping `pad` bytes free below it. Returns whether it moved. */
bool vm_arena_trim(struct arena *arena, size_t pad);

/* What an arena is made of: a consistent picture of one moment. Bytes, except counts. */
struct arena_totals {
    size_t system_bytes, system_bytes_max; /* ours: from the start to the break, without foreign pages */
    size_t free_bytes, dirty_bytes;        /* of these: free; and of the free ones, with contents */
    size_t top_free_bytes;                 /* free at the break */
    size_t foreign_bytes;                  /* between start and break, but others' */
    size_t reserved_bytes;                 /* private break: addresses above the break, inaccessible */
    size_t record_bytes;                   /* mapped for records.h */
    size_t middle_bytes;       /* in live middle blocks: read beside the others, by as much apart */
    struct quick_totals quick; /* free middle blocks: the same */
    uint32_t n_free_of_order[VM_N_ORDERS]; /* free blocks */
    struct arena_counts counts;
};

/* Supplied by pool/totals.c. In a fork child, the picture of an arena that is frozen may be torn. */
struct arena_totals vm_arena_totals(struct arena *arena);

void vm_arena_reset_in_child(struct arena *arena);
void vm_arena_check(struct arena *arena);

#endif
