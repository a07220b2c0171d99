/* SPDX-License-Identifier: MIT */
/*
 * heap.c - one thread's heap, from the fast path down: which block comes next, the states of slabs, the
 * ring of slabs that ran empty, recasting. The checkers run after each step.
 */
#include "heap/heap.h"
#include <stdlib.h>
#include <string.h>
#include "crew.h"
#include "front/front.h"
#include "heap/perturb.h"
#include "kernel/kernel.h"
#include "pool/meta.h"

static struct heap *heap;

/* Hidden from the compiler, which believes that a block is nobody else's. */
static void *alloc(size_t size)
{
    return VM_OPAQUE(vm_malloc(size));
}

static void release(void *block)
{
    vm_free(VM_OPAQUE(block));
}

static int begin(void **state)
{
    (void)state;
    release(alloc(1)); /* gives this thread its heap */
    heap = vm_heap_self;
    assert_ptr_equal(heap, vm_thread_heaps());
    return 0;
}

/* Gives all empty slabs back; the heap is as new. */
static void settle(void)
{
    vm_malloc_trim(0);
    vm_check_all();
}

struct census {
    size_t n_slabs, slab_bytes, n_empty, idle_bytes; /* idle: empty, and not current */
};

static void add_slab(struct census *census, const struct slab *slab)
{
    const bool is_empty = vm_slab_count_free(slab) == slab->n_blocks;
    census->n_slabs++;
    census->slab_bytes += slab->span.bytes;
    census->n_empty += is_empty;
    if (is_empty && slab->x_state != SLAB_CURRENT)
        census->idle_bytes += slab->span.bytes;
}

static struct census take_census(void)
{
    struct census census = {0};
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        if (heap->current[i])
            add_slab(&census, heap->current[i]);
        for (struct list_node *node = heap->slabs[i].first; node; node = node->next)
            add_slab(&census, VM_CONTAINER(node, struct slab, span.node));
    }
    return census;
}

/* What the pool takes for pages that are not live. */
static size_t empty_bytes(void)
{
    size_t n_pages = 0;
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
        n_pages += arena->x_n_empty;
    return n_pages * vm_kernel.page_bytes;
}

/* The ring's bound, as config.h states it: bytes, but one slab may be alone in it; and a number of slabs. */
static void assert_ring_bounded(void)
{
    assert_true(heap->n_retired <= VM_RETIRED_SLABS_MAX);
    const size_t bytes_max = vm_heap_policy.retired_bytes_max;
    assert_true(heap->retired_bytes <= bytes_max || heap->n_retired == 1);
    assert_true(heap->worn_bytes <= bytes_max >> VM_WORN_PART_SHIFT || heap->n_worn == 1);
    /* And no slab lies about empty outside of it. */
    assert_true(take_census().idle_bytes <= heap->retired_bytes);
    assert_int_equal(empty_bytes(), heap->retired_bytes);
}

static void lowest_first(void **state)
{
    (void)state;
    for (unsigned class_index = 1; class_index < VM_N_CLASSES; class_index++) {
        settle();
        const size_t size = vm_class_bytes(class_index);
        char *const first = alloc(size);
        struct slab *const slab = crew_slab_of(first);
        assert_int_equal(slab->class_index, class_index);
        assert_ptr_equal(first, slab->group[0].base);
        assert_int_equal(slab->x_state, SLAB_CURRENT);
        for (size_t i = 1; i < slab->n_blocks; i++)
            assert_ptr_equal(alloc(size), first + i * size);
        /* Of the group in use what is freed comes again, lowest first. */
        const size_t last = slab->n_blocks - 1, group_start = last / VM_WORD_BITS * VM_WORD_BITS;
        if (last - group_start >= 3) {
            release(first + last * size);
            release(first + (group_start + 1) * size);
            release(first + (group_start + 2) * size);
            assert_ptr_equal(alloc(size), first + (group_start + 1) * size);
            assert_ptr_equal(alloc(size), first + (group_start + 2) * size);
            assert_ptr_equal(alloc(size), first + last * size);
        }
        vm_heap_check(heap);
        for (size_t i = 0; i < slab->n_blocks; i++)
            release(first + i * size);
        vm_heap_check(heap);
    }
    settle();
    assert_int_equal(take_census().n_slabs, 0);
}

