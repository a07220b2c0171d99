/* SPDX-License-Identifier: MIT */
/*
 * fault.c - the backend that stands before another one: each operation with each effect over the Linux
 * backend, line by line of the operation log; the log itself; and the program's own backend.
 */
#include "kernel/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kernel/oplog.h"
#include "unit.h"

static char log_name[] = "/tmp/vmalloc-oplog-XXXXXX";

/* What the log says; empties it. */
static const char *logged(void)
{
    static char text[4096];
    FILE *const file = fopen(log_name, "r+");
    UNIT_REQUIRE(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    UNIT_REQUIRE(ftruncate(fileno(file), 0) == 0);
    fclose(file);
    return text;
}

static void require_logged(const char *expected)
{
    const char *const got = logged();
    if (strcmp(got, expected) != 0) {
        fprintf(stderr, "logged: %s\nexpected: %s\n", got, expected);
        _Exit(1);
    }
}

/* Puts the plan in force over the Linux backend, with a log. */
static void start(const char *text)
{
    struct scan_complaint complaint;
    UNIT_REQUIRE(vm_faultplan_parse(&vm_fault_plan, vm_piece_of(text), &complaint));
    vm_process_start_reports();
    UNIT_REQUIRE(vm_oplog_open(log_name));
    logged();
    vm_kernel_start(vm_fault_interpose(&vm_linux_backend));
    char header[100];
    snprintf(header, sizeof header, "# process %d, backend linux, pages of %zu bytes, break at %p\n",
             (int)getpid(), vm_kernel.page_bytes, sbrk(0));
    require_logged(header);
}

enum { SIZE = 1 << 16 };

static char *map(void)
{
    return vm_kernel_map(SIZE, SIZE, VM_ACCESS_READ_WRITE);
}

/* --- nothing goes wrong --------------------------------------------------------------------------------- */

static void pass_all_on(void *argument)
{
    (void)argument;
    start("page:fail");
    UNIT_REQUIRE(vm_kernel.has_break && vm_kernel.has_remap && vm_kernel.fresh_is_zero &&
                 vm_kernel.purge_zeroes && vm_kernel.page_bytes == (size_t)sysconf(_SC_PAGESIZE));
    char *const end = sbrk(0), *const first = map(), *const second = map();
    UNIT_REQUIRE(first && second && second != first);
    char line[200];
    snprintf(line, sizeof line, "1 map 65536 read-write = map+0\n2 map 65536 read-write = map%+td\n",
             second - first);
    require_logged(line);
    UNIT_REQUIRE(vm_kernel_break_grow(100) == end && vm_kernel_break_now() == end + 100);
    UNIT_REQUIRE(vm_kernel_break_grow(50) == end + 100);
    UNIT_REQUIRE(!vm_kernel_break_trim(end + 1, 100) && vm_kernel_break_trim(end + 150, 150));
    require_logged("3 brk +100 = break+0\n4 brk +50 = break+100\n5 brk -100 = refused\n6 brk -150 = done\n");
    first[5] = 1;
    UNIT_REQUIRE(vm_kernel_resize(first, SIZE, SIZE / 2));
    UNIT_REQUIRE(vm_kernel_protect(first, SIZE / 4, VM_ACCESS_NONE));
    UNIT_REQUIRE(vm_kernel_protect(first, SIZE / 4, VM_ACCESS_READ_WRITE) && first[5] == 0);
    require_logged("7 remap 65536>32768 map+0 = done\n8 protect 16384 map+0 no-access = done\n"
                   "9 protect 16384 map+0 read-write = done\n");
    first[SIZE / 4] = 1;
    vm_kernel_purge(first + SIZE / 4, SIZE / 4);
    UNIT_REQUIRE(first[SIZE / 4] == 0);
    vm_kernel_no_huge_pages(first, SIZE / 2);
    require_logged("10 advise 16384 map+16384 purge = done\n11 advise 32768 map+0 no-huge-pages = done\n");
    UNIT_REQUIRE(vm_kernel_move(second, SIZE, first, SIZE / 2));
    snprintf(line, sizeof line, "12 remap 65536>32768 map%+td map+0 = done\n", second - first);
    require_logged(line);
    UNIT_REQUIRE(vm_kernel_unmap(first, SIZE / 2));
    require_logged("13 unmap 32768 map+0 = done\n");
}

static void all_passes(void **state)
{
    (void)state;
    unit_assert_returns(pass_all_on, NULL);
}

/* --- each operation fails ------------------------------------------------------------------------------- */

static void refuse_all(void *argument)
{
    (void)argument;
    start("map:nth=2;brk:fail;unmap:fail;remap:fail;advise:fail;protect:fail,err=EBUSY");
    char *const block = map(), *const end = sbrk(0);
    UNIT_REQUIRE(block && vm_kernel_counts.x_map_refused == 0);
    errno = 77;
    UNIT_REQUIRE(!map() && vm_kernel_counts.x_map_refused == 1);
    UNIT_REQUIRE(!vm_kernel_break_grow(4096) && vm_kernel_counts.x_break_refused == 1 && sbrk(0) == end);
    UNIT_REQUIRE(!vm_kernel_break_trim(end, 4096) && sbrk(0) == end);
    memset(block, 1, SIZE);
    UNIT_REQUIRE(!vm_kernel_unmap(block, SIZE) && !vm_kernel_resize(block, SIZE, SIZE / 2));
    UNIT_REQUIRE(!vm_kernel_move(block, SIZE, block, SIZE) &&
                 !vm_kernel_protect(block, SIZE, VM_ACCESS_NONE));
    vm_kernel_no_huge_pages(block, SIZE);
    UNIT_REQUIRE(unit_is_filled(block, SIZE, 1));
    vm_kernel_purge(block, SIZE / 2); /* what was promised to be zero is so all the same */
    UNIT_REQUIRE(unit_is_filled(block, SIZE / 2, 0) && unit_is_filled(block + SIZE / 2, SIZE / 2, 1));
    UNIT_REQUIRE(errno == 77);
    require_logged("1 map 65536 read-write = map+0\n2 map 65536 read-write = refused (rule 1)\n"
                   "3 brk +4096 = refused (rule 2)\n4 brk -4096 = refused (rule 2)\n"
                   "5 unmap 65536 map+0 = refused (rule 3)\n6 remap 65536>32768 map+0 = refused (rule 4)\n"
                   "7 remap 65536>65536 map+0 map+0 = refused (rule 4)\n"
                   "8 protect 65536 map+0 no-access = refused (rule 6)\n"
                   "9 advise 65536 map+0 no-huge-pages = refused (rule 5)\n"
                   "10 advise 32768 map+0 purge = refused (rule 5)\n");
    vm_fault_report();
    UNIT_REQUIRE(!logged()[0]);
    _Exit(0);
}

static void all_fails(void **state)
{
    (void)state;
    const struct unit_outcome outcome = unit_fork(refuse_all, NULL);
    if (!outcome.exited || outcome.code)
        fail_msg("%s", outcome.text);
    assert_string_equal(outcome.text, "vmalloc: fault plan: rule 1, map: 2 calls, 1 hit\n"
                                      "vmalloc: fault plan: rule 2, brk: 2 calls, 2 hits\n"
                                      "vmalloc: fault plan: rule 3, unmap: 1 call, 1 hit\n"
                                      "vmalloc: fault plan: rule 4, remap: 2 calls, 2 hits\n"
                                      "vmalloc: fault plan: rule 5, advise: 2 calls, 2 hits\n"
                                      "vmalloc: fault plan: rule 6, protect: 1 call, 1 hit\n");
}

/* What errno a failing operation leaves, seen below the wall, which keeps it. */
static void errors(void **state)
{
    (void)state;
    const char *const plans[] = {"map:fail", "map:err=ENOMEM", "map:err=EINVAL", "map:err=EAGAIN",
                                 "map:err=EBUSY"};
    const int expected[] = {ENOMEM, ENOMEM, EINVAL, EAGAIN, EBUSY};
    struct vm_kernel_backend *const backend = vm_fault_interpose(&vm_linux_backend);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct scan_complaint complaint;
        assert_true(vm_faultplan_parse(&vm_fault_plan, vm_piece_of(plans[i]), &complaint));
        errno = 0;
        assert_null(backend->map(backend->context, SIZE, SIZE, VM_ACCESS_READ_WRITE));
        assert_int_equal(errno, expected[i]);
    }
    vm_fault_plan = (struct fault_plan){0};
}

