/* SPDX-License-Identifier: MIT */
/*
 * heapmap.h - the pages of a replay as a map: rows of squares, each some pages, by what the pages are and how much of them is
 * in blocks. One geometry for all frames of a film, so that they can follow each other.
 */
#ifndef VM_VMSIM_HEAPMAP_H
#define VM_VMSIM_HEAPMAP_H

#include "vmsim/curves.h"
#include "vmsim/film.h"

enum {
    HEAPMAP_COLUMNS = 64,
    HEAPMAP_ROWS_MOST = 64,
    HEAPMAP_CELL = 12,  /* pixels */
    HEAPMAP_PARTS = 4,  /* of a square, that can be resident */
    HEAPMAP_SHADES = 5, /* of how much of what is resident is in blocks */
    HEAPMAP_LEFT = 132
};

/* A square: '.': nothing is mapped; 'A': mapped, not resident; then for each number of parts the shades, the emptiest
   first. In swap: '.', or 'A' for one part, and so on. */
struct heapmap {
    unsigned shift; /* a square has 1 << shift pages */
    uint64_t page_bytes;
    size_t n_rows;
    uint64_t row[HEAPMAP_ROWS_MOST]; /* keys, upwards: 64 squares each */
    unsigned y[HEAPMAP_ROWS_MOST];   /* pixels */
    unsigned height;                 /* of the whole picture */
};

/* Of all frames; makes their cells equal. Rows of which no frame has a page in memory or swap are left out. */
void heapmap_make(struct heapmap *map, struct film *film);

/* The squares of a frame, and what of each is in swap; ends with 0. */
enum { HEAPMAP_ROOM = HEAPMAP_ROWS_MOST * HEAPMAP_COLUMNS + 1 };
struct heapmap_squares {
    char memory[HEAPMAP_ROOM], swap[HEAPMAP_ROOM];
};
void heapmap_squares(const struct heapmap *map, const struct film_frame *frame,
                     struct heapmap_squares *squares);

/* The <svg> element with that frame; `style` as for curves_draw. */
void heapmap_draw(FILE *file, const struct heapmap *map, const struct film_frame *frame,
                  const struct picture_about *about, const char *style);

#endif