enum { MOST_BLOCKS = 5000 };
static void *blocks[MOST_BLOCKS];

static void shuffle(size_t n, uint64_t *seed)
{
    for (size_t i = n; i > 1; i--) {
        const size_t k = unit_below(seed, i);
        void *const block = blocks[i - 1];
        blocks[i - 1] = blocks[k];
        blocks[k] = block;
    }
}

/* The heap's slabs of a class that only grew: one of each size below the largest, all others of that. */
static void assert_slabs_doubled(unsigned class_index)
{
    const size_t most = vm_class_slab_bytes(class_index);
    size_t bytes_below = 0;
    for (const struct list_node *node = heap->slabs[class_index].first; node; node = node->next) {
        const size_t bytes = VM_CONTAINER((uintptr_t)node, struct slab, span.node)->span.bytes;
        assert_true(bytes <= most);
        assert_int_equal(bytes_below & bytes, 0);
        bytes_below |= bytes < most ? bytes : 0;
    }
    assert_int_equal(bytes_below,
                     most - vm_class_slab_bytes_least(class_index)); /* 16 + 32 + 64 = 128 - 16 */
    assert_int_equal(heap->current[class_index]->span.bytes, most);
}

/* Two and a half slabs of each class, filled and emptied in any order. */
static void every_class(void **state)
{
    (void)state;
    uint64_t seed = 81;
    for (unsigned class_index = 1; class_index < VM_N_CLASSES; class_index++) {
        settle();
        const size_t size = vm_class_bytes(class_index), n_a_slab = vm_class_slab_bytes(class_index) / size;
        const size_t n = n_a_slab * 5 / 2;
        assert_true(n <= MOST_BLOCKS);
        for (size_t i = 0; i < n; i++) {
            blocks[i] = alloc(size);
            memset(blocks[i], (int)(i % 255), size);
        }
        vm_heap_check(heap);
        assert_slabs_doubled(class_index);
        assert_non_null(heap->current[class_index]);
        shuffle(n, &seed);
        for (size_t i = 0; i < n; i++) {
            assert_true(unit_is_filled(blocks[i], size, *(unsigned char *)blocks[i]));
            release(blocks[i]);
            if (i % 16 == 0)
                vm_heap_check(heap);
        }
        vm_heap_check(heap);
        assert_ring_bounded();
        assert_int_equal(take_census().n_slabs, take_census().n_empty);
        vm_pool_check();
    }
    settle();
    assert_int_equal(take_census().n_slabs, 0);
    assert_int_equal(heap->n_retired, 0);
}

