/* SPDX-License-Identifier: MIT */
/* reader.c - see reader.h and trace.h: choosing the form, the blocks, words and numbers of a text. */
#include "vmsim/reader.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "vmalloc/trace.h"

/* --- blocks --------------------------------------------------------------------------------------------- */

static uint32_t take_slot(struct blocks *blocks)
{
    if (blocks->n_free)
        return blocks->free[--blocks->n_free];
    if (++blocks->n_slots >= blocks->n_room) {
        blocks->n_room = blocks->n_room ? 2 * blocks->n_room : 1024;
        blocks->id = grow_array(blocks->id, blocks->n_room, sizeof *blocks->id);
        blocks->free = grow_array(blocks->free, blocks->n_room, sizeof *blocks->free);
    }
    return blocks->n_slots;
}

void blocks_add(struct blocks *blocks, uint64_t key, struct op *op)
{
    op->slot = take_slot(blocks);
    op->id = blocks->id[op->slot] = ++blocks->n_ids;
    map_add(&blocks->slot_of, key, op->slot);
}

static bool fill(const struct blocks *blocks, uint32_t slot, struct op *op)
{
    op->slot = slot;
    op->id = slot ? blocks->id[slot] : 0;
    return slot != 0;
}

bool blocks_find(const struct blocks *blocks, uint64_t key, struct op *op)
{
    return fill(blocks, map_find(&blocks->slot_of, key), op);
}

bool blocks_take(struct blocks *blocks, uint64_t key, struct op *op)
{
    return fill(blocks, map_take(&blocks->slot_of, key), op);
}

void blocks_forget(struct blocks *blocks, const struct op *op)
{
    blocks->free[blocks->n_free++] = op->slot;
}

void blocks_rename(struct blocks *blocks, const struct op *op, uint64_t new_key)
{
    map_add(&blocks->slot_of, new_key, op->slot);
}

/* --- errors and the queue ------------------------------------------------------------------------------- */

int reader_fail(struct trace *trace, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(trace->error, sizeof trace->error, format, arguments);
    va_end(arguments);
    return -1;
}

void reader_queue(struct trace *trace, const struct op *op)
{
    trace->queue[trace->n_queued++] = *op;
}

void reader_make_free(struct trace *trace, uint64_t key, uint32_t thread)
{
    struct op unseen = {.kind = OP_FREE, .thread = thread};
    if (!blocks_take(&trace->blocks, key, &unseen))
        return;
    trace->about.n_unseen++;
    reader_queue(trace, &unseen);
    blocks_forget(&trace->blocks, &unseen);
}

void reader_alloc(struct trace *trace, uint64_t key, struct op *op)
{
    reader_make_free(trace, key, op->thread);
    blocks_add(&trace->blocks, key, op);
    reader_queue(trace, op);
}

void reader_free(struct trace *trace, uint64_t key, struct op *op)
{
    op->kind = OP_FREE;
    if (!blocks_take(&trace->blocks, key, op)) {
        trace->about.n_unknown++;
        return;
    }
    reader_queue(trace, op);
    blocks_forget(&trace->blocks, op);
}

/* --- texts ---------------------------------------------------------------------------------------------- */

bool reader_line(struct trace *trace, struct line *line)
{
    if (trace->at == trace->end)
        return false;
    const unsigned char *const newline = memchr(trace->at, '\n', (size_t)(trace->end - trace->at));
    line->start = line->at = (const char *)trace->at;
    line->end = (const char *)(newline ? newline : trace->end);
    trace->at = newline ? newline + 1 : trace->end;
    trace->line++;
    if (line->end > line->start && line->end[-1] == '\r')
        line->end--;
    return true;
}

static void skip_blanks(struct line *line)
{
    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t'))
        line->at++;
}

bool line_word(struct line *line, const char **word, size_t *length)
{
    skip_blanks(line);
    *word = line->at;
    while (line->at < line->end && *line->at != ' ' && *line->at != '\t')
        line->at++;
    *length = (size_t)(line->at - *word);
    return *length > 0;
}

int line_fail(struct trace *trace, const struct line *line, const char *expected)
{
    struct line at = *line;
    skip_blanks(&at);
    return reader_fail(trace, "line %zu, column %zu: not %s", trace->line, (size_t)(at.at - at.start) + 1,
                       expected);
}

static int digit_of(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : 16;
}

bool line_number(struct trace *trace, struct line *line, uint64_t *number, const char *what)
{
    skip_blanks(line);
    const char *const start = line->at;
    const char *at = start;
    const int base = line->end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X') ? 16 : 10;
    if (base == 16)
        at += 2;
    const char *const first = at;
    bool fits = true;
    for (*number = 0; at < line->end && digit_of(*at) < base; at++)
        fits = fits && !__builtin_mul_overflow(*number, (uint64_t)base, number) &&
               !__builtin_add_overflow(*number, (uint64_t)digit_of(*at), number);
    if (at == first || !fits || (at < line->end && *at != ' ' && *at != '\t')) {
        line_fail(trace, line, what);
        return false;
    }
    line->at = at;
    return true;
}

