/* SPDX-License-Identifier: MIT */
/* convert.c - vmsim convert: from any form of a trace to text or to the binary form. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/trace.h"

static const char help[] =
    "  -o, --output=FILE   where to write; standard output without it\n"
    "  -b, --binary        the binary form; text without it\n"
    "  -h, --help          this\n"
    "\n"
    "INPUT is a trace that VMALLOC_TRACE recorded, its text, the text of glibc's mtrace, or that of "
    "Android's\n"
    "memory_replay; - is standard input. What was odd about it is said on standard error.\n"
    "The binary form has no touches: lines with t are left out of it.\n";

void vmsim_say_odd(const struct trace_about *about)
{
    if (about->is_cut)
        vmsim_complain("the trace is cut; it was read up to there");
    if (about->n_lost)
        vmsim_complain("%" PRIu64 " calls are missing: the recorder could not write them", about->n_lost);
    if (about->n_unknown)
        vmsim_complain("%" PRIu64 " blocks were freed or resized that the trace does not know: left out",
                       about->n_unknown);
    if (about->n_unseen)
        vmsim_complain("%" PRIu64
                       " blocks must have been freed unseen: freed when their place was given out again",
                       about->n_unseen);
}

static int convert(struct trace *trace, const char *input, struct trace_writer *writer, const char *output)
{
    struct op op;
    bool is_written = true;
    int result;
    while (is_written && (result = trace_next(trace, &op)) > 0)
        is_written = trace_write(writer, &op);
    is_written = trace_write_end(writer) && is_written;
    if (!is_written)
        return vmsim_complain("%s: %s", output, strerror(errno));
    if (result < 0)
        return vmsim_complain("%s: %s", input, trace_error(trace));
    vmsim_say_odd(trace_about(trace));
    return VMSIM_DONE;
}

/* The settings stand before the first operation, so a text's are read with it. */
static int convert_file(const char *input, const char *output, int is_binary)
{
    struct trace *const trace = trace_open(input);
    if (!trace)
        return vmsim_complain("%s: %s", input, strerror(errno));
    FILE *const file = output ? fopen(output, "wbe") : stdout;
    int status;
    if (file)
        status = convert(trace, input,
                         (is_binary ? trace_write_binary : trace_write_text)(file, trace_settings_of(trace)),
                         output ? output : "standard output");
    else
        status = vmsim_complain("%s: %s", output, strerror(errno));
    trace_close(trace);
    if (file && output)
        fclose(file);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        VMSIM_HELP_OPTION, {"output", required_argument, NULL, 'o'}, {"binary", no_argument, NULL, 'b'}, {0}};
    const char *output = NULL;
    int is_binary = 0;
    for (int option; (option = getopt_long(argc, argv, "ho:b", options, NULL)) != -1;)
        switch (option) {
        case 'h':
            return vmsim_help();
        case 'o':
            output = optarg;
            break;
        case 'b':
            is_binary = 1;
            break;
        default:
            return VMSIM_WRONG;
        }
    if (argc - optind != 1)
        return vmsim_misused("one INPUT is needed");
    return convert_file(argv[optind], output, is_binary);
}

const struct command vmsim_convert = {
    .name = "convert",
    .arguments = "[OPTION...] INPUT",
    .about = "a trace from one form to another",
    .help = help,
    .run = run,
};