static void states(void **state)
{
    (void)state;
    settle();
    enum { SIZE = 256, N = 64 };
    for (unsigned i = 0; i < 2 * N + 1; i++)
        blocks[i] = alloc(SIZE);
    struct slab *const one = crew_slab_of(blocks[0]), *const two = crew_slab_of(blocks[N]),
                       *const three = crew_slab_of(blocks[2 * N]);
    assert_true(one != two && two != three);
    assert_true(one->x_state == SLAB_LISTED && two->x_state == SLAB_LISTED && three->x_state == SLAB_CURRENT);
    assert_true(one->x_fast_heap == heap && two->x_fast_heap == heap && three->x_fast_heap == heap); /* S3 */
    assert_ptr_equal(heap->current[three->class_index], three);
    release(blocks[5]);
    release(blocks[6]);
    release(blocks[N + 3]);
    assert_int_equal(vm_slab_count_free(one), 2);
    assert_int_equal(vm_slab_count_free(two), 1);
    for (unsigned i = 2 * N + 1; i < 3 * N; i++)
        blocks[i] = alloc(SIZE);
    vm_heap_check(heap);
    /* The current one is full: on to the others, before there is a new one. */
    const size_t n_slabs = take_census().n_slabs;
    blocks[5] = alloc(SIZE);
    struct slab *const next = crew_slab_of(blocks[5]);
    assert_true(next == one || next == two);
    assert_true(next->x_state == SLAB_CURRENT && three->x_state == SLAB_LISTED);
    vm_heap_check(heap);
    blocks[6] = alloc(SIZE);
    blocks[N + 3] = alloc(SIZE);
    assert_int_equal(vm_slab_count_free(one) + vm_slab_count_free(two), 0);
    assert_int_equal(take_census().n_slabs, n_slabs);
    vm_heap_check(heap);
    for (unsigned i = 0; i < 3 * N; i++)
        if (crew_slab_of(blocks[i]) == one)
            release(VM_OPAQUE(blocks[i])), blocks[i] = NULL;
    assert_true(one->retired_at && vm_slab_count_free(one) == N);
    vm_heap_check(heap);
    for (unsigned i = 0; i < 3 * N; i++)
        release(blocks[i]);
    vm_heap_check(heap);
    assert_ring_bounded();
    settle();
}

static uint64_t n_spans_taken(void)
{
    uint64_t n = 0;
    struct arena *arena;
    for (size_t i = 0; (arena = vm_pool_arena(i)); i++)
        n += arena->counts.n_taken;
    return n;
}

/* A pair of malloc and free of each class from `first` on, until `end`, n_rounds times. Returns the spans that this took. */
static uint64_t come_and_go(unsigned first, unsigned end, unsigned n_rounds)
{
    const uint64_t n_before = n_spans_taken();
    for (unsigned k = 0; k < n_rounds; k++)
        for (unsigned i = first; i < end; i++)
            release(alloc(vm_class_bytes(i)));
    return n_spans_taken() - n_before;
}

/* The class behind those, from `first` on, whose smallest slabs are of so many bytes together. */
static unsigned end_of_classes(unsigned first, size_t bytes)
{
    unsigned end = first;
    for (; end < VM_N_CLASSES && vm_class_slab_bytes_least(end) <= bytes; end++)
        bytes -= vm_class_slab_bytes_least(end);
    return end;
}

/* The only block of a slab comes and goes without the pool, in as many classes as may be retired, and after others. */
static void coming_and_going(void **state)
{
    (void)state;
    settle();
    const size_t bytes_max = vm_heap_policy.retired_bytes_max;
    vm_heap_policy.retired_bytes_max /= 2; /* so that it is less than all classes have */
    const unsigned end = end_of_classes(1, vm_heap_policy.retired_bytes_max);
    assert_int_equal(come_and_go(1, end, 1), end - 1);
    assert_int_equal(heap->n_retired, end - 1);
    assert_int_equal(come_and_go(1, end, 10), 0);
    /* Those that are needed no more lie below all others, and yet go first, as soon as these are missed. */
    const unsigned end_of_others = end_of_classes(end, vm_heap_policy.retired_bytes_max / 2);
    assert_in_range(end_of_others, end + 4, VM_N_CLASSES);
    come_and_go(end, end_of_others, 4);
    assert_int_equal(come_and_go(end, end_of_others, 10), 0);
    assert_ring_bounded();
    /* With more of them than may be retired, each comes and goes many times without the pool. */
    const uint64_t n_before = n_spans_taken();
    for (unsigned i = 1; i < VM_N_CLASSES; i++)
        come_and_go(i, i + 1, 100);
    assert_in_range(n_spans_taken() - n_before, 0, 3 * VM_N_CLASSES);
    assert_ring_bounded();
    vm_heap_check(heap);
    settle();
    vm_heap_policy.retired_bytes_max = bytes_max;
}

