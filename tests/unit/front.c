/* SPDX-License-Identifier: MIT */
/*
 * front.c - the interface under its vm_ names: results and errno at the edges, the memalign family, the
 * tunables (the environment is read before main, so this program runs itself again), statistics, misuse,
 * the whole checker.
 */
#include "front/front.h"
#include "front/stats.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/atomic.h"
#include "base/bits.h"
#include "crew.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/arena.h"
#include "slab/sizeclass.h"

static const char *program;

/* Sizes that the compiler does not know: it warns of some. */
static size_t hidden(size_t size)
{
    return VM_OPAQUE(size);
}

static void assert_no_memory(void *block)
{
    assert_null(block);
    assert_int_equal(errno, ENOMEM);
    errno = 0;
}

static void too_much(void **state)
{
    (void)state;
    const size_t sizes[] = {(size_t)PTRDIFF_MAX + 1,
                            SIZE_MAX,
                            SIZE_MAX - 15,
                            SIZE_MAX - 4096,
                            PTRDIFF_MAX,
                            PTRDIFF_MAX - 4096,
                            (size_t)1 << (VM_ADDRESS_BITS - 1)};
    errno = 0;
    unsigned char *const block = crew_alloc(1000);
    memset(block, 9, 1000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t size = hidden(sizes[i]);
        assert_no_memory(vm_malloc(size));
        assert_no_memory(vm_calloc(size, 1));
        assert_no_memory(vm_calloc(1, size));
        assert_no_memory(vm_realloc(NULL, size));
        assert_no_memory(vm_realloc(block, size));
        assert_no_memory(vm_reallocarray(block, size, 1));
        assert_no_memory(vm_memalign(64, size));
        assert_no_memory(vm_memalign(1 << 20, size));
        assert_no_memory(vm_aligned_alloc(4096, size));
        assert_no_memory(vm_valloc(size));
        assert_no_memory(vm_pvalloc(size));
        void *result = block;
        errno = 17;
        assert_int_equal(vm_posix_memalign(&result, 64, size), ENOMEM);
        assert_true(result == block && errno == 17);
        errno = 0;
    }
    assert_no_memory(vm_calloc(hidden(SIZE_MAX / 2 + 1), 2));
    assert_no_memory(vm_calloc(hidden(SIZE_MAX / 16), 17));
    assert_no_memory(vm_reallocarray(block, hidden(SIZE_MAX / 2 + 1), 2));
    assert_no_memory(vm_reallocarray(NULL, hidden(SIZE_MAX / 8), 9));
    assert_true(unit_is_filled(block, 1000, 9));
    crew_free(block);
    vm_check_all();
}

static void nothing(void **state)
{
    (void)state;
    errno = 55;
    void *const one = crew_alloc(0), *const two = crew_alloc(0), *const three = VM_OPAQUE(vm_calloc(0, 5));
    assert_true(one && two && three && one != two && two != three && one != three);
    assert_true(vm_malloc_usable_size(one) > 0);
    assert_int_equal(vm_malloc_usable_size(NULL), 0);
    crew_free(NULL);
    vm_cfree(NULL);
    vm_free_sized(NULL, 5);
    vm_free_aligned_sized(NULL, 16, 5);
    assert_null(vm_realloc(one, 0)); /* frees */
    assert_null(vm_reallocarray(two, 0, 7));
    void *const four = VM_OPAQUE(vm_realloc(NULL, 0));
    assert_non_null(four);
    crew_free(three);
    crew_free(four);
    assert_int_equal(errno, 55);
    vm_check_all();
}

