/* SPDX-License-Identifier: MIT */
/* trim.c - malloc_trim page by page: what goes of one's own, sleeping and dead threads' slabs, and what stays. */
#include "heap/trim.h"
#include <string.h>
#include "crew.h"
#include "front/front.h"
#include "kernel/kernel.h"

enum { MOST = 4096 };

struct lot {
    size_t size, n;
    char *block[MOST];
};

static struct lot lot;

/* Fills slabs with blocks, then frees all but each `keep`th. */
static void fill_and_thin_out(void *argument)
{
    struct lot *const of = argument;
    for (size_t i = 0; i < of->n; i++) {
        UNIT_REQUIRE(of->block[i] = crew_alloc(of->size));
        memset(of->block[i], (int)(i % 255), of->size);
    }
    for (size_t i = 0; i < of->n; i++)
        if (i % 100 != 50) {
            crew_free(of->block[i]);
            of->block[i] = NULL;
        }
}

static bool is_live_on(const struct lot *of, const char *page)
{
    for (size_t i = 50; i < of->n; i += 100)
        if (of->block[i] + of->size > page && of->block[i] < page + vm_kernel.page_bytes)
            return true;
    return false;
}

/* Resident pages of LISTED slabs of the lot that hold no live block. */
static size_t count_idle_pages(const struct lot *of)
{
    size_t n = 0;
    for (size_t i = 50; i < of->n; i += 100) {
        const struct slab *const slab = (struct slab *)vm_pagemap_find(of->block[i]);
        if (slab->x_state != SLAB_LISTED)
            continue;
        for (char *page = slab->span.start; page < slab->span.start + slab->span.bytes;
             page += vm_kernel.page_bytes)
            n += !is_live_on(of, page) && unit_resident_pages(page, vm_kernel.page_bytes);
    }
    return n;
}

static void expect_contents(const struct lot *of)
{
    for (size_t i = 50; i < of->n; i += 100)
        assert_true(unit_is_filled(of->block[i], of->size, (unsigned char)(i % 255)));
}

static void drop(struct lot *of)
{
    for (size_t i = 50; i < of->n; i += 100)
        crew_free(of->block[i]);
    vm_malloc_trim(0);
}

static const size_t sizes[] = {16, 64, 200, 1000, 1024, 3000, 5000, 20000};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static void prepare(size_t size)
{
    lot.size = size;
    lot.n = vm_min_size(MOST, (4 << 20) / size);
}

static void own_slabs(void **state)
{
    (void)state;
    for (unsigned k = 0; k < N_SIZES; k++) {
        prepare(sizes[k]);
        fill_and_thin_out(&lot);
        assert_true(vm_malloc_trim(0) == 1 || sizes[k] <= 64); /* 16: no page without a live block */
        assert_int_equal(count_idle_pages(&lot), 0);
        expect_contents(&lot);
        vm_check_all();
        static struct lot more;
        more.size = lot.size;
        more.n = lot.n;
        fill_and_thin_out(&more); /* on in the same slabs */
        vm_check_all();
        expect_contents(&lot);
        expect_contents(&more);
        drop(&lot);
        drop(&more);
    }
}

static void sleeping_thread(void **state)
{
    (void)state;
    static struct worker worker;
    crew_hire(&worker);
    for (unsigned k = 0; k < N_SIZES; k++) {
        prepare(sizes[k]);
        crew_do(&worker, fill_and_thin_out, &lot);
        assert_true(vm_malloc_trim(0) == 1 || sizes[k] <= 64); /* 16: no page without a live block */
        assert_int_equal(count_idle_pages(&lot), 0);
        expect_contents(&lot);
        vm_check_all();
        drop(&lot);
    }
    crew_dismiss(&worker);
}

