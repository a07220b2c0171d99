/* SPDX-License-Identifier: MIT */
/* picture.c - see picture.h. The page is picture.html with pieces in place of words between @. */
#include "vmsim/picture.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/command.h"
#include "vmsim/heapmap.h"
#include "vmsim/map.h"
#include "vmsim/svg.h"

extern const char picture_css[], picture_html[], picture_js[]; /* made by `embed` */

struct page {
    FILE *file;
    const struct film *film;
    const struct heapmap *map;
    const struct picture_about *about;
};

/* --- the film as JSON ----------------------------------------------------------------------------------- */

/* Squares that repeat as one and how many. */
static void put_packed(FILE *file, const char *squares)
{
    for (size_t from = 0, to; squares[from]; from = to) {
        for (to = from + 1; squares[to] == squares[from];)
            to++;
        fputc(squares[from], file);
        if (to - from > 1)
            fprintf(file, "%zu", to - from);
    }
}

static void put_frame(const struct page *page, const struct film_frame *frame)
{
    struct heapmap_squares squares;
    heapmap_squares(page->map, frame, &squares);
    fprintf(page->file, "{\"op\":%" PRIu64 ",\"figures\":[", frame->moment.op);
    for (int i = 0; i < N_FILM_FIGURES; i++)
        fprintf(page->file, "%s%" PRIu64, i ? "," : "", frame->moment.figure[i]);
    fputs("],\"memory\":\"", page->file);
    put_packed(page->file, squares.memory);
    fputs("\",\"swap\":\"", page->file);
    put_packed(page->file, squares.swap);
    fputs("\"}", page->file);
}

static void put_film(const struct page *page)
{
    FILE *const file = page->file;
    fprintf(file,
            "{\"ops\":%" PRIu64
            ",\"peak\":%zu,\"at\":%zu,\"cell\":%d,\"parts\":%d,\"shades\":%d,\"columns\":%d,\"left\":%d,\n"
            "\"rows\":[",
            page->film->n_ops, page->film->peak_frame, page->film->at_frame, HEAPMAP_CELL, HEAPMAP_PARTS,
            HEAPMAP_SHADES, HEAPMAP_COLUMNS, HEAPMAP_LEFT);
    for (size_t i = 0; i < page->map->n_rows; i++)
        fprintf(file, "%s%u", i ? "," : "", page->map->y[i]);
    fputs("],\n\"figures\":[", file);
    for (int i = 0; i < N_FILM_FIGURES; i++)
        fprintf(file, "%s{\"key\":\"%s\",\"about\":\"%s\",\"bytes\":%s}", i ? "," : "", film_figures[i].key,
                film_figures[i].about, film_figures[i].is_bytes ? "true" : "false");
    fputs("],\n\"frames\":[\n", file);
    for (size_t i = 0; i < page->film->n_frames; i++) {
        put_frame(page, &page->film->frame[i]);
        fputs(i + 1 < page->film->n_frames ? ",\n" : "\n]}", file);
    }
}

/* --- the page ------------------------------------------------------------------------------------------- */

static void put_title(const struct page *page)
{
    svg_put_text(page->file, page->about->title);
}

static void put_style(const struct page *page)
{
    fputs(picture_css, page->file);
}

static void put_curves(const struct page *page)
{
    curves_draw(page->file, page->film, page->about, NULL);
}

static void put_map(const struct page *page)
{
    heapmap_draw(page->file, page->map, &page->film->frame[page->film->at_frame], page->about, NULL);
}

static void put_script(const struct page *page)
{
    fputs(picture_js, page->file);
}

static const struct piece {
    const char *word;
    void (*put)(const struct page *page);
} pieces[] = {
    {"@TITLE@", put_title}, {"@STYLE@", put_style}, {"@CURVES@", put_curves},
    {"@MAP@", put_map},     {"@FILM@", put_film},   {"@SCRIPT@", put_script},
};

static const struct piece *piece_at(const char *text)
{
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (strncmp(text, pieces[i].word, strlen(pieces[i].word)) == 0)
            return &pieces[i];
    return NULL;
}

static void put_page(const struct page *page)
{
    for (const char *at = picture_html; *at;) {
        const struct piece *const piece = *at == '@' ? piece_at(at) : NULL;
        if (piece)
            piece->put(page);
        else
            fputc(*at, page->file);
        at += piece ? strlen(piece->word) : 1;
    }
}

/* --- the files ------------------------------------------------------------------------------------------ */

static void put_curves_alone(const struct page *page)
{
    curves_draw(page->file, page->film, page->about, picture_css);
}

static void put_map_alone(const struct page *page)
{
    heapmap_draw(page->file, page->map, &page->film->frame[page->film->at_frame], page->about, picture_css);
}

static bool write_file(const char *path, struct page *page, void (*put)(const struct page *page))
{
    if (!path)
        return true;
    page->file = fopen(path, "we");
    if (page->file) {
        put(page);
        const bool is_written = !ferror(page->file);
        if (fclose(page->file) == 0 && is_written)
            return true;
    }
    return vmsim_complain("%s: %s", path, strerror(errno)) == VMSIM_DONE;
}

bool picture_write(const struct picture_files *files, struct film *film, const struct picture_about *about)
{
    struct heapmap *const map = grow_array(NULL, 1, sizeof *map);
    if (film->wants_frames)
        heapmap_make(map, film);
    struct page page = {.film = film, .map = map, .about = about};
    const bool is_done = write_file(files->curves, &page, put_curves_alone) &&
                         write_file(files->map, &page, put_map_alone) &&
                         write_file(files->page, &page, put_page);
    free(map);
    return is_done;
}
