/* SPDX-License-Identifier: MIT */
/*
 * film.c - see film.h. A point stands for a stretch of operations: of what goes up and down it has the most that there was,
 * so that peaks are in the curve; of what is counted, how much it was at the end. Cells of a frame become twice as large
 * while there are too many of them.
 */
#include "vmsim/film.h"
#include <stdlib.h>
#include <string.h>
#include "vmsim/map.h"

const struct film_figure_about film_figures[N_FILM_FIGURES] = {
    [FILM_LIVE] = {"live_bytes", "live bytes, as requested", true},
    [FILM_LEAST] = {"resident_least", "resident bytes, at least", true},
    [FILM_MOST] = {"resident_most", "resident bytes, at most", true},
    [FILM_ADDRESSES] = {"virtual_bytes", "bytes of addresses", true},
    [FILM_BLOCKS] = {"live_blocks", "live blocks", false},
    [FILM_SWAPPED] = {"swapped_bytes", "bytes in swap", true},
    [FILM_MINOR] = {"minor_faults", "minor faults so far", false},
    [FILM_MAJOR] = {"major_faults", "major faults so far", false},
};

void film_begin(struct film *film, uint64_t n_ops, uint64_t peak, uint64_t at, bool wants_frames)
{
    *film = (struct film){.n_ops = n_ops, .peak = peak, .at = at, .wants_frames = wants_frames};
}

void film_free(struct film *film)
{
    for (size_t i = 0; i < film->n_frames; i++)
        free(film->frame[i].cells);
}

/* --- points --------------------------------------------------------------------------------------------- */

/* Which of `n` equal parts of all operations the one with this number ends or lies in, from 1 up. */
static uint64_t part_of(const struct film *film, uint64_t op, uint64_t n)
{
    return film->n_ops <= n ? op : (op * n + film->n_ops - 1) / film->n_ops;
}

static void add_point(struct film *film, const struct film_moment *now)
{
    const size_t index = (size_t)part_of(film, now->op, FILM_POINTS_MOST);
    struct film_moment *const point = &film->point[index];
    if (index >= film->n_points) {
        *point = *now;
        film->n_points = index + 1;
        return;
    }
    point->op = now->op;
    for (int i = 0; i < N_FILM_FIGURES; i++)
        if (i >= FILM_FIRST_COUNT || now->figure[i] > point->figure[i])
            point->figure[i] = now->figure[i];
}

/* --- cells ---------------------------------------------------------------------------------------------- */

struct look {
    struct film_frame *frame;
    uint64_t page_bytes;
    struct machine_range range[N_MACHINE_SEGMENTS];
    size_t n_room;
    size_t last; /* the cell that was found last */
};

/* Neighbours that have become one cell are put together. */
static void double_cells(struct film_frame *frame)
{
    size_t n = 0;
    frame->shift++;
    for (size_t i = 0; i < frame->n_cells; i++) {
        struct film_cell cell = frame->cells[i];
        cell.key = film_key(film_segment(cell.key), film_number(cell.key) / 2);
        struct film_cell *const before = n ? &frame->cells[n - 1] : NULL;
        if (before && before->key == cell.key) {
            before->mapped += cell.mapped;
            before->resident += cell.resident;
            before->swapped += cell.swapped;
            before->live += cell.live;
        } else {
            frame->cells[n++] = cell;
        }
    }
    frame->n_cells = n;
}

static void add_page(struct look *look, enum machine_segment segment, uint64_t page, enum machine_page state)
{
    struct film_frame *const frame = look->frame;
    if (state == MACHINE_UNMAPPED)
        return;
    uint64_t key = film_key(segment, page >> frame->shift);
    if (!frame->n_cells || frame->cells[frame->n_cells - 1].key != key) {
        while (frame->n_cells == FILM_CELLS_MOST)
            double_cells(frame);
        key = film_key(segment, page >> frame->shift);
        if (!frame->n_cells || frame->cells[frame->n_cells - 1].key != key) {
            if (frame->n_cells == look->n_room) {
                look->n_room = look->n_room ? 2 * look->n_room : 256;
                frame->cells = grow_array(frame->cells, look->n_room, sizeof *frame->cells);
            }
            frame->cells[frame->n_cells++] = (struct film_cell){.key = key};
        }
    }
    struct film_cell *const cell = &frame->cells[frame->n_cells - 1];
    cell->mapped++;
    cell->resident += state == MACHINE_AT_MOST || state == MACHINE_AT_LEAST;
    cell->swapped += state == MACHINE_SWAPPED;
}

