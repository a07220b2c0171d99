/* SPDX-License-Identifier: MIT */
/*
 * backend.c - the choice of a backend, and what is said of a wrong one, of a wrong plan or log; what they
 * leave in force. Each case in a child: the choice is made once in a process.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/atomic.h"
#include "base/config.h"
#include "front/front.h"
#include "front/tune.h"
#include "kernel/fault.h"
#include "kernel/oplog.h"
#include "kernel/sim.h"
#include "vmalloc/sim.h"
#include "unit.h"

extern char **environ;

/* What is in the environment, which backend is expected, and how many rules of a plan. */
struct choice {
    const char *entries[4];
    const char *backend;
    unsigned n_rules;
    bool has_log;
    const char *said;
};

static void choose(void *argument)
{
    const struct choice *const choice = argument;
    environ = (char **)(uintptr_t)choice->entries;
    vm_process_start_reports();
    struct vm_kernel_backend *const backend = vm_backend_choose();
    UNIT_REQUIRE(vm_backend_was_read());
    UNIT_REQUIRE(strcmp(backend->name, choice->backend) == 0);
    UNIT_REQUIRE(vm_fault_plan.n_rules == choice->n_rules && vm_oplog_is_open() == choice->has_log);
    const bool is_plain =
        backend == &vm_linux_backend || !backend->start; /* simulated kernels need no start */
    UNIT_REQUIRE(is_plain == (choice->n_rules == 0 && !choice->has_log));
    vm_kernel_start(backend);
    UNIT_REQUIRE(vm_tune_read_environment()); /* about the three it says nothing more */
}

