/* SPDX-License-Identifier: MIT */
/*
 * curves.c - see curves.h. Three panels above each other over one axis of operations. Each curve has its name at its end, and
 * a dash of its own: it can be told without colours.
 */
#include "vmsim/curves.h"
#include <inttypes.h>
#include <stdlib.h>
#include "vmsim/svg.h"

enum {
    NAMES_LEFT = CURVES_LEFT + CURVES_PLOT_WIDTH + 10,
    NAME_HEIGHT = 170,
    TITLE_HEIGHT = 66,
    PANEL_GAP = 46
};

/* A curve: the class of its line, and its name. */
struct curve {
    enum film_figure figure;
    const char *name;
};

struct panel {
    const char *label;
    unsigned height;
    bool is_bytes;
    unsigned n_curves;
    struct curve curve[4];
};
static const struct panel panels[] = {
    {"memory",
     270,
     true,
     4,
     {{FILM_LIVE, "live"},
      {FILM_LEAST, "resident, at least"},
      {FILM_MOST, "resident, at most"},
      {FILM_SWAPPED, "in swap"}}},
    {"addresses", 90, true, 1, {{FILM_ADDRESSES, "mapped"}}},
    {"faults so far", 90, false, 2, {{FILM_MINOR, "minor"}, {FILM_MAJOR, "major"}}},
};
enum { N_PANELS = sizeof panels / sizeof *panels };

static uint64_t most_of(const struct film *film, enum film_figure figure)
{
    uint64_t most = 0;
    for (size_t i = 0; i < film->n_points; i++)
        most = film->point[i].figure[figure] > most ? film->point[i].figure[figure] : most;
    return most;
}

static uint64_t most_in_panel(const struct film *film, const struct panel *panel)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < panel->n_curves; i++) {
        const uint64_t one = most_of(film, panel->curve[i].figure);
        most = one > most ? one : most;
    }
    return most;
}

/* A machine that does not page has no faults. */
static bool is_shown(const struct film *film, int i)
{
    return i == 0 || most_in_panel(film, &panels[i]);
}

/* --- curves --------------------------------------------------------------------------------------------- */

/* Through all points, and what it was in the end. */
static void put_points(FILE *file, const struct film *film, const struct svg_panel *panel,
                       enum film_figure figure)
{
    for (size_t i = 0; i < film->n_points; i++) {
        svg_put(file, i ? "L" : "M", svg_x(panel, film->point[i].op));
        svg_put(file, " ", svg_y(panel, film->point[i].figure[figure]));
    }
    svg_put(file, "L", svg_x(panel, film->last.op));
    svg_put(file, " ", svg_y(panel, film->last.figure[figure]));
}

static void put_area(FILE *file, const struct film *film, const struct svg_panel *panel,
                     enum film_figure figure)
{
    fprintf(file, "<path class=\"area %s\" d=\"", film_figures[figure].key);
    put_points(file, film, panel, figure);
    svg_put(file, "L", svg_x(panel, film->n_ops));
    fprintf(file, " %uH%uz\"/>\n", panel->top + panel->height, panel->left);
}

static void put_curve(FILE *file, const struct film *film, const struct svg_panel *panel,
                      enum film_figure figure)
{
    const struct film_figure_about *const about = &film_figures[figure];
    fprintf(file, "<path class=\"curve %s\" data-most=\"%" PRIu64 "\" data-end=\"%" PRIu64 "\" d=\"",
            about->key, most_of(film, figure), film->last.figure[figure]);
    put_points(file, film, panel, figure);
    fprintf(file, "\"><title>%s</title></path>\n", about->about);
}

/* --- names at the ends ---------------------------------------------------------------------------------- */

struct name {
    const struct curve *curve;
    unsigned y; /* tenths */
};

static int by_height(const void *a, const void *b)
{
    const struct name *const first = a, *const second = b;
    return (first->y > second->y) - (first->y < second->y);
}

/* From above to below, none on another, none below the panel. */
static void spread(struct name *names, unsigned n, const struct svg_panel *panel)
{
    qsort(names, n, sizeof *names, by_height);
    unsigned lowest = (panel->top + panel->height) * 10;
    for (unsigned i = n; i-- > 0;) {
        names[i].y = names[i].y < lowest ? names[i].y : lowest;
        lowest = names[i].y - NAME_HEIGHT;
    }
    unsigned highest = panel->top * 10;
    for (unsigned i = 0; i < n; i++) {
        names[i].y = names[i].y > highest ? names[i].y : highest;
        highest = names[i].y + NAME_HEIGHT;
    }
}