/* Slabs that were used up make way for one another, those of which a block was used stay. */
static void worn_ones_go(void **state)
{
    (void)state;
    settle();
    const unsigned end = end_of_classes(1, VM_RETIRED_BYTES_MAX / 4);
    come_and_go(1, end, 1);
    assert_int_equal(heap->n_worn, 0);
    const size_t n_worn_max = VM_WORN_BYTES_MIN / vm_class_slab_bytes_least(1);
    unsigned n_used_up = 0;
    for (unsigned i = 1; i < end && i <= VM_N_EVEN_CLASSES; i++, n_used_up++) {
        size_t n = 0;
        do
            blocks[n] = alloc(vm_class_bytes(i)); /* one more than the first slab has */
        while (crew_slab_of(blocks[n++]) == crew_slab_of(blocks[0]));
        while (n > 0)
            release(blocks[--n]);
        assert_ring_bounded();
    }
    assert_in_range(heap->n_worn, 1, n_worn_max);
    assert_in_range(heap->n_retired, heap->n_worn + end - 1 - n_used_up, heap->n_worn + end - 1);
    vm_heap_check(heap);
    settle();
    assert_int_equal(heap->worn_bytes, 0);
    assert_int_equal(heap->n_worn, 0);
    vm_heap_check(heap);
}

/* What is free in slabs that are not current is found again before the heap grows by much. */
static void holes_are_filled(void **state)
{
    (void)state;
    settle();
    enum { SIZE = 256, N = 4096 };
    for (unsigned i = 0; i < N; i++)
        blocks[i] = alloc(SIZE);
    const size_t slab_bytes = take_census().slab_bytes;
    for (unsigned i = 0; i < N; i += 2)
        release(blocks[i]);
    for (unsigned i = 0; i < N; i += 2)
        blocks[i] = alloc(SIZE);
    assert_int_equal(take_census().slab_bytes, slab_bytes);
    vm_heap_check(heap);
    for (unsigned i = N / 2; i < N; i += 2) /* many slabs without a hole come first */
        release(blocks[i]);
    for (unsigned i = N / 2; i < N; i += 2)
        blocks[i] = alloc(SIZE);
    assert_true(take_census().slab_bytes <= slab_bytes + 3 * vm_class_slab_bytes(vm_class_of(SIZE)));
    vm_heap_check(heap);
    for (unsigned i = 0; i < N; i++)
        release(blocks[i]);
    assert_ring_bounded();
    settle();
}

/* Lists the heap's slabs of the class that are not current. Returns how many there are. */
static size_t list_slabs(unsigned class_index, struct slab **slabs, size_t n_max)
{
    size_t n = 0;
    for (struct list_node *node = heap->slabs[class_index].first; node; node = node->next) {
        UNIT_REQUIRE(n < n_max);
        slabs[n++] = VM_CONTAINER(node, struct slab, span.node);
    }
    return n;
}

static void fill_current(unsigned class_index)
{
    while (vm_slab_count_free(heap->current[class_index]) > 0)
        assert_non_null(alloc(vm_class_bytes(class_index)));
}

/* Blocks of the slab, as many from the first of a group on. */
static void release_in_group(struct slab *slab, unsigned group_index, unsigned n)
{
    for (size_t k = 0; k < n; k++)
        release(vm_slab_block(slab, group_index * (size_t)VM_WORD_BITS + k));
}

static void expect_in_group(const struct slab *slab, unsigned group_index, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        size_t index;
        assert_true(vm_slab_index(slab, alloc(slab->span.block_bytes), &index));
        assert_int_equal(index / VM_WORD_BITS, group_index);
    }
}

