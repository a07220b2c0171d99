/* SPDX-License-Identifier: MIT */
/*
 * command.h - what the sub-commands of vmsim share: the shape of a sub-command, its exit status, and how it complains.
 */
#ifndef VM_VMSIM_COMMAND_H
#define VM_VMSIM_COMMAND_H

#include <getopt.h>

/* Exit status of the tool. */
enum {
    VMSIM_DONE = 0,
    VMSIM_FAILED =
        1, /* what was asked for was done, and did not come out well: an expectation, out of memory */
    VMSIM_WRONG = 2, /* wrong arguments, or an input that cannot be read */
};

/* One row of the table in main.c. run: argv[0] is the sub-command's name; returns an exit status. */
struct command {
    const char *name, *arguments, *about;
    const char *help; /* the options, a line each, and whatever else --help says; ends with a newline */
    int (*run)(int argc, char **argv);
};

/* The sub-command that runs. */
extern const struct command *vmsim_command;

/* Every sub-command's long options contain this, and its short ones "h". */
#define VMSIM_HELP_OPTION                                                                                    \
    {                                                                                                        \
        "help", no_argument, NULL, 'h'                                                                       \
    }

/* Prints the help of the sub-command that runs. Returns VMSIM_DONE. */
int vmsim_help(void);

/* "vmsim replay: MESSAGE" on standard error. Returns VMSIM_WRONG. */
__attribute__((format(printf, 1, 2))) int vmsim_complain(const char *format, ...);

/* The same, and where to find help: the arguments are wrong. */
__attribute__((format(printf, 1, 2))) int vmsim_misused(const char *format, ...);

/* Ends the program if standard output could not be written. Returns `status`. */
int vmsim_finish(int status);

#endif
