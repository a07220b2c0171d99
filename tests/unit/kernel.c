/* SPDX-License-Identifier: MIT */
/* kernel.c - the wall's wrappers on a backend of the test's own, and the operations of the Linux backend. */
#include "kernel/kernel.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/atomic.h"
#include "unit.h"

/* --- wrappers ------------------------------------------------------------------------------------------- */

/* A backend that does nothing but note the call and spoil errno. */
static struct {
    unsigned n_calls;
    void *pointer, *target;
    size_t bytes, other_bytes;
    enum vm_access access;
    bool succeeds;
    int context;
} fake;

static bool note(void *context, void *pointer, size_t bytes)
{
    errno = 4711;
    UNIT_REQUIRE(context == &fake.context);
    fake.n_calls++;
    fake.pointer = pointer;
    fake.bytes = bytes;
    return fake.succeeds;
}

static void fake_start(struct vm_kernel_backend *self)
{
    errno = 4711;
    fake.n_calls++;
    self->page_size = 8192;
}

static void *fake_break_grow(void *context, size_t bytes)
{
    return note(context, NULL, bytes) ? (void *)(uintptr_t)0x10000000 : NULL;
}

static bool fake_break_trim(void *context, void *end, size_t bytes)
{
    return note(context, end, bytes);
}

static void *fake_break_now(void *context)
{
    return note(context, NULL, 0) ? (void *)(uintptr_t)0x10000123 : NULL;
}

static void *fake_map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    fake.other_bytes = alignment;
    fake.access = access;
    return note(context, NULL, bytes) ? (void *)(uintptr_t)0x20000000 : NULL;
}

static bool fake_unmap(void *context, void *start, size_t bytes)
{
    return note(context, start, bytes);
}

static bool fake_resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    fake.other_bytes = new_bytes;
    return note(context, start, old_bytes);
}

static bool fake_move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    fake.target = target;
    fake.other_bytes = new_bytes;
    return note(context, start, old_bytes);
}

static bool fake_protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    fake.access = access;
    return note(context, start, bytes);
}

static void fake_purge(void *context, void *start, size_t bytes)
{
    note(context, start, bytes);
}

static bool fake_is_unused(void *context, const void *address)
{
    return note(context, (void *)(uintptr_t)address, 0);
}

static struct vm_kernel_backend fake_backend = {
    .name = "fake",
    .context = &fake.context,
    .has_break = true,
    .has_remap = true,
    .fresh_is_zero = false,
    .purge_zeroes = true,
    .start = fake_start,
    .break_grow = fake_break_grow,
    .break_trim = fake_break_trim,
    .break_now = fake_break_now,
    .map = fake_map,
    .unmap = fake_unmap,
    .resize = fake_resize,
    .move = fake_move,
    .protect = fake_protect,
    .purge = fake_purge,
    .no_huge_pages = fake_purge,
    .is_unused = fake_is_unused,
};

static char *at(uintptr_t address)
{
    return (char *)address;
}

