/* SPDX-License-Identifier: MIT */
/*
 * trace.c - libFuzzer target: any bytes as a trace, in a buffer that ends where they end. What begins with B is the records
 * of a binary one, in hex digits, a chunk up to each /, thread and start by what follows it, under heads and checksums that
 * are right, so that what is behind them is reached; what begins with R is a binary file as it stands behind that; all else
 * is a text.
 * Asserts that operations make sense, that a complaint is printable, and that what was read is read the same again from the
 * text and from the binary form that it is written in.
 */
#include <stdlib.h>
#include <string.h>
#include "vmalloc/trace.h"
#include "vmsim/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) ((condition) ? (void)0 : give_up(__LINE__, #condition))

static void give_up(int line, const char *condition)
{
    fprintf(stderr, "trace.c:%d: not true: %s\n", line, condition);
    abort();
}

/* --- a binary trace of records -------------------------------------------------------------------------- */

enum { CHUNKS_MAX = 8 };

static void set_checksum(unsigned char *chunk, size_t bytes)
{
    struct vm_trace_chunk head;
    memcpy(&head, chunk, sizeof head);
    head.bytes = (uint32_t)bytes;
    head.checksum = vm_trace_checksum(chunk + sizeof head, bytes);
    memcpy(chunk, &head, sizeof head);
}