static void every_size(void **state)
{
    (void)state;
    errno = 55;
    for (size_t size = 1; size < 300000; size += size < 3000 ? 1 : size / 37) {
        unsigned char *const block = crew_alloc(size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % VM_ALIGNMENT, 0);
        const size_t usable = vm_malloc_usable_size(block);
        assert_true(usable >= size &&
                    (usable <= size + size / 8 + 16 || usable - size < vm_kernel.page_bytes));
        memset(block, 0xfe, usable);
        switch (size % 4) {
        case 0:
            vm_free_sized(block, size);
            break;
        case 1:
            vm_free_aligned_sized(block, 16, size);
            break;
        case 2:
            vm_cfree(block);
            break;
        default:
            vm_free(block);
            break;
        }
        unsigned char *const zeroed = VM_OPAQUE(vm_calloc(1, size)); /* where those bytes were, if not more */
        assert_true(unit_is_filled(zeroed, vm_malloc_usable_size(zeroed), 0));
        crew_free(zeroed);
    }
    assert_int_equal(errno, 55);
    vm_check_all();
}

static void resizing(void **state)
{
    (void)state;
    const size_t sizes[] = {1,    16,    17,    100,   128,   500,    1024,   1025,
                            4000, 20000, 32768, 32769, 50000, 131000, 140000, 1 << 20};
    enum { N = sizeof sizes / sizeof *sizes };
    errno = 55;
    for (unsigned from = 0; from < N; from++)
        for (unsigned to = 0; to < N; to++) {
            unsigned char *block = crew_alloc(sizes[from]);
            for (size_t i = 0; i < sizes[from]; i++)
                block[i] = (unsigned char)(i * 7 + from);
            block = vm_realloc(block, sizes[to]);
            assert_non_null(block);
            assert_true(vm_malloc_usable_size(block) >= sizes[to]);
            /* What shrinks by much gives its memory back. */
            assert_true(vm_malloc_usable_size(block) <= vm_max_size(128, 2 * sizes[to] + 4096));
            for (size_t i = 0; i < vm_min_size(sizes[from], sizes[to]); i++)
                assert_int_equal(block[i], (unsigned char)(i * 7 + from));
            memset(block, 0x31, vm_malloc_usable_size(block));
            block = vm_reallocarray(block, 3, sizes[from]);
            assert_true(unit_is_filled(block, vm_min_size(sizes[to], 3 * sizes[from]), 0x31));
            crew_free(block);
        }
    assert_int_equal(errno, 55);
    vm_check_all();
}

/* --- the memalign family -------------------------------------------------------------------------------- */

static void alignments(void **state)
{
    (void)state;
    const size_t sizes[] = {0,     1,     15,    64,    100,    1000,    5000,
                            16384, 30000, 32768, 40000, 131072, 1 << 20, 5 << 20};
    enum { N = sizeof sizes / sizeof *sizes };
    errno = 55;
    for (size_t alignment = sizeof(void *); alignment <= (size_t)16 << 20; alignment *= 2) {
        void *blocks[3 * N];
        for (unsigned i = 0; i < N; i++) {
            blocks[3 * i] = VM_OPAQUE(vm_memalign(alignment, sizes[i]));
            blocks[3 * i + 1] = VM_OPAQUE(vm_aligned_alloc(alignment, sizes[i]));
            blocks[3 * i + 2] = NULL;
            assert_int_equal(vm_posix_memalign(&blocks[3 * i + 2], alignment, sizes[i]), 0);
            for (unsigned k = 3 * i; k < 3 * i + 3; k++) {
                assert_non_null(blocks[k]);
                assert_int_equal((uintptr_t)blocks[k] & (alignment - 1), 0);
                assert_int_equal((uintptr_t)blocks[k] % VM_ALIGNMENT, 0);
                assert_true(vm_malloc_usable_size(blocks[k]) >= sizes[i]);
                memset(blocks[k], (int)k, sizes[i]);
            }
        }
        for (unsigned k = 0; k < 3 * N; k++) {
            assert_true(unit_is_filled(blocks[k], sizes[k / 3], (unsigned char)k));
            if (k % 2)
                vm_free_aligned_sized(blocks[k], alignment, sizes[k / 3]);
            else
                vm_free(blocks[k]);
        }
    }
    assert_int_equal(errno, 55);
    vm_check_all();
}

