/* SPDX-License-Identifier: MIT */
/* heapmap.c - see heapmap.h. */
#include "vmsim/heapmap.h"
#include <inttypes.h>
#include <string.h>
#include "vmsim/svg.h"

enum { TOP = 62, HEAD_HEIGHT = 34, GAP = 7, LEGEND_HEIGHT = 62 };

/* --- rows ----------------------------------------------------------------------------------------------- */

static uint64_t row_of(uint64_t key)
{
    return film_key(film_segment(key), film_number(key) / HEAPMAP_COLUMNS);
}

/* Where the row is, or would be. */
static size_t find_row(const struct heapmap *map, uint64_t row)
{
    size_t i = map->n_rows; /* mostly at the end */
    while (i && map->row[i - 1] >= row)
        i--;
    return i;
}

/* False: there is no room. */
static bool add_row(struct heapmap *map, uint64_t row)
{
    const size_t i = find_row(map, row);
    if (i < map->n_rows && map->row[i] == row)
        return true;
    if (map->n_rows == HEAPMAP_ROWS_MOST)
        return false;
    memmove(&map->row[i + 1], &map->row[i], (map->n_rows - i) * sizeof *map->row);
    map->row[i] = row;
    map->n_rows++;
    return true;
}

static bool add_rows(struct heapmap *map, const struct film_frame *frame)
{
    for (size_t i = 0; i < frame->n_cells; i++)
        if ((frame->cells[i].resident || frame->cells[i].swapped) &&
            !add_row(map, row_of(frame->cells[i].key)))
            return false;
    return true;
}

/* False: the rows are too many. */
static bool find_rows(struct heapmap *map, const struct film *film)
{
    map->n_rows = 0;
    for (size_t i = 0; i < film->n_frames; i++)
        if (!add_rows(map, &film->frame[i]))
            return false;
    return true;
}

static bool begins_segment(const struct heapmap *map, size_t row)
{
    return row == 0 || film_segment(map->row[row - 1]) != film_segment(map->row[row]);
}

static bool follows(const struct heapmap *map, size_t row)
{
    return row > 0 && map->row[row - 1] + 1 == map->row[row];
}

static void place_rows(struct heapmap *map)
{
    unsigned y = TOP;
    for (size_t i = 0; i < map->n_rows; i++) {
        y += begins_segment(map, i) ? HEAD_HEIGHT : follows(map, i) ? 0 : GAP;
        map->y[i] = y;
        y += HEAPMAP_CELL;
    }
    map->height = y + LEGEND_HEIGHT;
}

void heapmap_make(struct heapmap *map, struct film *film)
{
    *map = (struct heapmap){.page_bytes = machine_page_bytes()};
    do {
        film_coarsen(film, map->shift);
        map->shift = film->n_frames ? film->frame[0].shift : 0;
    } while (!find_rows(map, film) && ++map->shift);
    place_rows(map);
}

/* --- squares -------------------------------------------------------------------------------------------- */

/* How many parts of a square these pages are: none only if there is no page, all only if there is no other. */
static unsigned parts(uint64_t pages, uint64_t mapped)
{
    if (pages == 0 || pages >= mapped)
        return pages ? HEAPMAP_PARTS : 0;
    const uint64_t n = pages * HEAPMAP_PARTS / mapped;
    return n ? (unsigned)n : 1;
}

/* 0: no block at all; 1 to 4: up to so many quarters. */
static unsigned shade(const struct heapmap *map, const struct film_cell *cell)
{
    const uint64_t bytes = cell->resident * map->page_bytes;
    const uint64_t live = cell->live < bytes ? cell->live : bytes;
    return (unsigned)((live * (HEAPMAP_SHADES - 1) + bytes - 1) / bytes);
}

static char square_of(const struct heapmap *map, const struct film_cell *cell)
{
    const unsigned n = parts(cell->resident, cell->mapped);
    return (char)(n ? 'B' + (n - 1) * HEAPMAP_SHADES + shade(map, cell) : 'A');
}

