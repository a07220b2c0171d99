/* SPDX-License-Identifier: MIT */
/*
 * faultplan.h - which calls of a kernel go wrong, and how:
 *
 *   plan   = item {";" item}                       brk:every=2; map(size>=1M):nth=3,err=EAGAIN; seed=7
 *   item   = rule | "seed" "=" N
 *   rule   = site ["(" filter {"," filter} ")"] ":" clause {"," clause}
 *   site   = brk | map | unmap | remap | advise | protect | page | slab | swapout | swapin | any
 *   filter = size | order | zone | cpu | mm, then <= or >= or =, then N
 *   clause = nth=K | every=K | after=N | space=BYTES | prob=P/Q | times=N          which of the site's calls
 *          | err=ENOMEM | EINVAL | EAGAIN | EBUSY                                  what they fail with
 *          | fail | foreign=SIZE | dirty | move | short                            what happens instead
 *
 * A rule counts the calls of its site that pass its filters, from 1. It strikes those that every clause
 * admits: nth the K-th, every each K-th, after all behind the first N (nth and every count from there), space
 * those that no more fit into what is left of so many bytes, prob P of Q by chance, times no more than N. Of
 * several rules that would strike a call the first does. Chance depends on the seed, the rule and the
 * number of the call alone.
 *
 * Pure: no memory but the plan, no clock, no operating system. No lock: counters are atomic.
 */
#ifndef VM_BASE_FAULTPLAN_H
#define VM_BASE_FAULTPLAN_H

#include "base/scan.h"

/* In the order of the words of the language, as are all that follow. */
enum fault_site {
    FAULT_BRK,
    FAULT_MAP,
    FAULT_UNMAP,
    FAULT_REMAP,
    FAULT_ADVISE,
    FAULT_PROTECT,
    FAULT_PAGE,
    FAULT_SLAB,
    FAULT_SWAPOUT,
    FAULT_SWAPIN,
    FAULT_ANY /* in a rule alone */
};

enum fault_property { FAULT_SIZE, FAULT_ORDER, FAULT_ZONE, FAULT_CPU, FAULT_MM, FAULT_N_PROPERTIES };

enum fault_error { FAULT_ENOMEM, FAULT_EINVAL, FAULT_EAGAIN, FAULT_EBUSY };

enum fault_effect {
    FAULT_FAIL,    /* refused, and nothing is changed */
    FAULT_FOREIGN, /* somebody else moves the break up by foreign_bytes first */
    FAULT_DIRTY,   /* the memory is not zero */
    FAULT_MOVE,    /* a mapping does not get longer where it is */
    FAULT_SHORT    /* the break moves, but less than asked for, which is as good as refused */
};

enum fault_comparison { FAULT_AT_MOST, FAULT_AT_LEAST, FAULT_EQUAL };

struct fault_filter {
    uint64_t value;
    uint8_t property, comparison;
};

enum { FAULT_RULES_MAX = 16, FAULT_FILTERS_MAX = 4 };

struct fault_rule {
    uint8_t site, effect, error; /* of the enums above */
    uint8_t n_filters;
    struct fault_filter filter[FAULT_FILTERS_MAX];
    size_t nth, every, after, times; /* 0: not given */
    uint32_t chance, chance_of;      /* chance_of 0: not given */
    size_t foreign_bytes;
    bool has_space;
    size_t x_space_left;
    size_t x_n_calls, x_n_hits;
};

struct fault_plan {
    uint64_t seed;
    unsigned n_rules;
    struct fault_rule rule[FAULT_RULES_MAX];
};

/* A call as rules see it. What it does not know of itself, no filter lets pass. */
struct fault_call {
    enum fault_site site;
    unsigned known; /* bit 1 << property */
    uint64_t property[FAULT_N_PROPERTIES];
};

/* Reads a plan. False: there is no plan (all zero), and a complaint. */
bool vm_faultplan_parse(struct fault_plan *plan, struct piece text, struct scan_complaint *complaint);

/* Counts a call. Returns the rule that strikes it, or NULL. */
const struct fault_rule *vm_faultplan_strike(struct fault_plan *plan, const struct fault_call *call);

bool vm_faultplan_has_effect(const struct fault_plan *plan, enum fault_effect effect);

/* Adds "rule N, SITE: N calls, N hits" to a message. */
void vm_faultplan_describe(struct message *message, const struct fault_plan *plan, unsigned index);

#endif
