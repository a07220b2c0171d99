/* SPDX-License-Identifier: MIT */
/*
 * trace.c - see trace.h. Owns the recorders and what is in the file; trace_file.c has its name.
 *
 * How calls get here without a test for it on the fast path: a thread whose calls are recorded has a stand-in for its
 * heap, whose bins are all empty and which owns no slab, so that each malloc and each free takes the slow path; there the
 * heap's taker is asked for. While a call is served, the thread has its own heap, which does what it always does:
 *
 *   vm_heap_self ->  recorder.stand_in  --enter-->  recorder.real  --leave-->  recorder.stand_in
 *
 * A signal handler that allocates meanwhile is not recorded. Threads begin on vm_heap_none, and end on vm_heap_ended: both
 * have the taker while calls are recorded, and twins without, for within a call.
 *
 * Each recorder has a chunk of the file before it, as memory: nothing is lost when the process ends, however it does, and
 * no call of the kernel is made until the chunk is full; the next one then takes its place, so that the program's own
 * mappings lie as they would otherwise. A record's first byte is written last, so that a reader stops
 * where the writer stopped. Sequence numbers tell the order of the chunks' records: a free takes its number before, an
 * allocation after it is done, a realloc both.
 *
 * Locks: none. Recorders are never unmade; x_is_taken is taken by an exchange. A fork child forgets all chunks, which are
 * its parent's, before it writes.
 */
#include "front/trace.h"
#include <errno.h>
#include "base/atomic.h"
#include "base/bits.h"
#include "front/front.h"
#include "front/trace_file.h"
#include "front/tune.h"
#include "heap/heap_fast.h"
#include "heap/perturb.h"
#include "heap/thread.h"
#include "kernel/window.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/arena.h"
#include "vmalloc/trace.h"
#include "vmalloc/vmalloc.h"

struct recorder {
    struct heap stand_in;
    struct heap *real; /* the thread's, as it was when its last call was over */
    struct recorder *next;
    uint32_t x_is_taken, thread;
    uintptr_t owner;         /* vm_thread_id of the thread */
    unsigned char *chunk;    /* where it lies, which stays the same; NULL: none yet */
    unsigned char *at, *end; /* where the next record goes, and from where on there is no room */
    size_t slot;
    uintptr_t last_sequence, last_place;
};

enum { N_SLOTS_MAX = 4096 }; /* chunks of a flight recorder */

static const struct taker taker;
static struct recorder *x_recorders; /* all ever made */
static const char *path;             /* of the file */
static struct vm_trace_head *head;   /* its first chunk; NULL: nothing is recorded */
static uintptr_t x_sequence, x_first_place;
static uint32_t x_n_threads;
static uint8_t x_slot_taken[N_SLOTS_MAX];
static bool
    is_child; /* recording goes on in a file of this process's own, which is made with its first record */

/* --- the file ------------------------------------------------------------------------------------------- */

static void lose(void)
{
    if (head)
        vm_fetch_add_relaxed(&head->x_n_lost, 1);
}

static uint64_t n_chunks_max(void)
{
    const size_t bytes = vm_load_relaxed(&vm_front_settings.trace_bytes);
    if (bytes == 0)
        return 0;
    const size_t n = bytes / VM_TRACE_CHUNK_BYTES; /* the first is the head */
    return vm_min_size(n > 2 ? n - 1 : 2, N_SLOTS_MAX);
}

