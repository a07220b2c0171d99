/* SPDX-License-Identifier: MIT */
/*
 * main.c - vmsim: what would be, on the simulated kernel. Owns the table of sub-commands and what they have in common:
 * help, version, complaints, exit status.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "vmalloc/vmalloc.h"
#include "vmsim/command.h"
#include "vmsim/commands.h"

static const struct command *const commands[] = {VMSIM_COMMANDS NULL};

const struct command *vmsim_command;

/* --- complaints ----------------------------------------------------------------------------------------- */

static void begin_complaint(void)
{
    fflush(stdout);
    fprintf(stderr, "vmsim%s%s: ", vmsim_command ? " " : "", vmsim_command ? vmsim_command->name : "");
}

int vmsim_complain(const char *format, ...)
{
    va_list arguments;
    begin_complaint();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return VMSIM_WRONG;
}

int vmsim_misused(const char *format, ...)
{
    va_list arguments;
    begin_complaint();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see `vmsim%s%s --help`\n", vmsim_command ? " " : "",
            vmsim_command ? vmsim_command->name : "");
    return VMSIM_WRONG;
}

int vmsim_finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return vmsim_complain("standard output cannot be written");
}

/* --- help ----------------------------------------------------------------------------------------------- */

int vmsim_help(void)
{
    printf("usage: vmsim %s %s\n\n%s.\n\n%s", vmsim_command->name, vmsim_command->arguments,
           vmsim_command->about, vmsim_command->help);
    return VMSIM_DONE;
}

static int print_help(void)
{
    puts("usage: vmsim COMMAND [ARGUMENT...]\n"
         "       vmsim --help | --version\n"
         "       vmsim COMMAND --help\n\n"
         "What a program's memory would be, on the simulated kernel of vmalloc.\n");
    for (const struct command *const *command = commands; *command; command++)
        printf("  %-8s  %s\n", (*command)->name, (*command)->about);
    puts("\nExit status: 0 done; 1 it did not come out well (out of memory, an expectation that failed); 2 "
         "wrong\n"
         "arguments, or an input that cannot be read.\n\n"
         "What the model leaves out: copy on write, fork, files and the page cache, huge pages, NUMA, the "
         "kernel's own\n"
         "stacks, races between processors; it counts, and never says how long anything takes. Threads of a "
         "trace run\n"
         "one at a time, in the order in which their calls were recorded.");
    return VMSIM_DONE;
}

/* --- the program ---------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const struct option options[] = {VMSIM_HELP_OPTION, {"version", no_argument, NULL, 'V'}, {0}};
    switch (getopt_long(argc, argv, "+hV", options, NULL)) {
    case -1:
        break;
    case 'h':
        return vmsim_finish(print_help());
    case 'V':
        puts("vmsim " VMALLOC_VERSION);
        return vmsim_finish(VMSIM_DONE);
    default:
        return VMSIM_WRONG; /* getopt said why */
    }
    if (optind == argc)
        return vmsim_misused("no command");
    for (const struct command *const *command = commands; *command; command++) {
        if (strcmp(argv[optind], (*command)->name) != 0)
            continue;
        vmsim_command = *command;
        argc -= optind;
        argv += optind;
        optind = 0; /* glibc's and musl's way to begin anew */
        return vmsim_finish(vmsim_command->run(argc, argv));
    }
    return vmsim_misused("no such command: %s", argv[optind]);
}
