/* SPDX-License-Identifier: MIT */
/* rows.h - tables on standard output: as text under a headline, or as JSON, an object a row with the columns' keys. */
#ifndef VM_VMSIM_ROWS_H
#define VM_VMSIM_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rows_kind {
    ROWS_WORD,
    ROWS_ADDRESS, /* as 0x...; 0: none */
    ROWS_NUMBER,
    ROWS_CHANGE,  /* with its sign */
    ROWS_DISTANCE /* with its sign, as 0x... */
};

struct rows_column {
    const char *key, *head;
    int width; /* negative: words begin at the left */
    enum rows_kind kind;
};

union rows_cell {
    const char *word;
    int64_t number;
};

enum { ROWS_COLUMNS_MOST = 8 };
struct rows {
    const char *table; /* in each object, as "table" */
    bool is_json;
    size_t n_columns;
    struct rows_column column[ROWS_COLUMNS_MOST];
};

/* The headline, of text alone. */
void rows_head(const struct rows *rows);

void rows_put(const struct rows *rows, const union rows_cell *cells);

/* Lines of text in between; as JSON an object with "text". */
void rows_text(const struct rows *rows, const char *text, size_t length);

#endif
