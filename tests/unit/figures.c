/* SPDX-License-Identifier: MIT */
/*
 * figures.c - the picture that statistics are drawn from, against what the test itself did. Each case runs in a child,
 * where the allocator is new.
 */
#include "front/figures.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/bits.h"
#include "crew.h"
#include "front/front.h"
#include "front/stats.h"
#include "heap/moves.h"
#include "slab/sizeclass.h"

/* What holds of every picture of a quiet process. Returns the picture, to be dropped. */
static struct figures *require_sums(void)
{
    struct figures *const figures = vm_figures_take();
    UNIT_REQUIRE(figures);
    const struct sums *const sums = &figures->sums, again = vm_figures_sum();
    size_t in_use_bytes = 0, free_bytes = 0, slab_bytes = 0;
    for (size_t i = 0; i < sums->n_arenas; i++) {
        const struct arena_figures *const arena = &figures->arena[i];
        in_use_bytes += arena->in_use_bytes;
        free_bytes += vm_figures_free_bytes(arena);
        slab_bytes += arena->slab_bytes;
        UNIT_REQUIRE(arena->in_use_bytes == arena->slab_live_bytes + arena->totals.middle_bytes);
        UNIT_REQUIRE(arena->remainder_bytes_max <= arena->remainder_bytes);
        UNIT_REQUIRE((arena->remainder_bytes > 0) == (arena->n_remainders > 0));
    }
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        const struct class_figures *const class = &figures->class[i];
        UNIT_REQUIRE(class->n_empty + class->n_partial + class->n_full == class->n_slabs);
        slab_bytes -= class->slab_bytes;
    }
    UNIT_REQUIRE(slab_bytes == 0);
    UNIT_REQUIRE(sums->in_use_bytes == in_use_bytes && sums->free_bytes == free_bytes);
    UNIT_REQUIRE(sums->system_bytes == in_use_bytes + free_bytes);
    UNIT_REQUIRE(again.in_use_bytes == in_use_bytes && again.system_bytes == sums->system_bytes);
    UNIT_REQUIRE(again.n_free == sums->n_free && again.top_free_bytes == sums->top_free_bytes);
    return figures;
}

/* There is nothing before the program asks for a block. */
static void look_at_start(void *argument)
{
    (void)argument;
    struct figures *const figures = require_sums();
    UNIT_REQUIRE(!vm_pool_arena(0) && figures->sums.system_bytes == 0);
    UNIT_REQUIRE(figures->n_live_heaps == 0);
    UNIT_REQUIRE(figures->metadata_bytes == figures->mark_bytes);
    vm_figures_drop(figures);
}

static void at_start(void **state)
{
    (void)state;
    unit_assert_returns(look_at_start, NULL);
}

static void look_at_two(void *argument)
{
    (void)argument;
    void *const block = crew_alloc(100);
    struct figures *const first = vm_figures_take(), *const second = require_sums();
    UNIT_REQUIRE(first && second && first != second);
    const size_t bytes = offsetof(struct figures, kernel);
    UNIT_REQUIRE(memcmp(first, second, bytes) == 0); /* a mapping more is a call more, nothing else */
    UNIT_REQUIRE(memcmp(first->class, second->class, sizeof first->class) == 0);
    vm_figures_drop(first);
    struct figures *const third = vm_figures_take();
    UNIT_REQUIRE(third == first); /* is free again */
    vm_figures_drop(second);
    vm_figures_drop(third);
    crew_free(block);
}

static void two_at_a_time(void **state)
{
    (void)state;
    unit_assert_returns(look_at_two, NULL);
}

/* --- what is counted ------------------------------------------------------------------------------------ */

