/* SPDX-License-Identifier: MIT */
/* convert.c - vmsim convert: from any form of a trace to text or to the binary form. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/map.h"
#include "vmsim/trace.h"

static const char help[] =
    "  -o, --output=FILE   where to write; standard output without it\n"
    "  -b, --binary        the binary form; text without it\n"
    "  -h, --help          this\n"
    "\n"
    "INPUT is a trace that VMALLOC_TRACE recorded, its text, the text of glibc's mtrace, or that of "
    "Android's\n"
    "memory_replay; - is standard input. What was odd about it is said on standard error.\n"
    "A CHILD is what a fork child of INPUT's process, or of the CHILD before, recorded: then all is written "
    "that "
    "led to it,\n"
    "INPUT up to the fork and CHILD from there on, as one trace.\n"
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

/* Writes the operations of one input. */
static int convert(struct trace *trace, const char *input, struct trace_writer *writer, const char *output)
{
    struct op op;
    bool is_written = true;
    int result;
    while (is_written && (result = trace_next(trace, &op)) > 0)
        is_written = trace_write(writer, &op);
    if (!is_written)
        return vmsim_complain("%s: %s", output, strerror(errno));
    if (result < 0)
        return vmsim_complain("%s: %s", input, trace_error(trace));
    vmsim_say_odd(trace_about(trace));
    return VMSIM_DONE;
}

/* One behind the other. The settings stand before the first operation, so a text's are read with it. */
static int convert_all(struct trace **traces, char **inputs, int n_inputs, const char *output, int is_binary)
{
    FILE *const file = output ? fopen(output, "wbe") : stdout;
    const char *const name = output ? output : "standard output";
    if (!file)
        return vmsim_complain("%s: %s", name, strerror(errno));
    struct trace_writer *const writer =
        (is_binary ? trace_write_binary : trace_write_text)(file, trace_settings_of(traces[0]));
    int status = VMSIM_DONE;
    for (int i = 0; i < n_inputs && status == VMSIM_DONE; i++)
        status = convert(traces[i], inputs[i], writer, name);
    if (!trace_write_end(writer) && status == VMSIM_DONE)
        status = vmsim_complain("%s: %s", name, strerror(errno));
    if (output)
        fclose(file);
    return status;
}

/* The inputs are a process and its fork children, each a child of the one before. */
static int open_all(struct trace **traces, char **inputs, int n_inputs)
{
    for (int i = 0; i < n_inputs; i++) {
        traces[i] = trace_open(inputs[i]);
        if (!traces[i])
            return vmsim_complain("%s: %s", inputs[i], strerror(errno));
        if (i && !trace_before(traces[i - 1], traces[i]))
            return vmsim_complain("%s: %s", inputs[i], trace_error(traces[i]));
    }
    return VMSIM_DONE;
}

static int convert_files(char **inputs, int n_inputs, const char *output, int is_binary)
{
    struct trace **const traces = grow_array(NULL, (size_t)n_inputs, sizeof *traces);
    memset(traces, 0, (size_t)n_inputs * sizeof *traces);
    int status = open_all(traces, inputs, n_inputs);
    if (status == VMSIM_DONE)
        status = convert_all(traces, inputs, n_inputs, output, is_binary);
    for (int i = 0; i < n_inputs; i++)
        if (traces[i])
            trace_close(traces[i]);
    free(traces);
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
    if (argc == optind)
        return vmsim_misused("an INPUT is needed");
    return convert_files(argv + optind, argc - optind, output, is_binary);
}

const struct command vmsim_convert = {
    .name = "convert",
    .arguments = "[OPTION...] INPUT [CHILD...]",
    .about = "a trace from one form to another",
    .help = help,
    .run = run,
};
