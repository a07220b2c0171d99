/* SPDX-License-Identifier: MIT */
/* replay_command.c - vmsim replay: its options, and what it prints. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/options.h"
#include "vmsim/report.h"

static const char help[] = REPLAY_OPTIONS_HELP
    "  -j, --json          the figures as JSON\n"
    "  -q, --quiet         no line that says how far it is; there is none anyhow if standard error is no "
    "terminal\n"
    "  -h, --help          this\n"
    "\n"
    "Runs the trace on the allocator itself over the flat simulated kernel, and prints what it came to; for "
    "the same\n"
    "trace and options that is the same byte for byte. The forms of a trace: see `vmsim convert --help`.\n"
    "Bounds of resident bytes: least, what the allocator itself wrote to and what lines with t say; most, "
    "with what the\n"
    "touch policy says, too. Threads run in the recorded order, one at a time. Status 1: a request was "
    "refused.\n";

static int replay_file(const char *input, const struct replay_plan *plan, bool is_json)
{
    struct replay_result result;
    struct trace *const trace = trace_open(input);
    if (!trace)
        return vmsim_complain("%s: %s", input, strerror(errno));
    const bool is_done = replay(trace, input, plan, &result);
    if (is_done) {
        vmsim_say_odd(trace_about(trace));
        (is_json ? report_json : report_text)(&result);
    }
    trace_close(trace);
    return !is_done ? VMSIM_WRONG : result.n_refused || result.killed_at ? VMSIM_FAILED : VMSIM_DONE;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {VMSIM_HELP_OPTION,
                                            REPLAY_OPTIONS,
                                            {"json", no_argument, NULL, 'j'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {0}};
    struct replay_plan plan = replay_plan_default;
    bool is_json = false;
    plan.has_progress = isatty(STDERR_FILENO);
    for (int option; (option = getopt_long(argc, argv, "hjq" REPLAY_SHORT_OPTIONS, options, NULL)) != -1;)
        switch (option) {
        case 'h':
            return vmsim_help();
        case 'j':
            is_json = true;
            break;
        case 'q':
            plan.has_progress = false;
            break;
        default:
            if (!option_replay(option, optarg, &plan))
                return VMSIM_WRONG;
        }
    if (argc - optind != 1)
        return vmsim_misused("one TRACE is needed");
    return replay_file(argv[optind], &plan, is_json);
}

const struct command vmsim_replay = {
    .name = "replay",
    .arguments = "[OPTION...] TRACE",
    .about = "what a trace comes to on another page size, memory, limit or setting",
    .help = help,
    .run = run,
};
