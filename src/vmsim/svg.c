/* SPDX-License-Identifier: MIT */
/* svg.c - see svg.h. */
#include "vmsim/svg.h"
#include <inttypes.h>
#include <string.h>

/* --- numbers -------------------------------------------------------------------------------------------- */

char *svg_count(char text[SVG_NUMBER_ROOM], uint64_t count)
{
    char digits[SVG_NUMBER_ROOM];
    const int n = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = text;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return text;
}

static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
enum { N_UNITS = sizeof units / sizeof *units };

/* The largest unit that there is at least one of. */
static int unit_of(uint64_t bytes)
{
    int unit = 0;
    while (unit + 1 < N_UNITS && bytes >> (10 * (unit + 1)))
        unit++;
    return unit;
}

char *svg_bytes(char text[SVG_NUMBER_ROOM], uint64_t bytes)
{
    const int unit = unit_of(bytes);
    const uint64_t one = (uint64_t)1 << 10 * unit;
    const uint64_t tenths = bytes / one * 10 + (bytes % one * 10 + one / 2) / one;
    if (unit == 0 || tenths % 10 == 0)
        snprintf(text, SVG_NUMBER_ROOM, "%" PRIu64 " %s", tenths / 10, units[unit]);
    else
        snprintf(text, SVG_NUMBER_ROOM, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
    return text;
}

/* --- places --------------------------------------------------------------------------------------------- */

/* part / whole of `length` pixels, in tenths; 0 if the whole is nothing. */
static unsigned scaled(uint64_t part, uint64_t whole, unsigned length)
{
    if (!whole)
        return 0;
    while (whole >> 48) { /* room for the product */
        whole >>= 1;
        part >>= 1;
    }
    return (unsigned)((part * length * 10 + whole / 2) / whole);
}

unsigned svg_x(const struct svg_panel *panel, uint64_t value)
{
    return panel->left * 10 + scaled(value, panel->x_most, panel->width);
}

unsigned svg_y(const struct svg_panel *panel, uint64_t value)
{
    return (panel->top + panel->height) * 10 - scaled(value, panel->y_most, panel->height);
}

void svg_put(FILE *file, const char *before, unsigned tenths)
{
    if (tenths % 10)
        fprintf(file, "%s%u.%u", before, tenths / 10, tenths % 10);
    else
        fprintf(file, "%s%u", before, tenths / 10);
}

void svg_put_text(FILE *file, const char *text)
{
    static const char special[] = "<>&\"";
    static const char *const words[] = {"&lt;", "&gt;", "&amp;", "&quot;"};
    for (; *text; text++) {
        const char *const at = strchr(special, *text);
        if (at)
            fputs(words[at - special], file);
        else
            fputc((unsigned char)*text < 0x20 ? '?' : *text, file);
    }
}

/* --- the sheet ------------------------------------------------------------------------------------------ */

void svg_begin(FILE *file, const struct svg_sheet *sheet)
{
    const unsigned above = sheet->style ? 0 : SVG_TITLE_HEIGHT, height = sheet->height - above;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"%s\" class=\"picture\" role=\"img\" "
            "viewBox=\"0 %u %u %u\" width=\"%u\" height=\"%u\" %s>\n<title>",
            sheet->id, above, sheet->width, height, sheet->width, height, sheet->data);
    svg_put_text(file, sheet->title);
    fputs("</title>\n", file);
    if (!sheet->style)
        return;
    fprintf(file, "<style>\n%s</style>\n<rect class=\"paper\" width=\"%u\" height=\"%u\"/>\n", sheet->style,
            sheet->width, height);
    fputs("<text class=\"title\" x=\"12\" y=\"24\">", file);
    svg_put_text(file, sheet->title);
    fputs("</text>\n", file);
}

void svg_end(FILE *file)
{
    fputs("</svg>\n", file);
}

/* --- axes ----------------------------------------------------------------------------------------------- */

/* Steps of 1, 2, 5 times a power of ten, so that there are at most `n` of them. */
static uint64_t step_of_count(uint64_t most, uint64_t n)
{
    uint64_t step = 1;
    for (int i = 0; most / step > n; i++)
        step = i % 3 == 1 ? step / 2 * 5 : step * 2;
    return step;
}

static uint64_t step_of_bytes(uint64_t most, uint64_t n)
{
    uint64_t step = 1;
    while (most / step > n)
        step *= 2;
    return step;
}

void svg_axis_x(FILE *file, const struct svg_panel *panel, const char *label)
{
    const unsigned bottom = panel->top + panel->height;
    const uint64_t step = step_of_count(panel->x_most, 8);
    char text[SVG_NUMBER_ROOM];
    fprintf(file, "<g class=\"axis x\"><path d=\"M%u %uh%u\"/>\n", panel->left, bottom, panel->width);
    for (uint64_t value = 0; value <= panel->x_most; value += step) {
        const unsigned x = svg_x(panel, value);
        svg_put(file, "<path d=\"M", x);
        fprintf(file, " %uv5\"/>", bottom);
        svg_put(file, "<text class=\"middle\" x=\"", x);
        fprintf(file, "\" y=\"%u\" data-value=\"%" PRIu64 "\">%s</text>\n", bottom + 19, value,
                svg_count(text, value));
    }
    fprintf(file, "<text class=\"middle\" x=\"%u\" y=\"%u\">%s</text></g>\n", panel->left + panel->width / 2,
            bottom + 38, label);
}

/* The number at a step: in the unit of the step, so that all of an axis are whole numbers of one unit. */
static const char *label_of(char text[SVG_NUMBER_ROOM], uint64_t value, uint64_t step, bool is_bytes)
{
    if (!is_bytes)
        return svg_count(text, value);
    const int unit = unit_of(step);
    svg_count(text, value >> 10 * unit);
    const size_t length = strlen(text);
    if (value)
        snprintf(text + length, SVG_NUMBER_ROOM - length, " %s", units[unit]);
    return text;
}

void svg_axis_y(FILE *file, const struct svg_panel *panel, const char *label, bool is_bytes)
{
    const uint64_t n = panel->height >= 200 ? 6 : 3;
    const uint64_t step = (is_bytes ? step_of_bytes : step_of_count)(panel->y_most, n);
    char text[SVG_NUMBER_ROOM];
    fputs("<g class=\"axis y\">\n", file);
    for (uint64_t value = 0; value <= panel->y_most; value += step) {
        const unsigned y = svg_y(panel, value);
        fprintf(file, "<path class=\"grid\" d=\"M%u", panel->left);
        svg_put(file, " ", y);
        fprintf(file, "h%u\"/><text class=\"end\" x=\"%u", panel->width, panel->left - 8);
        svg_put(file, "\" y=\"", y + 40);
        fprintf(file, "\" data-value=\"%" PRIu64 "\">%s</text>\n", value,
                label_of(text, value, step, is_bytes));
    }
    fprintf(file, "<path d=\"M%u %uv%u\"/>", panel->left, panel->top, panel->height);
    fprintf(file, "<text class=\"bold\" x=\"%u\" y=\"%u\">%s</text></g>\n", panel->left, panel->top - 10,
            label);
}
