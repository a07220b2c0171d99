/* SPDX-License-Identifier: MIT */
/*
 * replay.c - see replay.h. Owns the table of blocks, by their slots in the trace, and that of threads, which are parts of
 * the one thread that runs.
 *
 * What costs a look at all pages, what the allocator wrote to and its own statistics, is looked at when what is cheap to
 * know, touched bytes and live bytes, has grown by a 64th since the last look, and at the end.
 */
#include "vmsim/replay.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "vmalloc/kernel.h"
#include "vmalloc/vmalloc.h"
#include "vmsim/command.h"
#include "vmsim/map.h"

struct block {
    void *start; /* NULL: it was refused */
    size_t size;
};

struct replayer {
    const struct replay_plan *plan;
    struct replay_result *result;
    struct block *blocks; /* by slot */
    size_t n_blocks;
    struct map thread_of; /* number -> index in threads, from 1 */
    void **threads;       /* what stands for each; NULL: it did nothing yet */
    uint32_t n_threads, thread;
    uint64_t usable_bytes; /* of all live blocks */
    uint64_t touched_at_look, live_at_look;
    uint64_t resident_peak;
    struct {
        uint64_t most, least, virtual_bytes;
    } shown; /* peaks that the film has seen */
};

const char *const replay_tunable_names[N_REPLAY_TUNABLES] = {"top_pad", "trim_threshold", "mmap_threshold",
                                                             "mmap_max", "arena_max"};

/* --- looks ---------------------------------------------------------------------------------------------- */

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t permille(uint64_t part, uint64_t whole)
{
    return whole ? part * 1000 / whole : 0;
}

static uint64_t external_permille(void)
{
    const struct vm_mallinfo2 info = vm_mallinfo2();
    return permille(info.fordblks, info.arena + info.hblkhd);
}

static void look_at_live(struct replayer *replayer)
{
    struct replay_result *const result = replayer->result;
    result->internal_permille = permille(replayer->usable_bytes - result->live_bytes, replayer->usable_bytes);
    result->external_permille = external_permille();
    replayer->live_at_look = result->live_bytes;
}

/* By a 64th, and some: so there are some hundred looks, however long the trace. */
static bool has_grown(uint64_t now, uint64_t at_look)
{
    return now > at_look + at_look / 64 + 65536;
}

static void note_peak(struct replayer *replayer)
{
    const uint64_t peak = machine_resident_most().most;
    if (peak > replayer->resident_peak)
        replayer->result->peak = replayer->result->n_ops;
    replayer->resident_peak = peak;
}

static void look_if_grown(struct replayer *replayer)
{
    if (has_grown(machine_touched(), replayer->touched_at_look)) {
        machine_look();
        replayer->touched_at_look = machine_touched();
    }
    if (has_grown(replayer->result->live_bytes, replayer->live_at_look))
        look_at_live(replayer);
}

/* --- the film ------------------------------------------------------------------------------------------- */

static void each_block(const void *context, void (*see)(void *context, uint64_t place, uint64_t bytes),
                       void *seer)
{
    const struct replayer *const replayer = context;
    for (size_t slot = 0; slot < replayer->n_blocks; slot++)
        if (replayer->blocks[slot].start)
            see(seer, machine_place(replayer->blocks[slot].start), replayer->blocks[slot].size);
}

/* The peak, if it was reached since this was asked last. */
static uint64_t new_peak(uint64_t now, uint64_t peak, uint64_t *peak_before)
{
    const bool is_new = peak > *peak_before;
    *peak_before = peak;
    return is_new ? peak : now;
}

/* Has the film see the replay as it is. */
static void show(struct replayer *replayer)
{
    const struct replay_result *const result = replayer->result;
    const struct film_blocks blocks = {each_block, replayer};
    const struct machine_resident resident = machine_resident(), peak = machine_resident_most();
    const struct machine_figures figures = machine_figures();
    const struct film_moment now = {.op = result->n_ops,
                                    .figure = {[FILM_LIVE] = result->live_bytes,
                                               [FILM_BLOCKS] = result->live_blocks,
                                               [FILM_LEAST] = resident.least,
                                               [FILM_MOST] = resident.most,
                                               [FILM_ADDRESSES] = machine_virtual(),
                                               [FILM_SWAPPED] = figures.swapped_bytes,
                                               [FILM_MINOR] = figures.minor_faults,
                                               [FILM_MAJOR] = figures.major_faults}};
    struct film_moment most = now;
    most.figure[FILM_LEAST] = new_peak(resident.least, peak.least, &replayer->shown.least);
    most.figure[FILM_MOST] = new_peak(resident.most, peak.most, &replayer->shown.most);
    most.figure[FILM_ADDRESSES] =
        new_peak(now.figure[FILM_ADDRESSES], machine_virtual_most(), &replayer->shown.virtual_bytes);
    film_see(replayer->plan->film, &now, &most, &blocks);
}

/* --- blocks --------------------------------------------------------------------------------------------- */