/* Of a slab's groups each serves in its turn. */
static void groups_take_turns(void **state)
{
    (void)state;
    settle();
    enum { SIZE = 16 };
    const unsigned class_index = vm_class_of(SIZE);
    assert_non_null(alloc(SIZE));
    fill_current(class_index);
    struct slab *const slab = heap->current[class_index];
    const unsigned last = slab->n_groups - 1U;
    assert_in_range(last, 6, 255);
    release_in_group(slab, 3, 4);
    expect_in_group(slab, 3, 4); /* that is where it goes on from */
    release_in_group(slab, 1, 4);
    release_in_group(slab, 2, 3);
    release_in_group(slab, 4, 1);
    release_in_group(slab, last, 5);
    expect_in_group(slab, 4, 1);
    expect_in_group(slab, last, 5);
    expect_in_group(slab, 1, 4);
    expect_in_group(slab, 2, 3);
    release_in_group(slab, 1, 1);
    release_in_group(slab, 2, 1); /* as long as it has any, it serves */
    expect_in_group(slab, 2, 1);
    expect_in_group(slab, 1, 1);
    vm_heap_check(heap);
    for (size_t k = 0; k < slab->n_blocks; k++)
        release(vm_slab_block(slab, k));
}

/* Frees blocks of the slab, one in each group in turn, from `from` on until `to` are free. */
static void release_spread(struct slab *slab, unsigned from, unsigned to)
{
    for (unsigned k = from; k < to; k++)
        release(vm_slab_block(slab, k % slab->n_groups * (size_t)VM_WORD_BITS + k / slab->n_groups));
}

/* The same as few_holes_wait of slabs with many groups: it is all of a slab's blocks that count; and such a slab has one turn. */
static void groups_wait_together(void **state)
{
    (void)state;
    settle();
    enum { SIZE = 16, N_SLABS = VM_PICKY_CLASS_SLABS + 20 };
    static struct slab *slabs[N_SLABS + VM_SLAB_DOUBLINGS_MAX];
    const unsigned class_index = vm_class_of(SIZE);
    const size_t n_blocks = vm_class_slab_bytes(class_index) / SIZE;
    for (size_t i = 0; i < N_SLABS * n_blocks; i++)
        assert_non_null(alloc(SIZE));
    fill_current(class_index);
    const size_t n_slabs = list_slabs(class_index, slabs, sizeof slabs / sizeof *slabs);
    assert_in_range(n_slabs, VM_PICKY_CLASS_SLABS, N_SLABS + VM_SLAB_DOUBLINGS_MAX);
    const unsigned enough = (unsigned)(n_blocks / 32);
    assert_in_range(enough, slabs[0]->n_groups, UINT32_MAX);
    for (size_t i = 0; i < n_slabs; i++)
        release_spread(slabs[i], 0, enough - 1);
    const size_t n_before = take_census().n_slabs;
    assert_non_null(alloc(SIZE));
    assert_int_equal(take_census().n_slabs, n_before + 1);
    fill_current(class_index);
    for (size_t i = 0; i < n_slabs; i++)
        release_spread(slabs[i], enough - 1, enough);
    struct slab *const slab = crew_slab_of(alloc(SIZE));
    for (unsigned k = 1; k < enough; k++)
        assert_ptr_equal(crew_slab_of(alloc(SIZE)), slab);
    release_in_group(slab, 0, 1);
    for (size_t k = 0; k < (n_slabs - 1) * enough; k++)
        assert_ptr_not_equal(crew_slab_of(alloc(SIZE)), slab);
    assert_int_equal(take_census().n_slabs, n_before + 1);
    vm_heap_check(heap);
    const size_t n_all = list_slabs(class_index, slabs, sizeof slabs / sizeof *slabs);
    struct slab *const current = heap->current[class_index];
    for (size_t i = 0; i < n_all; i++)
        for (size_t k = 0; k < slabs[i]->n_blocks; k++)
            if (slabs[i] != slab || k > 0)
                release(vm_slab_block(slabs[i], k));
    for (size_t k = 0; k < current->n_blocks; k++)
        release(vm_slab_block(current, k));
    settle();
    assert_int_equal(take_census().n_slabs, 0);
}

