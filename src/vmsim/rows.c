/* SPDX-License-Identifier: MIT */
/* rows.c - see rows.h. */
#include "vmsim/rows.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "vmsim/json.h"

enum { CELL_ROOM = 24 };

static const char *text_of(char text[CELL_ROOM], const struct rows_column *column, union rows_cell cell)
{
    switch (column->kind) {
    case ROWS_WORD:
        return cell.word;
    case ROWS_ADDRESS:
        if (!cell.number)
            return "";
        snprintf(text, CELL_ROOM, "%#" PRIx64, (uint64_t)cell.number);
        return text;
    case ROWS_NUMBER:
        snprintf(text, CELL_ROOM, "%" PRId64, cell.number);
        return text;
    case ROWS_CHANGE:
        snprintf(text, CELL_ROOM, "%+" PRId64, cell.number);
        return text;
    case ROWS_DISTANCE:
        snprintf(text, CELL_ROOM, "%c%#" PRIx64, cell.number < 0 ? '-' : '+',
                 (uint64_t)(cell.number < 0 ? -cell.number : cell.number));
        return text;
    }
    return "";
}

/* Columns are two blanks apart; no line ends with blanks. */
static void put_line(const char *const *texts, const struct rows *rows)
{
    size_t n = rows->n_columns;
    while (n > 1 && !texts[n - 1][0])
        n--;
    for (size_t i = 0; i < n; i++) {
        const int width = rows->column[i].width;
        printf("%s%*s", i ? "  " : "", i + 1 == n && width < 0 ? 0 : width, texts[i]);
    }
    putchar('\n');
}

void rows_head(const struct rows *rows)
{
    const char *texts[ROWS_COLUMNS_MOST];
    if (rows->is_json)
        return;
    for (size_t i = 0; i < rows->n_columns; i++)
        texts[i] = rows->column[i].head;
    put_line(texts, rows);
}

static void put_value(const struct rows_column *column, union rows_cell cell, const char *text)
{
    if (column->kind == ROWS_ADDRESS && !cell.number)
        fputs("null", stdout);
    else if (column->kind == ROWS_WORD || column->kind == ROWS_ADDRESS)
        json_print_string(text);
    else
        printf("%" PRId64, cell.number);
}

void rows_put(const struct rows *rows, const union rows_cell *cells)
{
    char room[ROWS_COLUMNS_MOST][CELL_ROOM];
    const char *texts[ROWS_COLUMNS_MOST];
    for (size_t i = 0; i < rows->n_columns; i++)
        texts[i] = text_of(room[i], &rows->column[i], cells[i]);
    if (!rows->is_json) {
        put_line(texts, rows);
        return;
    }
    printf("{\"table\": \"%s\"", rows->table);
    for (size_t i = 0; i < rows->n_columns; i++) {
        printf(", \"%s\": ", rows->column[i].key);
        put_value(&rows->column[i], cells[i], texts[i]);
    }
    puts("}");
}

void rows_text(const struct rows *rows, const char *text, size_t length)
{
    if (!rows->is_json) {
        fwrite(text, 1, length, stdout);
        return;
    }
    printf("{\"table\": \"%s\", \"text\": \"", rows->table);
    json_print(text, length);
    puts("\"}");
}
