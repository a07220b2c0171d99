/* SPDX-License-Identifier: MIT */
/* filming.c - see filming.h. */
#include "vmsim/filming.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/apart.h"
#include "vmsim/command.h"
#include "vmsim/map.h"
#include "vmsim/svg.h"

static bool read_at(const char *text, struct filming *filming)
{
    char *end;
    errno = 0;
    filming->at = strtoull(text, &end, 10);
    filming->has_at = true;
    if (text[0] >= '0' && text[0] <= '9' && !*end && !errno)
        return true;
    vmsim_misused("--at=%s: not the number of an operation", text);
    return false;
}

bool filming_option(int option, const char *text, struct filming *filming)
{
    switch (option) {
    case FILMING_CURVES:
        filming->files.curves = text;
        return true;
    case FILMING_MAP:
        filming->files.map = text;
        return true;
    case FILMING_HTML:
        filming->files.page = text;
        return true;
    default:
        return read_at(text, filming);
    }
}

static const char *last_part(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool write_pictures(const char *name, const struct replay_plan *plan, const struct filming *filming,
                           const struct replay_result *result)
{
    const char *const layout = plan->machine.layout ? plan->machine.layout : MACHINE_DEFAULT;
    char title[256], page[SVG_NUMBER_ROOM];
    snprintf(title, sizeof title, "%s on %s, pages of %s",
             strcmp(name, "-") == 0 ? "a trace" : last_part(name), layout,
             svg_bytes(page, machine_page_bytes()));
    const struct picture_about about = {title, result->first_refused, result->killed_at};
    return picture_write(&filming->files, plan->film, &about);
}

/* How long it is and where its peak lies has to be known before a film is made. */
bool replay_filmed(struct trace *trace, const char *name, const struct replay_plan *plan,
                   const struct filming *filming, struct replay_result *result)
{
    struct replay_plan filmed = *plan;
    if (!replay_apart(trace, name, plan, result))
        return false;
    const uint64_t at = filming->has_at ? filming->at : result->peak;
    if (at > result->n_ops)
        return vmsim_misused("--at=%" PRIu64 ": there are %" PRIu64 " operations", at, result->n_ops) ==
               VMSIM_DONE;
    filmed.film = grow_array(NULL, 1, sizeof *filmed.film);
    film_begin(filmed.film, result->n_ops, result->peak, at, filming->files.map || filming->files.page);
    const bool is_done =
        replay(trace, name, &filmed, result) && write_pictures(name, &filmed, filming, result);
    film_free(filmed.film);
    free(filmed.film);
    return is_done;
}