/* A large heap passes over slabs with few free blocks, until they have more, or no pages are left. */
static void few_holes_wait(void **state)
{
    (void)state;
    settle();
    enum { SIZE = 256, N_SLABS = VM_PICKY_CLASS_SLABS + 100, FEW = 3 };
    static struct slab *slabs[N_SLABS + VM_SLAB_DOUBLINGS_MAX];
    const unsigned class_index = vm_class_of(SIZE);
    for (size_t i = 0; i < (size_t)N_SLABS * VM_WORD_BITS; i++)
        assert_non_null(alloc(SIZE));
    fill_current(class_index);
    const size_t n_slabs = list_slabs(class_index, slabs, sizeof slabs / sizeof *slabs);
    assert_in_range(n_slabs, VM_PICKY_CLASS_SLABS, N_SLABS + VM_SLAB_DOUBLINGS_MAX);
    for (size_t i = 0; i < n_slabs; i++)
        for (unsigned k = 0; k < FEW && slabs[i]->n_blocks >= VM_WORD_BITS; k++)
            release(vm_slab_block(slabs[i], k));
    const size_t n_before = take_census().n_slabs;
    assert_non_null(alloc(SIZE));
    assert_int_equal(take_census().n_slabs, n_before + 1);
    fill_current(class_index);
    struct slab *const spare = crew_slab_of(vm_heap_alloc_spare(class_index));
    assert_int_equal(spare->class_index, class_index);
    assert_int_equal(vm_slab_count_free(spare), FEW - 1);
    vm_heap_check(heap);
    fill_current(class_index);
    /* One block more in each. */
    size_t n_free = 0;
    for (size_t i = 0; i < n_slabs; i++) {
        if (slabs[i] == spare || slabs[i]->n_blocks < VM_WORD_BITS)
            continue;
        release(vm_slab_block(slabs[i], FEW));
        n_free += FEW + 1;
    }
    assert_true(n_free > (size_t)FEW * VM_PICKY_CLASS_SLABS);
    for (size_t i = 0; i < n_free; i++)
        assert_in_range(vm_slab_count_free(crew_slab_of(alloc(SIZE))), 0, FEW);
    assert_int_equal(take_census().n_slabs, n_before + 1);
    vm_heap_check(heap);
    const size_t n_all = list_slabs(class_index, slabs, sizeof slabs / sizeof *slabs);
    for (size_t i = 0; i < n_all; i++)
        for (size_t k = slabs[i]->n_blocks; k-- > 0;)
            release(vm_slab_block(slabs[i], k));
    struct slab *const current = heap->current[class_index];
    for (size_t k = 0; k < current->n_blocks; k++)
        release(vm_slab_block(current, k));
    settle();
    assert_int_equal(take_census().n_slabs, 0);
}

/* Slabs that ran empty stay, within bounds. */
static void ring(void **state)
{
    (void)state;
    settle();
    const size_t sizes[] = {512, 1024, 4096, 20000, 32768};
    for (unsigned k = 0; k < 5; k++) {
        const size_t size = sizes[k],
                     n = vm_class_slab_bytes(vm_class_of(size)) / vm_class_bytes(vm_class_of(size)) * 40;
        settle();
        assert_true(n <= MOST_BLOCKS);
        for (size_t i = 0; i < n; i++)
            blocks[i] = alloc(size);
        const size_t n_used = take_census().n_slabs - take_census().n_empty;
        assert_true(n_used >= 40 && n_used <= 40 + VM_SLAB_DOUBLINGS_MAX);
        for (size_t i = 0; i < n; i++) {
            release(blocks[i]);
            assert_ring_bounded();
        }
        vm_heap_check(heap);
        /* One block over and over: no slab is taken or given. */
        const size_t n_slabs = take_census().n_slabs;
        for (unsigned i = 0; i < 1000; i++)
            release(alloc(size));
        assert_int_equal(take_census().n_slabs, n_slabs);
        vm_heap_check(heap);
    }
    settle();
    assert_int_equal(take_census().n_slabs, 0);
}