static void odd_alignments(void **state)
{
    (void)state;
    errno = 0;
    for (size_t alignment = 0; alignment < 300; alignment++) {
        unsigned char *const block = VM_OPAQUE(vm_memalign(alignment, 40)); /* rounds up */
        const size_t power = alignment <= 16 ? 16 : (size_t)1 << vm_ceil_log2(alignment);
        assert_int_equal((uintptr_t)block & (power - 1), 0);
        crew_free(block);
        void *result = &result;
        const bool is_power = vm_is_power_of_two(alignment);
        errno = 0;
        void *const aligned = VM_OPAQUE(vm_aligned_alloc(alignment, 40));
        assert_int_equal(aligned != NULL, is_power);
        assert_int_equal(errno, is_power ? 0 : EINVAL);
        crew_free(aligned);
        errno = 3;
        const int error = vm_posix_memalign(&result, alignment, 40);
        assert_int_equal(error, is_power && alignment % sizeof(void *) == 0 ? 0 : EINVAL);
        assert_int_equal(errno, 3);
        if (error)
            assert_ptr_equal(result, &result);
        else
            crew_free(result);
    }
    errno = 0;
    assert_null(vm_memalign(hidden(SIZE_MAX / 2 + 2), 1));
    assert_int_equal(errno, EINVAL);
    assert_no_memory(vm_memalign(hidden(SIZE_MAX / 2 + 1), 1));
    const size_t page = vm_kernel.page_bytes;
    unsigned char *const valloced = VM_OPAQUE(vm_valloc(10)), *const pvalloced =
                                                                  VM_OPAQUE(vm_pvalloc(page + 1));
    assert_true((uintptr_t)valloced % page == 0 && (uintptr_t)pvalloced % page == 0);
    assert_true(vm_malloc_usable_size(pvalloced) >= 2 * page);
    crew_free(valloced);
    crew_free(pvalloced);
    vm_check_all();
}

/* --- tunables ------------------------------------------------------------------------------------------- */

static int print_policy(void)
{
    crew_free(crew_alloc(100));
    fprintf(stderr, "threshold %zu max %zu trim %zu pad %zu dynamic %d\n", vm_large_policy.x_threshold,
            vm_large_policy.x_n_max, vm_arena_policy.x_trim_threshold, vm_arena_policy.x_top_pad,
            (int)vm_large_policy.x_is_dynamic);
    return 0;
}

static void assert_policy(const char *const *environment, const char *expected)
{
    const struct unit_outcome outcome = unit_rerun(program, "print-policy", environment);
    assert_true(outcome.exited && outcome.code == 0);
    if (strcmp(outcome.text, expected) != 0)
        fail_msg("with %s: '%s' instead of '%s'", environment[0], outcome.text, expected);
}