bool line_alignment(struct trace *trace, struct line *line, uint64_t *alignment)
{
    const struct line before = *line;
    if (!line_number(trace, line, alignment, "an alignment"))
        return false;
    return (*alignment && !(*alignment & (*alignment - 1))) ||
           line_fail(trace, &before, "an alignment: a power of two") == 0;
}

/* --- the trace ------------------------------------------------------------------------------------------ */

/* The form of a text, by its first line that says anything: mtrace begins with "= Start" or "@ WHERE", memory_replay
   with "NUMBER:". */
static bool begin_text(struct trace *trace)
{
    struct line line;
    const char *word;
    size_t length;
    bool (*begin)(struct trace *) = text_begin;
    while (reader_line(trace, &line)) {
        if (!line_word(&line, &word, &length) || *word == '#')
            continue;
        if (length == 1 && (*word == '=' || *word == '@' || *word == '+' || *word == '-'))
            begin = mtrace_begin;
        else if (word[length - 1] == ':' && word[0] >= '0' && word[0] <= '9')
            begin = memory_replay_begin;
        break;
    }
    trace->at = trace->bytes;
    trace->line = 0;
    return begin(trace);
}

static int next_of_none(struct trace *trace, struct op *op)
{
    (void)trace;
    (void)op;
    return -1;
}

struct trace *trace_of_bytes(const void *bytes, size_t size)
{
    struct trace *const trace = grow_array(NULL, 1, sizeof *trace);
    *trace = (struct trace){.bytes = bytes, .at = bytes, .end = (const unsigned char *)bytes + size};
    const bool is_binary = size >= 8 && memcmp(bytes, VM_TRACE_MAGIC, 8) == 0;
    if (!(is_binary ? binary_begin(trace) : begin_text(trace)))
        trace->next = next_of_none;
    return trace;
}

static unsigned char *read_all(FILE *file, size_t *size)
{
    size_t room = 1 << 20;
    unsigned char *bytes = grow_array(NULL, room, 1);
    *size = 0;
    for (size_t n; (n = fread(bytes + *size, 1, room - *size, file)) > 0;) {
        *size += n;
        if (*size == room)
            bytes = grow_array(bytes, room *= 2, 1);
    }
    return bytes;
}

struct trace *trace_open(const char *path)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    FILE *const file = is_stdin ? stdin : fopen(path, "rbe");
    if (!file)
        return NULL;
    size_t size;
    unsigned char *const bytes = read_all(file, &size);
    const int error = ferror(file) ? errno : 0;
    if (!is_stdin)
        fclose(file);
    if (error) {
        free(bytes);
        errno = error;
        return NULL;
    }
    struct trace *const trace = trace_of_bytes(bytes, size);
    trace->owned = bytes;
    return trace;
}

void trace_close(struct trace *trace)
{
    if (trace->close)
        trace->close(trace);
    map_free(&trace->blocks.slot_of);
    free(trace->blocks.id);
    free(trace->blocks.free);
    free(trace->owned);
    free(trace);
}

static void hand_over_blocks(struct trace *trace)
{
    trace->child->blocks = trace->blocks;
    trace->blocks = (struct blocks){0};
    trace->child = NULL;
}

int trace_next(struct trace *trace, struct op *op)
{
    int result = 2;
    while (result == 2) {
        if (trace->n_taken < trace->n_queued) {
            *op = trace->queue[trace->n_taken++];
            result = 1;
            break;
        }
        trace->n_taken = trace->n_queued = 0;
        *op = (struct op){0};
        result = trace->error[0] ? -1 : trace->next(trace, op);
    }
    trace->about.n_ops += result == 1;
    if (result == 0 && trace->child)
        hand_over_blocks(trace);
    return result;
}

const char *trace_error(const struct trace *trace)
{
    return trace->error;
}

const struct trace_about *trace_about(const struct trace *trace)
{
    return &trace->about;
}

const struct trace_settings *trace_settings_of(struct trace *trace)
{
    struct op op;
    if (!trace->about.n_ops && trace->n_taken == trace->n_queued && trace_next(trace, &op) > 0) {
        trace->n_taken = 0; /* once more, with what else waits */
        if (!trace->n_queued)
            trace->queue[trace->n_queued++] = op;
        trace->about.n_ops--;
    }
    return &trace->about.settings;
}

double trace_progress(const struct trace *trace)
{
    const double size = (double)(trace->end - trace->bytes);
    return size > 0 ? (double)(trace->at - trace->bytes) / size : 1;
}
