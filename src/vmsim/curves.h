/* SPDX-License-Identifier: MIT */
/* curves.h - what a replay came to over its operations, as a picture: memory, addresses, faults. */
#ifndef VM_VMSIM_CURVES_H
#define VM_VMSIM_CURVES_H

#include <stdint.h>
#include <stdio.h>
#include "vmsim/film.h"

/* What pictures say of a replay besides what the film has. */
struct picture_about {
    const char *title;      /* "NAME on MACHINE, pages of ..." */
    uint64_t first_refused; /* the operation, 0: none was */
    uint64_t killed_at;     /* the operation with which the process was ended, 0: it was not */
};

enum { CURVES_WIDTH = 940, CURVES_LEFT = 92, CURVES_PLOT_WIDTH = 676 };

/* The <svg> element; style is in picture.css. `style`: put into it, for a file of its own; NULL: the page around has it. */
void curves_draw(FILE *file, const struct film *film, const struct picture_about *about, const char *style);

#endif
