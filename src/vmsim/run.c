/* SPDX-License-Identifier: MIT */
/* run.c - vmsim run: does what a script says on a simulated machine, and compares what comes of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/run.h"

static void print_end(struct session *session, bool has_digest)
{
    const unsigned n_met = session->n_expected - session->n_missed;
    if (session->is_json) {
        printf("{\"expected\": %u, \"met\": %u", session->n_expected, n_met);
        if (has_digest)
            printf(", \"digest\": \"%016" PRIx64 "\"", session_digest(session));
        puts("}");
        return;
    }
    if (has_digest)
        printf("digest %016" PRIx64 "\n", session_digest(session));
    printf("%u of %u as expected\n", n_met, session->n_expected);
}

/* --- the command ---------------------------------------------------------------------------------------- */

enum { SCRIPT_BYTES_MOST = 16 << 20 };

char *run_read_file(const char *path, size_t *bytes)
{
    FILE *const file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *const text = file ? malloc(SCRIPT_BYTES_MOST) : NULL;
    if (!text)
        return NULL;
    *bytes = fread(text, 1, SCRIPT_BYTES_MOST, file);
    const int error = ferror(file) ? errno : *bytes == SCRIPT_BYTES_MOST ? EFBIG : 0;
    if (file != stdin)
        fclose(file);
    if (!error)
        return text;
    free(text);
    errno = error;
    return NULL;
}

static int print_help(void)
{
    vmsim_help();
    puts("\nStatements, one a line; # begins a comment:\n");
    for (const struct statement *const *group = statement_groups; *group; group++)
        for (const struct statement *statement = *group; statement->word; statement++)
            printf("  %-10s %s\n", statement->word, statement->help);
    puts("\nVALUE, BYTES, ADDRESS are expressions of C: numbers (0x, K, M, G, T), variables, figures such as "
         "page, rss,\n"
         "minor, zero, tables, hits, misses, free, break_end, frame(ADDRESS) and content(ADDRESS). What the "
         "kernel\n"
         "refuses ends the script, but behind `refuse`. All of it: docs/simulation.md.");
    return VMSIM_DONE;
}

static int run_named(const char *path, bool is_json, bool has_digest)
{
    size_t bytes;
    char *const text = run_read_file(path, &bytes);
    if (!text)
        return vmsim_complain("%s: %s", path, strerror(errno));
    static struct session session;
    session_begin(&session, path, text, bytes);
    session.is_json = is_json;
    const int status = run_script(&session);
    if (status != VMSIM_WRONG)
        print_end(&session, has_digest);
    session_drop_machine(&session);
    free(text);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        VMSIM_HELP_OPTION, {"json", no_argument, NULL, 'j'}, {"digest", no_argument, NULL, 'd'}, {0}};
    bool is_json = false, has_digest = false;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 'h':
            return print_help();
        case 'j':
            is_json = true;
            break;
        case 'd':
            has_digest = true;
            break;
        default:
            return VMSIM_WRONG; /* getopt said why */
        }
    }
    if (argc - optind != 1)
        return vmsim_misused(argc == optind ? "no script" : "more than one script");
    return run_named(argv[optind], is_json, has_digest);
}

const struct command vmsim_run = {
    .name = "run",
    .arguments = "[OPTION...] SCRIPT",
    .about = "Does what a script says on a simulated machine, and compares what comes of it",
    .help = "  --json    a JSON object a line instead of text\n"
            "  --digest  at the end, a number for all of the machine's state\n"
            "  SCRIPT    a file; -: standard input\n",
    .run = run,
};
