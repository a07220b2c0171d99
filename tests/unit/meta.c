/* SPDX-License-Identifier: MIT */
/*
 * meta.c - memory for descriptors: random objects of all sizes against a list of them, giving back, refusal.
 */
#include "pool/meta.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/bits.h"
#include "base/list.h"
#include "base/lock.h"
#include "kernel/kernel.h"
#include "unit.h"

static bool is_refusing;
static uintptr_t lowest_map = UINTPTR_MAX, highest_map;

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    char *const start = is_refusing ? NULL : unit_backend()->map(context, bytes, alignment, access);
    if (start) {
        lowest_map = (uintptr_t)start < lowest_map ? (uintptr_t)start : lowest_map;
        highest_map = (uintptr_t)start + bytes > highest_map ? (uintptr_t)start + bytes : highest_map;
    }
    return start;
}

static struct vm_kernel_backend backend;

static int begin(void **state)
{
    (void)state;
    unit_report_to_stderr();
    backend = *unit_backend();
    backend.map = map;
    unit_start(&backend);
    return 0;
}

enum { N_OBJECTS = 2000 };

struct object {
    unsigned char *start;
    size_t bytes;
    unsigned char stamp;
};

static size_t footprint(size_t bytes)
{
    return vm_round_up(bytes, VM_META_UNIT);
}

static void make(struct object *object, uint64_t *seed)
{
    object->bytes = 1 + unit_below(seed, 1 + unit_below(seed, VM_META_OBJECT_MAX));
    object->start = vm_meta_alloc(object->bytes);
    assert_non_null(object->start);
    assert_int_equal((uintptr_t)object->start % VM_META_UNIT, 0);
    assert_true(unit_is_filled(object->start, footprint(object->bytes), 0));
    object->stamp = (unsigned char)(1 + unit_below(seed, 255));
    memset(object->start, object->stamp, footprint(object->bytes));
}

static void unmake(struct object *object)
{
    assert_true(unit_is_filled(object->start, footprint(object->bytes), object->stamp));
    vm_meta_free(object->start, object->bytes);
    object->start = NULL;
}

static void every_size(void **state)
{
    (void)state;
    unsigned char *small = vm_meta_alloc(1);
    for (size_t bytes = 1; bytes <= VM_META_OBJECT_MAX; bytes++) {
        unsigned char *const object = vm_meta_alloc(bytes);
        assert_non_null(object);
        assert_int_equal((uintptr_t)object % VM_META_UNIT, 0);
        assert_true(unit_is_filled(object, bytes, 0));
        memset(object, 0xc3, footprint(bytes));
        vm_meta_free(object, bytes);
    }
    assert_true(unit_is_filled(small, VM_META_UNIT, 0));
    vm_meta_free(small, 1);
    vm_meta_check();
    assert_int_equal(vm_meta_totals().used_bytes, 0);
}

static void random_objects(void **state)
{
    (void)state;
    static struct object objects[N_OBJECTS];
    uint64_t seed = 21;
    size_t used_bytes = 0;
    const unsigned n_steps = unit_is_slow() ? 20000 : 200000;
    for (unsigned step = 0; step < n_steps; step++) {
        struct object *const object = &objects[unit_below(&seed, N_OBJECTS)];
        /* Now and then nearly all is freed, so that chunks run empty and are swept. */
        const bool ebbing = step / 5000 % 3 == 2;
        if (object->start) {
            used_bytes -= footprint(object->bytes);
            unmake(object);
        } else if (!ebbing || unit_below(&seed, 20) == 0) {
            make(object, &seed);
            used_bytes += footprint(object->bytes);
        }
        if (step % 64 == 0) {
            vm_meta_check();
            assert_int_equal(vm_meta_totals().used_bytes, used_bytes);
        }
    }
    const size_t mapped_bytes = vm_meta_totals().mapped_bytes;
    assert_true(mapped_bytes < 32 << 20); /* memory is used again: 16 MB at a time, at most */
    for (unsigned i = 0; i < N_OBJECTS; i++)
        if (objects[i].start)
            unmake(&objects[i]);
    vm_meta_check();
    assert_int_equal(vm_meta_totals().used_bytes, 0);
    assert_int_equal(vm_meta_totals().mapped_bytes, mapped_bytes);
}

/*
 * Pages of all regions so far that are in memory: they are what this backend mapped, and lie close together.
 */
