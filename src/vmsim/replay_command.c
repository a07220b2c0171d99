/* SPDX-License-Identifier: MIT */
/* replay_command.c - vmsim replay: its options, and what it prints. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/map.h"
#include "vmsim/options.h"
#include "vmsim/picture.h"
#include "vmsim/report.h"
#include "vmsim/svg.h"

static const char help[] = REPLAY_OPTIONS_HELP
    "  -j, --json          the figures as JSON\n"
    "      --curves=FILE   draws live and resident bytes, addresses and faults over the operations, as SVG\n"
    "      --map=FILE      draws a map of the pages, by what they are and how full of blocks, as SVG\n"
    "      --at=OPERATION  after which the map is; where most is resident without it\n"
    "      --html=FILE     a page with both, and a slider for time. Pictures need a second replay\n"
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

struct asked {
    const char *input;
    struct replay_plan plan;
    struct picture_files files;
    uint64_t at;
    bool has_at, is_json;
};

/* --- pictures ------------------------------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool write_pictures(const struct asked *asked, struct film *film, const struct replay_result *result)
{
    char title[256], page[SVG_NUMBER_ROOM];
    const char *const layout = asked->plan.machine.layout;
    snprintf(title, sizeof title, "%s on %s, pages of %s", last_part(asked->input),
             layout ? layout : "x86-64", svg_bytes(page, machine_page_bytes()));
    return picture_write(&asked->files, film, &(struct picture_about){title, result->first_refused});
}

/* How long it is and where its peak lies has to be known before a film is made of it. */
static bool replay_filmed(const struct asked *asked, struct trace *trace, struct replay_result *result)
{
    struct replay_plan plan = asked->plan;
    if (!replay_apart(trace, asked->input, &plan, result))
        return false;
    const uint64_t n_ops = result->n_ops;
    if (asked->has_at && asked->at > n_ops)
        return vmsim_misused("--at=%" PRIu64 ": there are %" PRIu64 " operations", asked->at, n_ops) ==
               VMSIM_DONE;
    plan.film = grow_array(NULL, 1, sizeof *plan.film);
    film_begin(plan.film, n_ops, result->peak, asked->has_at ? asked->at : result->peak,
               asked->files.map || asked->files.page);
    const bool is_done =
        replay(trace, asked->input, &plan, result) && write_pictures(asked, plan.film, result);
    film_free(plan.film);
    free(plan.film);
    return is_done;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static int replay_file(const struct asked *asked)
{
    struct replay_result result;
    struct trace *const trace = trace_open(asked->input);
    if (!trace)
        return vmsim_complain("%s: %s", asked->input, strerror(errno));
    const bool has_pictures = asked->files.curves || asked->files.map || asked->files.page;
    const bool is_done = has_pictures ? replay_filmed(asked, trace, &result)
                                      : replay(trace, asked->input, &asked->plan, &result);
    if (is_done) {
        vmsim_say_odd(trace_about(trace));
        (asked->is_json ? report_json : report_text)(&result);
    }
    trace_close(trace);
    return !is_done ? VMSIM_WRONG : result.n_refused || result.killed_at ? VMSIM_FAILED : VMSIM_DONE;
}

enum { OPTION_CURVES = 256, OPTION_MAP, OPTION_AT, OPTION_HTML };

static bool read_at(const char *text, struct asked *asked)
{
    char *end;
    errno = 0;
    asked->at = strtoull(text, &end, 10);
    asked->has_at = true;
    if (text[0] >= '0' && text[0] <= '9' && !*end && !errno)
        return true;
    vmsim_misused("--at=%s: not the number of an operation", text);
    return false;
}

static bool read_option(int option, const char *text, struct asked *asked)
{
    switch (option) {
    case 'j':
        asked->is_json = true;
        return true;
    case 'q':
        asked->plan.has_progress = false;
        return true;
    case OPTION_CURVES:
        asked->files.curves = text;
        return true;
    case OPTION_MAP:
        asked->files.map = text;
        return true;
    case OPTION_HTML:
        asked->files.page = text;
        return true;
    case OPTION_AT:
        return read_at(text, asked);
    default:
        return option_replay(option, text, &asked->plan);
    }
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {VMSIM_HELP_OPTION,
                                            REPLAY_OPTIONS,
                                            {"json", no_argument, NULL, 'j'},
                                            {"curves", required_argument, NULL, OPTION_CURVES},
                                            {"map", required_argument, NULL, OPTION_MAP},
                                            {"at", required_argument, NULL, OPTION_AT},
                                            {"html", required_argument, NULL, OPTION_HTML},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {0}};
    struct asked asked = {.plan = replay_plan_default};
    asked.plan.has_progress = isatty(STDERR_FILENO);
    for (int option; (option = getopt_long(argc, argv, "hjq" REPLAY_SHORT_OPTIONS, options, NULL)) != -1;)
        if (option == 'h')
            return vmsim_help();
        else if (!read_option(option, optarg, &asked))
            return VMSIM_WRONG;
    if (argc - optind != 1)
        return vmsim_misused("one TRACE is needed");
    asked.input = argv[optind];
    return replay_file(&asked);
}

const struct command vmsim_replay = {
    .name = "replay",
    .arguments = "[OPTION...] TRACE",
    .about = "what a trace comes to on another page size, memory, limit or setting",
    .help = help,
    .run = run,
};
