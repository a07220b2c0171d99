/* SPDX-License-Identifier: MIT */
/* replay_command.c - vmsim replay: its options, and what it prints. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/filming.h"
#include "vmsim/matrix.h"
#include "vmsim/options.h"
#include "vmsim/report.h"

/* Lines as they are printed. */
/* clang-format off */
static const char help[] = REPLAY_OPTIONS_HELP
    "  -M, --matrix[=LIST] the same on each of the machines in LIST, LAYOUT or LAYOUT:PAGE with commas between\n"
    "                      them: a table, or with --json an array. Without LIST: x86 of 64 and 32 bits, arm64 with\n"
    "                      three sizes of pages\n"
    FILMING_OPTIONS_HELP
    "  -j, --json          the figures as JSON\n"
    "  -q, --quiet         no line that says how far it is; there is none anyhow if standard error is no terminal\n"
    "  -h, --help          this\n"
    "\n"
    "Runs the trace on the allocator itself over a simulated machine, and prints what it came to; for the same\n"
    "trace and options that is the same byte for byte. The forms of a trace: see `vmsim convert --help`.\n"
    "Bounds of resident bytes: least, what the allocator itself wrote to and what lines with t say; most, with what\n"
    "the touch policy says, too. Threads run in the recorded order, one at a time. Status 1: a request was refused,\n"
    "or the process was ended, and with it the replay.\n"
    "\n"
    "What this is not: the allocator is the host's, as wide as the host, also below the addresses of a narrower\n"
    "machine, where pointers, records and the program's own blocks would be smaller. A block is touched once, page\n"
    "by page, when it is given out: later accesses are only those of the trace's t lines, so hits and misses of the\n"
    "TLB are those of first use. What the allocator writes to is known by page and once, not by access. Nothing else\n"
    "is on the machine: no other process, no files, no code. It counts, and tells no time.\n";
/* clang-format on */

static int status_of(const struct replay_result *result)
{
    return result->n_refused || result->killed_at ? VMSIM_FAILED : VMSIM_DONE;
}

struct asked {
    struct replay_plan plan;
    struct filming filming;
    const char *machines; /* of a matrix, NULL: none is wanted */
    bool is_json;
};

static int replay_once(struct trace *trace, const char *name, const struct asked *asked)
{
    const struct replay_plan *const plan = &asked->plan;
    struct replay_result result;
    if (!(filming_is_wanted(&asked->filming) ? replay_filmed(trace, name, plan, &asked->filming, &result)
                                             : replay(trace, name, plan, &result)))
        return VMSIM_WRONG;
    const char *const machine = plan->machine.layout ? plan->machine.layout : MACHINE_DEFAULT;
    (asked->is_json ? report_json : report_text)(machine, &result);
    if (asked->is_json)
        putchar('\n');
    return status_of(&result);
}

static int replay_file(const char *input, const struct asked *asked)
{
    struct trace *const trace = trace_open(input);
    if (!trace)
        return vmsim_complain("%s: %s", input, strerror(errno));
    const int status = asked->machines
                           ? replay_matrix(trace, input, &asked->plan, asked->machines, asked->is_json)
                           : replay_once(trace, input, asked);
    if (status != VMSIM_WRONG)
        vmsim_say_odd(trace_about(trace));
    trace_close(trace);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {VMSIM_HELP_OPTION,
                                            REPLAY_OPTIONS,
                                            {"matrix", optional_argument, NULL, 'M'},
                                            FILMING_OPTIONS,
                                            {"json", no_argument, NULL, 'j'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {0}};
    struct asked asked = {.plan = replay_plan_default};
    asked.plan.has_progress = isatty(STDERR_FILENO);
    for (int option; (option = getopt_long(argc, argv, "hM::jq" REPLAY_SHORT_OPTIONS, options, NULL)) != -1;)
        switch (option) {
        case 'h':
            return vmsim_help();
        case 'M':
            asked.machines = optarg ? optarg : MATRIX_DEFAULT;
            break;
        case 'j':
            asked.is_json = true;
            break;
        case 'q':
            asked.plan.has_progress = false;
            break;
        default:
            if (!(filming_has(option) ? filming_option(option, optarg, &asked.filming)
                                      : option_replay(option, optarg, &asked.plan)))
                return VMSIM_WRONG;
        }
    if (argc - optind != 1)
        return vmsim_misused("one TRACE is needed");
    if (asked.machines && filming_is_wanted(&asked.filming))
        return vmsim_misused("pictures are of one machine, not of a matrix");
    return replay_file(argv[optind], &asked);
}

const struct command vmsim_replay = {
    .name = "replay",
    .arguments = "[OPTION...] TRACE",
    .about = "what a trace comes to on another page size, memory, limit or setting",
    .help = help,
    .run = run,
};
