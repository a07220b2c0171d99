/* SPDX-License-Identifier: MIT */
/*
 * svg.h - pieces of SVG: a plot's panel with its axes, curves in it, numbers as people read them. All places are computed in
 * whole tenths of a pixel: the same bytes from every compiler. Colours and letters are those of picture.css.
 */
#ifndef VM_VMSIM_SVG_H
#define VM_VMSIM_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A whole picture. `style`: the style sheet, for a file of its own; NULL: the page around it has that, and the title, which
   takes SVG_TITLE_HEIGHT pixels at the top otherwise. */
struct svg_sheet {
    const char *id, *title, *style;
    const char *data; /* further attributes, for scripts */
    unsigned width, height;
};
enum { SVG_TITLE_HEIGHT = 30 };
void svg_begin(FILE *file, const struct svg_sheet *sheet);
void svg_end(FILE *file);

/* A rectangle of the picture, in pixels, and what its right and upper edges stand for. */
struct svg_panel {
    unsigned left, top, width, height;
    uint64_t x_most, y_most;
};

/* Where a value is, in tenths of a pixel. */
unsigned svg_x(const struct svg_panel *panel, uint64_t value);
unsigned svg_y(const struct svg_panel *panel, uint64_t value);

/* The axes: lines, numbers and what they are of. Bytes have steps of powers of two, in KiB, MiB, GiB. */
void svg_axis_x(FILE *file, const struct svg_panel *panel, const char *label);
void svg_axis_y(FILE *file, const struct svg_panel *panel, const char *label, bool is_bytes);

/* Tenths of a pixel, as pixels. */
void svg_put(FILE *file, const char *before, unsigned tenths);

/* A text that may have characters of XML's in it. */
void svg_put_text(FILE *file, const char *text);

/* "1,234,567", and for bytes "1.2 MiB", into `text`, which is returned. */
enum { SVG_NUMBER_ROOM = 32 };
char *svg_count(char text[SVG_NUMBER_ROOM], uint64_t count);
char *svg_bytes(char text[SVG_NUMBER_ROOM], uint64_t bytes);

#endif