static size_t resident_pages(const struct object *objects, unsigned n_objects)
{
    size_t n_resident = 0;
    const size_t page = vm_kernel.page_bytes;
    uintptr_t last = 0;
    for (unsigned i = 0; i < n_objects; i++) {
        const uintptr_t first = vm_round_down((uintptr_t)objects[i].start, page);
        for (uintptr_t at = first; at < (uintptr_t)objects[i].start + objects[i].bytes; at += page) {
            if (at <= last)
                continue; /* objects are sorted */
            n_resident += unit_resident_pages((void *)at, page);
            last = at;
        }
    }
    return n_resident;
}

static int by_address(const void *a, const void *b)
{
    const struct object *const left = a, *const right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static void gives_pages_back(void **state)
{
    (void)state;
    static struct object objects[N_OBJECTS];
    uint64_t seed = 22;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < N_OBJECTS; i++)
            make(&objects[i], &seed);
        qsort(objects, N_OBJECTS, sizeof *objects, by_address);
        const size_t n_before = resident_pages(objects, N_OBJECTS);
        assert_true(n_before * vm_kernel.page_bytes >= vm_meta_totals().used_bytes);
        for (unsigned i = 0; i < N_OBJECTS; i++)
            vm_meta_free(objects[(i * 7919) % N_OBJECTS].start, objects[(i * 7919) % N_OBJECTS].bytes);
        vm_meta_check();
        /* Of each chunk of 64 KiB its first page stays. */
        const size_t n_after = resident_pages(objects, N_OBJECTS);
        assert_true(n_after <= n_before / (65536 / vm_kernel.page_bytes) + 160);
        for (unsigned i = 0; i < N_OBJECTS; i++) /* readable for ever */
            for (size_t offset = 0; offset < objects[i].bytes; offset += 64)
                (void)*(volatile unsigned char *)&objects[i].start[offset];
    }
}

static void refusal(void **state)
{
    (void)state;
    enum { BYTES = 4096, MOST = 20000 };
    static void *objects[MOST];
    unsigned n = 0;
    is_refusing = true;
    while (n < MOST && (objects[n] = vm_meta_alloc(BYTES)))
        n++;
    assert_true(n < MOST);
    assert_null(vm_meta_alloc(BYTES));
    vm_meta_check();
    vm_meta_free(objects[--n], BYTES);
    assert_non_null(objects[n] = vm_meta_alloc(BYTES));
    n++;
    is_refusing = false;
    assert_non_null(objects[n] = vm_meta_alloc(BYTES));
    n++;
    while (n)
        vm_meta_free(objects[--n], BYTES);
    vm_meta_check();
    assert_int_equal(vm_meta_totals().used_bytes, 0);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static unsigned x_spoiled;

static void *come_and_go(void *argument)
{
    enum { MINE = 200 };
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    unsigned char *objects[MINE] = {NULL};
    const unsigned n_steps = unit_is_slow() ? 5000 : 60000;
    for (unsigned step = 0; step < n_steps + MINE; step++) {
        const size_t i = step < n_steps ? unit_below(&seed, MINE) : step - n_steps;
        const size_t bytes = 64 + i % 5 * 512;
        const unsigned char stamp = (unsigned char)(i + (uintptr_t)argument);
        if (objects[i]) {
            if (!unit_is_filled(objects[i], bytes, stamp))
                vm_fetch_add_relaxed(&x_spoiled, 1);
            vm_meta_free(objects[i], bytes);
            objects[i] = NULL;
        } else if (step < n_steps && step / 1000 % 2 == 0) {
            objects[i] = vm_meta_alloc(bytes);
            if (!objects[i] || !unit_is_filled(objects[i], bytes, 0))
                vm_fetch_add_relaxed(&x_spoiled, 1);
            else
                memset(objects[i], stamp, bytes);
        }
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t thread[4];
    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, (void *)(i * 37 + 1)), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(x_spoiled, 0);
    vm_meta_check();
    assert_int_equal(vm_meta_totals().used_bytes, 0);
}

/* --- the checker: the chunk's header lies at the start of 64 KiB ---------------------------------------- */

static void check_spoiled(void *argument)
{
    const size_t offset = *(size_t *)argument;
    char *const object = vm_meta_alloc(512);
    uint32_t *const word = (void *)((char *)vm_round_down((uintptr_t)object, 65536) + offset);
    *word ^= offset ? 2 : 0;
    vm_meta_check();
}

static void checker(void **state)
{
    (void)state;
    size_t offset = 0;
    unit_assert_returns(check_spoiled, &offset);
    /* Behind the list's node: object_bytes, n_objects, n_used; then is_swept, the generation and touched; then the bits. */
    const size_t offsets[] = {sizeof(struct list_node), sizeof(struct list_node) + 8,
                              sizeof(struct list_node) + 24};
    for (size_t i = 0; i < 3; i++) {
        offset = offsets[i];
        unit_assert_aborts(check_spoiled, &offset, "meta.c");
    }
}

static pthread_barrier_t inside, over;

static void *wait_in_map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    pthread_barrier_wait(&inside); /* a fork happens now, with this room's lock held */
    pthread_barrier_wait(&over);
    return unit_backend()->map(context, bytes, alignment, access);
}

