/* SPDX-License-Identifier: MIT */
/*
 * faults.c - KERNEL B20: the kernel refuses its n-th call, for n = 1, 2, 3 ... until the workload needs no more of them,
 * alone or with all after it; or it does something else that kernels do. Each run is a process of its own,
 * with the fault plan in its environment, from the allocator's very first call on. It ends with every request
 * either served or refused with ENOMEM, with all contents as they were, with all rooms in order, and, once
 * nothing is refused any more, with everything to be had again, nothing lost, and the kernel's memory given back: run
 * after run no more of it is out.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../model/model.h"
#include "crew.h"
#include "front/front.h"
#include "kernel/fault.h"
#include "pool/meta.h"

enum { STATUS_OK = 0, STATUS_NO_FAULT = 2, N_RUNS_MAX = 8 };

/* --- workloads: each returns how many requests were refused --------------------------------------------- */

static struct model model;

static unsigned random_steps(bool may_refuse)
{
    model_init(&model, 111);
    model.is_tuning = true;
    model.may_refuse = may_refuse;
    for (unsigned step = 1; step <= 250; step++) {
        model_step(&model);
        if (step % 50 == 0)
            vm_check_all();
    }
    model_compare(&model);
    model_free_all(&model);
    return model.n_refused;
}

static unsigned x_n_refused;

/* Either a block, which is filled, or NULL and ENOMEM. */
static void *told(void *block, size_t size)
{
    UNIT_REQUIRE(errno == (block ? 77 : ENOMEM));
    errno = 77;
    if (block)
        memset(block, 0x5a, size);
    else
        vm_fetch_add_relaxed(&x_n_refused, 1);
    return block;
}

static void *told_zeroed(size_t size)
{
    void *const block = VM_OPAQUE(vm_calloc(size / 4, 4));
    UNIT_REQUIRE(!block || unit_is_filled(block, size, 0));
    return told(block, size);
}

/* A block of each function, then of the double size. */
static void call_all(size_t size)
{
    void *blocks[9] = {NULL};
    blocks[0] = told_zeroed(size);
    blocks[1] = told(VM_OPAQUE(vm_malloc(size)), size);
    blocks[2] = told(VM_OPAQUE(vm_memalign(4096, size)), size);
    blocks[3] = told(VM_OPAQUE(vm_aligned_alloc(64, size)), size);
    blocks[4] = told(VM_OPAQUE(vm_valloc(size)), size);
    blocks[5] = told(VM_OPAQUE(vm_pvalloc(size)), size);
    blocks[6] = told(VM_OPAQUE(vm_reallocarray(NULL, size / 4, 4)), size);
    blocks[7] = told_zeroed(size);
    errno = vm_posix_memalign(&blocks[8], 65536, size);
    errno = errno ? errno : 77;
    told(blocks[8], size);
    for (unsigned i = 0; i < 9; i++) {
        void *const moved = blocks[i] ? told(VM_OPAQUE(vm_realloc(blocks[i], 2 * size)), 2 * size) : NULL;
        UNIT_REQUIRE(moved || !blocks[i] || unit_is_filled(blocks[i], size, 0x5a));
        vm_free(moved ? moved : VM_OPAQUE(blocks[i]));
    }
}

/* A slab's, of whole pages, in a mapping; the second time from pages that were given back. */
static unsigned all_functions(bool may_refuse)
{
    static const size_t sizes[] = {100, 40000, 40000, 120000};
    (void)may_refuse;
    x_n_refused = 0;
    errno = 77;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        call_all(sizes[i]);
        const struct vm_mallinfo2 info = vm_mallinfo2();
        UNIT_REQUIRE(info.arena == info.uordblks + info.fordblks);
        vm_malloc_trim(1 << 20);
        UNIT_REQUIRE(errno == 77);
    }
    vm_check_all();
    return x_n_refused;
}

enum { N_THREADS = 3, N_HANDED = 16 };
static void *handed[N_THREADS][N_HANDED];

static void *fill_row(void *argument)
{
    void **const row = argument;
    errno = 77;
    for (size_t i = 0; i < N_HANDED; i++)
        row[i] = told(VM_OPAQUE(vm_malloc(20 * i * i * i + 1)), 20 * i * i * i + 1);
    for (size_t i = 0; i < N_HANDED; i += 3) {
        vm_free(VM_OPAQUE(row[i]));
        row[i] = NULL;
    }
    return NULL;
}

