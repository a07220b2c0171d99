/* SPDX-License-Identifier: MIT */
/* run.h - the statements of scripts, a group a file: a table of each, up to an empty row. */
#ifndef VM_VMSIM_RUN_H
#define VM_VMSIM_RUN_H

#include "vmsim/session.h"

/* What has to be there before the statement. */
enum statement_needs { NEEDS_NOTHING, NEEDS_MACHINE, NEEDS_PAGING, NEEDS_MM, NEEDS_PAGED_MM };

/* `run` reads the rest of its line and acts; false: scan_fail has been called. What the kernel refuses is noted in the
   session. */
struct statement {
    const char *word;
    enum statement_needs needs;
    bool (*run)(struct session *session);
    const char *help; /* what follows the word, and what it does */
};

extern const struct statement statements_machine[]; /* machines, processes, programs, frames */
extern const struct statement statements_memory[];  /* calls and accesses */
extern const struct statement statements_kernel[];  /* the kernel's own memory, and when it is short */
extern const struct statement statements_script[];  /* variables, loops, expectations, output */

/* All of them, NULL behind the last. */
extern const struct statement *const statement_groups[];

/* All of a file, or of standard input for "-"; to be freed. NULL: errno says why. */
char *run_read_file(const char *path, size_t *bytes);

/* All of the session's script. Returns an exit status of the tool. */
int run_script(struct session *session);

/* One statement, whatever it is; the word is next. */
bool run_statement(struct session *session);

/* Whether that is there; else scan_fail says what is missing. */
bool run_has(struct session *session, enum statement_needs needs);

/* A sum of VK_PROT_..., as in "rwx", or none. */
bool run_read_prot(struct session *session, unsigned *prot);

/* KEY=VALUE... up to the end of the line: sets what `options` says. One with a flag is the key alone. */
struct run_option {
    const char *key;
    uint64_t *value;
    bool *flag;
};
bool run_read_options(struct session *session, const struct run_option *options, size_t n_options);

#endif