static struct block *block_of(struct replayer *replayer, uint32_t slot)
{
    if (slot >= replayer->n_blocks) {
        const size_t n = slot < 512 ? 1024 : 2 * (size_t)slot;
        replayer->blocks = grow_array(replayer->blocks, n, sizeof *replayer->blocks);
        memset(replayer->blocks + replayer->n_blocks, 0, (n - replayer->n_blocks) * sizeof *replayer->blocks);
        replayer->n_blocks = n;
    }
    return &replayer->blocks[slot];
}

static void touch(const struct replayer *replayer, const struct block *block)
{
    const struct replay_plan *const plan = replayer->plan;
    size_t bytes = block->size;
    switch (plan->touch) {
    case TOUCH_ALL:
        break;
    case TOUCH_FIRST:
        bytes = bytes ? 1 : 0;
        break;
    case TOUCH_SHARE:
        bytes = bytes / 100 * plan->touch_hundredths + bytes % 100 * plan->touch_hundredths / 100;
        break;
    case TOUCH_TRACE:
        bytes = 0;
        break;
    }
    machine_touch(block->start, bytes, false);
}

static void mix(struct replayer *replayer, uint64_t value)
{
    uint64_t *const digest = &replayer->result->digest;
    *digest = (*digest ^ value) * 0x9e3779b97f4a7c15;
    *digest ^= *digest >> 32;
}

static void count_in(struct replayer *replayer, const struct block *block)
{
    struct replay_result *const result = replayer->result;
    result->live_bytes += block->size;
    result->live_blocks++;
    result->live_bytes_most = most(result->live_bytes_most, result->live_bytes);
    result->live_blocks_most = most(result->live_blocks_most, result->live_blocks);
    replayer->usable_bytes += vm_malloc_usable_size(block->start);
    mix(replayer, machine_place(block->start));
}

static void count_out(struct replayer *replayer, const struct block *block)
{
    replayer->result->live_bytes -= block->size;
    replayer->result->live_blocks--;
    replayer->usable_bytes -= vm_malloc_usable_size(block->start);
}

static void refuse(struct replayer *replayer)
{
    struct replay_result *const result = replayer->result;
    result->n_refused++;
    if (!result->first_refused)
        result->first_refused = result->n_ops;
    mix(replayer, 1);
}

/* --- operations ----------------------------------------------------------------------------------------- */

/* NULL also for what this machine's addresses cannot tell: the trace may be a larger one's. */
static void *allocate(const struct op *op)
{
    const size_t size = (size_t)op->size;
    if (op->size > PTRDIFF_MAX || op->alignment > PTRDIFF_MAX)
        return NULL;
    switch (op->kind) {
    case OP_ZEROED:
        return vm_calloc(1, size);
    case OP_ALIGNED:
        return vm_memalign((size_t)op->alignment, size);
    default:
        return vm_malloc(size);
    }
}

static void replay_alloc(struct replayer *replayer, const struct op *op)
{
    struct block *const block = block_of(replayer, op->slot);
    *block = (struct block){allocate(op), (size_t)op->size};
    if (!block->start) {
        refuse(replayer);
        return;
    }
    count_in(replayer, block);
    touch(replayer, block);
}

/* A block that was refused is one that the program does without; so is what it becomes. */
static void replay_resize(struct replayer *replayer, const struct op *op)
{
    struct block *const block = block_of(replayer, op->slot);
    if (!block->start)
        return;
    count_out(replayer, block);
    const size_t size = (size_t)op->size;
    void *const resized = op->size <= PTRDIFF_MAX ? vm_realloc(block->start, size ? size : 1) : NULL;
    if (resized)
        *block = (struct block){resized, size};
    count_in(replayer, block);
    if (!resized)
        refuse(replayer);
    touch(replayer, block);
}

static void replay_free(struct replayer *replayer, const struct op *op)
{
    struct block *const block = block_of(replayer, op->slot);
    if (block->start)
        count_out(replayer, block);
    vm_free(block->start);
    *block = (struct block){0};
}

static void replay_touch(struct replayer *replayer, const struct op *op)
{
    const struct block *const block = block_of(replayer, op->slot);
    if (!block->start || op->offset >= block->size)
        return;
    const size_t offset = (size_t)op->offset, n_left = block->size - offset;
    const size_t bytes = op->size < n_left ? (size_t)op->size : n_left;
    char *const start = (char *)block->start + offset;
    if (op->kind == OP_READ)
        machine_read(start, bytes);
    else
        machine_touch(start, bytes, true);
}

static void become(struct replayer *replayer, uint32_t number)
{
    uint32_t index = map_find(&replayer->thread_of, (uint64_t)number);
    if (!index) {
        index = ++replayer->n_threads;
        map_add(&replayer->thread_of, number, index);
        replayer->threads = grow_array(replayer->threads, (size_t)index + 1, sizeof *replayer->threads);
        replayer->threads[index] = NULL;
    }
    if (index == replayer->thread)
        return;
    void *const before = vm_kernel_thread_switch(replayer->threads[index]);
    if (replayer->thread)
        replayer->threads[replayer->thread] = before;
    replayer->thread = index;
}