static void *use_up(void *argument)
{
    (void)argument;
    while (backend.map == wait_in_map)
        if (!vm_meta_alloc(VM_META_OBJECT_MAX))
            break;
    return NULL;
}

/* Of a size with few objects a chunk: some chunks are full, others have room, when the process forks. */
enum { N_INHERITED = 200, INHERITED_BYTES = 4096 };
static unsigned char *inherited[N_INHERITED];

static void take_inherited(void)
{
    uint64_t seed = 7;
    for (unsigned i = 0; i < N_INHERITED; i++)
        UNIT_REQUIRE(inherited[i] = vm_meta_alloc(INHERITED_BYTES));
    for (unsigned i = 0; i < N_INHERITED / 4; i++) {
        const size_t k = unit_below(&seed, N_INHERITED);
        if (inherited[k])
            vm_meta_free(inherited[k], INHERITED_BYTES);
        inherited[k] = NULL;
    }
    for (unsigned i = 0; i < N_INHERITED; i++)
        if (inherited[i])
            memset(inherited[i], (int)i, INHERITED_BYTES);
}

/* In any order, while others are taken; nobody gets one that is still there. */
static void free_inherited(void)
{
    unsigned char *mine[N_INHERITED];
    unsigned n_mine = 0;
    for (unsigned i = 0; i < N_INHERITED; i++) {
        const unsigned k = i * 77 % N_INHERITED;
        if (!inherited[k])
            continue;
        UNIT_REQUIRE(unit_is_filled(inherited[k], INHERITED_BYTES, (unsigned char)k));
        vm_meta_free(inherited[k], INHERITED_BYTES);
        UNIT_REQUIRE(mine[n_mine] = vm_meta_alloc(INHERITED_BYTES));
        memset(mine[n_mine++], 0xEE, INHERITED_BYTES);
        vm_meta_check();
    }
    while (n_mine)
        vm_meta_free(mine[--n_mine], INHERITED_BYTES);
    vm_meta_check();
}

/* As if the thread that is not here had been between taking a chunk out of its list and putting it back: the links, which are
   the first words of a chunk, are NULL. */
static void tear_lists(void)
{
    for (unsigned i = 0; i < N_INHERITED; i++)
        if (inherited[i])
            memset((void *)((uintptr_t)inherited[i] & ~(uintptr_t)(64 * VM_KIB - 1)), 0, 2 * sizeof(void *));
}

static void use_in_child(void *argument)
{
    backend.map = map;
    tear_lists();
    vm_meta_reset_in_child();
    unsigned char *const object = vm_meta_alloc(100);
    UNIT_REQUIRE(object && object != argument && unit_is_filled(object, 100, 0));
    UNIT_REQUIRE(unit_is_filled(argument, 100, 0x77)); /* what was there stays */
    vm_meta_free(argument, 100);
    vm_meta_free(object, 100);
    free_inherited();
    vm_meta_check();
}

static void child_of_fork(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_barrier_init(&inside, NULL, 2);
    pthread_barrier_init(&over, NULL, 2);
    unsigned char *const object = vm_meta_alloc(100);
    memset(object, 0x77, 100);
    take_inherited();
    backend.map = wait_in_map;
    assert_int_equal(pthread_create(&thread, NULL, use_up, NULL), 0);
    pthread_barrier_wait(&inside);
    unit_assert_returns(use_in_child, object);
    backend.map = map;
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    vm_meta_free(object, 100);
    free_inherited();
    vm_meta_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size),    cmocka_unit_test(random_objects), cmocka_unit_test(gives_pages_back),
        cmocka_unit_test(refusal),       cmocka_unit_test(threads),        cmocka_unit_test(checker),
        cmocka_unit_test(child_of_fork),
    };
    return cmocka_run_group_tests_name("meta", tests, begin, NULL);
}