/* An empty slab serves another class of the same slab bytes. */
static void recasting(void **state)
{
    (void)state;
    settle();
    enum { N = 16 };
    uint64_t seed = 82;
    for (unsigned i = 0; i < 8 * N; i++)
        blocks[i] = alloc(256);
    for (unsigned i = 0; i < 8 * N; i++)
        release(blocks[i]);
    const struct pool_totals before = vm_pool_totals();
    /* 288: as many groups as 256. */
    struct slab *const slab = crew_slab_of(blocks[0] = alloc(288));
    assert_int_equal(slab->span.block_bytes, 288);
    assert_int_equal(slab->n_blocks, slab->span.bytes / 288);
    assert_true(vm_pool_totals().free_bytes == before.free_bytes &&
                vm_pool_totals().arena_bytes == before.arena_bytes);
    vm_heap_check(heap);
    release(blocks[0]);
    /*
     * Many classes by turns, few blocks at a time: the empty slabs wander from class to class, and never
     * pile up.
     */
    for (unsigned round = 0; round < 400; round++) {
        const size_t size = vm_class_bytes(1 + (unsigned)unit_below(&seed, VM_CLASS_OF_SMALL_MAX)),
                     n = 1 + unit_below(&seed, 1500);
        for (size_t i = 0; i < n; i++) {
            blocks[i] = alloc(size);
            *(unsigned char *)blocks[i] = (unsigned char)round;
        }
        shuffle(n, &seed);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(*(unsigned char *)blocks[i], (unsigned char)round);
            release(blocks[i]);
        }
        vm_heap_check(heap);
        assert_ring_bounded();
    }
    settle();
}

/* Random blocks of all classes at once. */
static void random_blocks(void **state)
{
    (void)state;
    static struct {
        unsigned char *block;
        size_t size;
        unsigned char stamp;
    } mine[3000];
    uint64_t seed = 83;
    const unsigned n_steps = unit_is_slow() ? 10000 : 150000;
    for (unsigned step = 0; step < n_steps; step++) {
        const size_t i = unit_below(&seed, 3000);
        if (mine[i].block) {
            assert_true(unit_is_filled(mine[i].block, mine[i].size, mine[i].stamp));
            release(mine[i].block);
            mine[i].block = NULL;
        } else if (step / 10000 % 3 != 2) {
            mine[i].size = 1 + unit_below(&seed, unit_below(&seed, 10) ? 1024 : VM_SLAB_BLOCK_MAX);
            mine[i].stamp = (unsigned char)step;
            mine[i].block = alloc(mine[i].size);
            assert_non_null(mine[i].block);
            const struct slab *const slab = crew_slab_of(mine[i].block);
            const size_t bytes = vm_class_bytes(vm_class_of(mine[i].size));
            assert_true(slab->span.block_bytes == bytes || heap->current[vm_class_of(mine[i].size)] == slab);
            memset(mine[i].block, mine[i].stamp, mine[i].size);
        }
        if (step % 64 == 0) {
            vm_heap_check(heap);
            assert_ring_bounded();
        }
    }
    for (unsigned i = 0; i < 3000; i++)
        if (mine[i].block) {
            assert_true(unit_is_filled(mine[i].block, mine[i].size, mine[i].stamp));
            release(mine[i].block);
        }
    settle();
    assert_int_equal(take_census().n_slabs, 0);
    assert_int_equal(vm_pool_totals().arena_bytes, vm_pool_totals().free_bytes);
}

/* The near map loses a slab to another 8 GiB away: frees go through the root, and all is as before. */
static void lost_in_near_map(void **state)
{
    (void)state;
    settle();
    for (unsigned i = 0; i < 200; i++)
        blocks[i] = alloc(256);
    const struct near_map *const map = &vm_near_map;
    for (unsigned i = 0; i < 200; i++) {
        const size_t slot = (uintptr_t)blocks[i] >> VM_GRANULE_SHIFT & (VM_NEAR_ENTRIES - 1);
        *(uintptr_t *)(uintptr_t)&map->x_slab_distance[slot] = 0;
    }
    for (unsigned i = 0; i < 200; i++) {
        release(blocks[i]);
        vm_heap_check(heap);
    }
    assert_int_equal(take_census().n_slabs, take_census().n_empty);
    assert_ring_bounded();
    settle();
    assert_int_equal(take_census().n_slabs, 0);
}

