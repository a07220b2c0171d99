/* SPDX-License-Identifier: MIT */
/* script.c - reads a script, statement by statement, and does what it says. */
#include <stdio.h>
#include <string.h>
#include "vmsim/command.h"
#include "vmsim/run.h"

const struct statement *const statement_groups[] = {statements_machine, statements_memory, statements_kernel,
                                                    statements_script, NULL};

enum { DEPTH_MOST = 8 }; /* of statements that do others */

/* --- statements ----------------------------------------------------------------------------------------- */

bool run_has(struct session *session, enum statement_needs needs)
{
    const bool has_machine = session->machine || session->flat;
    if (needs != NEEDS_NOTHING && !has_machine)
        return scan_fail_last(&session->scan, "there is no machine yet");
    if ((needs == NEEDS_PAGING || needs == NEEDS_PAGED_MM) && !session->machine)
        return scan_fail_last(&session->scan, "this machine does not page");
    if ((needs == NEEDS_MM || needs == NEEDS_PAGED_MM) && !session->mm)
        return scan_fail_last(&session->scan, "there is no process at hand");
    return true;
}

static const struct statement *find_statement(const char *word)
{
    for (const struct statement *const *group = statement_groups; *group; group++)
        for (const struct statement *statement = *group; statement->word; statement++)
            if (strcmp(statement->word, word) == 0)
                return statement;
    return NULL;
}

bool run_statement(struct session *session)
{
    struct scan_word word;
    if (!scan_word(&session->scan, "a statement", &word))
        return false;
    const struct statement *const statement = find_statement(word.text);
    if (!statement)
        return scan_fail_last(&session->scan, "there is no statement %s", word.text);
    if (session->depth == DEPTH_MOST)
        return scan_fail_last(&session->scan, "more than %d statements in each other", DEPTH_MOST);
    session->depth++;
    const bool is_done = run_has(session, statement->needs) && statement->run(session);
    session->depth--;
    return is_done;
}

/* --- the script ----------------------------------------------------------------------------------------- */

static int complain(const struct scan *scan, struct scan_place place, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "%s:%u:%u: %s\n", scan->name, place.line, scan_column(place), what);
    return VMSIM_WRONG;
}

int run_script(struct session *session)
{
    struct scan *const scan = &session->scan;
    while (scan_statement(scan)) {
        const struct scan_place place = scan_place(scan);
        session->refusal = NULL;
        if (!session_step(session, 1) || !run_statement(session))
            return complain(scan, scan->wrong, scan->complaint);
        if (session->refusal) {
            complain(scan, place, session->refusal);
            return VMSIM_FAILED;
        }
    }
    if (session->n_loops)
        return complain(scan, scan_place(scan), "expected the end of the loop");
    return session->n_missed ? VMSIM_FAILED : VMSIM_DONE;
}
