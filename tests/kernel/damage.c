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

static struct vk_mm *mm;

/* Areas: 0 break, 1 read, 2 write, 3 no access, each after a gap of at least a page; locked is none. */
static void make_state(void)
{
    mm = machine_make(512 * KIB, &(struct vk_config){0}).mm;
    const vk_va low = vk_usage(mm).low;
    vk_brk(mm, low + PAGE + 100);
    map_at(mm, low + 8 * PAGE, 4 * PAGE, VK_PROT_READ);
    map_at(mm, low + 16 * PAGE, 4 * PAGE, READ_WRITE);
    map_at(mm, low + 24 * PAGE, 4 * PAGE, VK_PROT_NONE);
    vk_areas_find(&mm->areas, low + 8 * PAGE);
}

static struct area *area(unsigned n)
{
    struct area *area = vk_areas_first(&mm->areas);
    while (n--)
        area = vk_area_next(area);
    return area;
}

static struct buddy_page *frame(vk_va at)
{
    struct flat_region *const region = vk_flat_first(mm->kernel);
    return &region->frames[(at - region->start) / PAGE];
}

static void break_order(void)
{
    area(1)->start = area(0)->start;
}

static void break_length(void)
{
    area(3)->end = area(3)->start;
}

static void break_page(void)
{
    area(3)->end += 8;
}

static void break_prev(void)
{
    area(2)->link.prev = &area(0)->link;
}

static void break_end(void)
{
    mm->areas.high = area(3)->start;
}

static void break_gap(void)
{
    area(2)->gap += PAGE;
}

static void break_gap_most(void)
{
    area(2)->gap_most += PAGE;
}

static void break_tree(void)
{
    vm_rb_remove(&mm->areas.tree, &area(3)->node);
}

static void break_merging(void)
{
    vk_areas_isolate(&mm->areas, area(2)->start + PAGE, area(2)->start + 2 * PAGE);
}

static void break_count(void)
{
    mm->areas.n_areas++;
}

static void break_last_found(void)
{
    static struct area other;
    mm->areas.last_found = &other;
}

static void break_pool(void)
{
    mm->kernel->pool.n_free--;
}

static void break_record(void)
{
    mm->kernel->pool.n_all++;
}

static void break_total(void)
{
    mm->total_pages--;
}

static void break_locked(void)
{
    area(1)->style.flags |= AREA_LOCKED;
}

static void break_mark(void)
{
    mm->total_pages_most = mm->total_pages - 1;
}

static void break_resident_mark(void)
{
    mm->resident_pages_most = 0;
}

static void break_break(void)
{
    mm->break_end = mm->break_start - 1;
}

static void break_style(void)
{
    area(3)->style.flags |= 1024;
}

static void break_free_frame(void)
{
    vm_buddy_claim(&vk_flat_first(mm->kernel)->buddy, 100, 1);
}

static void break_taken_frame(void)
{
    vm_buddy_give(&vk_flat_first(mm->kernel)->buddy, 9, 1, BUDDY_FRONT);
}

static void break_tag(void)
{
    frame(area(3)->start)->tag = 99;
}

static void break_live(void)
{
    frame(area(3)->end)->tag = FRAME_LIVE;
}

static void break_dead(void)
{
    frame(area(2)->start)->tag = FRAME_STALE;
}

static void break_resident(void)
{
    frame(area(3)->start)->tag = FRAME_LIVE;
}

static void break_buddy(void)
{
    vk_flat_first(mm->kernel)->buddy.list[0].count++;
}

static void break_region(void)
{
    vk_flat_first(mm->kernel)->end -= PAGE;
}

static void break_addresses(void)
{
    vk_areas_set_ends(&mm->areas, mm->areas.low, mm->areas.high + PAGE);
}

static void check_after(void *damage)
{
    make_state();
    unit_damage(damage);
    vk_check(mm->kernel);
}

static void each_damage_is_found(void **state)
{
    (void)state;
    static const struct unit_damage damages[] = {
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
    unit_assert_damages_found(check_after, damages, sizeof damages / sizeof *damages);
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
    mm = vk_flat_mm(kernel);
    break_total();
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