static void environment(void **state)
{
    (void)state;
    const struct {
        const char *entries[3], *expected;
    } cases[] = {
        {{NULL}, "threshold 131072 max 65536 trim 131072 pad 131072 dynamic 1\n"},
        {{"MALLOC_MMAP_THRESHOLD_=200000"}, "threshold 200000 max 65536 trim 131072 pad 131072 dynamic 0\n"},
        {{"MALLOC_MMAP_THRESHOLD_=0x10000"}, "threshold 65536 max 65536 trim 131072 pad 131072 dynamic 0\n"},
        {{"MALLOC_MMAP_MAX_=7"}, "threshold 131072 max 7 trim 131072 pad 131072 dynamic 0\n"},
        {{"MALLOC_MMAP_MAX_=0"}, "threshold 131072 max 0 trim 131072 pad 131072 dynamic 0\n"},
        {{"MALLOC_TOP_PAD_=12345"}, "threshold 131072 max 65536 trim 131072 pad 12345 dynamic 0\n"},
        {{"MALLOC_TRIM_THRESHOLD_=1000000"},
         "threshold 131072 max 65536 trim 1000000 pad 131072 dynamic 0\n"},
        {{"VMALLOC_MMAP_THRESHOLD=1M"}, "threshold 1048576 max 65536 trim 131072 pad 131072 dynamic 0\n"},
        {{"VMALLOC_TOP_PAD=64k"}, "threshold 131072 max 65536 trim 131072 pad 65536 dynamic 0\n"},
        {{"VMALLOC_TRIM_THRESHOLD=1G"}, "threshold 131072 max 65536 trim 1073741824 pad 131072 dynamic 0\n"},
        {{"MALLOC_TOP_PAD_=1", "VMALLOC_TOP_PAD=2"},
         "threshold 131072 max 65536 trim 131072 pad 2 dynamic 0\n"},
        {{"VMALLOC_TOP_PAD=12Q"},
         "vmalloc: VMALLOC_TOP_PAD=12Q: not a size (a number, then K, M or G or nothing; or -1): ignored\n"
         "threshold 131072 max 65536 trim 131072 pad 131072 dynamic 1\n"},
        {{"VMALLOC_MMAP_MAX="},
         "vmalloc: VMALLOC_MMAP_MAX=: not a number from 0 to 2147483647: ignored\n"
         "threshold 131072 max 65536 trim 131072 pad 131072 dynamic 1\n"},
        {{"MALLOC_TOP_PAD_=nonsense"}, "threshold 131072 max 65536 trim 131072 pad 131072 dynamic 1\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_policy(cases[i].entries, cases[i].expected);
}

static void settings(void **state)
{
    (void)state;
    const char *const verbose[] = {"VMALLOC_VERBOSE=1", NULL}, *const check[] = {"VMALLOC_CHECK=1", NULL};
    const char *const stats[] = {"VMALLOC_STATS=1", NULL}, *const off[] = {"VMALLOC_VERBOSE=0",
                                                                           "VMALLOC_STATS=0", NULL};
    struct unit_outcome outcome = unit_rerun(program, "print-policy", verbose);
    char expected[200];
    snprintf(expected, sizeof expected, "vmalloc: version %s, backend %s, page size %zu", VMALLOC_VERSION,
             vm_kernel.name, vm_kernel.page_bytes);
    assert_true(strncmp(outcome.text, expected, strlen(expected)) == 0);
    assert_non_null(strstr(outcome.text, "\nvmalloc: "));
    outcome = unit_rerun(program, "print-policy", check); /* ends before main */
    assert_true(outcome.exited && outcome.code == 1 && !strstr(outcome.text, "threshold"));
    const char *const refusal = "vmalloc: not in effect: malloc of the process is another one's";
    assert_true(strncmp(outcome.text, refusal, strlen(refusal)) == 0);
    outcome = unit_rerun(program, "print-policy", stats);
    assert_true(outcome.exited && outcome.code == 0);
    assert_non_null(strstr(outcome.text, "\nArena 0:\nsystem bytes     = "));
    assert_non_null(strstr(outcome.text, "\nTotal (incl. mmap):\nsystem bytes     = "));
    outcome = unit_rerun(program, "print-policy", off);
    assert_true(strncmp(outcome.text, "threshold", 9) == 0 && !strstr(outcome.text, "Arena"));
}

static void set_options(void *argument)
{
    (void)argument;
    UNIT_REQUIRE(vm_mallopt(VM_M_MMAP_THRESHOLD, 300000) == 1);
    UNIT_REQUIRE(vm_large_policy.x_threshold == 300000 && !vm_large_policy.x_is_dynamic);
    UNIT_REQUIRE(vm_mallopt(VM_M_MMAP_MAX, 2) == 1 && vm_large_policy.x_n_max == 2);
    UNIT_REQUIRE(vm_mallopt(VM_M_TOP_PAD, 4096) == 1 && vm_arena_policy.x_top_pad == 4096);
    UNIT_REQUIRE(vm_mallopt(VM_M_TRIM_THRESHOLD, 65536) == 1 && vm_arena_policy.x_trim_threshold == 65536);
    UNIT_REQUIRE(vm_mallopt(VM_M_TRIM_THRESHOLD, -1) == 1 && vm_arena_policy.x_trim_threshold == SIZE_MAX);
    UNIT_REQUIRE(vm_mallopt(VM_M_MXFAST, 160) == 1 && vm_mallopt(VM_M_MXFAST, 0) == 1);
    UNIT_REQUIRE(vm_mallopt(VM_M_MXFAST, 161) == 0 && vm_mallopt(VM_M_MXFAST, -1) == 0);
    UNIT_REQUIRE(vm_mallopt(VM_M_CHECK_ACTION, 3) == 1 && vm_mallopt(VM_M_PERTURB, 0) == 1);
    UNIT_REQUIRE(vm_mallopt(VM_M_ARENA_TEST, 2) == 1 && vm_mallopt(VM_M_ARENA_MAX, 1) == 1);
    UNIT_REQUIRE(vm_mallopt(4711, 1) == 1); /* as glibc */
    void *const block = crew_alloc(400000);
    UNIT_REQUIRE(vm_mallinfo2().hblks == 1);
    crew_free(block);
    UNIT_REQUIRE(vm_large_policy.x_threshold == 300000);
    vm_check_all();
}

static void options(void **state)
{
    (void)state;
    unit_assert_returns(set_options, NULL);
}

/* --- statistics ----------------------------------------------------------------------------------------- */

enum { N_BLOCKS = 400 };

/* Compares the figures with a list of all blocks. Needs: nobody else allocates. */
static void require_figures(void *const *blocks)
{
    size_t n_large = 0, large_bytes = 0, other_bytes = 0;
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        const struct span *const span = blocks[i] ? vm_pagemap_find(blocks[i]) : NULL;
        if (!span)
            continue;
        if (span->kind == SPAN_LARGE) {
            n_large++;
            large_bytes += span->bytes;
        } else {
            other_bytes += vm_malloc_usable_size(blocks[i]);
        }
    }
    const struct vm_mallinfo2 info = vm_mallinfo2();
    UNIT_REQUIRE(info.hblks == n_large && info.hblkhd == large_bytes);
    UNIT_REQUIRE(info.uordblks == other_bytes);
    UNIT_REQUIRE(info.arena == info.uordblks + info.fordblks);
    UNIT_REQUIRE(info.arena == vm_pool_totals().arena_bytes);
    UNIT_REQUIRE(info.keepcost == vm_pool_totals().top_free_bytes && info.keepcost <= info.fordblks);
    UNIT_REQUIRE(info.ordblks >= 1 && info.smblks == 0 && info.usmblks == 0 && info.fsmblks == 0);
    const struct vm_mallinfo old = vm_mallinfo();
    UNIT_REQUIRE(old.arena == (int)info.arena && old.uordblks == (int)info.uordblks &&
                 old.hblkhd == (int)info.hblkhd);
    UNIT_REQUIRE(old.fordblks == (int)info.fordblks && old.keepcost == (int)info.keepcost);
}

static void count_blocks(void *argument)
{
    (void)argument;
    static void *blocks[N_BLOCKS];
    uint64_t seed = 101;
    require_figures(blocks);
    for (unsigned step = 0; step < (unit_is_slow() ? 300 : 3000); step++) {
        const size_t i = unit_below(&seed, N_BLOCKS);
        if (blocks[i]) {
            vm_free(blocks[i]);
            blocks[i] = NULL;
        } else {
            blocks[i] = vm_malloc(1 + unit_below(&seed, (size_t)1 << unit_below(&seed, 19)));
            UNIT_REQUIRE(blocks[i]);
        }
        if (step % 10 == 0)
            require_figures(blocks);
    }
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        vm_free(blocks[i]);
        blocks[i] = NULL;
    }
    require_figures(blocks);
}

