/* SPDX-License-Identifier: MIT */
/*
 * area.h - the memory areas of an address space: ranges of pages of one style, in a list and a red-black tree
 * by address. Each node also knows the widest gap in front of an area of its subtree, so that a free place is
 * found by one walk down; the area found last is looked at first.
 *
 * Addresses that do not exist, between the memory that the machine has, are areas too: holes. That is why
 * nothing here, and no search for a gap, needs to know of them.
 *
 * Owns the records, which come from a pool: memory that is handed over, and the hook `more`. Lock: the
 * kernel's. Blanket contract: ranges are whole pages, not empty, within [low, high].
 */
#ifndef VM_SIM_AREA_H
#define VM_SIM_AREA_H

#include "base/bits.h"
#include "base/list.h"
#include "base/rbtree.h"
#include "vmalloc/sim.h"

enum area_flags {
    AREA_HOLE = 1, /* no memory: never given, taken or shown */
    AREA_LOCKED = 2,
    AREA_NORESERVE = 4,
    AREA_HUGE = 8,
    AREA_NOHUGE = 16,
    AREA_STACK = 32, /* grows downwards when it is touched below */
    AREA_FILE = 64,  /* of a program or a library */
    AREA_BSS = 128,  /* the rest of a program, behind its file: never one with the break */
    AREA_ALL_FLAGS = /* that are no hole's */
    AREA_LOCKED | AREA_NORESERVE | AREA_HUGE | AREA_NOHUGE | AREA_STACK | AREA_FILE | AREA_BSS
};

enum { PROT_ALL = VK_PROT_READ | VK_PROT_WRITE | VK_PROT_EXEC };

/* What makes two areas that touch one. */
struct area_style {
    unsigned prot, flags;
};

struct area {
    struct list_node link; /* by address; or among the pool's free records */
    struct rb_node node;
    vk_va start, end;
    size_t gap, gap_most; /* bytes free in front of it; the most of that in its subtree */
    struct area_style style;
};

struct area_pool {
    struct list free, chunks; /* records given back; memory not yet cut, each with a header */
    size_t n_free, n_all;
    void *(*more)(void *context, size_t bytes); /* may be NULL */
    void *context;
};

struct areas {
    struct list list;
    struct rb_tree tree;
    struct area *last_found; /* NULL: none */
    struct area_pool *pool;
    vk_va low, high;
    size_t n_areas, n_holes; /* without, and only, the holes */
    uint64_t n_finds, n_find_hits;
};

/* A place for `bytes` in [low, high), as near as possible to the end of it that `from` names. */
struct gap_wanted {
    vk_va low, high;
    size_t bytes, alignment;
    unsigned from; /* RB_LEFT or RB_RIGHT */
};

/* Records that are always there: for the splits of a call that leaves no more areas than there were. */
enum { AREA_SPARE = 2 };

/* Hands `bytes` of memory, aligned as any object, to the pool. */
void vk_area_pool_add(struct area_pool *pool, void *memory, size_t bytes);

/* The bytes that hold n_areas records. */
size_t vk_area_pool_bytes(size_t n_areas);

/* Whether there are records for n_more areas more. */
bool vk_area_pool_reserve(struct area_pool *pool, size_t n_more);

void vk_areas_init(struct areas *areas, struct area_pool *pool, vk_va low, vk_va high);

/* Moves the ends of the address space. Needs: all areas lie between them. */
void vk_areas_set_ends(struct areas *areas, vk_va low, vk_va high);

/* The first area that ends above `at`, NULL if there is none. */
struct area *vk_areas_find(struct areas *areas, vk_va at);

/* The area that `at` is in, NULL if it is not mapped. */
struct area *vk_areas_find_at(struct areas *areas, vk_va at);

/* The first area that is in [start, end) with at least a page, NULL if there is none. */
struct area *vk_areas_find_in(struct areas *areas, vk_va start, vk_va end);

/* Whether the range exists: it is in the address space and has no hole. */
bool vk_areas_exist(struct areas *areas, vk_va start, size_t bytes);

/* A new area where none is. Needs: a record. */
struct area *vk_areas_add(struct areas *areas, vk_va start, vk_va end, struct area_style style);

void vk_areas_remove(struct areas *areas, struct area *area);

/* Splits areas so that no one lies across start or end. Needs: the spare records. */
void vk_areas_isolate(struct areas *areas, vk_va start, vk_va end);

/* Makes one area of this one and those that touch it and have its style. Holes stay by themselves. */
void vk_areas_merge(struct areas *areas, struct area *area);

bool vk_areas_find_gap(const struct areas *areas, const struct gap_wanted *wanted, vk_va *place);

/* Verify invariants K1..K5 (see area.c); a broken one ends the process. n_used: areas and holes that have records. */
void vk_area_pool_check(const struct area_pool *pool, size_t n_used);
void vk_areas_check(const struct areas *areas, size_t page_bytes);

VM_INLINE struct area *vk_area_of(const struct list_node *link)
{
    return link ? VM_CONTAINER(link, struct area, link) : NULL;
}

VM_INLINE struct area *vk_area_next(const struct area *area)
{
    return vk_area_of(area->link.next);
}

VM_INLINE struct area *vk_area_prev(const struct area *area)
{
    return vk_area_of(vm_list_prev(&area->link));
}

VM_INLINE struct area *vk_areas_first(const struct areas *areas)
{
    return vk_area_of(areas->list.first);
}

VM_INLINE bool vk_area_is_hole(const struct area *area)
{
    return area->style.flags & AREA_HOLE;
}

/* Bytes of the area that are in [start, end). Needs: there are some. */
VM_INLINE size_t vk_area_overlap(const struct area *area, vk_va start, vk_va end)
{
    return vm_min_size(area->end, end) - vm_max_size(area->start, start);
}

VM_INLINE bool vk_same_style(struct area_style a, struct area_style b)
{
    return a.prot == b.prot && a.flags == b.flags;
}

#endif