/* One call of everything; each arrives once, with its arguments, and errno stays. */
static void call_all(bool succeeds)
{
    fake.succeeds = succeeds;
    fake.n_calls = 0;
    errno = 99;
    assert_ptr_equal(vm_kernel_break_grow(12345), succeeds ? at(0x10000000) : NULL);
    assert_int_equal(fake.bytes, 12345);
    assert_int_equal(vm_kernel_break_trim(at(0x10000123), 77), succeeds);
    assert_ptr_equal(fake.pointer, at(0x10000123));
    assert_ptr_equal(vm_kernel_break_now(), succeeds ? at(0x10000123) : NULL);
    assert_ptr_equal(vm_kernel_map(16384, 65536, VM_ACCESS_NONE), succeeds ? at(0x20000000) : NULL);
    assert_true(fake.bytes == 16384 && fake.other_bytes == 65536 && fake.access == VM_ACCESS_NONE);
    assert_int_equal(vm_kernel_unmap(at(0x20000000), 16384), succeeds);
    assert_true(fake.pointer == at(0x20000000) && fake.bytes == 16384);
    assert_int_equal(vm_kernel_resize(at(0x20000000), 8192, 16384), succeeds);
    assert_true(fake.pointer == at(0x20000000) && fake.bytes == 8192 && fake.other_bytes == 16384);
    assert_int_equal(vm_kernel_move(at(0x20000000), 8192, at(0x30000000), 16384), succeeds);
    assert_true(fake.target == at(0x30000000) && fake.bytes == 8192 && fake.other_bytes == 16384);
    assert_int_equal(vm_kernel_protect(at(0x20000000), 8192, VM_ACCESS_READ_WRITE), succeeds);
    assert_true(fake.pointer == at(0x20000000) && fake.access == VM_ACCESS_READ_WRITE);
    vm_kernel_purge(at(0x40000000), 8192);
    assert_true(fake.pointer == at(0x40000000) && fake.bytes == 8192);
    vm_kernel_no_huge_pages(at(0x50000000), 8192);
    assert_ptr_equal(fake.pointer, at(0x50000000));
    assert_int_equal(vm_kernel_is_unused(at(0x60000001)), succeeds);
    assert_ptr_equal(fake.pointer, at(0x60000001));
    assert_int_equal(errno, 99);
    assert_int_equal(fake.n_calls, 11);
}

static void wrappers(void **state)
{
    (void)state;
    vm_kernel_counts = (struct kernel_counts){0};
    errno = 99;
    fake.succeeds = true;
    vm_kernel_start(&fake_backend);
    assert_int_equal(errno, 99);
    assert_int_equal(vm_kernel.page_bytes, 8192);
    assert_int_equal(vm_kernel.page_shift, 13);
    assert_true(vm_kernel.has_break && vm_kernel.has_remap && !vm_kernel.fresh_is_zero &&
                vm_kernel.purge_zeroes);
    assert_string_equal(vm_kernel.name, "fake");
    call_all(true);
    call_all(true);
    call_all(false);
    const struct kernel_counts expected = {
        .x_break_grow = 3,
        .x_break_refused = 1,
        .x_break_trim = 3,
        .x_map = 3,
        .x_map_refused = 1,
        .x_unmap = 3,
        .x_unmap_refused = 1,
        .x_resize = 3,
        .x_move = 3,
        .x_protect = 3,
        .x_purge = 3,
    };
    assert_memory_equal(&vm_kernel_counts, &expected, sizeof expected);
    assert_int_equal(vm_pages_to_bytes(3), 24576);
    assert_int_equal(vm_bytes_to_pages(24576), 3);
    assert_int_equal(vm_bytes_to_pages(24577), 4);
    assert_int_equal(vm_bytes_to_pages(0), 0);
}

static void without_break_and_remap(void **state)
{
    (void)state;
    fake_backend.has_break = fake_backend.has_remap = false;
    vm_kernel_start(&fake_backend);
    fake.n_calls = 0;
    fake.succeeds = true;
    assert_null(vm_kernel_break_grow(8192));
    assert_null(vm_kernel_break_now());
    assert_false(vm_kernel_break_trim(at(0x10000000), 8192));
    assert_false(vm_kernel_resize(at(0x10000000), 8192, 16384));
    assert_false(vm_kernel_move(at(0x10000000), 8192, at(0x20000000), 8192));
    assert_int_equal(fake.n_calls, 0);
    fake_backend.has_break = fake_backend.has_remap = true;
}

static void start_with_page_size(void *argument)
{
    unit_report_to_stderr();
    struct vm_kernel_backend backend = vm_linux_backend;
    backend.start = fake_start;
    vm_kernel_start(&backend);
    UNIT_REQUIRE(vm_kernel.page_bytes == 8192);
    backend = *(struct vm_kernel_backend *)argument;
    vm_kernel_start(&backend);
}

