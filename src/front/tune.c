/* SPDX-License-Identifier: MIT */
/*
 * tune.c - the table of tunables and mallopt. Owns the table and who set what; what is set are single words
 * that are read with relaxed loads, so no lock.
 */
#include "front/tune.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/perturb.h"
#include "large/large.h"
#include "pool/arena.h"
#include "vmalloc/vmalloc.h"

struct front_settings vm_front_settings;
uint8_t vm_tune_source[TUNE_N_MAX];

/* --- how to set what is more than a word ---------------------------------------------------------------- */

/* Any of the four that glibc's dynamic threshold depends on, once set by the user, ends it. */
static void end_dynamic_threshold(void)
{
    vm_store_relaxed(&vm_large_policy.x_is_dynamic, false);
    vm_store_relaxed(&vm_arena_policy.x_is_trim_lazy, false);
}

static void set_top_pad(size_t bytes)
{
    end_dynamic_threshold();
    vm_store_relaxed(&vm_arena_policy.x_top_pad, vm_min_size(bytes, PTRDIFF_MAX / 4));
}

static void set_trim_threshold(size_t bytes)
{
    end_dynamic_threshold();
    vm_store_relaxed(&vm_arena_policy.x_trim_threshold, bytes);
}

static void set_mmap_threshold(size_t bytes)
{
    end_dynamic_threshold();
    vm_large_set_threshold(bytes);
}

static void set_mmap_max(size_t count)
{
    end_dynamic_threshold();
    vm_store_relaxed(&vm_large_policy.x_n_max, count > INT32_MAX ? 0 : count);
}

static void set_perturb(size_t value)
{
    vm_heap_set_perturb((unsigned char)value);
}

static void set_trace_bytes(size_t bytes)
{
    vm_store_relaxed(&vm_front_settings.trace_bytes, bytes);
}

/* --- the table ------------------------------------------------------------------------------------------ */

static const struct tune_word flag_words[] = {{"0", 0}, {"1", 1}, {NULL, 0}};

/* The first word of a value is the one to show. */
static const struct tune_word stats_words[] = {{"0", STATS_NONE},    {"text", STATS_TEXT},
                                               {"json", STATS_JSON}, {"glibc", STATS_GLIBC},
                                               {"1", STATS_TEXT},    {NULL, 0}};

#define PARAMETER(name) .parameter = VM_##name, .constant = #name