static int hex_of(uint8_t byte)
{
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Returns the size. */
static size_t make_binary(const uint8_t *data, size_t size, unsigned char *file)
{
    struct vm_trace_head head = {
        .magic = VM_TRACE_MAGIC, .version = VM_TRACE_VERSION, .chunk_bytes = VM_TRACE_CHUNK_BYTES};
    head.checksum = vm_trace_checksum(&head, offsetof(struct vm_trace_head, checksum));
    memset(file, 0, (CHUNKS_MAX + 1) * VM_TRACE_CHUNK_BYTES);
    memcpy(file, &head, sizeof head);
    size_t n_chunks = 0, at = 0;
    while (at < size && n_chunks < CHUNKS_MAX) {
        const struct vm_trace_chunk chunk = {
            .magic = VM_TRACE_CHUNK_MAGIC,
            .thread = data[at] % 4,
            .first_sequence = data[at] / 4,
            .number = n_chunks,
        };
        unsigned char *const start = file + ++n_chunks * VM_TRACE_CHUNK_BYTES;
        size_t n = 0;
        memcpy(start, &chunk, sizeof chunk);
        for (at++; at < size && data[at] != '/' && n < VM_TRACE_CHUNK_BYTES - sizeof chunk; at++)
            if (at + 1 < size && hex_of(data[at]) >= 0 && hex_of(data[at + 1]) >= 0) {
                start[sizeof chunk + n++] = (unsigned char)(16 * hex_of(data[at]) + hex_of(data[at + 1]));
                at++;
            }
        if (n % 3) /* else a chunk that was still being written */
            set_checksum(start, n);
        at += at < size;
    }
    return (n_chunks + 1) * VM_TRACE_CHUNK_BYTES - size % 5 * 1000 * (n_chunks > 0); /* cut or not */
}

/* --- what is read --------------------------------------------------------------------------------------- */

/* Ops that make sense: keeps which slots are live, and under what number. */
struct live {
    uint64_t *id; /* of each slot; 0: free */
    size_t n_slots;
    uint64_t last_id;
};

static void check_op(struct live *live, const struct op *op)
{
    if (op->slot >= live->n_slots) {
        REQUIRE(op->slot < live->n_slots + 2);
        live->id = realloc(live->id, (op->slot + 1) * sizeof *live->id);
        REQUIRE(live->id);
        for (; live->n_slots <= op->slot; live->n_slots++)
            live->id[live->n_slots] = 0;
    }
    switch (op->kind) {
    case OP_ALLOC:
    case OP_ZEROED:
    case OP_ALIGNED:
        REQUIRE(op->slot && live->id[op->slot] == 0 && op->id > live->last_id);
        REQUIRE((op->kind == OP_ALIGNED) == (op->alignment != 0) &&
                (op->alignment & (op->alignment - 1)) == 0);
        live->last_id = live->id[op->slot] = op->id;
        break;
    case OP_RESIZE:
    case OP_READ:
    case OP_WRITE:
        REQUIRE(op->slot && live->id[op->slot] == op->id);
        break;
    case OP_FREE:
        REQUIRE(op->slot && live->id[op->slot] == op->id);
        live->id[op->slot] = 0;
        break;
    case OP_THREAD_END:
    case OP_TRIM:
    case OP_MALLOPT:
        REQUIRE(op->slot == 0);
        break;
    }
#ifdef PLANTED_FAULT
    REQUIRE(op->kind != OP_RESIZE || op->size != 200);
#endif
}

static void check_error(const struct trace *trace)
{
    const char *const error = trace_error(trace);
    REQUIRE(strlen(error) > 10);
    for (const char *at = error; *at; at++)
        REQUIRE(*at >= ' ' && *at <= '~');
}

static bool is_touch(const struct op *op)
{
    return op->kind == OP_READ || op->kind == OP_WRITE;
}

static bool is_same(const struct op *a, const struct op *b)
{
    return a->kind == b->kind && a->thread == b->thread && a->slot == b->slot && a->id == b->id &&
           a->size == b->size && a->alignment == b->alignment && a->offset == b->offset &&
           a->parameter == b->parameter && a->value == b->value;
}

/* What the writer made of the ops is read the same, up to their number. */
static void check_again(const struct op *ops, size_t n_ops, bool is_binary)
{
    static const struct trace_settings settings;
    char *bytes = NULL;
    size_t size = 0;
    FILE *const file = open_memstream(&bytes, &size);
    REQUIRE(file);
    struct trace_writer *const writer = (is_binary ? trace_write_binary : trace_write_text)(file, &settings);
    for (size_t i = 0; i < n_ops; i++)
        REQUIRE(trace_write(writer, &ops[i]));
    REQUIRE(trace_write_end(writer) && fclose(file) == 0);
    struct trace *const trace = trace_of_bytes(bytes, size);
    struct op op;
    for (size_t i = 0; i < n_ops; i++)
        if (!is_binary || !is_touch(&ops[i]))
            REQUIRE(trace_next(trace, &op) == 1 && is_same(&op, &ops[i]));
    REQUIRE(trace_next(trace, &op) == 0);
    trace_close(trace);
    free(bytes);
}

static void check_trace(const unsigned char *bytes, size_t size)
{
    enum { OPS_MAX = 4096 };
    static struct op ops[OPS_MAX];
    struct live live = {0};
    struct trace *const trace = trace_of_bytes(bytes, size);
    size_t n_ops = 0;
    int result;
    struct op op;
    while ((result = trace_next(trace, &op)) > 0) {
        check_op(&live, &op);
        if (n_ops < OPS_MAX)
            ops[n_ops++] = op;
    }
    if (result < 0) {
        check_error(trace);
        REQUIRE(trace_next(trace, &op) == -1);
    }
    trace_close(trace);
    free(live.id);
    check_again(ops, n_ops, false);
    check_again(ops, n_ops, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bool is_records = size && data[0] == 'B', is_raw = size && data[0] == 'R';
    unsigned char *const exact = malloc(is_records ? (CHUNKS_MAX + 1) * VM_TRACE_CHUNK_BYTES : size + 1);
    REQUIRE(exact);
    if (is_records) {
        const size_t all = make_binary(data + 1, size - 1, exact);
        unsigned char *const cut = realloc(exact, all);
        REQUIRE(cut);
        check_trace(cut, all);
        free(cut);
        return 0;
    }
    memcpy(exact, data + is_raw, size - is_raw);
    unsigned char *const cut = realloc(exact, size ? size - is_raw : 1);
    check_trace(cut ? cut : exact, size - is_raw);
    free(cut);
    return 0;
}
