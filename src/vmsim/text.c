/* SPDX-License-Identifier: MIT */
/*
 * text.c - reads the text form of a trace (docs/trace-format.md): an operation a line, THREAD OP and its numbers.
 */
#include <string.h>
#include "vmsim/reader.h"
#include "vmsim/settings.h"

/* One row an operation: what numbers follow. */
struct shape {
    char letter;
    enum op_kind kind;
    const char *
        numbers; /* b: a block that is new; i: one that is there; s: size; a: alignment; o: offset; p, v: parameter
                            and value; w: the word r or w */
};

static const struct shape shapes[] = {
    {'a', OP_ALLOC, "bs"},  {'z', OP_ZEROED, "bs"},  {'m', OP_ALIGNED, "bsa"},
    {'r', OP_RESIZE, "is"}, {'f', OP_FREE, "i"},     {'x', OP_THREAD_END, ""},
    {'g', OP_TRIM, "s"},    {'o', OP_MALLOPT, "pv"}, {'t', OP_READ, "iosw"},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static bool read_int(struct trace *trace, struct line *line, int *number)
{
    uint64_t value;
    bool is_negative = false;
    const char *const start = line->at;
    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t'))
        line->at++;
    if (line->at < line->end && *line->at == '-') {
        is_negative = true;
        line->at++;
    }
    if (!line_number(trace, line, &value, "a number"))
        return false;
    if (value > 0x7fffffff) {
        line->at = start;
        return line_fail(trace, line, "a number of 31 bits") == 0;
    }
    *number = is_negative ? -(int)value : (int)value;
    return true;
}

static bool read_block(struct trace *trace, struct line *line, struct op *op, bool is_new)
{
    const struct line before = *line;
    uint64_t key;
    if (!line_number(trace, line, &key, "the number of a block"))
        return false;
    const bool is_there =
        op->kind == OP_FREE ? blocks_take(&trace->blocks, key, op) : blocks_find(&trace->blocks, key, op);
    if (is_new && is_there)
        return line_fail(trace, &before, "a new block: that number's is not freed") == 0;
    if (!is_new && !is_there)
        return line_fail(trace, &before, "the number of a block that is allocated") == 0;
    if (is_new)
        blocks_add(&trace->blocks, key, op);
    if (op->kind == OP_FREE)
        blocks_forget(&trace->blocks, op);
    return true;
}

static bool read_alignment(struct trace *trace, struct line *line, struct op *op)
{
    const struct line before = *line;
    if (!line_number(trace, line, &op->alignment, "an alignment"))
        return false;
    return (op->alignment && !(op->alignment & (op->alignment - 1))) ||
           line_fail(trace, &before, "an alignment: a power of two") == 0;
}

static bool read_way(struct trace *trace, struct line *line, struct op *op)
{
    const struct line before = *line;
    const char *word;
    size_t length;
    if (!line_word(line, &word, &length) || length != 1 || (*word != 'r' && *word != 'w'))
        return line_fail(trace, &before, "r or w") == 0;
    op->kind = *word == 'w' ? OP_WRITE : OP_READ;
    return true;
}

static bool read_numbers(struct trace *trace, struct line *line, struct op *op, const char *numbers)
{
    for (; *numbers; numbers++) {
        bool is_right = false;
        switch (*numbers) {
        case 'b':
        case 'i':
            is_right = read_block(trace, line, op, *numbers == 'b');
            break;
        case 's':
            is_right = line_number(trace, line, &op->size, "a number of bytes");
            break;
        case 'o':
            is_right = line_number(trace, line, &op->offset, "an offset");
            break;
        case 'a':
            is_right = read_alignment(trace, line, op);
            break;
        case 'p':
            is_right = read_int(trace, line, &op->parameter);
            break;
        case 'v':
            is_right = read_int(trace, line, &op->value);
            break;
        case 'w':
            is_right = read_way(trace, line, op);
            break;
        }
        if (!is_right)
            return false;
    }
    return true;
}

static int read_op(struct trace *trace, struct line *line, struct op *op)
{
    uint64_t thread;
    const char *word;
    size_t length;
    const struct line whole = *line;
    if (!line_number(trace, line, &thread, "the number of a thread"))
        return -1;
    if (thread > UINT32_MAX)
        return line_fail(trace, &whole, "the number of a thread");
    op->thread = (uint32_t)thread;
    const struct line before = *line;
    const bool has_word = line_word(line, &word, &length);
    for (size_t i = 0; i < N_SHAPES && has_word && length == 1; i++) {
        if (shapes[i].letter != *word)
            continue;
        op->kind = shapes[i].kind;
        if (!read_numbers(trace, line, op, shapes[i].numbers))
            return -1;
        return line_word(line, &word, &length)
                   ? (line->at = word, line_fail(trace, line, "the end of the line"))
                   : 1;
    }
    return line_fail(trace, &before, "an operation: a z m r f x g o t");
}

/* set NAME NUMBER: what was in effect. */
static int read_setting(struct trace *trace, struct line *line)
{
    const char *name;
    size_t length;
    uint64_t value;
    const struct line before = *line;
    const bool has_name = line_word(line, &name, &length);
    for (size_t i = 0; i < N_TRACE_SETTINGS && has_name; i++)
        if (strlen(trace_settings_names[i].name) == length &&
            memcmp(trace_settings_names[i].name, name, length) == 0) {
            if (!line_number(trace, line, &value, "a number"))
                return -1;
            *trace_setting(&trace->about.settings, i) = value;
            return 2;
        }
    return line_fail(trace, &before, "the name of a setting");
}

static int text_next(struct trace *trace, struct op *op)
{
    struct line line;
    const char *word;
    size_t length;
    while (reader_line(trace, &line)) {
        const struct line whole = line;
        if (!line_word(&line, &word, &length) || *word == '#')
            continue;
        if (length == 3 && memcmp(word, "set", 3) == 0) {
            if (read_setting(trace, &line) < 0)
                return -1;
            continue;
        }
        line = whole;
        return read_op(trace, &line, op);
    }
    return 0;
}

bool text_begin(struct trace *trace)
{
    trace->about.form = "text";
    trace->next = text_next;
    return true;
}