/* --- what else goes wrong ------------------------------------------------------------------------------- */

static void meet_foreign_breaks(void *argument)
{
    (void)argument;
    start("brk:nth=2,foreign=1000;brk:nth=3,foreign=24;brk:nth=4,short");
    char *const end = sbrk(0);
    UNIT_REQUIRE(vm_kernel_break_grow(4096) == end);
    UNIT_REQUIRE(vm_kernel_break_grow(4096) == end + 5096 && sbrk(0) == end + 9192);
    UNIT_REQUIRE(!vm_kernel_break_trim(end + 9192, 4096) && sbrk(0) == end + 9216);
    UNIT_REQUIRE(!vm_kernel_break_grow(8192) && sbrk(0) == end + 9216);
    UNIT_REQUIRE(vm_kernel_break_grow(1) == end + 9216);
    require_logged("1 brk +4096 = break+0\n2 brk +1000 foreign = break+4096\n"
                   "3 brk +4096 = break+5096 (rule 1)\n4 brk +24 foreign = break+9192\n"
                   "5 brk -4096 = refused (rule 2)\n6 brk +8192 = refused (rule 3)\n7 brk +1 = break+9216\n");
}

static void foreign_breaks(void **state)
{
    (void)state;
    unit_assert_returns(meet_foreign_breaks, NULL);
}