static void start_odd(struct vm_kernel_backend *self)
{
    self->page_size = 5000;
}

static void start_tiny(struct vm_kernel_backend *self)
{
    self->page_size = 512;
}

static void start_huge(struct vm_kernel_backend *self)
{
    self->page_size = 1 << 20;
}

static void impossible_page_sizes(void **state)
{
    (void)state;
    void (*const starts[])(struct vm_kernel_backend *) = {start_odd, start_tiny, start_huge};
    for (size_t i = 0; i < 3; i++) {
        struct vm_kernel_backend backend = vm_linux_backend;
        backend.start = starts[i];
        unit_assert_aborts(start_with_page_size, &backend, "page_size");
    }
}

/* --- Linux ---------------------------------------------------------------------------------------------- */

static int on_linux(void **state)
{
    (void)state;
    vm_kernel_start(&vm_linux_backend);
    return 0;
}

static void facts(void **state)
{
    (void)state;
    assert_int_equal(vm_kernel.page_bytes, sysconf(_SC_PAGESIZE));
    assert_string_equal(vm_kernel.name, "linux");
    assert_true(vm_kernel.has_remap && vm_kernel.fresh_is_zero && vm_kernel.purge_zeroes);
    assert_int_equal(vm_kernel.has_break, sbrk(0) != (void *)-1);
}

static void map_is_aligned_and_zero(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    for (size_t alignment = page; alignment <= (size_t)64 << 20; alignment *= 2)
        for (size_t n_pages = 1; n_pages <= 5; n_pages += 2) {
            char *const start = vm_kernel_map(n_pages * page, alignment, VM_ACCESS_READ_WRITE);
            assert_non_null(start);
            assert_int_equal((uintptr_t)start & (alignment - 1), 0);
            assert_true(unit_is_filled(start, n_pages * page, 0));
            memset(start, 0x5a, n_pages * page);
            assert_true(vm_kernel_unmap(start, n_pages * page));
        }
    assert_null(vm_kernel_map((size_t)1 << (sizeof(size_t) == 8 ? 60 : 31), page, VM_ACCESS_READ_WRITE));
    assert_null(vm_kernel_map(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, VM_ACCESS_READ_WRITE));
}

static void read_byte(void *argument)
{
    (void)*(volatile char *)argument;
}

static void assert_faults(char *address)
{
    const struct unit_outcome outcome = unit_fork(read_byte, address);
    assert_false(outcome.exited);
    assert_int_equal(outcome.code, SIGSEGV);
}

static void protect(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    char *const start = vm_kernel_map(8 * page, page, VM_ACCESS_NONE);
    assert_non_null(start);
    assert_faults(start);
    assert_faults(start + 5 * page);
    assert_true(vm_kernel_protect(start, 4 * page, VM_ACCESS_READ_WRITE));
    memset(start, 0x5a, 4 * page);
    assert_faults(start + 4 * page);
    assert_true(vm_kernel_protect(start + 2 * page, 2 * page, VM_ACCESS_NONE));
    assert_faults(start + 2 * page);
    assert_true(unit_is_filled(start, 2 * page, 0x5a));
    assert_true(vm_kernel_protect(start + 2 * page, 6 * page, VM_ACCESS_READ_WRITE));
    assert_true(unit_is_filled(start, 2 * page, 0x5a));
    assert_true(unit_is_filled(start + 2 * page, 6 * page, 0)); /* the contents were lost */
    assert_true(vm_kernel_unmap(start, 8 * page));
    assert_faults(start);
}