static void put_names(FILE *file, const struct film *film, const struct svg_panel *panel,
                      const struct panel *about)
{
    struct name names[4];
    unsigned n = 0;
    for (unsigned i = 0; i < about->n_curves; i++)
        if (i == 0 || most_of(film, about->curve[i].figure))
            names[n++] =
                (struct name){&about->curve[i], svg_y(panel, film->last.figure[about->curve[i].figure])};
    spread(names, n, panel);
    for (unsigned i = 0; i < n; i++) {
        const struct film_figure_about *const figure = &film_figures[names[i].curve->figure];
        fprintf(file, "<path class=\"curve %s\" d=\"M%u", figure->key, NAMES_LEFT);
        svg_put(file, " ", names[i].y);
        fprintf(file, "h22\"/><text x=\"%u", NAMES_LEFT + 28);
        svg_put(file, "\" y=\"", names[i].y + 40);
        fprintf(file, "\">%s</text>\n", names[i].curve->name);
    }
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static void put_mark(FILE *file, const struct svg_panel *panel, uint64_t op, unsigned bottom,
                     const char *class)
{
    fprintf(file, "<path class=\"mark %s\" data-op=\"%" PRIu64 "\" d=\"M", class, op);
    svg_put(file, "", svg_x(panel, op));
    fprintf(file, " %uV%u\"/>\n", panel->top, bottom);
}

static void put_head(FILE *file, const struct film *film, const struct picture_about *about)
{
    char text[SVG_NUMBER_ROOM], op[SVG_NUMBER_ROOM];
    fprintf(file, "<text class=\"note\" x=\"12\" y=\"44\">most resident: %s, at operation %s (the thin line)",
            svg_bytes(text, most_of(film, FILM_MOST)), svg_count(op, film->peak));
    if (about->first_refused)
        fprintf(file, "; first refusal at operation %s (the broken line)",
                svg_count(op, about->first_refused));
    if (about->killed_at)
        fprintf(file, "; no memory, and the process ended, at operation %s", svg_count(op, about->killed_at));
    fputs("</text>\n", file);
}

static void put_panel(FILE *file, const struct film *film, const struct svg_panel *panel,
                      const struct panel *about)
{
    fprintf(file, "<g class=\"panel\">\n");
    for (unsigned i = 0; i < about->n_curves; i++)
        if (about->curve[i].figure == FILM_LIVE || about->curve[i].figure == FILM_ADDRESSES)
            put_area(file, film, panel, about->curve[i].figure);
    svg_axis_y(file, panel, about->label, about->is_bytes);
    for (unsigned i = 0; i < about->n_curves; i++)
        if (i == 0 || most_of(film, about->curve[i].figure))
            put_curve(file, film, panel, about->curve[i].figure);
    put_names(file, film, panel, about);
    fputs("</g>\n", file);
}

void curves_draw(FILE *file, const struct film *film, const struct picture_about *about, const char *style)
{
    unsigned height = TITLE_HEIGHT + 26;
    for (int i = 0; i < N_PANELS; i++)
        height += is_shown(film, i) ? panels[i].height + PANEL_GAP : 0;
    char data[128];
    snprintf(data, sizeof data, "data-left=\"%u\" data-width=\"%u\" data-ops=\"%" PRIu64 "\"", CURVES_LEFT,
             CURVES_PLOT_WIDTH, film->n_ops);
    svg_begin(file, &(struct svg_sheet){"curves", about->title, style, data, CURVES_WIDTH, height});
    put_head(file, film, about);
    struct svg_panel panel = {CURVES_LEFT, TITLE_HEIGHT + 14, CURVES_PLOT_WIDTH, 0, film->n_ops, 0};
    const struct svg_panel top = panel;
    unsigned bottom = 0;
    for (int i = 0; i < N_PANELS; i++) {
        if (!is_shown(film, i))
            continue;
        const uint64_t most = most_in_panel(film, &panels[i]);
        panel.y_most = most + most / 16;
        panel.height = panels[i].height;
        put_panel(file, film, &panel, &panels[i]);
        bottom = panel.top + panel.height;
        panel.top = bottom + PANEL_GAP;
    }
    panel.top = bottom - panel.height;
    svg_axis_x(file, &panel, "operations");
    put_mark(file, &top, film->peak, bottom, "peak");
    if (about->first_refused)
        put_mark(file, &top, about->first_refused, bottom, "refused");
    fprintf(file, "<path id=\"cursor\" class=\"mark cursor\" d=\"M%u %uV%u\"/>\n", CURVES_LEFT, top.top,
            bottom);
    svg_end(file);
}