static void dead_thread(void **state)
{
    (void)state;
    static struct worker worker;
    for (unsigned k = 0; k < N_SIZES; k++) {
        prepare(sizes[k]);
        crew_hire(&worker);
        crew_do(&worker, fill_and_thin_out, &lot);
        crew_dismiss(&worker);
        vm_malloc_trim(0);
        assert_int_equal(count_idle_pages(&lot), 0);
        expect_contents(&lot);
        vm_check_all();
        drop(&lot);
    }
}

static struct heap *worker_heap;

static void fill_and_free(void *argument)
{
    struct lot *const of = argument;
    for (size_t i = 0; i < of->n; i++)
        UNIT_REQUIRE(of->block[i] = crew_alloc(of->size));
    for (size_t i = 0; i < of->n; i++)
        crew_free(of->block[i]);
    worker_heap = vm_heap_self;
}

static unsigned count_listed_retired(const struct heap *heap)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < heap->n_retired; i++)
        n += heap->retired[i]->x_state == SLAB_LISTED;
    return n;
}

/* Empty slabs that a sleeping thread keeps go, but for those that its next blocks would come from. */
static void retired_slabs(void **state)
{
    (void)state;
    static struct worker worker;
    crew_hire(&worker);
    for (unsigned k = 0; k < N_SIZES; k++) {
        prepare(sizes[k]);
        crew_do(&worker, fill_and_free, &lot);
    }
    assert_true(count_listed_retired(worker_heap) > 0);
    vm_malloc_trim(0);
    unsigned n_current = 0;
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        n_current += worker_heap->current[i] != NULL;
        assert_null(worker_heap->slabs[i].first);
    }
    assert_true(n_current <= N_SIZES);
    assert_true(worker_heap->retired_bytes <= VM_RETIRED_BYTES_MAX);
    vm_check_all();
    crew_do(&worker, fill_and_free, &lot);
    vm_check_all();
    crew_dismiss(&worker);
    vm_malloc_trim(0);
}

static uint32_t x_stop;

static void go_on(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    static _Thread_local struct lot mine;
    while (!vm_load_relaxed(&x_stop)) {
        const size_t i = unit_below(&seed, MOST);
        if (mine.block[i]) {
            UNIT_REQUIRE(unit_is_filled(mine.block[i], 1 + i % 700, (unsigned char)i));
            crew_free(mine.block[i]);
            mine.block[i] = NULL;
        } else {
            UNIT_REQUIRE(mine.block[i] = crew_alloc(1 + i % 700));
            memset(mine.block[i], (int)i, 1 + i % 700);
        }
    }
    for (unsigned i = 0; i < MOST; i++)
        crew_free(mine.block[i]);
}

static void *trim_over_and_over(void *argument)
{
    for (unsigned i = 0; i < (unit_is_slow() ? 20 : 300); i++)
        vm_malloc_trim(0);
    return argument;
}

/* Two threads trim while three work: nobody loses a byte. */
static void while_others_work(void **state)
{
    (void)state;
    static struct worker workers[3];
    pthread_t trimmers[2];
    vm_store_relaxed(&x_stop, 0);
    for (uintptr_t i = 0; i < 3; i++) {
        crew_hire(&workers[i]);
        workers[i].work = go_on;
        workers[i].argument = (void *)(i + 1);
        pthread_barrier_wait(&workers[i].begin);
    }
    for (unsigned i = 0; i < 2; i++)
        UNIT_REQUIRE(pthread_create(&trimmers[i], NULL, trim_over_and_over, NULL) == 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(trimmers[i], NULL);
    vm_store_relaxed(&x_stop, 1);
    for (unsigned i = 0; i < 3; i++) {
        pthread_barrier_wait(&workers[i].end);
        crew_dismiss(&workers[i]);
    }
    vm_malloc_trim(0);
    vm_check_all();
    assert_int_equal(crew_pool_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_slabs),     cmocka_unit_test(sleeping_thread),   cmocka_unit_test(dead_thread),
        cmocka_unit_test(retired_slabs), cmocka_unit_test(while_others_work),
    };
    return cmocka_run_group_tests_name("trim", tests, NULL, NULL);
}