static void count_pool(void *argument)
{
    (void)argument;
    crew_free(crew_alloc(100000)); /* makes the first arena */
    struct arena *const arena = vm_pool_arena(0);
    vm_arena_policy.x_trim_threshold = SIZE_MAX; /* the break moves down only when it is told to */
    vm_pool_trim(0);
    const struct arena_totals before = vm_arena_totals(arena);
    struct span span = {.kind = SPAN_NONE};
    UNIT_REQUIRE(vm_pool_take(&span, 300 * vm_kernel.page_bytes, vm_kernel.page_bytes));
    struct arena_totals now = vm_arena_totals(arena);
    UNIT_REQUIRE(now.counts.n_taken == before.counts.n_taken + 1 &&
                 now.counts.n_grown == before.counts.n_grown + 1);
    UNIT_REQUIRE(now.system_bytes - now.free_bytes == before.system_bytes - before.free_bytes + span.bytes);
    UNIT_REQUIRE(now.counts.n_locked ==
                 before.counts.n_locked + 1); /* that of the take: totals do not count */
    UNIT_REQUIRE(now.middle_bytes == before.middle_bytes && now.system_bytes_max >= now.system_bytes);
    memset(span.start, 1, span.bytes);
    vm_pool_give(&span, span.bytes); /* more than may stay dirty */
    now = vm_arena_totals(arena);
    const size_t n_purged = now.counts.n_purged_pages - before.counts.n_purged_pages;
    UNIT_REQUIRE(now.counts.n_given == before.counts.n_given + 1);
    UNIT_REQUIRE(now.counts.n_purged > before.counts.n_purged && n_purged > 0 && n_purged <= 300);
    UNIT_REQUIRE(now.dirty_bytes == (300 - n_purged) * vm_kernel.page_bytes);
    vm_pool_trim(0);
    now = vm_arena_totals(arena);
    UNIT_REQUIRE(now.counts.n_trimmed == before.counts.n_trimmed + 1 &&
                 now.top_free_bytes <= vm_kernel.page_bytes);
}

static void pool_counts(void **state)
{
    (void)state;
    unit_assert_returns(count_pool, NULL);
}

static void count_middle(void *argument)
{
    (void)argument;
    char *block = crew_alloc(100000), *const large = crew_alloc(1000000);
    const size_t page = vm_kernel.page_bytes, middle_bytes = vm_round_up(100000, page);
    UNIT_REQUIRE(vm_arena_totals(vm_pool_arena(0)).middle_bytes == middle_bytes);
    vm_figures_drop(require_sums());
    block = vm_realloc(block, 50000); /* in place */
    UNIT_REQUIRE(vm_arena_totals(vm_pool_arena(0)).middle_bytes == vm_round_up(50000, page));
    struct figures *const figures = require_sums();
    UNIT_REQUIRE(figures->sums.large.n_large == 1 &&
                 figures->sums.large.middle_bytes == vm_round_up(50000, page));
    vm_figures_drop(figures);
    char *const larger = vm_realloc(large, 1500000);
    UNIT_REQUIRE(vm_figures_sum().large.large_bytes == vm_round_up(1500000, page));
    UNIT_REQUIRE(vm_figures_sum().large.n_large == 1 && vm_figures_sum().large.n_large_max <= 2);
    crew_free(larger);
    crew_free(block);
    UNIT_REQUIRE(vm_arena_totals(vm_pool_arena(0)).middle_bytes == 0 && vm_figures_sum().in_use_bytes == 0);
}

static void middle_blocks(void **state)
{
    (void)state;
    unit_assert_returns(count_middle, NULL);
}

/* --- arenas beside the process's break ------------------------------------------------------------------- */

static void count_private(void *argument)
{
    (void)argument;
    enum { N_PRIVATE = 20 };
    void *blocks[N_PRIVATE];
    crew_free(crew_alloc(100)); /* the first arena, on the break */
    vm_kernel.has_break = false;
    UNIT_REQUIRE(!vm_kernel_break_grow(4096));
    for (unsigned i = 0; i < N_PRIVATE; i++)
        blocks[i] = crew_alloc(100000);
    struct figures *const figures = require_sums();
    const struct arena_figures *const arena = &figures->arena[1];
    UNIT_REQUIRE(figures->sums.n_arenas == 2 && arena->kind == ARENA_PRIVATE_BREAK);
    UNIT_REQUIRE(arena->totals.reserved_bytes + arena->totals.system_bytes == VM_PRIVATE_ARENA_BYTES);
    UNIT_REQUIRE(figures->reserved_bytes == arena->totals.reserved_bytes);
    UNIT_REQUIRE(figures->kernel.x_break_refused > 0);
    vm_figures_drop(figures);
    for (unsigned i = 0; i < N_PRIVATE; i++)
        crew_free(blocks[i]);
    vm_figures_drop(require_sums());
}

static void private_arenas(void **state)
{
    (void)state;
    unit_assert_returns(count_private, NULL);
}

/* --- heaps ---------------------------------------------------------------------------------------------- */

static void count_frozen(void *argument)
{
    (void)argument;
    void *const block = crew_alloc(100), *const middle = crew_alloc(50000);
    struct figures *figures = require_sums();
    const size_t slab_bytes = figures->arena[0].slab_bytes;
    UNIT_REQUIRE(slab_bytes > 0 && vm_figures_unseen_bytes(&figures->arena[0]) == 0);
    vm_figures_drop(figures);
    vm_heap_self->x_state = HEAP_FROZEN;
    figures = require_sums();
    UNIT_REQUIRE(figures->n_frozen_heaps == 1 && figures->n_live_heaps == 0);
    UNIT_REQUIRE(vm_figures_unseen_bytes(&figures->arena[0]) == slab_bytes);
    UNIT_REQUIRE(figures->sums.in_use_bytes == vm_round_up(50000, vm_kernel.page_bytes));
    vm_figures_drop(figures);
    vm_heap_self->x_state = HEAP_LIVE;
    crew_free(block);
    crew_free(middle);
}