static void replay_op(struct replayer *replayer, const struct op *op)
{
    become(replayer, op->thread);
    switch (op->kind) {
    case OP_ALLOC:
    case OP_ZEROED:
    case OP_ALIGNED:
        replay_alloc(replayer, op);
        break;
    case OP_RESIZE:
        replay_resize(replayer, op);
        break;
    case OP_FREE:
        replay_free(replayer, op);
        break;
    case OP_THREAD_END:
        vm_kernel_thread_ended();
        vm_kernel_thread_switch(NULL); /* numbers of threads may be used again */
        break;
    case OP_TRIM:
        vm_malloc_trim(op->size < SIZE_MAX ? (size_t)op->size : SIZE_MAX);
        break;
    case OP_MALLOPT:
        vm_mallopt(op->parameter, op->value);
        break;
    case OP_READ:
    case OP_WRITE:
        replay_touch(replayer, op);
        break;
    }
    look_if_grown(replayer);
    note_peak(replayer);
    if (replayer->plan->film)
        show(replayer);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static int clamp(uint64_t value)
{
    return value > INT_MAX ? -1 : (int)value;
}

/* What the plan says, else what the trace was recorded under; where neither says anything, what is in effect anyhow, as
   setting it would end the dynamic threshold. */
static void set_tunables(const struct replay_plan *plan, const struct trace_settings *settings)
{
    static const int parameters[N_REPLAY_TUNABLES] = {VM_M_TOP_PAD, VM_M_TRIM_THRESHOLD, VM_M_MMAP_THRESHOLD,
                                                      VM_M_MMAP_MAX, VM_M_ARENA_MAX};
    const bool is_fixed = settings->page_bytes && !settings->is_dynamic;
    const int traced[N_REPLAY_TUNABLES] = {clamp(settings->top_pad), clamp(settings->trim_threshold),
                                           clamp(settings->mmap_threshold), clamp(settings->mmap_max),
                                           clamp(settings->arena_max)};
    for (int i = 0; i < N_REPLAY_TUNABLES; i++)
        if (plan->tunables[i] != TUNABLE_AS_TRACED)
            vm_mallopt(parameters[i], plan->tunables[i]);
        else if (i == ARENA_MAX ? traced[i] > 0 : is_fixed)
            vm_mallopt(parameters[i], traced[i]);
}

static void report_progress(const struct trace *trace, const struct replay_result *result)
{
    static time_t last;
    const time_t now = time(NULL);
    if (now != last)
        fprintf(stderr, "\r%3.0f %%, %llu operations", 100 * trace_progress(trace),
                (unsigned long long)result->n_ops);
    last = now;
}

static int replay_all(struct replayer *replayer, struct trace *trace)
{
    enum { OPS_A_LOOK = 1 << 16 };
    struct op op;
    int status;
    if (replayer->plan->film)
        show(replayer);
    while ((status = trace_next(trace, &op)) > 0) {
        replayer->result->n_ops++;
        replay_op(replayer, &op);
        if (machine_is_killed())
            break;
        if (replayer->plan->has_progress && replayer->result->n_ops % OPS_A_LOOK == 0)
            report_progress(trace, replayer->result);
    }
    if (replayer->plan->has_progress)
        fprintf(stderr, "\r\033[K");
    return status;
}

/* What is then in use, nobody has; what is damaged, the checkers say. */
static void free_all(struct replayer *replayer)
{
    for (size_t i = 0; i < replayer->n_blocks; i++)
        vm_free(replayer->blocks[i].start);
    vm_malloc_trim(0);
    replayer->result->left_bytes = vm_mallinfo2().uordblks;
    machine_digest();
}

static void finish(struct replayer *replayer)
{
    struct replay_result *const result = replayer->result;
    if (!replayer->live_at_look)
        look_at_live(replayer);
    machine_look();
    if (machine_is_killed())
        result->killed_at = result->n_ops;
    result->resident = machine_resident();
    result->resident_most = machine_resident_most();
    result->figures = machine_figures();
    if (replayer->plan->film) /* once more: what the last look found */
        show(replayer);
    result->external_permille_end = external_permille();
    result->n_threads = replayer->n_threads;
    result->page_bytes = machine_page_bytes();
    result->virtual_bytes = machine_virtual();
    result->virtual_bytes_most = machine_virtual_most();
    result->counts = *machine_counts();
    mix(replayer, machine_digest());
    if (replayer->plan->frees_all && !machine_is_killed())
        free_all(replayer);
    free(replayer->blocks);
    free(replayer->threads);
    map_free(&replayer->thread_of);
}

bool replay(struct trace *trace, const char *name, const struct replay_plan *plan,
            struct replay_result *result)
{
    struct replayer replayer = {.plan = plan, .result = result};
    struct machine_config machine = plan->machine;
    const struct trace_settings *const settings = trace_settings_of(trace);
    machine.break_offset = (size_t)settings->break_offset;
    *result = (struct replay_result){0};
    if (!machine_begin(&machine))
        return false;
    set_tunables(plan, settings);
    const int status = replay_all(&replayer, trace);
    finish(&replayer);
    if (status < 0)
        vmsim_complain("%s: %s", name, trace_error(trace));
    return status >= 0;
}