static struct vm_trace_head *make_head(uint64_t parent)
{
    struct vm_trace_head *const made = vm_window_map(path, 0, VM_TRACE_CHUNK_BYTES, NULL);
    if (!made)
        return NULL;
    *made = (struct vm_trace_head){
        .magic = VM_TRACE_MAGIC,
        .version = VM_TRACE_VERSION,
        .chunk_bytes = VM_TRACE_CHUNK_BYTES,
        .page_bytes = (uint32_t)vm_kernel.page_bytes,
        .word_bytes = sizeof(void *),
        .process = (uint64_t)vm_process_id(),
        .parent = parent,
        .n_chunks_max = n_chunks_max(),
        .top_pad = vm_load_relaxed(&vm_arena_policy.x_top_pad),
        .trim_threshold = vm_load_relaxed(&vm_arena_policy.x_trim_threshold),
        .mmap_threshold = vm_load_relaxed(&vm_large_policy.x_threshold),
        .mmap_max = vm_load_relaxed(&vm_large_policy.x_n_max),
        .is_dynamic = vm_load_relaxed(&vm_large_policy.x_is_dynamic),
        .arena_max = vm_load_relaxed(&vm_heap_policy.x_n_own_max),
        .break_offset = (uintptr_t)vm_linux_first_break % (4 * VM_MIB),
    };
    made->checksum = vm_trace_checksum(made, offsetof(struct vm_trace_head, checksum));
    return made;
}

/* --- chunks --------------------------------------------------------------------------------------------- */

static void end_chunk(struct recorder *recorder)
{
    struct vm_trace_chunk *const chunk = (struct vm_trace_chunk *)(void *)recorder->chunk;
    if (!recorder->at)
        return;
    const size_t bytes = (size_t)(recorder->at - recorder->chunk) - sizeof *chunk;
    chunk->checksum = vm_trace_checksum(chunk + 1, bytes);
    vm_store_release(&chunk->bytes, (uint32_t)bytes);
    recorder->at = recorder->end = NULL;
    if (recorder->slot < N_SLOTS_MAX)
        vm_store_relaxed(&x_slot_taken[recorder->slot], 0);
}

/* The next chunk's number and place; of a flight recorder those that threads write in are passed over. */
static bool choose_slot(struct recorder *recorder, uint64_t *number)
{
    const uint64_t n_max = head->n_chunks_max;
    for (unsigned n_tries = 0; n_tries < 2 * N_SLOTS_MAX; n_tries++) {
        *number = vm_fetch_add_relaxed(&head->x_n_chunks, 1);
        recorder->slot = (size_t)(n_max ? *number % n_max : *number);
        if (!n_max || vm_exchange(&x_slot_taken[recorder->slot], 1) == 0)
            return true;
    }
    return false;
}

static bool begin_chunk(struct recorder *recorder)
{
    uint64_t number;
    if (!choose_slot(recorder, &number))
        return false;
    const uint64_t offset = (recorder->slot + 1) * (uint64_t)VM_TRACE_CHUNK_BYTES;
    struct vm_trace_chunk *const chunk = vm_window_map(path, offset, VM_TRACE_CHUNK_BYTES, recorder->chunk);
    if (!chunk)
        return false;
    if (!head->n_chunks_max)
        recorder->slot = N_SLOTS_MAX; /* none to give back */
    else if (chunk->magic)
        __builtin_memset(chunk, 0, VM_TRACE_CHUNK_BYTES);
    recorder->last_sequence = vm_load_relaxed(&x_sequence);
    recorder->last_place = 0;
    chunk->thread = recorder->thread;
    chunk->first_sequence = recorder->last_sequence;
    chunk->number = number;
    vm_store_release(&chunk->magic, VM_TRACE_CHUNK_MAGIC);
    recorder->chunk = (unsigned char *)chunk;
    recorder->at = recorder->chunk + sizeof *chunk;
    recorder->end = recorder->chunk + VM_TRACE_CHUNK_BYTES - VM_TRACE_RECORD_MAX;
    return true;
}

/* A fork child's first record. */
static void begin_in_child(void)
{
    const uint64_t parent = head->process;
    is_child = false;
    path = vm_trace_claim_in_child();
    head = path ? make_head(parent) : NULL;
}

VM_COLD static bool make_room(struct recorder *recorder)
{
    if (is_child)
        begin_in_child();
    if (!head)
        return false;
    end_chunk(recorder);
    return begin_chunk(recorder);
}

/* Whether there is room for a record. */
VM_INLINE bool has_room(struct recorder *recorder)
{
    return VM_LIKELY(recorder->at < recorder->end) || make_room(recorder);
}