static void add_segment(struct look *look, enum machine_segment segment)
{
    enum { PAGES_A_TIME = 4096 };
    unsigned char states[PAGES_A_TIME];
    const struct machine_range range = look->range[segment] = machine_range(segment);
    const uint64_t end = range.start + range.bytes;
    for (uint64_t place = range.start; place < end;) {
        const uint64_t n_left = (end - place) / look->page_bytes;
        const size_t n = n_left < PAGES_A_TIME ? (size_t)n_left : PAGES_A_TIME;
        machine_pages(segment, place, n, states);
        for (size_t i = 0; i < n; i++)
            add_page(look, segment, place / look->page_bytes + i, (enum machine_page)states[i]);
        place += n * look->page_bytes;
    }
}

/* The first cell whose key is not below this one. Blocks that follow each other in the replay's table often do in memory. */
static size_t find_cell(struct look *look, uint64_t key)
{
    const struct film_frame *const frame = look->frame;
    if (look->last < frame->n_cells && frame->cells[look->last].key == key)
        return look->last;
    size_t low = 0, high = frame->n_cells;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (frame->cells[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return look->last = low;
}

static void add_block(void *context, uint64_t place, uint64_t bytes)
{
    struct look *const look = context;
    const struct film_frame *const frame = look->frame;
    const struct machine_range *const heap = &look->range[MACHINE_BREAK];
    const bool is_heap = place >= heap->start && place - heap->start < heap->bytes;
    const enum machine_segment segment = is_heap ? MACHINE_BREAK : MACHINE_MAPPINGS;
    const uint64_t cell_bytes = look->page_bytes << frame->shift, end = place + bytes;
    for (size_t i = find_cell(look, film_key(segment, place / cell_bytes)); i < frame->n_cells; i++) {
        struct film_cell *const cell = &frame->cells[i];
        const uint64_t start = film_number(cell->key) * cell_bytes;
        if (film_segment(cell->key) != segment || start >= end)
            break;
        const uint64_t from = place > start ? place : start;
        const uint64_t to = end < start + cell_bytes ? end : start + cell_bytes;
        cell->live += from < to ? to - from : 0;
    }
}

static void add_frame(struct film *film, const struct film_moment *now, const struct film_blocks *blocks)
{
    struct film_frame *const frame = &film->frame[film->n_frames];
    struct look look = {.frame = frame, .page_bytes = machine_page_bytes()};
    *frame = (struct film_frame){.moment = *now};
    for (int i = 0; i < N_MACHINE_SEGMENTS; i++)
        add_segment(&look, (enum machine_segment)i);
    blocks->each(blocks->replayer, add_block, &look);
    if (now->op == film->peak)
        film->peak_frame = film->n_frames;
    if (now->op == film->at)
        film->at_frame = film->n_frames;
    film->n_frames++;
}

void film_coarsen(struct film *film, unsigned shift)
{
    for (size_t i = 0; i < film->n_frames; i++)
        shift = film->frame[i].shift > shift ? film->frame[i].shift : shift;
    for (size_t i = 0; i < film->n_frames; i++)
        while (film->frame[i].shift < shift)
            double_cells(&film->frame[i]);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

void film_see(struct film *film, const struct film_moment *now, const struct film_moment *most,
              const struct film_blocks *blocks)
{
    add_point(film, most);
    film->last = *now;
    const bool is_again = film->n_frames && film->frame[film->n_frames - 1].moment.op == now->op;
    if (is_again)
        free(film->frame[--film->n_frames].cells);
    else if (now->op != film->next_frame && now->op != film->peak && now->op != film->at)
        return;
    if (!film->wants_frames)
        return;
    add_frame(film, now, blocks);
    if (now->op != film->next_frame)
        return;
    const uint64_t next = part_of(film, now->op, FILM_FRAMES_MOST) + 1;
    film->next_frame = film->n_ops <= FILM_FRAMES_MOST ? now->op + 1 : film->n_ops * next / FILM_FRAMES_MOST;
}
