/* SPDX-License-Identifier: MIT */
/* writer.c - writes a trace: as text, or in the binary form, one chunk after the other. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "vmalloc/trace.h"
#include "vmsim/map.h"
#include "vmsim/settings.h"
#include "vmsim/trace.h"

struct trace_writer {
    FILE *file;
    bool (*write)(struct trace_writer *writer, const struct op *op);
    struct vm_trace_head head;
    unsigned char chunk[VM_TRACE_CHUNK_BYTES];
    size_t used; /* bytes of the chunk; 0: none is begun */
    uint64_t sequence, place;
    uint32_t thread;
};

/* --- text ----------------------------------------------------------------------------------------------- */

static bool write_line(struct trace_writer *writer, const struct op *op)
{
    static const char letters[] = {
        [OP_ALLOC] = 'a',      [OP_ZEROED] = 'z', [OP_ALIGNED] = 'm', [OP_RESIZE] = 'r', [OP_FREE] = 'f',
        [OP_THREAD_END] = 'x', [OP_TRIM] = 'g',   [OP_MALLOPT] = 'o', [OP_READ] = 't',   [OP_WRITE] = 't'};
    FILE *const file = writer->file;
    fprintf(file, "%" PRIu32 " %c", op->thread, letters[op->kind]);
    if (op->slot)
        fprintf(file, " %" PRIu64, op->id);
    switch (op->kind) {
    case OP_ALLOC:
    case OP_ZEROED:
    case OP_RESIZE:
    case OP_TRIM:
        fprintf(file, " %" PRIu64, op->size);
        break;
    case OP_ALIGNED:
        fprintf(file, " %" PRIu64 " %" PRIu64, op->size, op->alignment);
        break;
    case OP_MALLOPT:
        fprintf(file, " %d %d", op->parameter, op->value);
        break;
    case OP_READ:
    case OP_WRITE:
        fprintf(file, " %" PRIu64 " %" PRIu64 " %c", op->offset, op->size, op->kind == OP_READ ? 'r' : 'w');
        break;
    case OP_FREE:
    case OP_THREAD_END:
        break;
    }
    fputc('\n', file);
    return !ferror(file);
}

static struct trace_writer *begin(FILE *file, bool (*write)(struct trace_writer *, const struct op *))
{
    struct trace_writer *const writer = grow_array(NULL, 1, sizeof *writer);
    *writer = (struct trace_writer){.file = file, .write = write};
    return writer;
}

struct trace_writer *trace_write_text(FILE *file, const struct trace_settings *settings)
{
    struct trace_settings copy = *settings;
    for (size_t i = 0; i < N_TRACE_SETTINGS; i++)
        if (copy.page_bytes)
            fprintf(file, "set %s %" PRIu64 "\n", trace_settings_names[i].name, *trace_setting(&copy, i));
    return begin(file, write_line);
}

/* --- binary --------------------------------------------------------------------------------------------- */

static bool write_chunk(struct trace_writer *writer)
{
    struct vm_trace_chunk chunk;
    if (!writer->used)
        return true;
    memcpy(&chunk, writer->chunk, sizeof chunk);
    chunk.bytes = (uint32_t)(writer->used - sizeof chunk);
    chunk.checksum = vm_trace_checksum(writer->chunk + sizeof chunk, chunk.bytes);
    memcpy(writer->chunk, &chunk, sizeof chunk);
    writer->used = 0;
    return fwrite(writer->chunk, sizeof writer->chunk, 1, writer->file) == 1;
}

static bool has_room(struct trace_writer *writer, const struct op *op)
{
    if (writer->used && writer->used <= sizeof writer->chunk - 3 * VM_TRACE_RECORD_MAX)
        return true;
    if (!write_chunk(writer))
        return false;
    const struct vm_trace_chunk chunk = {
        .magic = VM_TRACE_CHUNK_MAGIC,
        .thread = op->thread,
        .first_sequence = writer->sequence,
        .number = writer->head.x_n_chunks++,
    };
    memset(writer->chunk, 0, sizeof writer->chunk);
    memcpy(writer->chunk, &chunk, sizeof chunk);
    writer->used = sizeof chunk;
    writer->place = 0;
    writer->thread = op->thread;
    return true;
}

