/* SPDX-License-Identifier: MIT */
/*
 * replay.h - runs a trace on the real allocator code over a simulated machine, one operation after the other. Once in a
 * process, as the allocator is one.
 */
#ifndef VM_VMSIM_REPLAY_H
#define VM_VMSIM_REPLAY_H

#include "vmsim/film.h"
#include "vmsim/machine.h"
#include "vmsim/trace.h"

/* What of a block the program is taken to touch. */
enum touch_policy {
    TOUCH_ALL,
    TOUCH_FIRST, /* its first byte */
    TOUCH_SHARE, /* so many hundredths of it, from its start */
    TOUCH_TRACE  /* what the trace says, and nothing else */
};

/* Tunables; -2: as in the trace. */
enum { TUNABLE_AS_TRACED = -2 };
enum tunable_index { TOP_PAD, TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX, N_REPLAY_TUNABLES };
extern const char *const replay_tunable_names[N_REPLAY_TUNABLES];

struct replay_plan {
    struct machine_config machine;
    enum touch_policy touch;
    unsigned touch_hundredths;
    int tunables[N_REPLAY_TUNABLES];
    bool frees_all;    /* at the end, and counts what is left then */
    bool has_progress; /* a line on standard error that says how far it is */
    struct film *film; /* sees each operation; NULL: nobody does */
};

struct replay_result {
    uint64_t page_bytes, n_ops, n_threads;
    uint64_t live_blocks, live_blocks_most;
    uint64_t live_bytes, live_bytes_most; /* as requested */
    uint64_t virtual_bytes, virtual_bytes_most;
    struct machine_resident resident, resident_most;
    uint64_t peak; /* the operation from which on no more was resident, at most, than after it; 0: none was */
    uint64_t n_refused,
        first_refused;          /* requests that failed; the number of the first such operation, 0: none */
    uint64_t internal_permille; /* of live blocks' bytes, what nobody asked for, when live_bytes was most */
    uint64_t external_permille,
        external_permille_end; /* of arenas and mappings, what is in no block: then, at the end */
    uint64_t
        killed_at; /* the operation at which the process was ended for want of memory, and the replay with it; 0: none */
    struct machine_figures figures;
    struct machine_counts counts;
    uint64_t digest;
    uint64_t left_bytes; /* with frees_all: in use though nothing is */
};

/* False: the trace is malformed, or the machine cannot be had; a complaint was printed. */
bool replay(struct trace *trace, const char *name, const struct replay_plan *plan,
            struct replay_result *result);

#endif