const struct tunable vm_tunables[] = {
    {.key = "top_pad",
     PARAMETER(M_TOP_PAD),
     .variable = "MALLOC_TOP_PAD_",
     .tunable = "glibc.malloc.top_pad",
     .unit = TUNE_BYTES,
     .most = SIZE_MAX,
     .initial = VM_DEFAULT_TOP_PAD,
     .x_bytes = &vm_arena_policy.x_top_pad,
     .set = set_top_pad,
     .help = "bytes added to each growth of an arena, and kept by each trim"},
    {.key = "trim_threshold",
     PARAMETER(M_TRIM_THRESHOLD),
     .variable = "MALLOC_TRIM_THRESHOLD_",
     .tunable = "glibc.malloc.trim_threshold",
     .unit = TUNE_BYTES,
     .most = SIZE_MAX,
     .initial = VM_DEFAULT_TRIM_THRESHOLD,
     .is_dynamic = true,
     .x_bytes = &vm_arena_policy.x_trim_threshold,
     .set = set_trim_threshold,
     .help = "bytes free at the end of the break that make it move down; -1: never"},
    {.key = "mmap_threshold",
     PARAMETER(M_MMAP_THRESHOLD),
     .variable = "MALLOC_MMAP_THRESHOLD_",
     .tunable = "glibc.malloc.mmap_threshold",
     .unit = TUNE_BYTES,
     .most = SIZE_MAX,
     .initial = VM_DEFAULT_MMAP_THRESHOLD,
     .is_dynamic = true,
     .x_bytes = &vm_large_policy.x_threshold,
     .set = set_mmap_threshold,
     .help = "requests of this many bytes or more (with glibc's padding: a word more, rounded up to 16) "
             "get a mapping of their own; requests up to 1024 bytes never do; -1: none does"},
    {.key = "mmap_max",
     PARAMETER(M_MMAP_MAX),
     .variable = "MALLOC_MMAP_MAX_",
     .tunable = "glibc.malloc.mmap_max",
     .unit = TUNE_COUNT,
     .most = INT32_MAX,
     .initial = VM_DEFAULT_MMAP_MAX,
     .x_bytes = &vm_large_policy.x_n_max,
     .set = set_mmap_max,
     .help = "most such mappings at a time; 0: none"},
    {.key = "perturb",
     PARAMETER(M_PERTURB),
     .variable = "MALLOC_PERTURB_",
     .tunable = "glibc.malloc.perturb",
     .unit = TUNE_COUNT,
     .most = UINT8_MAX,
     .x_word = &vm_heap_policy.x_perturb,
     .set = set_perturb,
     .help = "the byte that freed blocks are filled with, and its complement new ones; 0: no filling; of a "
             "value for mallopt the low byte counts"},
    {.key = "arena_max",
     PARAMETER(M_ARENA_MAX),
     .mallopt = MALLOPT_SKIPS,
     .variable = "MALLOC_ARENA_MAX",
     .tunable = "glibc.malloc.arena_max",
     .unit = TUNE_COUNT,
     .least = 1,
     .most = SIZE_MAX,
     .x_word = &vm_heap_policy.x_n_own_max,
     .help = "most threads that have a heap of their own; at first 0: no limit"},
    {.key = "stats",
     .unit = TUNE_CHOICE,
     .words = stats_words,
     .x_word = &vm_front_settings.stats,
     .help = "statistics on standard error at exit: 0: none; 1 or text; json; glibc: as malloc_stats"},
    {.key = "verbose",
     .unit = TUNE_FLAG,
     .words = flag_words,
     .x_word = &vm_front_settings.is_verbose,
     .help = "lines on standard error at start: version, backend, page size, the backend's region if it has "
             "one, and each setting "
             "with its source"},
    {.key = "check",
     .unit = TUNE_FLAG,
     .words = flag_words,
     .x_word = &vm_front_settings.is_check,
     .help = "say on standard error whether the library is in effect, and end the process before main"},
    {.key = "strict",
     .unit = TUNE_FLAG,
     .words = flag_words,
     .x_word = &vm_front_settings.is_strict,
     .help = "a malformed or unknown setting of ours ends the process"},
    {.key = TUNE_KEY_BACKEND,
     .unit = TUNE_TEXT,
     .text = "linux, posix, sim:SIZE or sim:SIZE,page=SIZE",
     .initial_text = "linux",
     .help = "what memory comes from; see porting.md"},
    {.key = TUNE_KEY_FAULT,
     .unit = TUNE_TEXT,
     .text = "a fault plan",
     .initial_text = "none",
     .help = "which calls of the kernel fail, and how; see porting.md"},
    {.key = TUNE_KEY_OPLOG,
     .unit = TUNE_TEXT,
     .text = "a file name, or the number of an open file",
     .initial_text = "none",
     .help = "where each operation that the kernel is asked for gets a line; see porting.md"},
    {.key = TUNE_KEY_TRACE,
     .unit = TUNE_TEXT,
     .text = "a file name, with %p for the process, %e for the program",
     .initial_text = "none",
     .help = "where each call of malloc and its family is recorded; see simulation-replay.md"},
    {.key = TUNE_KEY_TRACE_PROGRAM,
     .unit = TUNE_TEXT,
     .text = "names of programs with , between",
     .initial_text = "all",
     .help = "which programs are recorded, as their files are called"},
    {.key = "trace_bytes",
     .unit = TUNE_BYTES,
     .most = SIZE_MAX,
     .x_bytes = &vm_front_settings.trace_bytes,
     .set = set_trace_bytes,
     .help = "most bytes of that file, at least 192 KiB: the last calls are in it; 0: all of them"},
    {PARAMETER(M_ARENA_TEST), .mallopt = MALLOPT_SKIPS, .variable = "MALLOC_ARENA_TEST",
     .tunable = "glibc.malloc.arena_test", .unit = TUNE_COUNT, .least = 1, .most = SIZE_MAX,
     .help = "accepted, without effect: the number of heaps is no function of the processors"},
    {PARAMETER(M_MXFAST), .mallopt = MALLOPT_REFUSES, .tunable = "glibc.malloc.mxfast", .unit = TUNE_COUNT,
     .most = 80 * sizeof(size_t) / 4, .help = "accepted, without effect: there are no fastbins"},
    {PARAMETER(M_CHECK_ACTION), .variable = "MALLOC_CHECK_", .tunable = "glibc.malloc.check",
     .unit = TUNE_COUNT, .most = 3,
     .help = "accepted, without effect: misuse always ends the process with a message"},
    {.tunable = "glibc.malloc.tcache_max",
     .unit = TUNE_BYTES,
     .most = SIZE_MAX,
     .help = "accepted, without effect: there is no cache in front of the slabs"},
    {.tunable = "glibc.malloc.tcache_count", .unit = TUNE_COUNT, .most = SIZE_MAX, .help = "the same"},
    {.tunable = "glibc.malloc.tcache_unsorted_limit",
     .unit = TUNE_COUNT,
     .most = SIZE_MAX,
     .help = "the same"},
    {.tunable = "glibc.malloc.hugetlb",
     .unit = TUNE_COUNT,
     .most = SIZE_MAX,
     .help = "accepted, without effect: the kernel's own choice of page sizes stands"},
};
const size_t vm_n_tunables = sizeof vm_tunables / sizeof *vm_tunables;
_Static_assert(sizeof vm_tunables / sizeof *vm_tunables <= TUNE_N_MAX, "a source for each row");

