/* SPDX-License-Identifier: MIT */
/*
 * film.h - what is kept of a replay over time, for pictures: curves of a bounded number of points, and frames, looks at every
 * page, of a bounded number of cells. Its size does not depend on how long the replay is; how long it is has to be known
 * before, so a replay that is filmed is the second one.
 */
#ifndef VM_VMSIM_FILM_H
#define VM_VMSIM_FILM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vmsim/machine.h"

/* What is seen after each operation. */
enum film_figure {
    FILM_LIVE,      /* bytes, as requested */
    FILM_LEAST,     /* resident bytes, at least */
    FILM_MOST,      /* and at most */
    FILM_ADDRESSES, /* bytes of addresses */
    FILM_BLOCKS,    /* live ones */
    FILM_SWAPPED,   /* bytes */
    FILM_MINOR,     /* faults so far */
    FILM_MAJOR,     /* those that waited for swap */
    N_FILM_FIGURES,
    FILM_FIRST_COUNT = FILM_MINOR /* from here on figures never fall */
};

struct film_figure_about {
    const char *key, *about;
    bool is_bytes;
};
extern const struct film_figure_about film_figures[N_FILM_FIGURES];

struct film_moment {
    uint64_t op; /* the number of the operation that was the last one; 0: before the first */
    uint64_t figure[N_FILM_FIGURES];
};

/* Where the live blocks are: what a look at all pages needs of the replay. `each` calls `see` for each of them. */
struct film_blocks {
    void (*each)(const void *replayer, void (*see)(void *context, uint64_t place, uint64_t bytes),
                 void *context);
    const void *replayer;
};

/* A power of two of pages, at a place that is a multiple of as many. */
struct film_cell {
    uint64_t key;                       /* its number in its segment, and the segment: film_key */
    uint32_t mapped, resident, swapped; /* pages; resident ones by the upper bound */
    uint64_t live;                      /* bytes of blocks in it */
};

struct film_frame {
    struct film_moment moment;
    unsigned shift;          /* a cell has 1 << shift pages */
    struct film_cell *cells; /* upwards by key, those with a page that is mapped */
    size_t n_cells;
};

enum { FILM_POINTS_MOST = 640, FILM_FRAMES_MOST = 80, FILM_CELLS_MOST = 1 << 14 };

struct film {
    uint64_t n_ops;    /* of the whole replay */
    uint64_t peak, at; /* operations that there are frames of, besides */
    bool wants_frames;
    struct film_moment point[FILM_POINTS_MOST + 1]; /* point 0 is the moment before the first operation */
    size_t n_points;
    struct film_moment last; /* what it was in the end */
    struct film_frame frame[FILM_FRAMES_MOST + 3];
    size_t n_frames, peak_frame, at_frame; /* which frames those are */
    uint64_t next_frame;                   /* the operation of the next one of the others */
};

/* For a replay of n_ops operations. With frames: after the operations `peak` and `at`, and others at equal distances. */
void film_begin(struct film *film, uint64_t n_ops, uint64_t peak, uint64_t at, bool wants_frames);

/* After each operation, once before the first, and once more in the end. `most`: what it is, or more if it was more during the
   operation. Changes nothing of the replay. */
void film_see(struct film *film, const struct film_moment *now, const struct film_moment *most,
              const struct film_blocks *blocks);

void film_free(struct film *film);

static inline uint64_t film_key(enum machine_segment segment, uint64_t number)
{
    return (uint64_t)segment << 62 | number;
}

static inline enum machine_segment film_segment(uint64_t key)
{
    return (enum machine_segment)(key >> 62);
}

static inline uint64_t film_number(uint64_t key)
{
    return key & (((uint64_t)1 << 62) - 1);
}

/* Makes the cells of all frames equally large, 1 << shift pages each at least. */
void film_coarsen(struct film *film, unsigned shift);

#endif
