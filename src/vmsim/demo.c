/* SPDX-License-Identifier: MIT */
/* demo.c - vmsim demo: runs demo programs, each part in a process of its own, as the allocator is one for a process. */
#include "vmsim/demo.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vmalloc/machine.h"
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/machine.h"

static const char help[] =
    "  threshold  which blocks the break makes room for, and which have a mapping\n"
    "  rss        the memory that blocks take: none before they are written to, then page by page\n"
    "  layout     where code, data, heap, mappings and stack are, and how the heap ends before and after a "
    "free\n"
    "  sbrk       a program that moves the break itself, under vmalloc and by glibc's rule\n"
    "  all        these four, in this order\n"
    "\n"
    "  -m, --machine=NAME  the layout of addresses: x86-64 (the default) or another that pages, of `vmsim "
    "layout "
    "all`\n"
    "  -j, --json          an object a line\n"
    "  -h, --help          this\n"
    "\n"
    "The allocator is the real one; the kernel below it and all addresses are simulated. docs/demos.md "
    "explains "
    "each line.\n"
    "Status 1: something is not as it is explained there.\n";

struct asked {
    const char *name;
    struct machine_config machine;
    bool is_json;
};

/* Returns an exit status of the tool. */
static int run_here(const struct demo *demo, const struct asked *asked)
{
    if (!machine_begin(&asked->machine))
        return VMSIM_WRONG;
    if (!asked->is_json)
        printf("%s: %s\n\n", demo->name, demo->title);
    return demo->run(asked->is_json) ? VMSIM_DONE : VMSIM_FAILED;
}

static int run_apart(const struct demo *demo, const struct asked *asked)
{
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0)
        _exit(vmsim_finish(run_here(demo, asked)));
    if (child < 0 || waitpid(child, &status, 0) != child)
        return vmsim_complain("%s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status)
                             : vmsim_complain("%s ended by signal %d", demo->name, WTERMSIG(status));
}

static bool is_asked(const struct demo *demo, const char *name)
{
    return strcmp(name, "all") == 0 || strcmp(name, demo->name) == 0;
}

static int run_asked(const struct asked *asked)
{
    int worst = VMSIM_DONE;
    bool is_first = true;
    for (const struct demo *demo = demos; demo->name; demo++) {
        if (!is_asked(demo, asked->name))
            continue;
        if (!is_first && !asked->is_json)
            putchar('\n');
        is_first = false;
        const int status = run_apart(demo, asked);
        worst = status > worst ? status : worst;
    }
    return is_first ? vmsim_misused("there is no demo %s", asked->name) : worst;
}

static bool read_machine(const char *name, struct asked *asked)
{
    struct vk_preset preset;
    asked->machine.layout = name;
    return (vk_preset_find(name, &preset) && preset.n_levels) ||
           vmsim_misused("--machine=%s: no layout of a machine that pages", name) == VMSIM_DONE;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        VMSIM_HELP_OPTION, {"machine", required_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct asked asked = {.machine = {.program = &demo_program}};
    for (int option; (option = getopt_long(argc, argv, "hm:j", options, NULL)) != -1;)
        switch (option) {
        case 'h':
            return vmsim_help();
        case 'm':
            if (!read_machine(optarg, &asked))
                return VMSIM_WRONG;
            break;
        case 'j':
            asked.is_json = true;
            break;
        default:
            return VMSIM_WRONG; /* getopt said why */
        }
    if (argc - optind != 1)
        return vmsim_misused("one demo is needed, or all");
    asked.name = argv[optind];
    return run_asked(&asked);
}

const struct command vmsim_demo = {
    .name = "demo",
    .arguments = "[OPTION...] threshold|rss|layout|sbrk|all",
    .about = "what malloc does with memory, by four small programs on a simulated machine",
    .help = help,
    .run = run,
};