static void assert_choices(const struct choice *choices, size_t n_choices)
{
    for (const struct choice *choice = choices; choice < choices + n_choices; choice++) {
        const struct unit_outcome outcome = unit_fork(choose, (void *)(uintptr_t)choice);
        if (!outcome.exited || outcome.code || strcmp(outcome.text, choice->said) != 0)
            fail_msg("%s: code %d: '%s' instead of '%s'", choice->entries[0], outcome.code, outcome.text,
                     choice->said);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void right(void **state)
{
    (void)state;
    const struct choice choices[] = {
        {{NULL}, "linux", 0, false, ""},
        {{"VMALLOC_BACKEND="}, "linux", 0, false, ""},
        {{"VMALLOC_BACKEND=linux"}, "linux", 0, false, ""},
        {{"VMALLOC_BACKEND=posix"}, "posix", 0, false, ""},
        {{"VMALLOC_BACKEND= posix "}, "posix", 0, false, ""},
        {{"VMALLOC_FAULT=map:nth=3;brk:every=2"}, "linux", 2, false, ""},
        {{"VMALLOC_FAULT="}, "linux", 0, false, ""},
        {{"VMALLOC_FAULT=seed=3"}, "linux", 0, false, ""},
        {{"VMALLOC_BACKEND=posix", "VMALLOC_FAULT=map:nth=99", "VMALLOC_STRICT=1"}, "posix", 1, false, ""},
        {{"VMALLOC_OPLOG=/dev/null"}, "linux", 0, true, ""},
        {{"VMALLOC_OPLOG="}, "linux", 0, false, ""},
    };
    assert_choices(choices, COUNT_OF(choices));
}

#define AT(place, expected) ": " place ": expected " expected ": ignored\n"
#define BYTES "a size (a number, then K, M, G or nothing)"

static void wrong(void **state)
{
    (void)state;
    const struct choice choices[] = {
        {{"VMALLOC_BACKEND=x"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=x" AT("1:1", "linux, posix or sim")},
        {{"VMALLOC_BACKEND=Posix"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=Posix" AT("1:1", "linux, posix or sim")},
        {{"VMALLOC_BACKEND=posix:1M"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=posix:1M" AT("1:6", "the end")},
        {{"VMALLOC_BACKEND=sim"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim" AT("1:4", ": and the size of its region")},
        {{"VMALLOC_BACKEND=sim:"}, "linux", 0, false, "vmalloc: VMALLOC_BACKEND=sim:" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:1Q"}, "linux", 0, false, "vmalloc: VMALLOC_BACKEND=sim:1Q" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:-1"}, "linux", 0, false, "vmalloc: VMALLOC_BACKEND=sim:-1" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:0"}, "linux", 0, false, "vmalloc: VMALLOC_BACKEND=sim:0" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:1T"}, "linux", 0, false, "vmalloc: VMALLOC_BACKEND=sim:1T" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:99999999999999999999"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:99999999999999999999" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:9000000000G"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:9000000000G" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim,page=4K"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim,page=4K" AT("1:4", ": and the size of its region")},
        {{"VMALLOC_BACKEND=sim:1M,"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:1M," AT("1:8", "page")},
        {{"VMALLOC_BACKEND=sim:1M,pages=4K"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:1M,pages=4K" AT("1:8", "page")},
        {{"VMALLOC_BACKEND=sim:1M,page"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:1M,page" AT("1:12", "=")},
        {{"VMALLOC_BACKEND=sim:1M,page=4X"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:1M,page=4X" AT("1:13", BYTES)},
        {{"VMALLOC_BACKEND=sim:1M,page=4K,"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:1M,page=4K," AT("1:15", "the end")},
        {{"VMALLOC_FAULT=map:nth=3;brk"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_FAULT=map:nth=3;brk" AT("1:14", "( and filters, or : and clauses")},
        {{"VMALLOC_FAULT=map:nth=3;\nbrk"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_FAULT=map:nth=3;?brk" AT("2:4", "( and filters, or : and clauses")},
        {{"VMALLOC_OPLOG=/no/such/folder/log"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_OPLOG=/no/such/folder/log" AT(
             "1:1", "a file that can be written, or the number of an open one")},
        {{"VMALLOC_BACKEND=x", "VMALLOC_FAULT=map:nth=99"},
         "linux",
         1,
         false,
         "vmalloc: VMALLOC_BACKEND=x" AT("1:1", "linux, posix or sim")},
    };
    assert_choices(choices, COUNT_OF(choices));
}

/* They stand in variables of their own, as a plan has commas in it. */
static void in_a_list(void **state)
{
    (void)state;
    const struct choice choice = {{"VMALLOC_CONF=fault=map:fail,backend=posix"},
                                  "linux",
                                  0,
                                  false,
                                  "vmalloc: VMALLOC_CONF: fault=map:fail: stands in a variable of its own "
                                  "only, VMALLOC_FAULT: ignored\n"
                                  "vmalloc: VMALLOC_CONF: backend=posix: stands in a variable of its own "
                                  "only, VMALLOC_BACKEND: ignored\n"};
    assert_choices(&choice, 1);
}

/* Over a region of its own, with pages of its own. */
static void simulated(void **state)
{
    (void)state;
    const struct choice choices[] = {
        {{"VMALLOC_BACKEND=sim:64M"}, "sim", 0, false, ""},
        {{"VMALLOC_BACKEND=sim:64K,page=1K"}, "sim", 0, false, ""},
        {{"VMALLOC_BACKEND=sim:64M,page=16K"}, "sim", 0, false, ""},
        {{"VMALLOC_BACKEND=sim:0x4000000,page=65536"}, "sim", 0, false, ""},
        {{"VMALLOC_BACKEND=sim:1"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:1" AT("1:1", "a backend that can be had here")},
        {{"VMALLOC_BACKEND=sim:64M,page=512"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:64M,page=512" AT("1:1", "a backend that can be had here")},
        {{"VMALLOC_BACKEND=sim:1073741824G"}, /* of a process's addresses */
         "linux",
         0,
         false,
         sizeof(void *) == 8
             ? "vmalloc: VMALLOC_BACKEND=sim:1073741824G" AT("1:1", "a backend that can be had here")
             : "vmalloc: VMALLOC_BACKEND=sim:1073741824G" AT("1:5", BYTES)},
        {{"VMALLOC_BACKEND=sim:64M,page=12K"},
         "linux",
         0,
         false,
         "vmalloc: VMALLOC_BACKEND=sim:64M,page=12K" AT("1:1", "a backend that can be had here")},
    };
    assert_choices(choices, COUNT_OF(choices));
}

/* The same by a program's own call: an error code, and nothing is changed. */
static void embedded(void **state)
{
    (void)state;
    static _Alignas(1 << VM_PAGE_SHIFT_MAX) char memory[1 << 20];
    const struct vk_region region = {.start = memory, .bytes = sizeof memory};
    for (size_t page_bytes = 1024; page_bytes <= (size_t)1 << VM_PAGE_SHIFT_MAX; page_bytes *= 2) {
        struct vk_kernel *kernel;
        assert_int_equal(vk_create(&(struct vk_config){.page_bytes = page_bytes}, &region, &kernel), 0);
        struct vm_kernel_backend backend = {.name = "none"};
        const bool is_served = page_bytes >= (size_t)1 << VM_PAGE_SHIFT_MIN;
        assert_int_equal(vm_sim_backend(&backend, kernel), is_served ? 0 : VK_EINVAL);
        assert_string_equal(backend.name, is_served ? "sim" : "none");
        assert_int_equal(backend.page_size, is_served ? page_bytes : 0);
    }
}

static void strict(void **state)
{
    (void)state;
    const struct choice choices[] = {
        {{"VMALLOC_STRICT=1", "VMALLOC_BACKEND=x"}, "", 0, false, ""},
        {{"VMALLOC_CONF=strict", "VMALLOC_FAULT=x"}, "", 0, false, ""},
        {{"VMALLOC_OPLOG=/no/such/folder/log", "VMALLOC_CONF=strict"}, "", 0, false, ""},
    };
    for (size_t i = 0; i < COUNT_OF(choices); i++)
        unit_assert_aborts(choose, (void *)(uintptr_t)&choices[i], ": fatal, as settings are strict\n");
}

/* The allocator was set up before there was an environment. */
static void come_late(void *argument)
{
    char none[] = "A=1";
    char *const entries[] = {argument, none, NULL};
    environ = NULL;
    vm_process_start_reports();
    UNIT_REQUIRE(vm_backend_choose() == &vm_linux_backend && !vm_backend_was_read());
    vm_kernel_start(&vm_linux_backend);
    environ = (char **)(uintptr_t)entries;
    UNIT_REQUIRE(vm_tune_read_environment() && vm_fault_plan.n_rules == 0);
}

static void too_late(void **state)
{
    (void)state;
    char fault[] = "VMALLOC_FAULT=map:fail", other[] = "VMALLOC_TOP_PAD=1";
    struct unit_outcome outcome = unit_fork(come_late, fault);
    assert_true(outcome.exited && outcome.code == 0);
    assert_string_equal(outcome.text, "vmalloc: VMALLOC_FAULT=map:fail: too late, as something was allocated "
                                      "before there was an environment: ignored\n");
    outcome = unit_fork(come_late, other);
    assert_string_equal(outcome.text, "");
}

static void report(void *argument)
{
    choose(argument);
    vm_tune_report();
}

static void reported(void **state)
{
    (void)state;
    const struct choice choice = {
        {"VMALLOC_BACKEND=posix", "VMALLOC_FAULT=page:fail", "VMALLOC_OPLOG=/no/such"},
        "posix",
        1,
        false,
        ""};
    const struct unit_outcome outcome = unit_fork(report, (void *)(uintptr_t)&choice);
    assert_non_null(strstr(outcome.text, "\nvmalloc: backend = posix (VMALLOC_BACKEND)\n"
                                         "vmalloc: fault = page:fail (VMALLOC_FAULT)\n"
                                         "vmalloc: oplog = none (default)\n"));
}

/* --- the backend posix ---------------------------------------------------------------------------------- */

static int on_posix(void **state)
{
    (void)state;
    vm_kernel_start(vm_posix_open());
    return 0;
}

static void posix(void **state)
{
    (void)state;
    enum { SIZE = 1 << 18 };
    assert_true(vm_kernel.page_bytes == (size_t)sysconf(_SC_PAGESIZE) && vm_kernel.fresh_is_zero &&
                vm_kernel.purge_zeroes && vm_kernel.has_break && vm_kernel.has_remap);
    for (size_t alignment = vm_kernel.page_bytes; alignment <= 4 * SIZE; alignment *= 4) {
        char *const start = vm_kernel_map(SIZE, alignment, VM_ACCESS_READ_WRITE);
        assert_true(start && ((uintptr_t)start & (alignment - 1)) == 0 && unit_is_filled(start, SIZE, 0));
        memset(start, 1, SIZE);
        vm_kernel_purge(start, SIZE / 2);
        assert_int_equal(unit_resident_pages(start, SIZE / 2), 0);
        assert_true(unit_is_filled(start, SIZE / 2, 0) && unit_is_filled(start + SIZE / 2, SIZE / 2, 1));
        assert_true(vm_kernel_protect(start, SIZE, VM_ACCESS_NONE));
        assert_true(vm_kernel_protect(start, SIZE, VM_ACCESS_READ_WRITE) && unit_is_filled(start, SIZE, 0));
        assert_true(vm_kernel_unmap(start, SIZE));
    }
    assert_null(vm_kernel_map((size_t)1 << (sizeof(size_t) == 8 ? 60 : 31), SIZE, VM_ACCESS_NONE));
    assert_null(vm_kernel_map(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, VM_ACCESS_NONE));
}

static size_t address_space_bytes(void)
{
    FILE *const file = fopen("/proc/self/statm", "r");
    size_t n_pages = 0;
    UNIT_REQUIRE(file && fscanf(file, "%zu", &n_pages) == 1);
    fclose(file);
    return n_pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The break and what does not fit into the first reservation. What is not used costs nothing. */
static void posix_grows(void **state)
{
    (void)state;
    enum { SIZE = 64 << 20, N = 12 };
    char *blocks[N];
    char *const end = vm_kernel_break_now(), *const start = vm_kernel_break_grow(SIZE);
    assert_true(start == end && unit_resident_pages(start, SIZE) == 0);
    memset(start, 1, SIZE / 8);
    assert_true(vm_kernel_break_trim(start + SIZE, SIZE) && vm_kernel_break_now() == end);
    assert_ptr_equal(vm_kernel_break_grow(SIZE), start);
    assert_true(unit_resident_pages(start, SIZE) == 0 && unit_is_filled(start, SIZE / 8, 0));
    for (size_t i = 0; i < N; i++) {
        blocks[i] = vm_kernel_map(SIZE, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE);
        assert_true(blocks[i] && unit_resident_pages(blocks[i], SIZE) == 0);
        blocks[i][0] = blocks[i][SIZE - 1] = (char)(i + 1);
    }
    char *const large = vm_kernel_map((size_t)SIZE * 12, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE);
    assert_true(large && large[0] == 0 && large[(size_t)SIZE * 12 - 1] == 0);
    for (size_t i = 0; i < N; i++) {
        assert_true(blocks[i][0] == (char)(i + 1) && blocks[i][SIZE - 1] == (char)(i + 1));
        assert_true(vm_kernel_unmap(blocks[i], SIZE));
    }
    assert_true(vm_kernel_unmap(large, (size_t)SIZE * 12));
}

/* Reservations for which the kernel has no memory for records are not kept. */
static void refuse_records(void *argument)
{
    (void)argument;
    vm_kernel_start(vm_posix_open());
    struct rlimit limit;
    const size_t bytes = (size_t)512 << 20, before = address_space_bytes();
    UNIT_REQUIRE(getrlimit(RLIMIT_DATA, &limit) == 0);
    const struct rlimit none = {.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    UNIT_REQUIRE(setrlimit(RLIMIT_DATA, &none) == 0);
    for (unsigned i = 0; i < 10; i++)
        UNIT_REQUIRE(!vm_kernel_map(bytes, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE));
    UNIT_REQUIRE(setrlimit(RLIMIT_DATA, &limit) == 0);
    UNIT_REQUIRE(address_space_bytes() <= before + 2 * bytes);
    UNIT_REQUIRE(vm_kernel_map(bytes, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE));
    UNIT_REQUIRE(!vm_kernel_map((size_t)sysconf(_SC_PHYS_PAGES) * vm_kernel.page_bytes, vm_kernel.page_bytes,
                                VM_ACCESS_NONE));
}

static void posix_refuses(void **state)
{
    (void)state;
    unit_assert_returns(refuse_records, NULL);
}

/* --- a fork beside somebody in a simulated kernel ------------------------------------------------------- */

static void (*real_purge)(void *context, void *start, size_t bytes);
static uint32_t x_is_inside, x_may_leave;

/* The other thread, in the hook decommit, under the kernel's lock: stays there until the fork is over. */
static void slow_purge(void *context, void *start, size_t bytes)
{
    vm_store_release(&x_is_inside, 1);
    while (!vm_load_acquire(&x_may_leave))
        sched_yield();
    real_purge(context, start, bytes);
}

static void *unmap_slowly(void *block)
{
    UNIT_REQUIRE(vm_kernel_unmap(block, 1 << 20));
    return NULL;
}

/* What there was stays, is not served any more, and there is memory as at first. */
static int be_child(char *kept)
{
    enum { SIZE = 1 << 20 };
    const bool is_intact = unit_is_filled(kept, SIZE, 7);
    vm_sim_reset_in_child();
    vm_linux_backend.purge = real_purge;
    char *const fresh = vm_kernel_map(SIZE, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE);
    if (!is_intact || !fresh || !unit_is_filled(fresh, SIZE, 0))
        return 1;
    memset(fresh, 1, SIZE);
    if (vm_kernel_unmap(kept, SIZE) || vm_kernel_resize(kept, SIZE, SIZE / 2) ||
        vm_kernel_protect(kept, SIZE, VM_ACCESS_NONE) || vm_kernel_break_trim(kept, SIZE))
        return 2;
    if (!unit_is_filled(kept, SIZE, 7))
        return 3;
    vm_kernel_purge(kept, SIZE / 2);
    if (!unit_is_filled(kept, SIZE / 2, 0) || !unit_is_filled(kept + SIZE / 2, SIZE / 2, 7))
        return 4;
    return vm_kernel_unmap(fresh, SIZE) && vm_kernel_break_grow(SIZE) ? 0 : 5;
}

static void fork_beside(void *argument)
{
    enum { SIZE = 1 << 20 };
    (void)argument;
    vm_kernel_start(vm_sim_open(64 << 20, 0));
    real_purge = vm_linux_backend.purge;
    vm_linux_backend.purge = slow_purge;
    char *const kept = vm_kernel_map(SIZE, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE);
    char *const gone = vm_kernel_map(SIZE, vm_kernel.page_bytes, VM_ACCESS_READ_WRITE);
    memset(kept, 7, SIZE);
    pthread_t other;
    UNIT_REQUIRE(pthread_create(&other, NULL, unmap_slowly, gone) == 0);
    while (!vm_load_acquire(&x_is_inside))
        sched_yield();
    const pid_t child = fork();
    if (child == 0)
        _exit(be_child(kept));
    int status = -1;
    UNIT_REQUIRE(waitpid(child, &status, 0) == child);
    UNIT_REQUIRE(status == 0);
    vm_store_release(&x_may_leave, 1);
    UNIT_REQUIRE(pthread_join(other, NULL) == 0 && vm_kernel_unmap(kept, SIZE));
}

static void forks(void **state)
{
    (void)state;
    unit_assert_returns(fork_beside, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),
        cmocka_unit_test(wrong),
        cmocka_unit_test(simulated),
        cmocka_unit_test(embedded),
        cmocka_unit_test(strict),
        cmocka_unit_test(in_a_list),
        cmocka_unit_test(too_late),
        cmocka_unit_test(reported),
        cmocka_unit_test(forks),
        cmocka_unit_test(posix_refuses),
        cmocka_unit_test_setup(posix, on_posix),
        cmocka_unit_test(posix_grows),
    };
    return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
