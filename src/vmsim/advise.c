/* SPDX-License-Identifier: MIT */
/*
 * advise.c - vmsim advise: which settings would have served a trace best. Replays it, each time in a child process, as the
 * allocator is one for a process, with one tunable after the other set to each of a few values, keeps what was best, and
 * goes round until a round changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/apart.h"
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/map.h"
#include "vmsim/options.h"

static const char help[] = REPLAY_OPTIONS_HELP "  -g, --goal=GOAL     what is to be least: rss (the "
                                               "default), the resident bytes at most; or calls, those of\n"
                                               "                      the kernel\n"
                                               "  -h, --help          this\n"
                                               "\n"
                                               "Prints the line of the environment, what it would come to, "
                                               "and the settings that were tried of which none is better\n"
                                               "in both respects. The figures are those of `vmsim replay` "
                                               "with the same options. What --set says stays.\n";

enum { KIB = 1024, MIB = 1024 * 1024 };
static const int pad_values[] = {TUNABLE_AS_TRACED, 0,         16 * KIB, 64 * KIB,
                                 128 * KIB,         512 * KIB, MIB,      4 * MIB};
static const int trim_values[] = {TUNABLE_AS_TRACED, 0,       64 * KIB, 128 * KIB,
                                  512 * KIB,         2 * MIB, 16 * MIB, -1};
static const int threshold_values[] = {TUNABLE_AS_TRACED, 32 * KIB, 64 * KIB, 128 * KIB,
                                       256 * KIB,         MIB,      4 * MIB,  32 * MIB};
static const int arena_values[] = {TUNABLE_AS_TRACED, 1, 2, 4, 8};

/* One row a tunable that is tried. */
static const struct trial {
    enum tunable_index index;
    const int *values;
    size_t n_values;
} trials[] = {
#define TRIAL(index, values)                                                                                 \
    {                                                                                                        \
        index, values, sizeof values / sizeof *values                                                        \
    }
    TRIAL(MMAP_THRESHOLD, threshold_values),
    TRIAL(TOP_PAD, pad_values),
    TRIAL(TRIM_THRESHOLD, trim_values),
    TRIAL(ARENA_MAX, arena_values),
};
enum { N_TRIALS = sizeof trials / sizeof *trials };

enum goal { GOAL_RSS, GOAL_CALLS, N_GOALS };
static const char *const goals[] = {"rss", "calls"};

struct attempt {
    int tunables[N_REPLAY_TUNABLES];
    uint64_t rss, calls;
    struct replay_result result;
};

struct adviser {
    struct trace *trace;
    const char *name;
    struct replay_plan plan;
    enum goal goal;
    struct attempt *attempts; /* the first is that with the options alone */
    size_t n_attempts;
    size_t best;
};

/* --- attempts ------------------------------------------------------------------------------------------- */

static uint64_t sum_of_calls(const struct machine_counts *counts)
{
    return counts->break_grow + counts->break_trim + counts->map + counts->unmap + counts->resize +
           counts->move + counts->protect + counts->purge;
}

/* Whatever else it saves: settings with which the process is ended serve nobody. */
static uint64_t failures_of(const struct replay_result *result)
{
    return result->killed_at ? UINT64_MAX - result->killed_at : result->n_refused;
}

static bool is_better(const struct adviser *adviser, const struct attempt *a, const struct attempt *b)
{
    if (failures_of(&a->result) != failures_of(&b->result))
        return failures_of(&a->result) < failures_of(&b->result);
    const uint64_t first_a = adviser->goal == GOAL_RSS ? a->rss : a->calls;
    const uint64_t first_b = adviser->goal == GOAL_RSS ? b->rss : b->calls;
    if (first_a != first_b)
        return first_a < first_b;
    return adviser->goal == GOAL_RSS ? a->calls < b->calls : a->rss < b->rss;
}

static bool was_tried(const struct adviser *adviser)
{
    for (size_t i = 0; i < adviser->n_attempts; i++)
        if (memcmp(adviser->attempts[i].tunables, adviser->plan.tunables, sizeof adviser->plan.tunables) == 0)
            return true;
    return false;
}

/* Replays with the plan as it is. */
static bool attempt(struct adviser *adviser)
{
    if (was_tried(adviser))
        return true;
    adviser->attempts = grow_array(adviser->attempts, adviser->n_attempts + 1, sizeof *adviser->attempts);
    struct attempt *const made = &adviser->attempts[adviser->n_attempts];
    memcpy(made->tunables, adviser->plan.tunables, sizeof made->tunables);
    if (!replay_apart(adviser->trace, adviser->name, &adviser->plan, &made->result))
        return false;
    made->rss = made->result.resident_most.most;
    made->calls = sum_of_calls(&made->result.counts);
    if (is_better(adviser, made, &adviser->attempts[adviser->best]))
        adviser->best = adviser->n_attempts;
    adviser->n_attempts++;
    return true;
}