static void figures(void **state)
{
    (void)state;
    unit_assert_returns(count_blocks, NULL);
}

static void print_texts(void *argument)
{
    (void)argument;
    static char text[20000];
    void *const blocks[] = {crew_alloc(100), crew_alloc(50000), crew_alloc(500000)};
    FILE *const stream = fmemopen(text, sizeof text, "w");
    UNIT_REQUIRE(stream);
    errno = 55;
    UNIT_REQUIRE(vm_malloc_info(1, stream) == EINVAL && vm_malloc_info(0, stream) == 0);
    UNIT_REQUIRE(errno == 55);
    fclose(stream);
    errno = 55;
    UNIT_REQUIRE(strncmp(text, "<malloc version=\"1\">\n<heap nr=\"0\">\n", 35) == 0);
    UNIT_REQUIRE(strcmp(text + strlen(text) - 10, "</malloc>\n") == 0);
    char expected[100];
    const struct vm_mallinfo2 info = vm_mallinfo2();
    snprintf(expected, sizeof expected, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>", info.hblks,
             info.hblkhd);
    UNIT_REQUIRE(strstr(text, expected));
    snprintf(expected, sizeof expected, "<system type=\"current\" size=\"%zu\"/>", info.arena);
    UNIT_REQUIRE(strstr(text, expected));
    unsigned n_open = 0, n_close = 0, n_empty = 0; /* every element that begins ends */
    for (const char *at = text; *at; at++) {
        n_open += at[0] == '<' && at[1] != '/';
        n_close += at[0] == '<' && at[1] == '/';
        n_empty += at[0] == '/' && at[1] == '>';
    }
    UNIT_REQUIRE(n_open == n_close + n_empty);
    vm_stats_glibc();
    UNIT_REQUIRE(errno == 55);
    for (unsigned i = 0; i < 3; i++)
        crew_free(blocks[i]);
}

