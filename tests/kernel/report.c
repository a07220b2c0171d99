/* SPDX-License-Identifier: MIT */
/* report.c - the texts: exactly what they say of a known state, and the same columns as the real kernel's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "maps.h"

enum { KIB = 1024, PAGE = 4096, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

static struct machine machine;
static struct text sim, real;

static int setup(void **state)
{
    (void)state;
    machine = machine_make(1024 * KIB, &(struct vk_config){0});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_free(&machine);
    return 0;
}

static void maps(void **state)
{
    (void)state;
    const vk_va low = vk_usage(machine.mm).low;
    assert_int_equal(vk_brk(machine.mm, low + 2 * PAGE), low + 2 * PAGE);
    assert_int_equal(map_at(machine.mm, low + 8 * PAGE, PAGE, VK_PROT_READ | VK_PROT_EXEC), 0);
    assert_int_equal(map_at(machine.mm, low + 9 * PAGE, PAGE, VK_PROT_NONE), 0);
    text_of_maps(machine.mm, &sim);
    char wanted[512];
    const char *const heap_pad =
        "                                                "; /* cut by the column of names */
    const int heap_digits =
        snprintf(NULL, 0, "%08lx-%08lx rw-p 00000000 00:00 0 ", (long)low, (long)low + 2 * PAGE);
    snprintf(wanted, sizeof wanted,
             "%08lx-%08lx rw-p 00000000 00:00 0 %.*s[heap]\n"
             "%08lx-%08lx r-xp 00000000 00:00 0 \n"
             "%08lx-%08lx ---p 00000000 00:00 0 \n",
             (long)low, (long)low + 2 * PAGE, (int)(25 + 6 * sizeof(void *)) - heap_digits, heap_pad,
             (long)low + 8 * PAGE, (long)low + 9 * PAGE, (long)low + 9 * PAGE, (long)low + 10 * PAGE);
    assert_string_equal(sim.bytes, wanted);
    assert_int_equal(vk_brk(machine.mm, low), low);
    text_of_maps(machine.mm, &sim);
    assert_null(strstr(sim.bytes, "[heap]"));
}

/* Where `what` is in its line; -1 if it is not there. */
static ptrdiff_t column(const struct text *text, const char *what)
{
    const char *const at = strstr(text->bytes, what), *line = at;
    while (line && line > text->bytes && line[-1] != '\n')
        line--;
    return at ? at - line : -1;
}

static void columns_are_linuxs(void **state)
{
    (void)state;
    const vk_va low = vk_usage(machine.mm).low;
    vk_brk(machine.mm, low + PAGE);
    text_of_maps(machine.mm, &sim);
    text_of_file("/proc/self/maps", &real);
    assert_true(column(&sim, "[heap]") > 0);
    if (strstr(real.bytes, "[heap]"))
        assert_int_equal(column(&sim, "[heap]"), column(&real, "[heap]"));

    text_of_status(machine.mm, &sim);
    text_of_file("/proc/self/status", &real);
    const char *const fields[] = {
        "VmPeak:",   "VmSize:", "VmLck:", "VmPin:", "VmHWM:", "VmRSS:", "RssAnon:", "RssFile:",
        "RssShmem:", "VmData:", "VmStk:", "VmExe:", "VmLib:", "VmPTE:", "VmSwap:"};
    const char *after = sim.bytes;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *const line = strstr(after, fields[i]), *const real_line = strstr(real.bytes, fields[i]);
        assert_non_null(line); /* in this order */
        after = line;
        const bool has_room = real_line && status_bytes(&real, fields[i]) < (uint64_t)100000000 * KIB;
        if (has_room) /* sanitizers map so much that the figure takes more than eight columns */
            assert_int_equal(strcspn(line, "\n"), strcspn(real_line, "\n"));
    }

    text_of_buddyinfo(machine.kernel, &sim);
    if (access("/proc/buddyinfo", R_OK) == 0) {
        text_of_file("/proc/buddyinfo", &real);
        assert_int_equal(strcspn(sim.bytes, "\n"), strcspn(real.bytes, "\n"));
    }
}

static void status_counts(void **state)
{
    (void)state;
    vk_va at, other;
    assert_int_equal(map_anywhere(machine.mm, 3 * PAGE, &at), 0);
    assert_int_equal(vk_map(machine.mm, &(struct vk_map){.bytes = 5 * PAGE}, &other), 0);
    assert_int_equal(vk_unmap(machine.mm, at, PAGE), 0);
    text_of_status(machine.mm, &sim);
    assert_non_null(strstr(sim.bytes, "VmPeak:\t      32 kB\nVmSize:\t      28 kB\n"));
    assert_non_null(strstr(sim.bytes, "VmHWM:\t      12 kB\nVmRSS:\t       8 kB\n"));
    assert_non_null(strstr(sim.bytes, "VmData:\t       8 kB\n"));
}

static void buddyinfo_counts(void **state)
{
    (void)state;
    const struct vk_usage usage = vk_usage(machine.mm);
    const size_t n_pages = (usage.high - usage.low) / PAGE;
    char wanted[256];
    int length = snprintf(wanted, sizeof wanted, "Node 0, zone   Normal ");
    for (unsigned order = 0; order < 11; order++)
        length += snprintf(wanted + length, sizeof wanted - (size_t)length, "%6zu ", n_pages >> order & 1);
    snprintf(wanted + length, sizeof wanted - (size_t)length, "\n");
    text_of_buddyinfo(machine.kernel, &sim);
    assert_string_equal(sim.bytes, wanted); /* nothing taken: the largest blocks that fit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(maps, setup, teardown),
        cmocka_unit_test_setup_teardown(columns_are_linuxs, setup, teardown),
        cmocka_unit_test_setup_teardown(status_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(buddyinfo_counts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
