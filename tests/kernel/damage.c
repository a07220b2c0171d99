/* SPDX-License-Identifier: MIT */
/*
 * damage.c - the checkers on structures that were broken by hand, each of which must be found, and the panic
 * hook, which gets the message.
 */
#include <stdlib.h>
#include <string.h>
#include "maps.h"
#include "sim/flat.h"

enum { KIB = 1024, PAGE = 4096, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

/* Areas: 0 break, 1 read, 2 write, 3 no access, each after a gap of at least a page; locked is none. */
static struct vk_mm *make_state(struct vk_kernel **kernel)
{
    const struct machine machine = machine_make(512 * KIB, &(struct vk_config){0});
    const vk_va low = vk_usage(machine.mm).low;
    vk_brk(machine.mm, low + PAGE + 100);
    map_at(machine.mm, low + 8 * PAGE, 4 * PAGE, VK_PROT_READ);
    map_at(machine.mm, low + 16 * PAGE, 4 * PAGE, READ_WRITE);
    map_at(machine.mm, low + 24 * PAGE, 4 * PAGE, VK_PROT_NONE);
    vk_areas_find(&machine.mm->areas, low + 8 * PAGE);
    *kernel = machine.kernel;
    return machine.mm;
}

static struct area *area(struct vk_mm *mm, unsigned n)
{
    struct area *area = vk_areas_first(&mm->areas);
    while (n--)
        area = vk_area_next(area);
    return area;
}

static struct buddy_page *frame(struct vk_mm *mm, vk_va at)
{
    struct flat_region *const region = vk_flat_first(mm->kernel);
    return &region->frames[(at - region->start) / PAGE];
}

static void break_nothing(struct vk_mm *mm)
{
    (void)mm;
}

static void break_order(struct vk_mm *mm)
{
    area(mm, 1)->start = area(mm, 0)->start;
}

static void break_length(struct vk_mm *mm)
{
    area(mm, 3)->end = area(mm, 3)->start;
}

static void break_page(struct vk_mm *mm)
{
    area(mm, 3)->end += 8;
}

static void break_prev(struct vk_mm *mm)
{
    area(mm, 2)->link.prev = &area(mm, 0)->link;
}

static void break_end(struct vk_mm *mm)
{
    mm->areas.high = area(mm, 3)->start;
}

static void break_gap(struct vk_mm *mm)
{
    area(mm, 2)->gap += PAGE;
}

static void break_gap_most(struct vk_mm *mm)
{
    area(mm, 2)->gap_most += PAGE;
}

static void break_tree(struct vk_mm *mm)
{
    vm_rb_remove(&mm->areas.tree, &area(mm, 3)->node);
}

static void break_merging(struct vk_mm *mm)
{
    vk_areas_isolate(&mm->areas, area(mm, 2)->start + PAGE, area(mm, 2)->start + 2 * PAGE);
}

static void break_count(struct vk_mm *mm)
{
    mm->areas.n_areas++;
}

static void break_last_found(struct vk_mm *mm)
{
    static struct area other;
    mm->areas.last_found = &other;
}

static void break_pool(struct vk_mm *mm)
{
    mm->kernel->pool.n_free--;
}

static void break_record(struct vk_mm *mm)
{
    mm->kernel->pool.n_all++;
}

static void break_total(struct vk_mm *mm)
{
    mm->total_pages--;
}

static void break_locked(struct vk_mm *mm)
{
    area(mm, 1)->style.flags |= AREA_LOCKED;
}

static void break_mark(struct vk_mm *mm)
{
    mm->total_pages_most = mm->total_pages - 1;
}

static void break_resident_mark(struct vk_mm *mm)
{
    mm->resident_pages_most = 0;
}

static void break_break(struct vk_mm *mm)
{
    mm->break_end = mm->break_start - 1;
}

static void break_style(struct vk_mm *mm)
{
    area(mm, 3)->style.flags |= 1024;
}

static void break_free_frame(struct vk_mm *mm)
{
    vm_buddy_claim(&vk_flat_first(mm->kernel)->buddy, 100, 1);
}

static void break_taken_frame(struct vk_mm *mm)
{
    vm_buddy_give(&vk_flat_first(mm->kernel)->buddy, 9, 1, BUDDY_FRONT);
}

static void break_tag(struct vk_mm *mm)
{
    frame(mm, area(mm, 3)->start)->tag = 99;
}

static void break_live(struct vk_mm *mm)
{
    frame(mm, area(mm, 3)->end)->tag = FRAME_LIVE;
}

static void break_dead(struct vk_mm *mm)
{
    frame(mm, area(mm, 2)->start)->tag = FRAME_STALE;
}

static void break_resident(struct vk_mm *mm)
{
    frame(mm, area(mm, 3)->start)->tag = FRAME_LIVE;
}

static void break_buddy(struct vk_mm *mm)
{
    vk_flat_first(mm->kernel)->buddy.list[0].count++;
}

static void break_region(struct vk_mm *mm)
{
    vk_flat_first(mm->kernel)->end -= PAGE;
}

static void break_addresses(struct vk_mm *mm)
{
    vk_areas_set_ends(&mm->areas, mm->areas.low, mm->areas.high + PAGE);
}

static void check_after(void *argument)
{
    void (*const *const damage)(struct vk_mm * mm) = argument;
    struct vk_kernel *kernel;
    struct vk_mm *const mm = make_state(&kernel);
    (*damage)(mm);
    vk_check(kernel);
}

static void each_damage_is_found(void **state)
{
    (void)state;
    static void (*nothing)(struct vk_mm * mm) = break_nothing;
    unit_assert_returns(check_after, &nothing);
    static const struct {
        void (*damage)(struct vk_mm *mm);
        const char *text;
    } cases[] = {
        {break_order, "area->start >= (prev"},
        {break_length, "area->start < area->end"},
        {break_page, "page_bytes - 1"},
        {break_prev, "vk_area_prev(area) == prev"},
        {break_end, "prev->end <= areas->high"},
        {break_gap, "area->gap == gap_of"},
        {break_gap_most, "is_exact(node)"},
        {break_tree, "n_nodes =="},
        {break_merging, "are_one"},
        {break_count, "n_areas == areas->n_areas"},
        {break_last_found, "has_last_found"},
        {break_pool, "n_free == pool->n_free"},
        {break_record, "pool->n_all - pool->n_free"},
        {break_total, "total == mm->total_pages"},
        {break_locked, "locked == mm->locked_pages"},
        {break_mark, "total_pages_most >= total"},
        {break_resident_mark, "resident_pages_most"},
        {break_break, "break_start <= mm->break_end"},
        {break_style, "AREA_ALL_FLAGS"},
        {break_free_frame, "is_mapped == (i >= until_free)"},
        {break_taken_frame, "is_mapped == (i >= until_free)"},
        {break_tag, "frame->tag <= FRAME_LIVE"},
        {break_live, "is_mapped || frame->tag != FRAME_LIVE"},
        {break_dead, "frame->tag == FRAME_LIVE"},
        {break_resident, "n_live == kernel->mm.resident_pages"},
        {break_buddy, "buddy"},
        {break_region, "buddy.n_pages =="},
        {break_addresses, "n_pages + hole_pages"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void (*damage)(struct vk_mm * mm) = cases[i].damage;
        unit_assert_aborts(check_after, &damage, cases[i].text);
    }
}

/* --- panic ---------------------------------------------------------------------------------------------- */

static void panic_to_exit(const char *text, size_t length)
{
    exit(length > 20 && !strncmp(text, "vmalloc: internal", 17) ? 42 : 1);
}

static void damage_with_hook(void *argument)
{
    (void)argument;
    static char memory[64 * KIB];
    struct vk_kernel *kernel;
    const struct vk_region region = {.start = memory, .bytes = sizeof memory};
    UNIT_REQUIRE(!vk_create(&(struct vk_config){.hooks.panic = panic_to_exit}, &region, &kernel));
    break_total(vk_flat_mm(kernel));
    vk_check(kernel);
}

static void panic_gets_the_message(void **state)
{
    (void)state;
    const struct unit_outcome outcome = unit_fork(damage_with_hook, NULL);
    assert_true(outcome.exited);
    assert_int_equal(outcome.code, 42);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_is_found),
        cmocka_unit_test(panic_gets_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