static void texts(void **state)
{
    (void)state;
    const struct unit_outcome outcome = unit_fork(print_texts, NULL);
    if (!outcome.exited || outcome.code)
        fail_msg("%s", outcome.text);
    const char *const arenas =
        strstr(outcome.text, "Arena 0:\n"); /* behind a line on the region, where there is one */
    assert_non_null(arenas);
    assert_true(arenas == outcome.text || (strncmp(outcome.text, "Backend ", 8) == 0 && arenas[-1] == '\n'));
    unsigned long system_bytes, in_use_bytes, total_bytes, total_in_use, n_maps, map_bytes;
    assert_int_equal(sscanf(arenas,
                            "Arena 0:\nsystem bytes     = %lu\nin use bytes     = %lu\nTotal (incl. mmap):\n"
                            "system bytes     = %lu\nin use bytes     = %lu\nmax mmap regions = %lu\nmax "
                            "mmap bytes   = %lu\n",
                            &system_bytes, &in_use_bytes, &total_bytes, &total_in_use, &n_maps, &map_bytes),
                     6);
    assert_int_equal(n_maps, 1);
    assert_int_equal(map_bytes, vm_round_up(500000, vm_kernel.page_bytes));
    assert_int_equal(total_bytes, system_bytes + map_bytes);
    assert_int_equal(total_in_use, in_use_bytes + map_bytes);
    assert_true(in_use_bytes <= system_bytes && in_use_bytes >= 50100);
}

static void trim(void *argument)
{
    (void)argument;
    enum { N = 3000 };
    static void *blocks[N];
    vm_mallopt(VM_M_TRIM_THRESHOLD, 1 << 30);
    for (unsigned i = 0; i < N; i++)
        memset(blocks[i] = crew_alloc(1000), 1, 1000);
    for (unsigned i = 0; i < N; i++)
        crew_free(blocks[i]);
    UNIT_REQUIRE(vm_malloc_trim(1 << 20) == 1);
    UNIT_REQUIRE(vm_pool_totals().dirty_bytes == 0);
    UNIT_REQUIRE(vm_pool_totals().top_free_bytes <= 1 << 20);
    UNIT_REQUIRE(vm_malloc_trim(0) == 1);
    /* A page stays if libc's malloc has moved the break in between. */
    UNIT_REQUIRE(vm_pool_totals().arena_bytes == 0 ||
                 vm_pool_totals().top_free_bytes <= vm_kernel.page_bytes);
    UNIT_REQUIRE(vm_malloc_trim(0) == 0);
    UNIT_REQUIRE(vm_pool_totals().free_bytes == vm_pool_totals().arena_bytes);
    vm_check_all();
}