/* --- records -------------------------------------------------------------------------------------------- */

VM_INLINE unsigned char *put_number(unsigned char *at, uint64_t number)
{
    for (; number > 127; number >>= 7)
        *at++ = (unsigned char)(number | 128);
    *at++ = (unsigned char)number;
    return at;
}

/* Small steps up and down alike are small numbers. */
VM_INLINE unsigned char *put_step(unsigned char *at, uintptr_t from, uintptr_t to)
{
    const intptr_t step = (intptr_t)(to - from);
    return put_number(at, ((uintptr_t)step << 1) ^ (uintptr_t)(step < 0 ? -1 : 0));
}

VM_INLINE uintptr_t next_sequence(void)
{
    if (!vm_process_is_single_threaded())
        return vm_fetch_add_relaxed(&x_sequence, 1) + 1;
    const uintptr_t next = vm_load_relaxed(&x_sequence) + 1;
    vm_store_relaxed(&x_sequence, next);
    return next;
}

/* Places count from the first one, so that no address is in the file. */
VM_INLINE uintptr_t place_of(const void *block)
{
    const uintptr_t place = (uintptr_t)block >> VM_TRACE_UNIT_SHIFT;
    uintptr_t first = vm_load_relaxed(&x_first_place);
    if (VM_UNLIKELY(first == 0) && vm_compare_exchange(&x_first_place, &first, place))
        first = place;
    return place - first;
}

/* The record of an op, up to its numbers; the first byte is given to finish. NULL: it is lost. */
VM_INLINE unsigned char *begin_record(struct recorder *recorder, enum vm_trace_op op, unsigned char *first)
{
    if (VM_UNLIKELY(!recorder) || VM_UNLIKELY(!has_room(recorder))) {
        lose();
        return NULL;
    }
    unsigned char *at = recorder->at + 1;
    const uintptr_t sequence = next_sequence(), step = sequence - recorder->last_sequence;
    *first = (unsigned char)(op | (step == 1 ? VM_TRACE_IS_NEXT : 0));
    if (step != 1)
        at = put_number(at, step);
    recorder->last_sequence = sequence;
    return at;
}

VM_INLINE unsigned char *put_place(struct recorder *recorder, unsigned char *at, const void *block)
{
    const uintptr_t place = place_of(block);
    at = put_step(at, recorder->last_place, place);
    recorder->last_place = place;
    return at;
}

VM_INLINE void finish(struct recorder *recorder, unsigned char *at, unsigned char first)
{
    unsigned char *const record = recorder->at;
    recorder->at = at;
    vm_store_release(record, first);
}

VM_INLINE void record_block(struct recorder *recorder, enum vm_trace_op op, const void *block, size_t size)
{
    unsigned char first, *at;
    if (!block || !(at = begin_record(recorder, op, &first)))
        return;
    at = put_place(recorder, at, block);
    finish(recorder, put_number(at, size), first);
}

static void record_aligned(struct recorder *recorder, const void *block, size_t alignment, size_t size)
{
    unsigned char first, *at;
    if (!block || !(at = begin_record(recorder, VM_TRACE_ALIGNED, &first)))
        return;
    at = put_number(put_place(recorder, at, block), size);
    finish(recorder, put_number(at, vm_ceil_log2(alignment)), first);
}

VM_INLINE void record_place(struct recorder *recorder, enum vm_trace_op op, const void *block)
{
    unsigned char first, *const at = begin_record(recorder, op, &first);
    if (at)
        finish(recorder, put_place(recorder, at, block), first);
}

static void record_other(struct recorder *recorder, enum vm_trace_other other, uint64_t a, uint64_t b)
{
    unsigned char first, *const at = begin_record(recorder, VM_TRACE_OTHER, &first);
    if (at)
        finish(recorder, put_number(put_number(put_number(at, other), a), b), first);
}

/* --- recorders ------------------------------------------------------------------------------------------ */