static bool search(struct adviser *adviser)
{
    const struct replay_plan given = adviser->plan;
    size_t best_before;
    if (!attempt(adviser))
        return false;
    do {
        best_before = adviser->best;
        for (int i = 0; i < N_TRIALS; i++) {
            const enum tunable_index index = trials[i].index;
            if (given.tunables[index] != TUNABLE_AS_TRACED ||
                (index == ARENA_MAX && adviser->attempts[0].result.n_threads < 2))
                continue;
            for (size_t j = 0; j < trials[i].n_values; j++) {
                memcpy(adviser->plan.tunables, adviser->attempts[adviser->best].tunables,
                       sizeof given.tunables);
                adviser->plan.tunables[index] = trials[i].values[j];
                if (!attempt(adviser))
                    return false;
            }
        }
    } while (adviser->best != best_before);
    return true;
}

/* --- what it says --------------------------------------------------------------------------------------- */

static void print_settings(const int *tunables)
{
    const char *before = "";
    for (int i = 0; i < N_REPLAY_TUNABLES; i++)
        if (tunables[i] != TUNABLE_AS_TRACED) {
            printf("%s%s=%d", before, replay_tunable_names[i], tunables[i]);
            before = ",";
        }
    if (!*before)
        printf("(as it was recorded)");
}

static bool is_beaten(const struct adviser *adviser, const struct attempt *attempt)
{
    for (size_t i = 0; i < adviser->n_attempts; i++) {
        const struct attempt *const other = &adviser->attempts[i];
        if (failures_of(&other->result) <= failures_of(&attempt->result) && other->rss <= attempt->rss &&
            other->calls <= attempt->calls &&
            (other->rss < attempt->rss || other->calls < attempt->calls || other < attempt))
            return true;
    }
    return false;
}

static int by_rss(const void *a, const void *b)
{
    const struct attempt *const first = a, *const second = b;
    return (first->rss > second->rss) - (first->rss < second->rss);
}

static void print_attempt(const struct attempt *attempt)
{
    printf("%14" PRIu64 " %12" PRIu64 " %9" PRIu64 "  ", attempt->rss, attempt->calls,
           attempt->result.n_refused);
    print_settings(attempt->tunables);
    if (attempt->result.killed_at)
        printf(" (the process was ended at operation %" PRIu64 ")", attempt->result.killed_at);
    putchar('\n');
}

static void print_advice(struct adviser *adviser)
{
    const struct attempt best = adviser->attempts[adviser->best], first = adviser->attempts[0];
    if (adviser->best == 0) {
        puts("nothing that was tried is better than the settings of the trace");
    } else {
        fputs("VMALLOC_CONF=", stdout);
        print_settings(best.tunables);
        putchar('\n');
    }
    printf("\nresident most        calls   refused  settings\n");
    print_attempt(&first);
    print_attempt(&best);
    printf("\nof %zu that were tried, none is better in both than these:\n", adviser->n_attempts);
    qsort(adviser->attempts, adviser->n_attempts, sizeof *adviser->attempts, by_rss);
    for (size_t i = 0; i < adviser->n_attempts; i++)
        if (!is_beaten(adviser, &adviser->attempts[i]))
            print_attempt(&adviser->attempts[i]);
}

/* --- the command ---------------------------------------------------------------------------------------- */

static int advise(struct adviser *adviser)
{
    adviser->trace = trace_open(adviser->name);
    if (!adviser->trace)
        return vmsim_complain("%s: %s", adviser->name, strerror(errno));
    const bool is_done = search(adviser);
    if (is_done)
        print_advice(adviser);
    const bool is_short = is_done && failures_of(&adviser->attempts[0].result) > 0;
    trace_close(adviser->trace);
    free(adviser->attempts);
    return !is_done ? VMSIM_WRONG : is_short ? VMSIM_FAILED : VMSIM_DONE;
}

static bool read_goal(const char *text, enum goal *goal)
{
    for (int i = 0; i < N_GOALS; i++)
        if (strcmp(goals[i], text) == 0) {
            *goal = (enum goal)i;
            return true;
        }
    vmsim_misused("--goal=%s: not rss or calls", text);
    return false;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        VMSIM_HELP_OPTION, REPLAY_OPTIONS, {"goal", required_argument, NULL, 'g'}, {0}};
    struct adviser adviser = {.plan = replay_plan_default};
    for (int option; (option = getopt_long(argc, argv, "hg:" REPLAY_SHORT_OPTIONS, options, NULL)) != -1;)
        switch (option) {
        case 'h':
            return vmsim_help();
        case 'g':
            if (!read_goal(optarg, &adviser.goal))
                return VMSIM_WRONG;
            break;
        default:
            if (!option_replay(option, optarg, &adviser.plan))
                return VMSIM_WRONG;
        }
    if (argc - optind != 1)
        return vmsim_misused("one TRACE is needed");
    adviser.name = argv[optind];
    return advise(&adviser);
}

const struct command vmsim_advise = {
    .name = "advise",
    .arguments = "[OPTION...] TRACE",
    .about = "which settings would serve a trace best",
    .help = help,
    .run = run,
};
