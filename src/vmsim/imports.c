/* SPDX-License-Identifier: MIT */
/*
 * imports.c - reads what other recorders write: glibc's mtrace ("@ WHERE + ADDRESS SIZE", "- ADDRESS", "< ADDRESS" and
 * "> ADDRESS SIZE" for a realloc), and Android's memory_replay ("THREAD: malloc ADDRESS SIZE" and its kin). An address
 * that is allocated twice was freed unseen in between; a free of one that is not known is passed over. Both are counted.
 */
#include <string.h>
#include "vmsim/reader.h"

static bool word_is(const char *word, size_t length, const char *expected)
{
    return strlen(expected) == length && memcmp(word, expected, length) == 0;
}

static void add(struct trace *trace, uint64_t address, struct op *op)
{
    struct op unseen = {.kind = OP_FREE, .thread = op->thread};
    if (blocks_take(&trace->blocks, address, &unseen)) {
        trace->about.n_unseen++;
        reader_queue(trace, &unseen);
        blocks_forget(&trace->blocks, &unseen);
    }
    blocks_add(&trace->blocks, address, op);
    reader_queue(trace, op);
}

static void drop(struct trace *trace, uint64_t address, struct op *op)
{
    op->kind = OP_FREE;
    if (!blocks_take(&trace->blocks, address, op)) {
        trace->about.n_unknown++;
        return;
    }
    reader_queue(trace, op);
    blocks_forget(&trace->blocks, op);
}

/* `from` becomes `to`; the new block's op if the old one is not known. */
static void resize(struct trace *trace, uint64_t from, uint64_t to, struct op *op)
{
    struct op at_place = {.kind = OP_FREE, .thread = op->thread};
    if (!blocks_take(&trace->blocks, from, op)) {
        trace->about.n_unknown++;
        op->kind = OP_ALLOC;
        add(trace, to, op);
        return;
    }
    if (blocks_take(&trace->blocks, to, &at_place)) {
        trace->about.n_unseen++;
        reader_queue(trace, &at_place);
        blocks_forget(&trace->blocks, &at_place);
    }
    op->kind = OP_RESIZE;
    blocks_rename(&trace->blocks, op, to);
    reader_queue(trace, op);
}

/* --- mtrace --------------------------------------------------------------------------------------------- */

/* A realloc is two lines, "<" and ">". */
static int read_resize_end(struct trace *trace, struct op *op, uint64_t from)
{
    struct line line;
    const char *word;
    size_t length;
    uint64_t to;
    if (!reader_line(trace, &line))
        return reader_fail(trace, "line %zu, column 1: the end where > had to follow <", trace->line);
    const struct line whole = line;
    if (line_word(&line, &word, &length) && word_is(word, length, "@") && line_word(&line, &word, &length))
        line_word(&line, &word, &length);
    if (!word_is(word, length, ">"))
        return line_fail(trace, &whole, "what follows <: a line with >");
    if (!line_number(trace, &line, &to, "an address") || !line_number(trace, &line, &op->size, "a size"))
        return -1;
    resize(trace, from, to, op);
    return 2;
}

static int mtrace_line(struct trace *trace, struct line *line, struct op *op)
{
    const struct line whole = *line;
    const char *word;
    size_t length;
    uint64_t address;
    if (!line_word(line, &word, &length) || *word == '#' || word_is(word, length, "="))
        return 2;
    if (word_is(word, length, "@")) {
        line_word(line, &word, &length); /* where the call is */
        line_word(line, &word, &length);
    }
    if (length != 1 || !strchr("+-<!", *word))
        return line_fail(trace, &whole, "+, -, < or ! behind where the call is");
    if (*word == '!') /* a realloc that failed */
        return 2;
    if (!line_number(trace, line, &address, "an address"))
        return -1;
    op->thread = 1;
    if (*word == '<')
        return read_resize_end(trace, op, address);
    if (*word == '-') {
        drop(trace, address, op);
        return 2;
    }
    if (!line_number(trace, line, &op->size, "a size"))
        return -1;
    if (address == 0) /* there was no memory */
        return 2;
    op->kind = OP_ALLOC;
    add(trace, address, op);
    return 2;
}

