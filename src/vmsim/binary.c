/* SPDX-License-Identifier: MIT */
/*
 * binary.c - reads the binary form of a trace (docs/trace-format.md): puts the records of all chunks in the order of their
 * sequence numbers, by a heap of chunks whose topmost has the next one.
 */
#include <stdlib.h>
#include <string.h>
#include "vmalloc/trace.h"
#include "vmsim/reader.h"

/* A chunk that is being read. */
struct source {
    const unsigned char *at, *end;
    uint64_t sequence, place;
    uint32_t thread;
    bool is_begun; /* its next record was looked at; else `sequence` is what its first record's counts from */
};

/* A realloc that has begun. */
struct pending {
    struct op op; /* slot 0: of a block that is not known */
    uint64_t place;
    uint32_t thread;
};

struct binary {
    struct source *heap;
    size_t n_sources;
    uint64_t process, parent;               /* numbers of processes */
    uint64_t first_sequence, last_sequence; /* records have a higher number, and none above the last */
    struct pending *pending;
    size_t n_pending, n_pending_room;
};

static int fail_at(struct trace *trace, const unsigned char *at, const char *what)
{
    return reader_fail(trace, "byte %zu: %s", (size_t)(at - trace->bytes), what);
}

static bool refuse_at(struct trace *trace, const unsigned char *at, const char *what)
{
    fail_at(trace, at, what);
    return false;
}

/* --- the heap ------------------------------------------------------------------------------------------- */

static void sink(struct binary *binary, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < binary->n_sources; child++)
            if (binary->heap[child].sequence < binary->heap[least].sequence)
                least = child;
        if (least == i)
            return;
        const struct source other = binary->heap[least];
        binary->heap[least] = binary->heap[i];
        binary->heap[i] = other;
        i = least;
    }
}

static void drop_top(struct binary *binary)
{
    binary->heap[0] = binary->heap[--binary->n_sources];
    sink(binary, 0);
}

/* --- records -------------------------------------------------------------------------------------------- */

