/* SPDX-License-Identifier: MIT */
/*
 * session.h - what a script has made so far: a machine, address spaces, variables; and what names in its expressions
 * mean.
 */
#ifndef VM_VMSIM_SESSION_H
#define VM_VMSIM_SESSION_H

#include "vmalloc/memory.h"
#include "vmsim/expression.h"
#include "vmsim/scan.h"

enum {
    SESSION_PROCESSES_MOST = 32,
    SESSION_VARIABLES_MOST = 256,
    SESSION_LOOPS_MOST = 8,
    SESSION_GROUPS_MOST = 16,
    SESSION_CACHES_MOST = 16
};

struct session_loop {
    struct scan_place body;
    unsigned variable;
    uint64_t last, step;
};

struct session {
    struct scan scan;
    bool is_json, reads_no_files, is_plan_wrong;
    const char *plan; /* of what fails on each machine that pages; NULL: nothing, but what the script says */
    struct vk_preset preset;
    struct vk_machine *machine; /* one of the two, or none yet */
    struct vk_kernel *flat;
    struct vk_mm *mm; /* the address space at hand */
    unsigned n_processes, n_variables, n_loops, n_libraries, depth;
    struct session_process {
        struct scan_word name;
        struct vk_mm *mm;
    } process[SESSION_PROCESSES_MOST];
    struct session_variable {
        struct scan_word name;
        uint64_t value;
    } variable[SESSION_VARIABLES_MOST];
    struct session_loop loop[SESSION_LOOPS_MOST];
    struct session_library {
        struct scan_word name;
        struct vk_segment segment[2];
    } library[VK_LIBRARIES_MOST]; /* for the next exec */
    unsigned n_groups, n_caches;
    struct session_group {
        struct scan_word name;
        struct vk_group *group;
    } group[SESSION_GROUPS_MOST];
    struct session_cache {
        struct scan_word name;
        struct vk_cache *cache;
    } cache[SESSION_CACHES_MOST];
    struct vk_cache *cache_at_hand; /* the one that was named last */
    uint64_t result;                /* of the last statement that has one */
    const char *refusal;            /* why the last statement was not done; NULL: it was */
    unsigned n_expected, n_missed;
    uint64_t n_struck;               /* by the plan, on machines that are gone */
    uint64_t steps_left, bytes_left; /* how much it may do, statements and pages; and take from the host */
    void *chunks;
};

void session_begin(struct session *session, const char *name, const char *text, size_t bytes);

/* Forgets the machine, and all that is on it; variables stay. */
void session_drop_machine(struct session *session);

/* The same, once its processes have given all back and the checker has been over the machine; for a script with a plan. */
void session_end(struct session *session);

/* The one of that name, NULL if there is none. */
struct session_group *session_group(struct session *session, const char *name);
struct session_cache *session_cache(struct session *session, const char *name);

/* Counts work. False: it is more than was allowed, and scan_fail has been called. */
bool session_step(struct session *session, uint64_t n);

/* Notes what a call of the kernel, or an access, gave as the statement's refusal. */
void session_note_error(struct session *session, int error);
void session_note_outcome(struct session *session, enum vk_outcome outcome);

/* A machine that pages, or the flat one with `ram_bytes` of memory. Returns 0 or an error of the kernel's. */
int session_make_machine(struct session *session, const struct vk_machine_config *config);
int session_make_flat(struct session *session, uint64_t ram_bytes, enum vk_layout layout);

/* Reads each page of the range, or writes to it, or one number of 8 bytes. False: scan_fail has been called. */
bool session_touch(struct session *session, const struct vk_access *access);

/* The variable of that name, which is made if there is none. False: too many; scan_fail has been called. */
bool session_variable(struct session *session, const char *name, unsigned *index);
bool session_set(struct session *session, const char *name, uint64_t value);

bool session_read_value(struct session *session, uint64_t *value);
bool session_read_compared(struct session *session, uint64_t *value, struct expression_sides *sides);

uint64_t session_digest(struct session *session);

#endif
