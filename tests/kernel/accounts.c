/* SPDX-License-Identifier: MIT */
/*
 * accounts.c - check B8: after each of many random calls the status says what maps and a model of each page add up to,
 * locked pages are counted, and high-water marks are the most there has been and never fall.
 */
#include <string.h>
#include "maps.h"

enum { PAGE = 4096, N_PAGES = 96, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

static struct machine machine;

/* What is known of a page: its protection if it is mapped, whether it is locked, whether it ever was accessible. */
static struct page {
    bool is_mapped, is_locked, is_resident;
    unsigned prot;
} pages[N_PAGES];

static size_t n_break_pages;

struct totals {
    size_t size, data, locked, resident;
};

static void set_pages(size_t at, size_t n, struct page page)
{
    for (size_t i = at; i < at + n; i++)
        pages[i] = page;
}

static bool all_mapped(size_t at, size_t n)
{
    for (size_t i = at; i < at + n; i++)
        if (!pages[i].is_mapped)
            return false;
    return true;
}

/* Locks or unlocks a range without holes. */
static void step_lock(vk_va start, size_t at, size_t n, bool is_lock)
{
    if (!all_mapped(at, n))
        return;
    assert_int_equal(is_lock ? vk_lock(machine.mm, start, n * PAGE) : vk_unlock(machine.mm, start, n * PAGE),
                     0);
    for (size_t i = at; i < at + n; i++)
        pages[i].is_locked = is_lock;
}

static void step_protect(vk_va start, size_t at, size_t n, unsigned prot)
{
    if (!all_mapped(at, n))
        return;
    assert_int_equal(vk_protect(machine.mm, start, n * PAGE, prot), 0);
    for (size_t i = at; i < at + n; i++) {
        pages[i].prot = prot;
        pages[i].is_resident |= prot != VK_PROT_NONE;
    }
}

/* The break is below the window, and counts like a mapping. */
static void step_break(uint64_t *seed, vk_va low)
{
    n_break_pages = unit_below(seed, 20);
    const vk_va wanted = low + n_break_pages * PAGE;
    assert_int_equal(vk_brk(machine.mm, wanted), wanted);
}

static void step(uint64_t *seed, vk_va low, vk_va window)
{
    const size_t at = unit_below(seed, N_PAGES), n = 1 + unit_below(seed, N_PAGES - at);
    const unsigned prots[] = {VK_PROT_NONE, VK_PROT_READ, READ_WRITE, READ_WRITE};
    const unsigned prot = prots[unit_below(seed, 4)];
    const vk_va start = window + at * PAGE;
    switch (unit_below(seed, 6)) {
    case 0:
        assert_int_equal(map_at(machine.mm, start, n * PAGE, prot), 0);
        set_pages(at, n, (struct page){.is_mapped = true, .prot = prot, .is_resident = prot != VK_PROT_NONE});
        break;
    case 1:
        assert_int_equal(vk_unmap(machine.mm, start, n * PAGE), 0);
        set_pages(at, n, (struct page){0});
        break;
    case 2:
        step_protect(start, at, n, prot);
        break;
    case 3:
        step_lock(start, at, n, true);
        break;
    case 4:
        step_lock(start, at, n, false);
        break;
    default:
        step_break(seed, low);
    }
}

static struct totals totals_of_model(void)
{
    struct totals totals = {n_break_pages * PAGE, n_break_pages * PAGE, 0, n_break_pages * PAGE};
    for (size_t i = 0; i < N_PAGES; i++) {
        totals.size += pages[i].is_mapped ? PAGE : 0;
        totals.data += pages[i].prot & VK_PROT_WRITE ? PAGE : 0;
        totals.locked += pages[i].is_locked ? PAGE : 0;
        totals.resident += pages[i].is_resident ? PAGE : 0;
    }
    return totals;
}

static struct totals totals_of_maps(void)
{
    static struct text text;
    struct totals totals = {0};
    struct map_line line;
    text_of_maps(machine.mm, &text);
    for (const char *from = text.bytes; next_map_line(&from, &line);) {
        totals.size += line.end - line.start;
        totals.data += line.prot & VK_PROT_WRITE ? line.end - line.start : 0;
    }
    return totals;
}

static void compare(struct totals *most)
{
    static struct text status;
    const struct totals model = totals_of_model(), maps = totals_of_maps();
    text_of_status(machine.mm, &status);
    most->size = model.size > most->size ? model.size : most->size;
    most->resident = model.resident > most->resident ? model.resident : most->resident;
    assert_int_equal(status_bytes(&status, "VmSize:"), maps.size);
    assert_int_equal(status_bytes(&status, "VmSize:"), model.size);
    assert_int_equal(status_bytes(&status, "VmData:"), maps.data);
    assert_int_equal(status_bytes(&status, "VmData:"), model.data);
    assert_int_equal(status_bytes(&status, "VmLck:"), model.locked);
    assert_int_equal(status_bytes(&status, "VmRSS:"), model.resident);
    assert_int_equal(status_bytes(&status, "VmPeak:"), most->size);
    assert_int_equal(status_bytes(&status, "VmHWM:"), most->resident);
}

static void after_each_call(void **state)
{
    (void)state;
    machine = machine_make(2 << 20, &(struct vk_config){0});
    const vk_va low = vk_usage(machine.mm).low, window = low + 64 * PAGE;
    struct totals most = {0};
    uint64_t seed = 8;
    size_t n_locked = 0;
    for (unsigned i = 0; i < (unit_is_slow() ? 1000 : 20000); i++) {
        step(&seed, low, window);
        compare(&most);
        n_locked += vk_usage(machine.mm).locked_pages > 0;
    }
    assert_true(n_locked > 100);
    machine_unmap_all(&machine);
    set_pages(0, N_PAGES, (struct page){0});
    n_break_pages = 0;
    compare(&most); /* all is gone, but the marks */
    machine_free(&machine);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {cmocka_unit_test(after_each_call)};
    return cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
}