/* False: it goes beyond the end. */
static bool take_number(struct source *source, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; source->at < source->end && shift < 64; shift += 7) {
        const unsigned char byte = *source->at++;
        *number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool take_place(struct source *source, uint64_t *place)
{
    uint64_t step;
    if (!take_number(source, &step))
        return false;
    source->place += (step >> 1) ^ (0 - (step & 1));
    *place = source->place;
    return true;
}

/* Reads ahead to the sequence number of the next record. False: there is none. */
static bool look(struct source *source, uint64_t last_sequence)
{
    const unsigned char *const start = source->at;
    uint64_t step = 1;
    if (source->at == source->end || *source->at == 0)
        return false;
    const bool is_next = *source->at & VM_TRACE_IS_NEXT;
    source->at++;
    if (!is_next && !take_number(source, &step))
        return false;
    source->at = start;
    source->sequence += step;
    source->is_begun = true;
    return source->sequence <= last_sequence;
}

static void begin_resize(struct trace *trace, struct op *op, uint64_t place)
{
    struct binary *const binary = trace->form;
    if (binary->n_pending == binary->n_pending_room) {
        binary->n_pending_room = binary->n_pending_room ? 2 * binary->n_pending_room : 16;
        binary->pending = grow_array(binary->pending, binary->n_pending_room, sizeof *binary->pending);
    }
    trace->about.n_unknown += !blocks_take(&trace->blocks, place, op);
    op->kind = OP_RESIZE;
    binary->pending[binary->n_pending++] = (struct pending){*op, place, op->thread};
}

/* The last realloc that this thread began. */
static bool take_pending(struct binary *binary, uint32_t thread, struct pending *pending)
{
    size_t i = binary->n_pending;
    while (i && binary->pending[i - 1].thread != thread)
        i--;
    if (!i)
        return false;
    *pending = binary->pending[i - 1];
    memmove(binary->pending + i - 1, binary->pending + i, (binary->n_pending - i) * sizeof *binary->pending);
    binary->n_pending--;
    return true;
}

static bool end_resize(struct trace *trace, struct op *op, uint64_t place)
{
    struct pending pending;
    if (!take_pending(trace->form, op->thread, &pending))
        return false;
    if (!pending.op.slot) {
        op->kind = OP_ALLOC;
        reader_alloc(trace, place, op);
        return true;
    }
    reader_make_free(trace, place, op->thread);
    pending.op.size = op->size;
    blocks_rename(&trace->blocks, &pending.op, place);
    reader_queue(trace, &pending.op);
    return true;
}

static bool end_resize_not(struct trace *trace, uint32_t thread)
{
    struct pending pending;
    struct op op = {0};
    if (!take_pending(trace->form, thread, &pending))
        return false;
    if (!pending.op.slot)
        return true;
    if (!blocks_find(&trace->blocks, pending.place, &op)) {
        blocks_rename(&trace->blocks, &pending.op, pending.place);
        return true;
    }
    pending.op.kind = OP_FREE; /* another block has its place: it was freed unseen */
    trace->about.n_unseen++;
    reader_queue(trace, &pending.op);
    blocks_forget(&trace->blocks, &pending.op);
    return true;
}

static bool take_other(struct trace *trace, struct source *source, struct op *op)
{
    uint64_t other, a, b;
    if (!take_number(source, &other) || !take_number(source, &a) || !take_number(source, &b))
        return false;
    switch (other) {
    case VM_TRACE_THREAD_END:
        op->kind = OP_THREAD_END;
        break;
    case VM_TRACE_TRIM:
        op->kind = OP_TRIM;
        op->size = a;
        break;
    case VM_TRACE_MALLOPT:
        op->kind = OP_MALLOPT;
        op->parameter = (int)(uint32_t)a;
        op->value = (int)(uint32_t)b;
        break;
    case VM_TRACE_THREAD:
        source->thread = (uint32_t)a;
        return a <= UINT32_MAX;
    case VM_TRACE_RESIZE_NOT:
        return end_resize_not(trace, op->thread);
    default:
        return false;
    }
    reader_queue(trace, op);
    return true;
}

static bool take_alloc(struct trace *trace, struct source *source, struct op *op, unsigned kind,
                       uint64_t place)
{
    uint64_t log2;
    if (!take_number(source, &op->size))
        return false;
    op->kind = kind == VM_TRACE_ALLOC ? OP_ALLOC : kind == VM_TRACE_ZEROED ? OP_ZEROED : OP_ALIGNED;
    if (kind == VM_TRACE_ALIGNED) {
        if (!take_number(source, &log2) || log2 > 63)
            return false;
        op->alignment = (uint64_t)1 << log2;
    }
    reader_alloc(trace, place, op);
    return true;
}

/* Takes the record that look() saw, and queues what it means. */
static bool take_record(struct trace *trace, struct source *source)
{
    struct op op = {.thread = source->thread};
    uint64_t step, place;
    const unsigned first = *source->at++, kind = first & VM_TRACE_OP_MASK;
    if (first > (VM_TRACE_OP_MASK | VM_TRACE_IS_NEXT))
        return false;
    if (!(first & VM_TRACE_IS_NEXT))
        take_number(source, &step);
    if (kind == VM_TRACE_OTHER)
        return take_other(trace, source, &op);
    if (!take_place(source, &place))
        return false;
    switch (kind) {
    case VM_TRACE_ALLOC:
    case VM_TRACE_ZEROED:
    case VM_TRACE_ALIGNED:
        return take_alloc(trace, source, &op, kind, place);
    case VM_TRACE_FREE:
        reader_free(trace, place, &op);
        return true;
    case VM_TRACE_RESIZE_BEGIN:
        begin_resize(trace, &op, place);
        return true;
    case VM_TRACE_RESIZE_END:
        return take_number(source, &op.size) && end_resize(trace, &op, place);
    default:
        return false;
    }
}

static int binary_next(struct trace *trace, struct op *op)
{
    struct binary *const binary = trace->form;
    (void)op;
    while (binary->n_sources) {
        struct source *const source = &binary->heap[0];
        const bool was_begun = source->is_begun;
        if (was_begun) {
            const unsigned char *const record = source->at;
            if (!take_record(trace, source)) {
                if (source->end != trace->end) /* else the file was cut here */
                    return fail_at(trace, record, "no record");
                trace->n_queued = 0;
                drop_top(binary);
                continue;
            }
            trace->at = source->at > trace->at ? source->at : trace->at;
        }
        if (look(source, binary->last_sequence))
            sink(binary, 0);
        else
            drop_top(binary);
        if (was_begun && trace->n_queued)
            return 2;
    }
    return 0;
}

/* --- the file ------------------------------------------------------------------------------------------- */

static bool read_head(struct trace *trace, struct vm_trace_head *head)
{
    const size_t size = (size_t)(trace->end - trace->bytes);
    if (size < sizeof *head)
        return refuse_at(trace, trace->end, "the head is cut");
    memcpy(head, trace->bytes, sizeof *head);
    if (head->version != VM_TRACE_VERSION)
        return refuse_at(trace, trace->bytes + offsetof(struct vm_trace_head, version),
                         "a version that is not known");
    if (head->checksum != vm_trace_checksum(head, offsetof(struct vm_trace_head, checksum)))
        return refuse_at(trace, trace->bytes + offsetof(struct vm_trace_head, checksum),
                         "the head is damaged");
    if (head->chunk_bytes != VM_TRACE_CHUNK_BYTES)
        return refuse_at(trace, trace->bytes + offsetof(struct vm_trace_head, chunk_bytes),
                         "no size of chunks");
    trace->about.n_lost = head->x_n_lost;
    trace->about.settings = (struct trace_settings){
        .page_bytes = head->page_bytes,
        .top_pad = head->top_pad,
        .trim_threshold = head->trim_threshold,
        .mmap_threshold = head->mmap_threshold,
        .mmap_max = head->mmap_max,
        .is_dynamic = head->is_dynamic,
        .arena_max = head->arena_max,
        .break_offset = head->break_offset,
    };
    return true;
}

/* The chunk's records. False: it is damaged. */
static bool read_chunk(struct trace *trace, const unsigned char *start)
{
    struct binary *const binary = trace->form;
    const size_t rest = (size_t)(trace->end - start);
    const size_t there = rest < VM_TRACE_CHUNK_BYTES ? rest : VM_TRACE_CHUNK_BYTES;
    struct vm_trace_chunk chunk = {0};
    trace->about.is_cut |= there < VM_TRACE_CHUNK_BYTES;
    if (there < sizeof chunk)
        return true;
    memcpy(&chunk, start, sizeof chunk);
    if (chunk.magic == 0) /* room for a chunk that was never begun */
        return true;
    if (chunk.magic != VM_TRACE_CHUNK_MAGIC || chunk.bytes > VM_TRACE_CHUNK_BYTES - sizeof chunk)
        return refuse_at(trace, start, "no chunk");
    const size_t padded = ((size_t)chunk.bytes + 7) & ~(size_t)7;
    if (chunk.bytes && sizeof chunk + padded <= there &&
        chunk.checksum != vm_trace_checksum(start + sizeof chunk, padded))
        return refuse_at(trace, start, "the chunk is damaged");
    if (chunk.first_sequence < binary->first_sequence)
        binary->first_sequence = chunk.first_sequence;
    const size_t used =
        chunk.bytes && sizeof chunk + chunk.bytes < there ? sizeof chunk + chunk.bytes : there;
    binary->heap[binary->n_sources++] = (struct source){
        .at = start + sizeof chunk,
        .end = start + used,
        .sequence = chunk.first_sequence,
        .thread = chunk.thread,
    };
    return true;
}

static void binary_close(struct trace *trace)
{
    struct binary *const binary = trace->form;
    free(binary->heap);
    free(binary->pending);
    free(binary);
}

bool binary_begin(struct trace *trace)
{
    struct vm_trace_head head;
    trace->about.form = "binary";
    if (!read_head(trace, &head))
        return false;
    struct binary *const binary = grow_array(NULL, 1, sizeof *binary);
    *binary = (struct binary){.process = head.process,
                              .parent = head.parent,
                              .first_sequence = UINT64_MAX,
                              .last_sequence = UINT64_MAX};
    const size_t size = (size_t)(trace->end - trace->bytes);
    binary->heap = grow_array(NULL, size / VM_TRACE_CHUNK_BYTES + 1, sizeof *binary->heap);
    trace->form = binary;
    trace->close = binary_close;
    trace->next = binary_next;
    for (size_t at = VM_TRACE_CHUNK_BYTES; at < size; at += VM_TRACE_CHUNK_BYTES)
        if (!read_chunk(trace, trace->bytes + at))
            return false;
    for (size_t i = binary->n_sources; i-- > 0;)
        sink(binary, i);
    return true;
}

/* A fork child counts on from where its parent was. */
bool trace_before(struct trace *trace, struct trace *child)
{
    if (child->error[0])
        return false;
    if (trace->next != binary_next || child->next != binary_next)
        return refuse_at(child, child->bytes, "not a recorded trace, or the one before it is none");
    struct binary *const binary = trace->form;
    const struct binary *const its = child->form;
    if (its->parent == 0 || its->parent != binary->process)
        return refuse_at(child, child->bytes + offsetof(struct vm_trace_head, parent),
                         "not a fork child of the process of the trace before it");
    binary->last_sequence = its->first_sequence;
    trace->child = child;
    return true;
}