static void frozen_heaps(void **state)
{
    (void)state;
    unit_assert_returns(count_frozen, NULL);
}

enum { N_LEFT = 40 };
static void *left_behind[N_LEFT];

static void leave_blocks(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < N_LEFT; i++)
        left_behind[i] = crew_alloc(200);
    crew_free(left_behind[0]);
}

static void *sum_up(void *in_use_bytes)
{
    *(size_t *)in_use_bytes = vm_figures_sum().in_use_bytes;
    return NULL;
}

/* While somebody holds the slabs, none is adopted; then one is, and until it has arrived the next picture waits. */
static void hold(void *argument)
{
    (void)argument;
    const unsigned class_index = vm_class_of(200);
    struct worker worker;
    crew_free(crew_alloc(100));
    crew_hire(&worker);
    crew_do(&worker, leave_blocks, NULL);
    crew_dismiss(&worker);
    struct heap *const heap = vm_heap_self;
    UNIT_REQUIRE(crew_count_heaps() == 2);
    vm_moves_hold();
    vm_moves_hold();
    UNIT_REQUIRE(!vm_thread_adopt_slab(heap, class_index));
    vm_moves_release();
    UNIT_REQUIRE(!vm_thread_adopt_slab(heap, class_index));
    UNIT_REQUIRE(vm_figures_sum().in_use_bytes == (N_LEFT - 1) * vm_class_bytes(class_index));
    vm_moves_release();
    struct slab *const slab = vm_thread_adopt_slab(heap, class_index);
    UNIT_REQUIRE(slab);
    size_t in_use_bytes = 0;
    pthread_t reader;
    UNIT_REQUIRE(pthread_create(&reader, NULL, sum_up, &in_use_bytes) == 0);
    usleep(20000); /* time to overlook the slab, which is in no list */
    vm_lock_acquire(&heap->lock);
    vm_heap_list_locked(heap, slab);
    vm_lock_release(&heap->lock);
    vm_moves_arrive();
    pthread_join(reader, NULL); /* hangs if the slab counted as being on its way for ever */
    UNIT_REQUIRE(in_use_bytes == (N_LEFT - 1) * vm_class_bytes(class_index));
    for (unsigned i = 1; i < N_LEFT; i++)
        crew_free(left_behind[i]);
}

static void held_slabs(void **state)
{
    (void)state;
    unit_assert_returns(hold, NULL);
}

/* --- at exit -------------------------------------------------------------------------------------------- */

static void report(void *argument)
{
    void *const block = crew_alloc(100);
    errno = 66;
    vm_stats_report(*(const enum stats_format *)argument);
    UNIT_REQUIRE(errno == 66);
    crew_free(block);
}

/* The same text as to a stream: to the end of standard error, in pieces of whole lines. */
static void reports(void **state)
{
    (void)state;
    char first_line[100];
    snprintf(first_line, sizeof first_line, "vmalloc %s, backend %s, page size", VMALLOC_VERSION,
             vm_kernel.name);
    const struct {
        enum stats_format format;
        const char *begin, *end;
    } forms[] = {
        {STATS_TEXT, first_line, "max mmap bytes   =          0\n"},
        {STATS_JSON, "{\n \"schema\": 1,\n", "}}\n"},
        {STATS_GLIBC, vm_kernel_describe().bytes ? "Backend " : "Arena 0:\nsystem bytes     = ",
         "max mmap bytes   =          0\n"},
    };
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        enum stats_format format = forms[i].format;
        const struct unit_outcome outcome = unit_fork(report, &format);
        assert_true(outcome.exited && outcome.code == 0);
        const size_t length = strlen(outcome.text), end_length = strlen(forms[i].end);
        assert_int_equal(strncmp(outcome.text, forms[i].begin, strlen(forms[i].begin)), 0);
        assert_true(length > end_length && length < sizeof outcome.text - 1);
        assert_string_equal(outcome.text + length - end_length, forms[i].end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_start),      cmocka_unit_test(two_at_a_time),  cmocka_unit_test(pool_counts),
        cmocka_unit_test(middle_blocks), cmocka_unit_test(private_arenas), cmocka_unit_test(frozen_heaps),
        cmocka_unit_test(held_slabs),    cmocka_unit_test(reports),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
