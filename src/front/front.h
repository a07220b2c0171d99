/* SPDX-License-Identifier: MIT */
/* front.h - what the files of the front share: setting up, reporting misuse, tunables, totals, fork. */
#ifndef VM_FRONT_FRONT_H
#define VM_FRONT_FRONT_H

#include "base/compiler.h"
#include "base/report.h"
#include "vmalloc/kernel.h"

/* --- start.c, bare.c --- */

/* Finds the kernel that serves, and whatever else has to be there before the first block. Called once, by one
   thread. */
void vm_front_set_up(void);

/* init.c, for both: where memory is little, less of it is kept, and slabs serve small sizes alone. To be called once the
   kernel is there; settings may change it after that. */
void vm_front_fit_to_memory(void);

/* start.c: whether the C library's own calls of malloc and free arrive here. */
bool vm_front_is_process_malloc(void);

/* --- malloc.c --- */

/* Set by each free(NULL). */
extern bool vm_front_x_null_was_freed;

/* M_PERTURB: fills `bytes` of a fresh block, unless it is NULL or nothing is to be filled. Returns the block. */
void *vm_front_fill_fresh(void *block, size_t bytes);

/* --- trim.c --- */

/* A request failed: gives back what all heaps keep for speed, and has the arenas ask the kernel again. One more
   try is worth it. Lock: none held. */
VM_COLD void vm_front_relieve(void);

/* --- misuse.c --- */

/* `pointer`, given to `function`, is not a live block: says what it is and ends the process. Lock: none
   held. */
VM_NORETURN VM_COLD void vm_misuse_abort(const char *function, const void *pointer);

/* --- backend.c --- */

/* The backend that is to serve. Called once, while the allocator is set up. */
struct vm_kernel_backend *vm_backend_choose(void);

/* Whether there was an environment then. */
bool vm_backend_was_read(void);

/* --- tune.c, tune_read.c --- */

/* Whether anything in the environment could be a setting. */
bool vm_tune_is_spoken_to(void);

/* Reads the environment. Called once, while the allocator is set up; and again if that was so early that
   there was none: then it returns false. What mallopt set meanwhile stays. */
bool vm_tune_read_environment(void);

/* A line on standard error for each setting: its value and who set it. */
void vm_tune_report(void);

/* What is reported at exit. */
enum stats_format { STATS_NONE, STATS_TEXT, STATS_JSON, STATS_GLIBC };

/* Settings of the library itself, 0 or 1 but for stats. */
struct front_settings {
    uint32_t is_verbose; /* VMALLOC_VERBOSE=1: lines at start */
    uint32_t stats;      /* VMALLOC_STATS: enum stats_format of the report at exit */
    uint32_t is_check;   /* VMALLOC_CHECK=1: say whether the library is in effect, and exit */
    uint32_t is_strict;  /* VMALLOC_CONF=strict: a wrong setting ends the process */
    size_t trace_bytes;  /* VMALLOC_TRACE_BYTES: the most that a trace may hold; 0: no bound */
};
extern struct front_settings vm_front_settings;

/* --- statement.c --- */

/* Writes the statistics to standard error without stdio. Needs: format is not STATS_NONE. */
void vm_stats_report(enum stats_format format);

/* --- fork.c --- */

/* If the process is a fresh fork child: frees the locks of threads that are not there. Returns whether it
   was. */
bool vm_fork_repair(void);

/* The same as handler of fork, which knows that it runs in a child. */
void vm_fork_in_child(void);

/* --- check_all.c --- */

/* Verifies every room and ends the process if an invariant is broken. Needs: no other thread allocates
   meanwhile. */
void vm_check_all(void);

#endif