static void put_number(struct trace_writer *writer, uint64_t number)
{
    for (; number > 127; number >>= 7)
        writer->chunk[writer->used++] = (unsigned char)(number | 128);
    writer->chunk[writer->used++] = (unsigned char)number;
}

static void begin_record(struct trace_writer *writer, unsigned kind)
{
    writer->chunk[writer->used++] = (unsigned char)(kind | VM_TRACE_IS_NEXT);
    writer->sequence++;
}

/* A block's slot is its place: no two blocks have it at a time. */
static void put_place(struct trace_writer *writer, unsigned kind, uint64_t place)
{
    begin_record(writer, kind);
    const uint64_t step = place - writer->place;
    put_number(writer, (step << 1) ^ (0 - (step >> 63)));
    writer->place = place;
}

static void put_other(struct trace_writer *writer, enum vm_trace_other other, uint64_t a, uint64_t b)
{
    begin_record(writer, VM_TRACE_OTHER);
    put_number(writer, other);
    put_number(writer, a);
    put_number(writer, b);
}

static bool write_record(struct trace_writer *writer, const struct op *op)
{
    if (op->kind == OP_READ || op->kind == OP_WRITE)
        return true; /* the binary form has no touches: vmsim convert says so */
    if (!has_room(writer, op))
        return false;
    if (writer->thread != op->thread)
        put_other(writer, VM_TRACE_THREAD, writer->thread = op->thread, 0);
    switch (op->kind) {
    case OP_ALLOC:
        put_place(writer, VM_TRACE_ALLOC, op->slot);
        put_number(writer, op->size);
        break;
    case OP_ZEROED:
        put_place(writer, VM_TRACE_ZEROED, op->slot);
        put_number(writer, op->size);
        break;
    case OP_ALIGNED:
        put_place(writer, VM_TRACE_ALIGNED, op->slot);
        put_number(writer, op->size);
        put_number(writer, (uint64_t)__builtin_ctzll(op->alignment));
        break;
    case OP_RESIZE:
        put_place(writer, VM_TRACE_RESIZE_BEGIN, op->slot);
        put_place(writer, VM_TRACE_RESIZE_END, op->slot);
        put_number(writer, op->size);
        break;
    case OP_FREE:
        put_place(writer, VM_TRACE_FREE, op->slot);
        break;
    case OP_THREAD_END:
        put_other(writer, VM_TRACE_THREAD_END, 0, 0);
        break;
    case OP_TRIM:
        put_other(writer, VM_TRACE_TRIM, op->size, 0);
        break;
    case OP_MALLOPT:
        put_other(writer, VM_TRACE_MALLOPT, (uint32_t)op->parameter, (uint32_t)op->value);
        break;
    case OP_READ:
    case OP_WRITE:
        break;
    }
    return true;
}

struct trace_writer *trace_write_binary(FILE *file, const struct trace_settings *settings)
{
    struct trace_writer *const writer = begin(file, write_record);
    writer->head = (struct vm_trace_head){
        .magic = VM_TRACE_MAGIC,
        .version = VM_TRACE_VERSION,
        .chunk_bytes = VM_TRACE_CHUNK_BYTES,
        .page_bytes = (uint32_t)settings->page_bytes,
        .word_bytes = sizeof(void *),
        .top_pad = settings->top_pad,
        .trim_threshold = settings->trim_threshold,
        .mmap_threshold = settings->mmap_threshold,
        .mmap_max = settings->mmap_max,
        .is_dynamic = settings->is_dynamic,
        .arena_max = settings->arena_max,
        .break_offset = settings->break_offset,
        .x_is_over = 1,
    };
    writer->head.checksum = vm_trace_checksum(&writer->head, offsetof(struct vm_trace_head, checksum));
    memset(writer->chunk, 0, sizeof writer->chunk);
    memcpy(writer->chunk, &writer->head, sizeof writer->head);
    fwrite(writer->chunk, sizeof writer->chunk, 1, file);
    return writer;
}

bool trace_write(struct trace_writer *writer, const struct op *op)
{
    return writer->write(writer, op);
}

bool trace_write_end(struct trace_writer *writer)
{
    const bool done = write_chunk(writer) && fflush(writer->file) == 0 && !ferror(writer->file);
    free(writer);
    return done;
}