static void meet_dirt(void *argument)
{
    (void)argument;
    start("map:dirty,nth=2;brk:dirty");
    UNIT_REQUIRE(!vm_kernel.fresh_is_zero);
    UNIT_REQUIRE(unit_is_filled(map(), SIZE, 0) && unit_is_filled(map(), SIZE, 0xa5));
    UNIT_REQUIRE(unit_is_filled(vm_kernel_break_grow(4096), 4096, 0xa5));
    start("map:dirty");
    UNIT_REQUIRE(unit_is_filled(vm_kernel_map_table(SIZE), SIZE, 0));
    UNIT_REQUIRE(vm_kernel_map(SIZE, SIZE, VM_ACCESS_NONE)); /* there is nothing to be dirty */
}

static void dirt(void **state)
{
    (void)state;
    unit_assert_returns(meet_dirt, NULL);
}

static void always_move(void *argument)
{
    (void)argument;
    start("remap:move");
    char *const block = map(), *const target = map();
    memset(block, 1, SIZE);
    UNIT_REQUIRE(!vm_kernel_resize(block, SIZE, SIZE / 2) && unit_is_filled(block, SIZE, 1));
    UNIT_REQUIRE(vm_kernel_move(block, SIZE, target, SIZE) && unit_is_filled(target, SIZE, 1));
}

static void moves(void **state)
{
    (void)state;
    if (unit_is_under_valgrind())
        skip();
    unit_assert_returns(always_move, NULL);
}

/* --- the log -------------------------------------------------------------------------------------------- */

static void log_in_child(void *argument)
{
    (void)argument;
    start("");
    vm_kernel_break_grow(16);
    const pid_t child = fork();
    if (!child) {
        vm_kernel_break_grow(32);
        _exit(0);
    }
    UNIT_REQUIRE(waitpid(child, NULL, 0) == child);
    vm_kernel_break_grow(64);
    char lines[200];
    snprintf(lines, sizeof lines, "1 brk +16 = break+0\n%d: 2 brk +32 = break+16\n2 brk +64 = break+16\n",
             (int)child);
    require_logged(lines);
}

static void children(void **state)
{
    (void)state;
    unit_assert_returns(log_in_child, NULL);
}