/* Blocks of threads that end, freed by this one and by a fork child. */
static unsigned threads(bool may_refuse)
{
    (void)may_refuse;
    x_n_refused = 0;
    pthread_t thread[N_THREADS];
    for (unsigned i = 0; i < N_THREADS; i++)
        UNIT_REQUIRE(pthread_create(&thread[i], NULL, fill_row, handed[i]) == 0);
    for (unsigned i = 0; i < N_THREADS; i++)
        UNIT_REQUIRE(pthread_join(thread[i], NULL) == 0);
    const pid_t child = fork();
    for (unsigned i = 0; i < N_THREADS; i++)
        for (unsigned j = 0; j < N_HANDED; j++)
            vm_free(VM_OPAQUE(handed[i][j]));
    vm_check_all();
    if (!child)
        _exit(0);
    int status = -1;
    UNIT_REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    return x_n_refused;
}

static const struct workload {
    const char *name;
    unsigned (*run)(bool may_refuse);
} workloads[] = {{"random steps", random_steps}, {"all functions", all_functions}, {"threads", threads}};

/* --- what the kernel has given --------------------------------------------------------------------------- */

/* Between the plan and the kernel: how many bytes of addresses are out. */
static struct vm_kernel_backend ledger;
static size_t x_held_bytes;

static void *grow_and_note(void *context, size_t bytes)
{
    void *const start = unit_backend()->break_grow(context, bytes);
    vm_fetch_add_relaxed(&x_held_bytes, start ? bytes : 0);
    return start;
}

static bool trim_and_note(void *context, void *end, size_t bytes)
{
    const bool done = unit_backend()->break_trim(context, end, bytes);
    vm_fetch_add_relaxed(&x_held_bytes, done ? -bytes : 0);
    return done;
}

static void *map_and_note(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    void *const start = unit_backend()->map(context, bytes, alignment, access);
    vm_fetch_add_relaxed(&x_held_bytes, start ? bytes : 0);
    return start;
}

static bool unmap_and_note(void *context, void *start, size_t bytes)
{
    const bool done = unit_backend()->unmap(context, start, bytes);
    vm_fetch_add_relaxed(&x_held_bytes, done ? -bytes : 0);
    return done;
}

static bool resize_and_note(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    const bool done = unit_backend()->resize(context, start, old_bytes, new_bytes);
    vm_fetch_add_relaxed(&x_held_bytes, done ? new_bytes - old_bytes : 0);
    return done;
}

/* Onto a mapping, which is noted already. */
static bool move_and_note(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    const bool done = unit_backend()->move(context, start, old_bytes, target, new_bytes);
    vm_fetch_add_relaxed(&x_held_bytes, done ? -old_bytes : 0);
    return done;
}

void vm_kernel_before_start(void)
{
    ledger = *unit_backend();
    ledger.break_grow = grow_and_note;
    ledger.break_trim = trim_and_note;
    ledger.map = map_and_note;
    ledger.unmap = unmap_and_note;
    ledger.resize = resize_and_note;
    ledger.move = move_and_note;
    UNIT_REQUIRE(vm_kernel_install(&ledger) == VM_KERNEL_OK);
}

/* --- one run -------------------------------------------------------------------------------------------- */

static void require_nothing_lost(void)
{
    vm_malloc_trim(0);
    vm_check_all();
    const struct vm_mallinfo2 info = vm_mallinfo2();
    UNIT_REQUIRE(crew_pool_bytes() == 0 && info.uordblks == 0 && info.hblks == 0 && info.hblkhd == 0);
}

