/* SPDX-License-Identifier: MIT */
/*
 * sweep.c - vmsim sweep: fails the first call at a site, then in another run the second, and so on until a run has no such
 * call. Each run is a process of its own, as it may break down. What has to hold: it ends, the checkers find nothing, and
 * once all is given back nothing is left.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/apart.h"
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/options.h"
#include "vmsim/run.h"

/* Lines as they are printed. */
/* clang-format off */
static const char help[] = REPLAY_OPTIONS_HELP
    "  -n, --most=N        no more than N runs\n"
    "  -h, --help          this\n"
    "\n"
    "SITE: brk, map, unmap, remap, advise or protect, a call of the kernel; page, a frame that is taken; slab, an\n"
    "object of the kernel's; swapout, swapin; or any; with filters behind it or not, as in 'page(order>=1)'. A name\n"
    "that ends in .vms is a script's, for which no option but --most counts. A line a run says what came of it.\n"
    "Status 1: a run broke down, found damage, or left something behind.\n";
/* clang-format on */

enum { PLAN_BYTES = 256 };

struct sweeper {
    const char *name, *site;
    struct trace *trace; /* NULL: it is a script */
    char *script;
    size_t script_bytes;
    struct replay_plan plan;
    struct outcome {
        uint64_t n_struck;
        int status;                  /* of a script */
        struct replay_result result; /* of a trace */
    } outcome;
};

/* --- runs ----------------------------------------------------------------------------------------------- */

static bool run_trace(void *context)
{
    struct sweeper *const sweeper = context;
    struct outcome *const outcome = &sweeper->outcome;
    const bool is_done = replay(sweeper->trace, sweeper->name, &sweeper->plan, &outcome->result);
    outcome->n_struck = outcome->result.figures.struck;
    return is_done;
}

static bool run_script_once(void *context)
{
    static struct session session;
    struct sweeper *const sweeper = context;
    session_begin(&session, sweeper->name, sweeper->script, sweeper->script_bytes);
    session.plan = sweeper->plan.machine.plan;
    if (!freopen("/dev/null", "w", stdout))
        return false;
    sweeper->outcome.status = run_script(&session);
    session_end(&session);
    sweeper->outcome.n_struck = session.n_struck;
    if (session.is_plan_wrong)
        vmsim_misused("%s: not a site", sweeper->site);
    return sweeper->outcome.status != VMSIM_WRONG && !session.is_plan_wrong;
}

static bool is_whole(const struct replay_result *result)
{
    return result->left_bytes == 0;
}

static void print_replay(const struct replay_result *result)
{
    if (result->killed_at)
        printf("the process was ended at operation %" PRIu64 "\n", result->killed_at);
    else if (result->n_refused)
        printf("%" PRIu64 " refused, operation %" PRIu64 " first", result->n_refused, result->first_refused);
    else
        printf("nothing was refused");
    if (!result->killed_at)
        printf(is_whole(result) ? "\n" : "; %" PRIu64 " bytes are left\n", result->left_bytes);
}

/* The k-th call is struck, if there is one. */
static enum apart_end run_kth(struct sweeper *sweeper, uint64_t k)
{
    char plan[PLAN_BYTES];
    snprintf(plan, sizeof plan, "%s:nth=%" PRIu64, sweeper->site, k);
    sweeper->plan.machine.plan = plan;
    struct outcome *const outcome = &sweeper->outcome;
    const enum apart_end end =
        run_apart(sweeper->trace ? run_trace : run_script_once, sweeper, outcome, sizeof *outcome);
    if (end == APART_REFUSED || (end == APART_DONE && !outcome->n_struck))
        return end;
    printf("%s %" PRIu64 ": ", sweeper->site, k);
    if (end == APART_BROKEN)
        puts("the run broke down");
    else if (sweeper->trace)
        print_replay(&outcome->result);
    else
        puts(outcome->status == VMSIM_DONE ? "all as the script says" : "the script says otherwise");
    return end;
}

static int sweep(struct sweeper *sweeper, uint64_t most)
{
    int status = VMSIM_DONE;
    uint64_t k = 1;
    for (; k <= most; k++) {
        const enum apart_end end = run_kth(sweeper, k);
        if (end != APART_DONE)
            return end == APART_BROKEN ? VMSIM_FAILED : VMSIM_WRONG;
        if (!sweeper->outcome.n_struck)
            break;
        if (sweeper->trace && !is_whole(&sweeper->outcome.result))
            status = VMSIM_FAILED;
    }
    printf("%" PRIu64 " runs, each with one call that failed\n", k - 1);
    return status;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static bool is_script(const char *name)
{
    const size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".vms") == 0;
}

static int sweep_file(struct sweeper *sweeper, uint64_t most)
{
    if (is_script(sweeper->name))
        sweeper->script = run_read_file(sweeper->name, &sweeper->script_bytes);
    else
        sweeper->trace = trace_open(sweeper->name);
    if (!sweeper->script && !sweeper->trace)
        return vmsim_complain("%s: %s", sweeper->name, strerror(errno));
    const int status = sweep(sweeper, most);
    if (sweeper->trace)
        trace_close(sweeper->trace);
    free(sweeper->script);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        VMSIM_HELP_OPTION, REPLAY_OPTIONS, {"most", required_argument, NULL, 'n'}, {0}};
    static struct sweeper sweeper;
    size_t most = SIZE_MAX;
    sweeper.plan = replay_plan_default;
    sweeper.plan.frees_all = true;
    for (int option; (option = getopt_long(argc, argv, "hn:" REPLAY_SHORT_OPTIONS, options, NULL)) != -1;) {
        if (option == 'h')
            return vmsim_help();
        if (option == 'n' ? !option_size("most", optarg, &most)
                          : !option_replay(option, optarg, &sweeper.plan))
            return VMSIM_WRONG;
    }
    if (argc - optind != 2 || sweeper.plan.machine.plan)
        return vmsim_misused("a TRACE or SCRIPT and a SITE are needed, and no plan");
    sweeper.name = argv[optind];
    sweeper.site = argv[optind + 1];
    if (strchr(sweeper.site, ';') || strlen(sweeper.site) > PLAN_BYTES / 2)
        return vmsim_misused("%s: not one site", sweeper.site);
    return sweep_file(&sweeper, most);
}

const struct command vmsim_sweep = {
    .name = "sweep",
    .arguments = "[OPTION...] TRACE|SCRIPT SITE",
    .about = "fails each call at a site once, one a run, and looks whether all holds",
    .help = help,
    .run = run,
};