static void name_logs(void *argument)
{
    (void)argument;
    char name[100], expected[100], too_long[600];
    snprintf(name, sizeof name, "%s-%%p-%%p", log_name);
    snprintf(expected, sizeof expected, "%s-%d-%d", log_name, (int)getpid(), (int)getpid());
    UNIT_REQUIRE(vm_oplog_open(name) && access(expected, W_OK) == 0 && unlink(expected) == 0);
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    UNIT_REQUIRE(!vm_oplog_open(too_long) && !vm_oplog_is_open());
    errno = 77;
    UNIT_REQUIRE(!vm_oplog_open("/no/such/folder/log") && !vm_oplog_open("9999") &&
                 !vm_oplog_open("99999999999") && errno == 77);
    /* A number is an open file; the program may close it. */
    const int file = open(log_name, O_WRONLY | O_APPEND);
    snprintf(name, sizeof name, "%d", file);
    UNIT_REQUIRE(file >= 0 && vm_oplog_open(name) && close(file) == 0);
    logged();
    vm_oplog_write(&(struct oplog_operation){.name = "map", .bytes = 1});
    require_logged("1 map 1 = refused\n");
    UNIT_REQUIRE(close_range(3, ~0U, 0) == 0);
    vm_oplog_write(&(struct oplog_operation){.name = "map", .bytes = 1});
    UNIT_REQUIRE(!vm_oplog_is_open());
}

static void names_of_logs(void **state)
{
    (void)state;
    unit_assert_returns(name_logs, NULL);
}

/* --- the program's own backend -------------------------------------------------------------------------- */

static void install(void *argument)
{
    (void)argument;
    struct vm_kernel_backend backend = vm_linux_backend;
    backend.has_break = backend.has_remap = false;
    backend.break_grow = NULL;
    backend.resize = NULL;
    UNIT_REQUIRE(vm_kernel_install(&backend) == VM_KERNEL_OK && vm_kernel_installed() == &backend);
    struct vm_kernel_backend wrong = backend;
    wrong.map = NULL;
    UNIT_REQUIRE(vm_kernel_install(&wrong) == VM_KERNEL_INCOMPLETE);
    wrong = backend;
    wrong.has_break = true;
    UNIT_REQUIRE(vm_kernel_install(&wrong) == VM_KERNEL_INCOMPLETE);
    wrong = backend;
    wrong.has_remap = true;
    UNIT_REQUIRE(vm_kernel_install(&wrong) == VM_KERNEL_INCOMPLETE);
    wrong = backend;
    wrong.start = NULL;
    UNIT_REQUIRE(vm_kernel_install(&wrong) == VM_KERNEL_PAGE_SIZE);
    wrong.page_size = 5000;
    UNIT_REQUIRE(vm_kernel_install(&wrong) == VM_KERNEL_PAGE_SIZE);
    UNIT_REQUIRE(vm_kernel_installed() == &backend); /* the last one that was right */
    wrong.page_size = 4096;
    UNIT_REQUIRE(vm_kernel_install(&wrong) == VM_KERNEL_OK && vm_kernel_installed() == &wrong);
    vm_kernel_start(&wrong);
    UNIT_REQUIRE(vm_kernel_install(&backend) == VM_KERNEL_TOO_LATE && vm_kernel_installed() == &wrong);
}

static void installing(void **state)
{
    (void)state;
    unit_assert_returns(install, NULL);
}

int main(void)
{
    const int file = mkstemp(log_name);
    if (file < 0)
        return 1;
    close(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_passes),     cmocka_unit_test(all_fails),     cmocka_unit_test(errors),
        cmocka_unit_test(foreign_breaks), cmocka_unit_test(dirt),          cmocka_unit_test(moves),
        cmocka_unit_test(children),       cmocka_unit_test(names_of_logs), cmocka_unit_test(installing),
    };
    const int n_failed = cmocka_run_group_tests_name("fault", tests, NULL, NULL);
    unlink(log_name);
    return n_failed;
}