static struct recorder *make_recorder(void)
{
    const size_t bytes = vm_round_up(sizeof(struct recorder), vm_process_page_bytes());
    struct recorder *const made =
        vm_linux_backend.map(vm_linux_backend.context, bytes, vm_process_page_bytes(), VM_ACCESS_READ_WRITE);
    if (!made)
        return NULL;
    __builtin_memcpy(&made->stand_in, &vm_heap_none_within, sizeof made->stand_in);
    made->stand_in.taker = &taker;
    made->x_is_taken = 1;
    struct recorder *newest = vm_load_relaxed(&x_recorders);
    do
        made->next = newest;
    while (!vm_compare_exchange(&x_recorders, &newest, made)); /* release: pairs with take_recorder */
    return made;
}

/* A recorder for the calling thread. Of its chunk the last thread may have left something. */
static struct recorder *take_recorder(uint32_t thread)
{
    struct recorder *recorder = vm_load_acquire(&x_recorders);
    while (recorder && (vm_load_relaxed(&recorder->x_is_taken) || vm_exchange(&recorder->x_is_taken, 1)))
        recorder = recorder->next;
    if (!recorder)
        recorder = make_recorder();
    if (recorder) {
        recorder->thread = thread;
        recorder->owner = vm_thread_id();
        if (recorder->at)
            record_other(recorder, VM_TRACE_THREAD, thread, 0);
    }
    return recorder;
}

static void give_recorder(struct recorder *recorder)
{
    recorder->owner = 0;
    vm_store_release(&recorder->x_is_taken, 0);
}

/* --- a call --------------------------------------------------------------------------------------------- */

/* The first call of a thread, or one after its end began, which has a recorder for this call alone. */
VM_COLD static struct recorder *begin_thread(struct heap *heap)
{
    struct recorder *recorder;
    vm_heap_self = heap == &vm_heap_ended ? &vm_heap_ended_within : &vm_heap_none_within;
    vm_fork_repair();
    if (heap == &vm_heap_ended)
        return take_recorder(0);
    recorder = take_recorder(vm_fetch_add_relaxed(&x_n_threads, 1) + 1);
    if (recorder)
        vm_process_at_thread_exit(recorder);
    return recorder;
}

/* Such a call, or one without a recorder, is over. */
VM_COLD static void end_late_call(struct recorder *recorder)
{
    if (recorder)
        give_recorder(recorder);
    if (vm_heap_self == &vm_heap_none_within)
        vm_heap_self = &vm_heap_none;
    else if (vm_heap_self == &vm_heap_ended_within)
        vm_heap_self = &vm_heap_ended;
}

/* The thread gets its heap back. Returns its recorder; NULL: there is none, the call is lost. */
VM_INLINE struct recorder *enter(void)
{
    struct heap *const heap = vm_heap_self;
    struct recorder *const recorder = VM_CONTAINER(heap, struct recorder, stand_in);
    const uint32_t *const x_mark = vm_process_x_copied_mark;
    if (VM_UNLIKELY(heap == &vm_heap_none || heap == &vm_heap_ended))
        return begin_thread(heap);
    vm_heap_self = recorder->real;
    if (VM_UNLIKELY(x_mark && vm_load_relaxed(x_mark) == 0))
        vm_fork_repair(); /* a child that ran no handler */
    return recorder;
}

VM_INLINE void leave(struct recorder *recorder)
{
    struct heap *const heap = vm_heap_self;
    if (VM_UNLIKELY(!recorder || heap == &vm_heap_ended_within)) {
        end_late_call(recorder);
        return;
    }
    recorder->real = heap;
    vm_heap_self = &recorder->stand_in;
}

static void *trace_malloc(size_t size)
{
    struct recorder *const recorder = enter();
    void *const block = vm_heap_malloc_fast(size);
    record_block(recorder, VM_TRACE_ALLOC, block, size);
    leave(recorder);
    return block;
}

static void *trace_calloc(size_t bytes)
{
    struct recorder *const recorder = enter();
    void *const block = vm_calloc(1, bytes);
    record_block(recorder, VM_TRACE_ZEROED, block, bytes);
    leave(recorder);
    return block;
}