void heapmap_squares(const struct heapmap *map, const struct film_frame *frame,
                     struct heapmap_squares *squares)
{
    const size_t n = map->n_rows * HEAPMAP_COLUMNS;
    memset(squares->memory, '.', n);
    memset(squares->swap, '.', n);
    squares->memory[n] = squares->swap[n] = 0;
    for (size_t i = 0; i < frame->n_cells; i++) {
        const struct film_cell *const cell = &frame->cells[i];
        const size_t row = find_row(map, row_of(cell->key));
        if (row == map->n_rows || map->row[row] != row_of(cell->key))
            continue;
        const size_t at = row * HEAPMAP_COLUMNS + film_number(cell->key) % HEAPMAP_COLUMNS;
        squares->memory[at] = square_of(map, cell);
        if (cell->swapped)
            squares->swap[at] = (char)('A' + parts(cell->swapped, cell->mapped) - 1);
    }
}

/* --- the picture ---------------------------------------------------------------------------------------- */

static unsigned mapped_parts(char square, unsigned shade_wanted)
{
    (void)shade_wanted;
    return square == '.' ? 0 : HEAPMAP_PARTS;
}

static unsigned shade_parts(char square, unsigned shade_wanted)
{
    const unsigned code = square < 'B' ? 0 : (unsigned)(square - 'B');
    return square < 'B' || code % HEAPMAP_SHADES != shade_wanted ? 0 : code / HEAPMAP_SHADES + 1;
}

static unsigned swap_parts(char square, unsigned shade_wanted)
{
    (void)shade_wanted;
    return square == '.' ? 0 : (unsigned)(square - 'A') + 1;
}

/* Squares side by side that are filled alike are one rectangle. Memory fills a square from below, swap from above. */
static void put_layer(FILE *file, const struct heapmap *map, const char *squares, const char *class,
                      unsigned (*parts_of)(char square, unsigned shade), unsigned wanted)
{
    enum { PART = HEAPMAP_CELL / HEAPMAP_PARTS };
    fprintf(file, "<path class=\"%s\" data-layer=\"%s\" d=\"", class, class);
    for (size_t row = 0; row < map->n_rows; row++) {
        const char *const line = squares + row * HEAPMAP_COLUMNS;
        for (unsigned from = 0, to; from < HEAPMAP_COLUMNS; from = to) {
            const unsigned n = parts_of(line[from], wanted);
            for (to = from + 1; to < HEAPMAP_COLUMNS && parts_of(line[to], wanted) == n;)
                to++;
            if (n)
                fprintf(file, "M%u %uh%uv%uh-%uz", HEAPMAP_LEFT + from * HEAPMAP_CELL,
                        map->y[row] + (parts_of == swap_parts ? 0 : (HEAPMAP_PARTS - n) * PART),
                        (to - from) * HEAPMAP_CELL, n * PART, (to - from) * HEAPMAP_CELL);
        }
    }
    fputs("\"/>\n", file);
}

static void put_squares(FILE *file, const struct heapmap *map, const struct film_frame *frame)
{
    struct heapmap_squares squares;
    char class[] = "shade0";
    heapmap_squares(map, frame, &squares);
    put_layer(file, map, squares.memory, "mapped", mapped_parts, 0);
    for (unsigned i = 0; i < HEAPMAP_SHADES; i++) {
        class[sizeof class - 2] = (char)('0' + i);
        put_layer(file, map, squares.memory, class, shade_parts, i);
    }
    put_layer(file, map, squares.swap, "swapped", swap_parts, 0);
}

/* Lines of the paper's colour between the squares. */
static void put_lines(FILE *file, const struct heapmap *map)
{
    fputs("<path class=\"between\" d=\"", file);
    for (size_t row = 0; row < map->n_rows; row++)
        fprintf(file, "M%u %uh%u", HEAPMAP_LEFT, map->y[row], HEAPMAP_COLUMNS * HEAPMAP_CELL);
    for (size_t row = 0, last; row < map->n_rows; row = last + 1) {
        for (last = row; last + 1 < map->n_rows && follows(map, last + 1);)
            last++;
        const unsigned height = (unsigned)(last - row + 1) * HEAPMAP_CELL;
        for (unsigned column = 0; column <= HEAPMAP_COLUMNS; column++)
            fprintf(file, "M%u %uv%u", HEAPMAP_LEFT + column * HEAPMAP_CELL, map->y[row], height);
    }
    fputs("\"/>\n", file);
}