/* --- misuse, in each state of a slab -------------------------------------------------------------------- */

enum { DOUBLE_CURRENT, DOUBLE_PARTIAL, DOUBLE_AFTER_FULL, DOUBLE_RETIRED, INTERIOR, IN_WASTE };

static void misuse(void *argument)
{
    char *block[70];
    for (unsigned i = 0; i < 70; i++)
        block[i] = alloc(480); /* 34 a slab, and 64 bytes of waste */
    switch (*(int *)argument) {
    case DOUBLE_CURRENT:
        release(block[69]);
        release(block[69]);
        break;
    case DOUBLE_PARTIAL:
        release(block[1]);
        release(block[2]);
        release(block[1]);
        break;
    case DOUBLE_AFTER_FULL:
        release(block[1]);
        release(block[1]);
        break;
    case DOUBLE_RETIRED:
        for (unsigned i = 0; i < 34; i++)
            release(block[i]);
        release(block[7]);
        break;
    case INTERIOR:
        release(block[69] + 16);
        break;
    default:
        release(crew_slab_of(block[0])->span.start);
        break;
    }
}

static void misuses(void **state)
{
    (void)state;
    settle();
    int what;
    for (what = DOUBLE_CURRENT; what <= DOUBLE_RETIRED; what++)
        unit_assert_aborts(misuse, &what, "free(): double free detected in tcache 2\nvmalloc: free(0x");
    what = INTERIOR;
    unit_assert_aborts(misuse, &what, "free(): invalid pointer\nvmalloc: free(0x");
    unit_assert_aborts(misuse, &what, "points 16 bytes into a live block of 480 bytes at 0x");
    what = IN_WASTE;
    unit_assert_aborts(misuse, &what, "free(): invalid pointer\n");
}

/* --- the checker ---------------------------------------------------------------------------------------- */

static void check_harmed(void *argument)
{
    void *const first = alloc(480);
    for (unsigned i = 0; i < 40; i++)
        blocks[i] = alloc(480);
    struct slab *const listed = crew_slab_of(first), *const current = crew_slab_of(blocks[39]);
    switch (*(int *)argument) {
    case 1:
        listed->x_state = SLAB_CURRENT; /* H1 */
        break;
    case 2:
        listed->x_heap = &vm_heap_ended; /* H1 */
        break;
    case 3:
        listed->x_fast_heap = &vm_heap_ended; /* S3 */
        break;
    case 4:
        heap->bin[vm_last_bin[current->class_index]].group = &listed->group[0]; /* H2 */
        break;
    case 5:
        current->retired_at = 1; /* H3 */
        break;
    case 6:
        heap->retired_bytes++; /* H3 */
        break;
    case 7:
        heap->bin[vm_last_bin[current->class_index - 3U]].group = &current->group[0]; /* H2 */
        break;
    case 8:
        current->group[current->n_groups - 1].x_mask |= vm_slab_bit(VM_WORD_BITS - 1); /* S2 */
        break;
    default:
        break;
    }
    vm_check_all();
}

static void checker(void **state)
{
    (void)state;
    settle();
    unit_assert_harms_found(check_harmed, 8, "internal check failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_first),
        cmocka_unit_test(every_class),
        cmocka_unit_test(states),
        cmocka_unit_test(holes_are_filled),
        cmocka_unit_test(groups_take_turns),
        cmocka_unit_test(few_holes_wait),
        cmocka_unit_test(groups_wait_together),
        cmocka_unit_test(ring),
        cmocka_unit_test(coming_and_going),
        cmocka_unit_test(worn_ones_go),
        cmocka_unit_test(recasting),
        cmocka_unit_test(random_blocks),
        cmocka_unit_test(lost_in_near_map),
        cmocka_unit_test(misuses),
        cmocka_unit_test(checker),
    };
    return cmocka_run_group_tests_name("heap", tests, begin, NULL);
}