static void trimming(void **state)
{
    (void)state;
    unit_assert_returns(trim, NULL);
}

/* --- misuse and the checker ----------------------------------------------------------------------------- */

static char static_variable[64];
enum { STATIC, STACK, LARGE_INTERIOR, MIDDLE_INTERIOR, LARGE_TWICE, REALLOC_WILD, USABLE_FREED };

static void misuse(void *argument)
{
    char on_stack[64] = {1};
    char *const middle = crew_alloc(50000), *const large = crew_alloc(500000), *const small = crew_alloc(24);
    switch (*(int *)argument) {
    case STATIC:
        crew_free(static_variable + 16);
        break;
    case STACK:
        crew_free(VM_OPAQUE(&on_stack[16]));
        break;
    case LARGE_INTERIOR:
        crew_free(large + 100000);
        break;
    case MIDDLE_INTERIOR:
        crew_free(middle + 64);
        break;
    case LARGE_TWICE:
        crew_free(large);
        crew_free(large);
        break;
    case REALLOC_WILD:
        crew_free(vm_realloc((void *)(uintptr_t)0x123456789a0, 10));
        break;
    default:
        crew_free(small);
        vm_malloc_usable_size(small);
        break;
    }
}

static void misuses(void **state)
{
    (void)state;
    const char *const texts_expected[] = {
        "free(): invalid pointer\nvmalloc: free(0x",
        "): not a block of this allocator: it lies in the calling thread's stack; likely cause: a local "
        "variable\n",
        "): points 100000 bytes into a live block of 503808 bytes at 0x",
        "): points 64 bytes into a live block of 53248 bytes at 0x",
        "double free or corruption (!prev)\nvmalloc: free(0x",
        "realloc(): invalid pointer\nvmalloc: realloc(0x123456789a0): not a block of this allocator: ",
        "malloc_usable_size(): invalid pointer\nvmalloc: malloc_usable_size(0x",
    };
    for (int what = STATIC; what <= USABLE_FREED; what++)
        if (vm_kernel.page_bytes == 4096 || (what != LARGE_INTERIOR && what != MIDDLE_INTERIOR))
            unit_assert_aborts(misuse, &what, texts_expected[what]);
}

/* The whole checker reaches every room. */
static void check_harmed(void *argument)
{
    struct slab *const slab = (struct slab *)vm_pagemap_find(crew_alloc(100));
    struct span *const large = vm_pagemap_find(crew_alloc(500000));
    switch (*(int *)argument) {
    case 1:
        slab->group[0].x_mask = 0;
        vm_slab_remote(slab)[slab->n_groups - 1] = ~(vm_word)0;
        break;
    case 2:
        large->bytes -= vm_kernel.page_bytes;
        break;
    case 3:
        vm_pool_arena(0)->x_n_dirty += 3;
        break;
    case 4:
        vm_heap_self->retired_bytes -= 5;
        break;
    default:
        break;
    }
    vm_check_all();
}

static void checker(void **state)
{
    (void)state;
    unit_assert_harms_found(check_harmed, 4, "internal check failed");
}

int main(int argc, char **argv)
{
    program = argv[0];
    vm_kernel.has_remap = !unit_is_under_valgrind();
    if (argc > 1)
        return print_policy();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),        cmocka_unit_test(figures),     cmocka_unit_test(texts),
        cmocka_unit_test(trimming),       cmocka_unit_test(too_much),    cmocka_unit_test(nothing),
        cmocka_unit_test(every_size),     cmocka_unit_test(resizing),    cmocka_unit_test(alignments),
        cmocka_unit_test(odd_alignments), cmocka_unit_test(environment), cmocka_unit_test(settings),
        cmocka_unit_test(misuses),        cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
