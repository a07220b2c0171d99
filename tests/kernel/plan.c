/* SPDX-License-Identifier: MIT */
/*
 * plan.c - failing on purpose on a machine that pages (check B20): for each site, the first call fails, then in another run
 * the second, until a run has no such call. Each time what was refused has changed nothing: what was written is still
 * there, the checkers find nothing, and in the end no frame and no slot is missing. And plans that are none.
 */
#include <stdio.h>
#include <string.h>
#include "physical.h"
#include "vmalloc/memory.h"

enum { N_FRAMES = 300, N_PAGES = 400, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

static struct vk_machine *machine;
static struct vk_mm *mm; /* NULL: it was refused */
static vk_va area;       /* 0: it was refused */
static uint64_t written[N_PAGES];

static void start(const char *plan)
{
    static struct vk_preset preset;
    struct vk_complaint complaint;
    assert_true(vk_preset_find("x86-64", &preset));
    const struct vk_machine_config config = {
        .preset = &preset,
        .ram_bytes = N_FRAMES * PAGE,
        .swap_bytes = 4 * MIB,
        .min_free_kib = 64,
        .cpu_batch = VK_NO_CPU_LISTS,
        .hooks.more = host_more,
    };
    assert_int_equal(vk_machine_create(&config, &machine), 0);
    assert_int_equal(vk_machine_plan(machine, plan, &complaint), 0);
    memset(written, 0, sizeof written);
    mm = NULL;
    area = 0;
}

static uint64_t free_now(void)
{
    const struct vk_frames frames = vk_frames(machine);
    return frames.free + frames.cached;
}

/* --- a run ------------------------------------------------------------------------------------------------ */

static bool write_page(size_t i, uint64_t value)
{
    const struct vk_access store = {area + i * PAGE, sizeof value, VK_PROT_WRITE, &value};
    const bool is_done = vk_access(mm, &store) < VK_FAULT_SEGV;
    if (is_done)
        written[i] = value;
    return is_done;
}

static bool page_is_there(size_t i)
{
    uint64_t value = 0;
    const struct vk_access load = {area + i * PAGE, sizeof value, VK_PROT_READ, &value};
    const bool is_done = vk_access(mm, &load) < VK_FAULT_SEGV;
    assert_true(!is_done || value == written[i]);
    return is_done;
}

static void work_in_area(void)
{
    for (size_t i = 0; i < N_PAGES; i++)
        write_page(i, i + 1);
    for (size_t i = 0; i < N_PAGES; i += 3)
        page_is_there(i);
    vk_protect(mm, area + 10 * PAGE, 10 * PAGE, VK_PROT_READ);
    if (vk_advise(mm, area + 30 * PAGE, 5 * PAGE, VK_ADVICE_DONTNEED) == 0)
        memset(&written[30], 0, 5 * sizeof *written);
}

static void work_at_break(void)
{
    const vk_va break_start = vk_brk(mm, 0) + MIB;
    const struct vk_map wanted = {
        .hint = break_start, .bytes = 4 * PAGE, .prot = READ_WRITE, .flags = VK_MAP_FIXED};
    vk_va at, moved;
    vk_brk(mm, vk_brk(mm, 0) + 3 * PAGE);
    vk_brk(mm, vk_brk(mm, 0) - PAGE);
    if (vk_map(mm, &wanted, &at) != 0)
        return;
    const struct vk_remap longer = {
        .start = at, .old_bytes = 4 * PAGE, .new_bytes = 8 * PAGE, .flags = VK_REMAP_MAYMOVE};
    if (vk_remap(mm, &longer, &moved) == 0)
        at = moved;
    vk_unmap(mm, at, 4 * PAGE);
}

static void work_of_kernel(void)
{
    uint64_t small, large, frame;
    if (vk_kernel_alloc(machine, 100, VK_FROM_NORMAL, &small) == 0)
        assert_int_equal(vk_kernel_free(machine, small), 0);
    if (vk_kernel_alloc(machine, 20000, VK_FROM_NORMAL, &large) == 0)
        assert_int_equal(vk_kernel_free(machine, large), 0);
    if (vk_frames_take(machine, 2, VK_FROM_NORMAL, &frame) == 0)
        assert_int_equal(vk_frames_give(machine, frame), 0);
}

static void work(void)
{
    const struct vk_map wanted = {.bytes = N_PAGES * PAGE, .prot = READ_WRITE};
    work_of_kernel();
    if (vk_mm_create(machine, &mm) != 0) {
        mm = NULL;
        return;
    }
    work_at_break();
    if (vk_map(mm, &wanted, &area) == 0)
        work_in_area();
    else
        area = 0;
}

/* Nothing fails any more: what was written is there, and all comes back. */
static void all_holds(uint64_t n_free)
{
    struct vk_complaint complaint;
    vk_machine_check(machine);
    assert_int_equal(vk_machine_plan(machine, "", &complaint), 0);
    for (size_t i = 0; area && i < N_PAGES; i++)
        assert_true(page_is_there(i));
    if (mm)
        assert_int_equal(vk_mm_detach(mm), 0);
    vk_objects_reap(machine);
    vk_machine_check(machine);
    assert_int_equal(free_now(), n_free);
    assert_int_equal(vk_memory_counts(machine).n_slots_used, 0);
}

/* --- the sweep -------------------------------------------------------------------------------------------- */

/* Returns how many runs had a call that failed. */
static unsigned sweep(const char *site)
{
    for (unsigned k = 1;; k++) {
        char plan[40];
        snprintf(plan, sizeof plan, "%s:nth=%u", site, k);
        start(plan);
        const uint64_t n_free = free_now();
        work();
        const uint64_t n_hits = vk_machine_plan_hits(machine);
        assert_in_range(n_hits, 0, 1);
        all_holds(n_free);
        host_free();
        if (!n_hits)
            return k - 1;
    }
}

static void each_call_fails_once(void **state)
{
    (void)state;
    assert_int_equal(sweep("brk"), 2);
    assert_int_equal(sweep("map"), 2);
    assert_int_equal(sweep("unmap"), 1);
    assert_int_equal(sweep("remap"), 1);
    assert_int_equal(sweep("protect"), 1);
    assert_int_equal(sweep("advise"), 1);
    assert_int_equal(sweep("slab"), 1);
    assert_in_range(sweep("page"), N_PAGES, 2 * N_PAGES);
    assert_in_range(sweep("swapout"), N_PAGES - N_FRAMES, 2 * N_PAGES);
    assert_in_range(sweep("swapin"), 1, N_PAGES);
    assert_int_equal(sweep("page(order>=1)"), 2);
    assert_int_equal(sweep("page(zone=1)"), 0);
}

/* Far more than one fails, by chance: the same. */
static void many_fail(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        char plan[100];
        snprintf(plan, sizeof plan, "seed=%u; any:prob=1/5", seed);
        start("");
        const uint64_t n_free = free_now();
        struct vk_complaint complaint;
        assert_int_equal(vk_machine_plan(machine, plan, &complaint), 0);
        work();
        assert_true(vk_machine_plan_hits(machine) > 0);
        all_holds(n_free);
        host_free();
    }
}

static void what_is_no_plan(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        unsigned line, column;
    } rows[] = {
        {"page:nth=0", "a number from 1 up", 1, 10},
        {"brk:nth=1;\n mop:nth=1",
         "brk, map, unmap, remap, advise, protect, page, slab, swapout, swapin, any, or seed", 2, 2},
        {"brk:nth=1,foreign=1M", "no effect but fail: the machine knows no other", 1, 1},
        {"map:dirty", "no effect but fail: the machine knows no other", 1, 1},
    };
    start("map:nth=1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vk_complaint complaint;
        assert_int_equal(vk_machine_plan(machine, rows[i].text, &complaint), VK_EINVAL);
        assert_string_equal(complaint.expected, rows[i].expected);
        assert_int_equal(complaint.line, rows[i].line);
        assert_int_equal(complaint.column, rows[i].column);
    }
    work();
    assert_int_equal(vk_machine_plan_hits(machine), 1); /* the plan before is still the one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_call_fails_once, host_teardown),
        cmocka_unit_test_teardown(many_fail, host_teardown),
        cmocka_unit_test_teardown(what_is_no_plan, host_teardown),
    };
    unit_report_to_stderr();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
