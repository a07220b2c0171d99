/* SPDX-License-Identifier: MIT */
/*
 * trace.c - libFuzzer target: any bytes as a trace, in a buffer that ends where they end, which is read, written again, and
 * replayed. Built once for each form, FORM: TEXT, MTRACE, MEMORY_REPLAY begin with a line that tells the form. BINARY: what
 * begins with R is a file as it stands behind that; all else is the settings of a head, and the records, in hex digits, a
 * chunk up to each /, thread and start by what follows it, under heads and checksums that are right, so that what is behind
 * them is reached.
 * Asserts that operations make sense, that a complaint is printable, that what was read is read the same again from the
 * text and from the binary form that it is written in, that a replay does what the operations say and leaves the allocator
 * and its kernel in order, and that it does the same twice.
 */
#include <stdlib.h>
#include <string.h>
#include "front/front.h"
#include "fuzz.h"
#include "vmalloc/trace.h"
#include "vmsim/command.h"
#include "vmsim/options.h"
#include "vmsim/replay.h"

enum form { TEXT, MTRACE, MEMORY_REPLAY, BINARY };

/* What replays complain of is not looked at here. */
int vmsim_complain(const char *format, ...)
{
    (void)format;
    return VMSIM_WRONG;
}

int vmsim_misused(const char *format, ...)
{
    (void)format;
    return VMSIM_WRONG;
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

/* What was in effect, as a byte says. */
static struct vm_trace_head make_head(uint8_t settings)
{
    struct vm_trace_head head = {
        .magic = VM_TRACE_MAGIC,
        .version = VM_TRACE_VERSION,
        .chunk_bytes = VM_TRACE_CHUNK_BYTES,
        .page_bytes = settings % 2 ? 4096 : 0,
        .top_pad = settings % 3 * 65536,
        .trim_threshold = settings % 5 ? UINT64_C(4096) << settings % 5 : UINT64_MAX,
        .mmap_threshold = UINT64_C(4096) << settings % 7,
        .mmap_max = settings % 11,
        .is_dynamic = settings % 13 < 7,
        .arena_max = settings % 4,
        .break_offset = settings * UINT64_C(1000),
    };
    head.checksum = vm_trace_checksum(&head, offsetof(struct vm_trace_head, checksum));
    return head;
}

/* Returns the size. */
static size_t make_binary(const uint8_t *data, size_t size, unsigned char *file)
{
    const struct vm_trace_head head = make_head(size ? data[0] : 0);
    memset(file, 0, (CHUNKS_MAX + 1) * VM_TRACE_CHUNK_BYTES);
    memcpy(file, &head, sizeof head);
    size_t n_chunks = 0, at = 1;
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

/* --- replays -------------------------------------------------------------------------------------------- */

/* What a replay has to come to, and what it came to; the latter is shared with the child that does it. */
struct replayed {
    struct trace *trace;
    struct replay_plan plan;
    struct replay_result *result;
};

static void replay_in_child(void *context)
{
    const struct replayed *const replayed = context;
    REQUIRE(replay(replayed->trace, "trace", &replayed->plan, replayed->result));
    vm_check_all();
}

/* Another machine, and other touches, for each length of the input. */
static struct replay_plan plan_of(size_t size)
{
    static const char *const layouts[] = {"x86-64", "flat", "arm64-64k-42", "x86-32", "wasm32"};
    static const char *const plans[] = {NULL, "map:every=2;seed=3", "page:prob=1/50",
                                        "swapout:every=3;swapin:nth=9"};
    struct replay_plan plan = replay_plan_default;
    plan.machine.layout = layouts[size % 5];
    plan.machine.page_bytes = size % 5 ? 0 : (size_t)4096 << size % 4;
    plan.machine.ram_bytes = 16 << 20;
    plan.machine.limit_bytes = size % 7 ? 0 : 8 << 20;
    if (size % 5 != 1 && size % 5 != 4) { /* it pages */
        plan.machine.group_bytes = size % 3 ? 0 : 1 << 20;
        plan.machine.swap_bytes = size % 2 ? 0 : 4 << 20;
        plan.machine.tlb_entries = plan.machine.tlb_ways = (1U << size % 4) / 2;
        plan.machine.plan = plans[size % 4];
    }
    plan.touch = (enum touch_policy)(size % 4);
    plan.touch_hundredths = size % 101;
    plan.tunables[MMAP_THRESHOLD] = size % 2 ? TUNABLE_AS_TRACED : 4096;
    plan.frees_all = size % 3;
    return plan;
}

/* With all of its operations done, it has the blocks that they leave. */
static void check_result(const struct replay_result *result, uint64_t n_ops, uint64_t n_live)
{
    REQUIRE(result->n_ops <= n_ops && result->left_bytes == 0);
    REQUIRE((result->n_refused == 0) == (result->first_refused == 0));
    REQUIRE(result->resident.least <= result->resident.most);
    REQUIRE(result->resident.most <= result->resident_most.most);
    if (result->killed_at) {
        REQUIRE(result->killed_at == result->n_ops);
        return;
    }
    REQUIRE(result->n_ops == n_ops && result->live_blocks <= n_live);
    REQUIRE(result->n_refused || result->live_blocks == n_live);
}

static void check_replay(const unsigned char *bytes, size_t size, uint64_t n_ops, uint64_t n_live)
{
    static struct replay_result *results;
    if (!results)
        results = fuzz_shared(2 * sizeof *results);
    memset(results, 0, 2 * sizeof *results);
    for (int i = 0; i < 2; i++) {
        struct replayed replayed = {trace_of_bytes(bytes, size), plan_of(size), &results[i]};
        fuzz_apart(replay_in_child, &replayed);
        trace_close(replayed.trace);
    }
    REQUIRE(memcmp(&results[0], &results[1], sizeof *results) == 0);
    check_result(results, n_ops, n_live);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static uint64_t count_live(const struct live *live)
{
    uint64_t n = 0;
    for (size_t slot = 0; slot < live->n_slots; slot++)
        n += live->id[slot] != 0;
    return n;
}

static void check_trace(const unsigned char *bytes, size_t size)
{
    enum { OPS_MAX = 4096 };
    static struct op ops[OPS_MAX];
    struct live live = {0};
    struct trace *const trace = trace_of_bytes(bytes, size);
    uint64_t n_ops = 0;
    int result;
    struct op op;
    while ((result = trace_next(trace, &op)) > 0) {
        check_op(&live, &op);
        if (n_ops < OPS_MAX)
            ops[n_ops] = op;
        n_ops++;
    }
    if (result < 0) {
        check_error(trace);
        REQUIRE(trace_next(trace, &op) == -1);
    }
    trace_close(trace);
    if (result == 0 && n_ops)
        check_replay(bytes, size, n_ops, count_live(&live));
    free(live.id);
    if (n_ops > OPS_MAX)
        return;
    check_again(ops, n_ops, false);
    check_again(ops, n_ops, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const first_lines[] = {[TEXT] = "set top_pad 131072\n",
                                              [MTRACE] = "= Start\n",
                                              [MEMORY_REPLAY] = "1: free 0x0\n",
                                              [BINARY] = ""};
    const bool is_raw = FORM == BINARY && size && data[0] == 'R', is_records = FORM == BINARY && !is_raw;
    const size_t n_first = strlen(first_lines[FORM]);
    unsigned char *const room =
        malloc(is_records ? (size_t)(CHUNKS_MAX + 1) * VM_TRACE_CHUNK_BYTES : n_first + size + 1);
    REQUIRE(room);
    size_t all = n_first + size - is_raw;
    if (is_records) {
        all = make_binary(data, size, room);
    } else {
        memcpy(room, first_lines[FORM], n_first);
        memcpy(room + n_first, data + is_raw, size - is_raw);
    }
    unsigned char *const exact = realloc(room, all ? all : 1);
    REQUIRE(exact);
    check_trace(exact, all);
    free(exact);
    return 0;
}