/* --- reading and setting a row -------------------------------------------------------------------------- */

size_t vm_tune_value(const struct tunable *tunable)
{
    if (tunable->unit == TUNE_TEXT)
        return 0;
    return tunable->x_bytes ? vm_load_relaxed(tunable->x_bytes) : vm_load_relaxed(tunable->x_word);
}

static uint8_t *source_of(const struct tunable *tunable)
{
    return &vm_tune_source[tunable - vm_tunables];
}

/* Sets a row whatever its range. */
static void set(const struct tunable *tunable, size_t value, enum tune_source source)
{
    if (tunable->set)
        tunable->set(value);
    else if (tunable->x_word)
        vm_store_relaxed(tunable->x_word, (uint32_t)vm_min_size(value, UINT32_MAX));
    vm_store_relaxed(source_of(tunable), (uint8_t)source);
}

static bool is_in_range(const struct tunable *tunable, uint64_t value)
{
    return tunable->words || (value >= tunable->least && value <= tunable->most);
}

bool vm_tune_set(const struct tunable *tunable, uint64_t value, enum tune_source source)
{
    if (!is_in_range(tunable, value))
        return false;
    if (vm_load_relaxed(source_of(tunable)) <= source)
        set(tunable, (size_t)value, source);
    return true;
}

static bool read_word(const struct tune_word *words, struct piece text, uint64_t *value)
{
    for (; words->word; words++)
        if (vm_piece_is(text, words->word)) {
            *value = words->value;
            return true;
        }
    return false;
}

bool vm_tune_read_value(const struct tunable *tunable, struct piece text, uint64_t *value)
{
    if (tunable->words)
        return read_word(tunable->words, text, value);
    const bool is_number =
        tunable->unit == TUNE_BYTES ? vm_parse_size(text, value) : vm_parse_count(text, value);
    return is_number && is_in_range(tunable, *value);
}

/* --- mallopt -------------------------------------------------------------------------------------------- */

static const struct tunable *find_parameter(int parameter)
{
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (vm_tunables[i].constant && vm_tunables[i].parameter == parameter)
            return &vm_tunables[i];
    return NULL;
}

int vm_mallopt(int parameter, int value)
{
    vm_heap_first_call();
    if (VM_UNLIKELY(vm_heap_self->taker != NULL))
        return vm_heap_self->taker->mallopt(parameter, value);
    const struct tunable *const tunable = find_parameter(parameter);
    if (!tunable)
        return 1;
    const bool is_taken =
        tunable->mallopt == MALLOPT_BENDS || (value >= 0 && is_in_range(tunable, (unsigned)value));
    if (is_taken)
        set(tunable, (size_t)value, SOURCE_MALLOPT);
    return is_taken || tunable->mallopt == MALLOPT_SKIPS;
}

VM_LIBC_NAME(mallopt, vm_mallopt);
VM_LIBC_NAME(__libc_mallopt, vm_mallopt);