static void *trace_aligned(size_t alignment, size_t size)
{
    struct recorder *const recorder = enter();
    void *const block = vm_memalign(alignment, size);
    record_aligned(recorder, block, alignment, size);
    leave(recorder);
    return block;
}

static void trace_free(void *block)
{
    struct recorder *const recorder = enter();
    record_place(recorder, VM_TRACE_FREE, block);
    vm_heap_free_fast(block);
    leave(recorder);
}

static void *trace_realloc(void *block, size_t size)
{
    if (size == 0) {
        trace_free(block);
        return NULL;
    }
    struct recorder *const recorder = enter();
    record_place(recorder, VM_TRACE_RESIZE_BEGIN, block);
    void *const resized = vm_realloc(block, size);
    if (resized)
        record_block(recorder, VM_TRACE_RESIZE_END, resized, size);
    else
        record_other(recorder, VM_TRACE_RESIZE_NOT, 0, 0);
    leave(recorder);
    return resized;
}

static int trace_trim(size_t pad)
{
    struct recorder *const recorder = enter();
    record_other(recorder, VM_TRACE_TRIM, pad, 0);
    const int result = vm_malloc_trim(pad);
    leave(recorder);
    return result;
}

static int trace_mallopt(int parameter, int value)
{
    struct recorder *const recorder = enter();
    record_other(recorder, VM_TRACE_MALLOPT, (uint32_t)parameter, (uint32_t)value);
    const int result = vm_mallopt(parameter, value);
    leave(recorder);
    return result;
}

static void trace_thread_ended(void)
{
    struct heap *const heap = vm_heap_self;
    if (heap == &vm_heap_none || heap == &vm_heap_ended)
        return;
    struct recorder *const recorder = VM_CONTAINER(heap, struct recorder, stand_in);
    record_other(recorder, VM_TRACE_THREAD_END, 0, 0);
    vm_heap_self = recorder->real;
    give_recorder(recorder);
}

static const struct taker taker = {
    .malloc = trace_malloc,
    .calloc = trace_calloc,
    .aligned = trace_aligned,
    .realloc = trace_realloc,
    .free = trace_free,
    .trim = trace_trim,
    .mallopt = trace_mallopt,
    .thread_ended = trace_thread_ended,
};

/* --- beginning and fork --------------------------------------------------------------------------------- */

void vm_trace_start(const char *name)
{
    struct scan_complaint complaint;
    if (!vm_trace_is_meant())
        return;
    path = vm_trace_claim(name, &complaint);
    head = path ? make_head(0) : NULL;
    if (!head) {
        vm_tune_refuse_text(TUNE_KEY_TRACE, &complaint);
        return;
    }
    vm_tune_take_text(TUNE_KEY_TRACE);
    vm_thread_make_stand_ins();
    vm_heap_none.taker = vm_heap_ended.taker = &taker;
}

void vm_trace_stop(void)
{
    if (head)
        vm_store_relaxed(&head->x_is_over, 1);
}

struct recorder *vm_trace_suspend_in_child(void)
{
    struct heap *const heap = vm_heap_self;
    if (!heap->taker || heap == &vm_heap_none || heap == &vm_heap_ended)
        return NULL;
    struct recorder *const recorder = VM_CONTAINER(heap, struct recorder, stand_in);
    vm_heap_self = recorder->real;
    return recorder;
}

void vm_trace_resume_in_child(struct recorder *suspended)
{
    if (!head)
        return;
    is_child = true;
    __builtin_memset(x_slot_taken, 0, sizeof x_slot_taken);
    for (struct recorder *recorder = x_recorders; recorder; recorder = recorder->next) {
        recorder->at = recorder->end = NULL; /* the chunk is the parent's: the next one takes its place */
        if (recorder->owner != vm_thread_id()) {
            recorder->owner = 0;
            vm_store_relaxed(&recorder->x_is_taken, 0);
        }
    }
    if (suspended) {
        suspended->real = vm_heap_self;
        vm_heap_self = &suspended->stand_in;
    }
}
