/* SPDX-License-Identifier: MIT */
/* picture.h - the files that show a replay: curves, a map of the heap, and a page with both and a slider for time. */
#ifndef VM_VMSIM_PICTURE_H
#define VM_VMSIM_PICTURE_H

#include <stdbool.h>
#include "vmsim/curves.h"
#include "vmsim/film.h"

struct picture_files {
    const char *curves, *map, *page; /* NULL: not wanted */
};

/* Writes them. False: one cannot be written; a complaint was printed. */
bool picture_write(const struct picture_files *files, struct film *film, const struct picture_about *about);

#endif
