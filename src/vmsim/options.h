/* SPDX-License-Identifier: MIT */
/* options.h - arguments that several sub-commands take: sizes, the machine, the touch policy, tunables. */
#ifndef VM_VMSIM_OPTIONS_H
#define VM_VMSIM_OPTIONS_H

#include <getopt.h>
#include "vmsim/replay.h"

/* A number, then K, M, G or nothing. False: a complaint was printed. */
bool option_size(const char *option, const char *text, size_t *size);

/* Those of a replay: rows for a table of getopt_long, what each says, and taking one: `option` as getopt returned it.
   False: a complaint was printed. */
#define REPLAY_OPTIONS                                                                                       \
    {"machine", required_argument, NULL, 'm'}, {"page", required_argument, NULL, 'p'},                       \
        {"ram", required_argument, NULL, 'r'}, {"limit", required_argument, NULL, 'l'},                      \
        {"group", required_argument, NULL, 'G'}, {"swap", required_argument, NULL, 'S'},                     \
        {"tlb", required_argument, NULL, 'T'}, {"plan", required_argument, NULL, 'P'},                       \
        {"touch", required_argument, NULL, 't'},                                                             \
    {                                                                                                        \
        "set", required_argument, NULL, 's'                                                                  \
    }
#define REPLAY_SHORT_OPTIONS "m:p:r:l:G:S:T:P:t:s:"
/* Lines as they are printed. */
/* clang-format off */
#define REPLAY_OPTIONS_HELP                                                                                       \
    "  -m, --machine=NAME  the layout of addresses: x86-64 (the default) or another of `vmsim layout all`; flat\n" \
    "                      and wasm32 do not page\n"                                                              \
    "  -p, --page=SIZE     bytes of a page, from the host's to 64K; the layout's without it\n"                    \
    "  -r, --ram=SIZE      memory of the machine; 4G without it, on one that does not page 16G\n"                 \
    "  -l, --limit=SIZE    most bytes of addresses, as by ulimit -v: what goes beyond is refused\n"               \
    "  -G, --group=SIZE    most bytes of memory, as by a memory group: what goes beyond is swapped out, or ends\n" \
    "                      the process\n"                                                                         \
    "  -S, --swap=SIZE     where pages go when memory is short; none without it\n"                                \
    "  -T, --tlb=NxWAYS    entries of the TLB, and how many of them a page may be in; 64x64 without it\n"         \
    "  -P, --plan=PLAN     what fails on purpose, as in VMALLOC_FAULT; also page, swapout, swapin\n"              \
    "  -t, --touch=POLICY  what the program touches of each block: all (the default), first (its first byte),\n"  \
    "                      N% (so much of it, from its start), or trace (what lines with t say)\n"                \
    "  -s, --set=KEY=N     a tunable: top_pad, trim_threshold, mmap_threshold, mmap_max or arena_max; as where\n" \
    "                      the trace was recorded without it. May be given several times\n"
/* clang-format on */
bool option_replay(int option, const char *text, struct replay_plan *plan);

/* The plan without options. */
extern const struct replay_plan replay_plan_default;

#endif