static void put_labels(FILE *file, const struct heapmap *map)
{
    static const char *const heads[N_MACHINE_SEGMENTS] = {
        [MACHINE_BREAK] = "heap; its last address is the break", [MACHINE_MAPPINGS] = "mappings"};
    const uint64_t row_bytes = (map->page_bytes << map->shift) * HEAPMAP_COLUMNS;
    for (size_t row = 0, in_run = 0; row < map->n_rows; row++) {
        if (begins_segment(map, row))
            fprintf(file, "<text class=\"bold\" x=\"%u\" y=\"%u\">%s</text>\n", HEAPMAP_LEFT, map->y[row] - 9,
                    heads[film_segment(map->row[row])]);
        in_run = follows(map, row) ? in_run + 1 : 0;
        if (in_run % 4 == 0)
            fprintf(file, "<text class=\"small end\" x=\"%u\" y=\"%u\">%#" PRIx64 "</text>\n",
                    HEAPMAP_LEFT - 8, map->y[row] + HEAPMAP_CELL - 2, film_number(map->row[row]) * row_bytes);
    }
}

struct entry {
    const char *class, *text; /* class NULL: words before the others */
};

static void put_entries(FILE *file, const struct entry *entries, unsigned y)
{
    enum { LETTER_TENTHS = 56, SWATCH = 14, ENTRY_GAP = 18 };
    for (unsigned x = HEAPMAP_LEFT; entries->text; entries++) {
        if (entries->class) {
            fprintf(file, "<rect class=\"%s frame\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\"/>",
                    entries->class, x, y, SWATCH, SWATCH);
            x += SWATCH + 6;
        }
        fprintf(file, "<text class=\"small\" x=\"%u\" y=\"%u\">%s</text>\n", x, y + 11, entries->text);
        x += (unsigned)strlen(entries->text) * LETTER_TENTHS / 10 + ENTRY_GAP;
    }
}

static void put_legend(FILE *file, const struct heapmap *map)
{
    static const struct entry shades[] = {{NULL, "Of what is resident, live blocks take"},
                                          {"shade0", "nothing"},
                                          {"shade1", "up to 25 %"},
                                          {"shade2", "up to 50 %"},
                                          {"shade3", "up to 75 %"},
                                          {"shade4", "more"},
                                          {0}};
    static const struct entry others[] = {
        {NULL, "The rest of a square is"},
        {"mapped", "mapped and not resident"},
        {"swapped", "in swap"},
        {NULL, "or not mapped. Mappings also have the allocator's own records."},
        {0}};
    put_entries(file, shades, map->height - LEGEND_HEIGHT + 14);
    put_entries(file, others, map->height - LEGEND_HEIGHT + 38);
}

static void put_head(FILE *file, const struct heapmap *map, const struct film_frame *frame)
{
    char op[SVG_NUMBER_ROOM], live[SVG_NUMBER_ROOM], most[SVG_NUMBER_ROOM], square[SVG_NUMBER_ROOM];
    fprintf(file,
            "<text class=\"note\" x=\"12\" y=\"44\"><tspan id=\"map-note\">after operation %s: live "
            "%s, resident "
            "%s</tspan>. A square is %s, filled as far as it is resident.</text>\n",
            svg_count(op, frame->moment.op), svg_bytes(live, frame->moment.figure[FILM_LIVE]),
            svg_bytes(most, frame->moment.figure[FILM_MOST]),
            svg_bytes(square, map->page_bytes << map->shift));
}

void heapmap_draw(FILE *file, const struct heapmap *map, const struct film_frame *frame,
                  const struct picture_about *about, const char *style)
{
    char data[128];
    snprintf(data, sizeof data, "data-op=\"%" PRIu64 "\" data-square=\"%" PRIu64 "\"", frame->moment.op,
             map->page_bytes << map->shift);
    svg_begin(file, &(struct svg_sheet){"map", about->title, style, data, CURVES_WIDTH, map->height});
    fputs("<defs><pattern id=\"hatch\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
          "<path class=\"hatch\" d=\"M-1 1L1 -1M0 4L4 0M3 5L5 3\"/></pattern></defs>\n",
          file);
    put_head(file, map, frame);
    put_squares(file, map, frame);
    put_lines(file, map);
    put_labels(file, map);
    put_legend(file, map);
    svg_end(file);
}