static int mtrace_next(struct trace *trace, struct op *op)
{
    struct line line;
    return reader_line(trace, &line) ? mtrace_line(trace, &line, op) : 0;
}

bool mtrace_begin(struct trace *trace)
{
    trace->about.form = "mtrace";
    trace->next = mtrace_next;
    return true;
}

/* --- memory_replay -------------------------------------------------------------------------------------- */

static bool read_alignment(struct trace *trace, struct line *line, struct op *op)
{
    const struct line before = *line;
    if (!line_number(trace, line, &op->alignment, "an alignment"))
        return false;
    return (op->alignment && !(op->alignment & (op->alignment - 1))) ||
           line_fail(trace, &before, "an alignment: a power of two") == 0;
}

/* calloc ADDRESS COUNT SIZE; realloc ADDRESS OLD SIZE; memalign ADDRESS ALIGNMENT SIZE; malloc ADDRESS SIZE; free ADDRESS;
   thread_done ADDRESS. Times may follow. */
static int read_call(struct trace *trace, struct line *line, struct op *op, const char *word, size_t length)
{
    uint64_t address, second = 1;
    const struct line before = *line;
    if (!line_number(trace, line, &address, "an address"))
        return -1;
    if (word_is(word, length, "thread_done")) {
        op->kind = OP_THREAD_END;
        return 1;
    }
    if (word_is(word, length, "free")) {
        if (address)
            drop(trace, address, op);
        return 2;
    }
    if (word_is(word, length, "memalign")
            ? !read_alignment(trace, line, op)
            : !word_is(word, length, "malloc") && !line_number(trace, line, &second, "a number"))
        return -1;
    if (!line_number(trace, line, &op->size, "a size"))
        return -1;
    if (address == 0)
        return 2;
    if (word_is(word, length, "realloc")) {
        if (second == 0) {
            op->kind = OP_ALLOC;
            add(trace, address, op);
        } else {
            resize(trace, second, address, op);
        }
        return 2;
    }
    if (word_is(word, length, "calloc") && __builtin_mul_overflow(op->size, second, &op->size))
        return line_fail(trace, &before, "a number of bytes");
    op->kind = word_is(word, length, "calloc") ? OP_ZEROED : op->alignment ? OP_ALIGNED : OP_ALLOC;
    add(trace, address, op);
    return 2;
}

static int memory_replay_next(struct trace *trace, struct op *op)
{
    static const char *const calls[] = {"malloc", "calloc", "realloc", "memalign", "free", "thread_done"};
    struct line line;
    const char *word;
    size_t length;
    if (!reader_line(trace, &line))
        return 0;
    const struct line whole = line;
    if (!line_word(&line, &word, &length) || *word == '#')
        return 2;
    uint64_t thread = 0;
    for (size_t i = 0; i + 1 < length; i++)
        thread = word[i] >= '0' && word[i] <= '9' && thread <= UINT32_MAX
                     ? 10 * thread + (uint64_t)(word[i] - '0')
                     : UINT64_MAX;
    if (length < 2 || word[length - 1] != ':' || thread > UINT32_MAX)
        return line_fail(trace, &whole, "the number of a thread and :");
    op->thread = (uint32_t)thread;
    const struct line before = line;
    if (line_word(&line, &word, &length))
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            if (word_is(word, length, calls[i]))
                return read_call(trace, &line, op, word, length);
    return line_fail(trace, &before, "malloc, calloc, realloc, memalign, free or thread_done");
}

bool memory_replay_begin(struct trace *trace)
{
    trace->about.form = "memory_replay";
    trace->next = memory_replay_next;
    return true;
}