static int run(const struct workload *workload)
{
    /* Small steps, so that there are many calls. */
    vm_mallopt(VM_M_TOP_PAD, 0);
    vm_mallopt(VM_M_TRIM_THRESHOLD, 65536);
    vm_mallopt(VM_M_MMAP_THRESHOLD, 65536);
    UNIT_REQUIRE(vm_fault_plan.n_rules > 0);
    const unsigned n_refused = workload->run(true);
    const bool was_hit = vm_fault_plan.rule[vm_fault_plan.n_rules - 1].x_n_hits > 0;
    UNIT_REQUIRE(was_hit || n_refused == 0);
    vm_fault_plan = (struct fault_plan){0}; /* everything is to be had again */
    vm_malloc_trim(0);
    require_nothing_lost();
    const size_t meta_bytes = vm_meta_totals().mapped_bytes;
    size_t held_bytes;
    unsigned n_runs = 0;
    do { /* records and reservations come once, and stay */
        UNIT_REQUIRE(n_runs < N_RUNS_MAX);
        held_bytes = x_held_bytes;
        UNIT_REQUIRE(workload->run(false) == 0);
        require_nothing_lost();
    } while (++n_runs < 2 || x_held_bytes > held_bytes + 2 * vm_kernel.page_bytes);
    UNIT_REQUIRE(vm_meta_totals().mapped_bytes <= meta_bytes + VM_MIB); /* descriptors are not lost, either */
    return was_hit ? STATUS_OK : STATUS_NO_FAULT;
}

/* --- all runs ------------------------------------------------------------------------------------------- */

static const char *program;

static bool run_with(const struct workload *workload, const char *plan)
{
    char entry[200];
    snprintf(entry, sizeof entry, "VMALLOC_FAULT=%s", plan);
    const struct unit_outcome outcome =
        unit_rerun(program, workload->name, (const char *const[]){entry, "VMALLOC_STRICT=1", NULL});
    if (!outcome.exited || (outcome.code != STATUS_OK && outcome.code != STATUS_NO_FAULT))
        fail_msg("%s with %s: the process %s %d: %s", workload->name, entry,
                 outcome.exited ? "exited with" : "died of signal", outcome.code, outcome.text);
    return outcome.code == STATUS_OK;
}

/* The last rule's clause has a %u: 1, 2, 3 ... until it strikes no more. */
static void sweep(const char *format, unsigned n_least)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        const unsigned step = unit_is_slow() ? 9 : 1;
        unsigned n = 0;
        char plan[150];
        do {
            n += step;
            snprintf(plan, sizeof plan, format, n);
        } while (run_with(&workloads[i], plan));
        if (n <= n_least)
            fail_msg("%s: only %u calls of %s", workloads[i].name, n,
                     format); /* there was something to refuse */
    }
}

static void one_call(void **state)
{
    (void)state;
    sweep("any:nth=%u", 20);
}

static void all_from_one_on(void **state)
{
    (void)state;
    sweep("any:after=%u", 20);
}

/* One way to get memory is closed from some moment on, the others are open. */
static void all_of_a_kind(void **state)
{
    (void)state;
    sweep("brk:after=%u", 0); /* beside threads, the break is left to the C library's malloc after a while */
    sweep("map:after=%u", 3);
    sweep("unmap:after=%u", 0);
    sweep("advise:after=%u", 1);
}

static void without_break(void **state)
{
    (void)state;
    sweep("brk:fail;map:nth=%u", 3);
    sweep("brk:fail;map:after=%u", 3);
    sweep("brk:fail;protect:nth=%u", 1);
    sweep("brk:fail;protect:after=%u", 1);
}

static void remaps(void **state)
{
    (void)state;
    if (!vm_kernel.has_remap)
        skip();
    sweep("remap:after=%u", 0);
    run_with(&workloads[0], "remap:move");
}

/* Nothing is refused for long, but all is different. */
static void adversaries(void **state)
{
    (void)state;
    static const char *const plans[] = {
        "brk:foreign=4096",
        "brk:foreign=1000",
        "brk:every=3,foreign=1M",
        "brk:short",
        "brk:every=2",
        "map:dirty;brk:dirty",
        "map:every=2",
        "any:prob=1/3;seed=1",
        "any:prob=1/3;seed=2",
        "brk:fail;map:space=8M",
        "brk:every=2,foreign=100;unmap:every=2;map:every=5",
    };
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        for (size_t j = 0; j < sizeof plans / sizeof *plans; j++)
            run_with(&workloads[i], plans[j]);
}

int main(int argc, char **argv)
{
    program = argv[0];
    vm_kernel.has_remap &= !unit_is_under_valgrind();
    for (size_t i = 0; argc > 1 && i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(argv[1], workloads[i].name) == 0)
            _Exit(run(&workloads[i]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call),      cmocka_unit_test(all_from_one_on), cmocka_unit_test(all_of_a_kind),
        cmocka_unit_test(without_break), cmocka_unit_test(remaps),          cmocka_unit_test(adversaries),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
