/* SPDX-License-Identifier: MIT */
/* filming.h - the options of `vmsim replay` for pictures, and the replay that makes them. */
#ifndef VM_VMSIM_FILMING_H
#define VM_VMSIM_FILMING_H

#include <getopt.h>
#include "vmsim/picture.h"
#include "vmsim/replay.h"

struct filming {
    struct picture_files files;
    uint64_t at; /* the operation after which the map is, if has_at */
    bool has_at;
};

enum { FILMING_CURVES = 256, FILMING_MAP, FILMING_HTML, FILMING_AT };
#define FILMING_OPTIONS                                                                                      \
    {"curves", required_argument, NULL, FILMING_CURVES}, {"map", required_argument, NULL, FILMING_MAP},      \
        {"html", required_argument, NULL, FILMING_HTML},                                                     \
    {                                                                                                        \
        "at", required_argument, NULL, FILMING_AT                                                            \
    }
#define FILMING_OPTIONS_HELP                                                                                 \
    "      --curves=FILE   draws live and resident bytes, addresses and faults over the operations, as "     \
    "SVG\n"                                                                                                  \
    "      --map=FILE      draws a map of the pages, by what they are and how much is in blocks, as SVG\n"   \
    "      --html=FILE     a page with both, and a slider for time; for this and the other two the trace "   \
    "is\n"                                                                                                   \
    "                      replayed twice\n"                                                                 \
    "      --at=OPERATION  the operation after which the map is; where most is resident without it\n"

/* Takes an option; false: it is none of these, or a complaint was printed. */
bool filming_option(int option, const char *text, struct filming *filming);
static inline bool filming_has(int option)
{
    return option >= FILMING_CURVES && option <= FILMING_AT;
}

static inline bool filming_is_wanted(const struct filming *filming)
{
    return filming->files.curves || filming->files.map || filming->files.page;
}

/* Replays and writes the files. False: a complaint was printed. */
bool replay_filmed(struct trace *trace, const char *name, const struct replay_plan *plan,
                   const struct filming *filming, struct replay_result *result);

#endif