static void purge(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    char *const start = vm_kernel_map(64 * page, page, VM_ACCESS_READ_WRITE);
    assert_non_null(start);
    vm_kernel_no_huge_pages(start, 64 * page);
    memset(start, 0x5a, 64 * page);
    assert_int_equal(unit_resident_pages(start, 64 * page), 64);
    vm_kernel_purge(start + 8 * page, 48 * page);
    assert_int_equal(unit_resident_pages(start, 64 * page), 16);
    assert_true(unit_is_filled(start, 8 * page, 0x5a));
    assert_true(unit_is_filled(start + 8 * page, 48 * page, 0));
    assert_true(unit_is_filled(start + 56 * page, 8 * page, 0x5a));
    assert_true(vm_kernel_unmap(start, 64 * page));
}

static void fill_pages(char *start, size_t n_pages)
{
    for (size_t i = 0; i < n_pages; i++)
        memset(start + i * vm_kernel.page_bytes, (int)(i % 251 + 1), vm_kernel.page_bytes);
}

static void assert_pages(const char *start, size_t n_pages)
{
    for (size_t i = 0; i < n_pages; i++)
        assert_true(unit_is_filled(start + i * vm_kernel.page_bytes, vm_kernel.page_bytes,
                                   (unsigned char)(i % 251 + 1)));
}

static void resize(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    /* Room to grow into: the upper half of a mapping is given back. */
    char *const start = vm_kernel_map(16 * page, page, VM_ACCESS_READ_WRITE);
    assert_non_null(start);
    fill_pages(start, 8);
    assert_true(vm_kernel_unmap(start + 8 * page, 8 * page));
    assert_true(vm_kernel_resize(start, 8 * page, 12 * page));
    assert_pages(start, 8);
    assert_true(unit_is_filled(start + 8 * page, 4 * page, 0));
    assert_true(vm_kernel_resize(start, 12 * page, 3 * page));
    assert_pages(start, 3);
    assert_faults(start + 3 * page);
    /* With a neighbour in the way nothing changes. */
    char *const pair = vm_kernel_map(4 * page, page, VM_ACCESS_READ_WRITE);
    assert_non_null(pair);
    fill_pages(pair, 4);
    assert_true(
        vm_kernel_protect(pair + 2 * page, 2 * page, VM_ACCESS_NONE)); /* another mapping from here on */
    assert_false(vm_kernel_resize(pair, 2 * page, 3 * page));
    assert_pages(pair, 2);
    assert_true(vm_kernel_unmap(pair, 4 * page));
    assert_true(vm_kernel_unmap(start, 3 * page));
}

static void move(void **state)
{
    (void)state;
    const size_t page = vm_kernel.page_bytes;
    char *const start = vm_kernel_map(8 * page, page, VM_ACCESS_READ_WRITE);
    char *const target = vm_kernel_map(20 * page, page, VM_ACCESS_READ_WRITE);
    assert_non_null(start);
    assert_non_null(target);
    fill_pages(start, 8);
    memset(target, 0xee, 20 * page);
    assert_true(vm_kernel_move(start, 8 * page, target, 20 * page));
    assert_pages(target, 8);
    if (!unit_is_under_valgrind())
        assert_true(unit_is_filled(target + 8 * page, 12 * page, 0));
    assert_faults(start);
    assert_true(vm_kernel_unmap(target, 20 * page));
}

static void move_break(void *argument)
{
    (void)argument;
    const size_t page = vm_kernel.page_bytes;
    char *const before = vm_kernel_break_now();
    UNIT_REQUIRE(before == sbrk(0));
    char *const start = vm_kernel_break_grow(3 * page + 40);
    UNIT_REQUIRE(start == before);
    UNIT_REQUIRE(unit_is_filled(start, 3 * page + 40, 0));
    memset(start, 0x5a, 3 * page + 40);
    char *const end = start + 3 * page + 40;
    UNIT_REQUIRE(vm_kernel_break_now() == end && sbrk(0) == end);
    UNIT_REQUIRE(!vm_kernel_break_trim(end - 16, page)); /* it is not there */
    UNIT_REQUIRE(sbrk(100) == end);                      /* the program's own */
    UNIT_REQUIRE(!vm_kernel_break_trim(end, page));
    UNIT_REQUIRE(unit_is_filled(start, 3 * page + 40, 0x5a));
    UNIT_REQUIRE(sbrk(-100) == end + 100);
    UNIT_REQUIRE(vm_kernel_break_trim(end, 3 * page + 40));
    UNIT_REQUIRE(sbrk(0) == before);
    UNIT_REQUIRE(vm_kernel_break_grow((size_t)1 << (sizeof(size_t) == 8 ? 60 : 31)) == NULL);
    UNIT_REQUIRE(vm_kernel_break_grow(SIZE_MAX - page) == NULL);
    UNIT_REQUIRE(sbrk(0) == before);
}

static void moving_the_break(void **state)
{
    (void)state;
    unit_assert_returns(move_break, NULL);
}

/* --- the process ---------------------------------------------------------------------------------------- */

static void look_at_environment(void *argument)
{
    (void)argument;
    extern char **environ;
    char one[] = "VMX=1", two[] = "VMXY=two", three[] = "VMX_=", four[] = "VMX=again";
    char *entries[] = {two, one, three, four, NULL};
    environ = entries;
    UNIT_REQUIRE(strcmp(vm_process_environment("VMX"), "1") == 0);
    UNIT_REQUIRE(strcmp(vm_process_environment("VMXY"), "two") == 0);
    UNIT_REQUIRE(strcmp(vm_process_environment("VMX_"), "") == 0);
    UNIT_REQUIRE(vm_process_environment("VM") == NULL);
    UNIT_REQUIRE(vm_process_environment("VMXYZ") == NULL);
    environ = NULL;
    UNIT_REQUIRE(vm_process_environment("VMX") == NULL);
}

static void environment(void **state)
{
    (void)state;
    unit_assert_returns(look_at_environment, NULL);
}

static void be_fresh_once(void *argument)
{
    (void)argument;
    UNIT_REQUIRE(!vm_process_can_tell_child() || vm_process_is_fresh_child());
    UNIT_REQUIRE(!vm_process_is_fresh_child());
    UNIT_REQUIRE(vm_process_id() == getpid());
    UNIT_REQUIRE(unit_fork(read_byte, &fake).exited); /* and its own children */
}

static void note_end(void *argument)
{
    vm_fetch_add_relaxed((unsigned *)argument, 1);
}

static unsigned n_ended;

static void *live_shortly(void *argument)
{
    return vm_process_at_thread_exit(argument) ? argument : NULL;
}

static void ends_of_threads(void **state)
{
    (void)state;
    vm_process_start(note_end);
    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, NULL, live_shortly, &n_ended), 0);
        pthread_join(thread, &result);
        assert_ptr_equal(result, &n_ended);
        assert_int_equal(vm_load_relaxed(&n_ended), i + 1);
    }
}

static void fresh_children(void **state)
{
    (void)state;
    assert_false(vm_process_is_fresh_child());
    for (unsigned i = 0; i < 3; i++)
        unit_assert_returns(be_fresh_once, NULL);
    assert_false(vm_process_is_fresh_child());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrappers),
        cmocka_unit_test(without_break_and_remap),
        cmocka_unit_test(impossible_page_sizes),
        cmocka_unit_test_setup(facts, on_linux),
        cmocka_unit_test_setup(map_is_aligned_and_zero, on_linux),
        cmocka_unit_test_setup(protect, on_linux),
        cmocka_unit_test_setup(purge, on_linux),
        cmocka_unit_test_setup(resize, on_linux),
        cmocka_unit_test_setup(move, on_linux),
        cmocka_unit_test_setup(moving_the_break, on_linux),
        cmocka_unit_test_setup(environment, on_linux),
        cmocka_unit_test_setup(ends_of_threads, on_linux),
        cmocka_unit_test_setup(fresh_children, on_linux),
    };
    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
