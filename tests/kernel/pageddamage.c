/* SPDX-License-Identifier: MIT */
/* pageddamage.c - the checkers of page tables, entries and TLBs on what was broken by hand. */
#include "physical.h"
#include "sim/table.h"

enum { N_PAGES = 40 };

static struct vk_machine *machine;
static struct vk_process *process;
static vk_va start;
static struct table_path path;

/* Pages 0 to 19 have frames, 20 to 29 the page of zeroes, 30 to 39 nothing; the first is in the TLB. */
static void make_state(void)
{
    static struct vk_preset preset;
    struct vk_mm *mm;
    UNIT_REQUIRE(vk_preset_find("x86-64", &preset));
    const struct vk_machine_config config = {
        .preset = &preset, .ram_bytes = 4 * MIB, .hooks.more = host_more};
    UNIT_REQUIRE(vk_machine_create(&config, &machine) == 0 && vk_mm_create(machine, &mm) == 0);
    process = vk_process_of(mm);
    const struct vk_map wanted = {.bytes = N_PAGES * PAGE, .prot = VK_PROT_READ};
    UNIT_REQUIRE(vk_map(mm, &wanted, &start) == 0);
    UNIT_REQUIRE(vk_protect(mm, start, 20 * PAGE, VK_PROT_READ | VK_PROT_WRITE) == 0);
    const struct vk_access write = {.at = start, .bytes = 20 * PAGE, .kind = VK_PROT_WRITE};
    const struct vk_access read = {.at = start + 20 * PAGE, .bytes = 10 * PAGE, .kind = VK_PROT_READ};
    UNIT_REQUIRE(vk_access(mm, &write) == VK_FAULT_MINOR && vk_access(mm, &read) == VK_FAULT_ZERO);
    UNIT_REQUIRE(vk_table_walk(process, vk_page_number(process, start), &path));
}

static struct vk_frame *frame_of(const struct table_path *at)
{
    return &machine->phys.frame[vk_entry_number(vk_table_get(process, at))];
}

static void set_page(size_t page, uint64_t entry)
{
    struct table_path at;
    vk_table_walk(process, vk_page_number(process, start) + page, &at);
    vk_table_set(process, &at, entry);
}

static void break_count(void)
{
    machine->phys.frame[path.table[0]].vpn++;
}

static void break_table_owner(void)
{
    machine->phys.frame[path.table[1]].owner = NULL;
}

static void break_level(void)
{
    process->n_tables[2]++;
}

static void break_tables(void)
{
    process->mm.table_pages--;
}

static void break_owner(void)
{
    frame_of(&path)->owner = NULL;
}

static void break_page(void)
{
    frame_of(&path)->vpn++;
}

static void break_resident(void)
{
    process->mm.resident_pages--;
}

static void break_file(void)
{
    process->mm.file_pages++;
}

static void break_swapped(void)
{
    process->mm.swapped_pages++;
}

static void break_pinned(void)
{
    process->mm.pinned_pages++;
}

static void break_right(void)
{
    set_page(20, vk_entry_of(0, ENTRY_PRESENT | ENTRY_ZERO | ENTRY_WRITE));
}

static void break_area(void)
{
    vk_areas_remove(&process->mm.areas, vk_areas_find_at(&process->mm.areas, start));
}

static void break_cached(void)
{
    set_page(0, vk_table_get(process, &path) & ~(uint64_t)ENTRY_WRITE);
}

static void break_mark(void)
{
    set_page(0, vk_table_get(process, &path) & ~(uint64_t)ENTRY_DIRTY);
}

static void break_reserve(void)
{
    machine->kernel.pool.n_all++;
}

static void check_after(void *damage)
{
    make_state();
    unit_damage(damage);
    if (damage && ((const struct unit_damage *)damage)->act == break_area)
        vk_paged_check(process);
    else
        vk_machine_check(machine);
}

static void each_damage_is_found(void **state)
{
    (void)state;
    static const struct unit_damage damages[] = {
        {break_count, "n_used == phys->frame[table].vpn"},
        {break_table_owner, "phys->frame[table].owner == &process->space"},
        {break_level, "tally.n_tables[level] == process->n_tables[level]"},
        {break_tables, "n_pages == process->mm.table_pages"},
        {break_owner, "frame->owner == &process->space"},
        {break_page, "frame->vpn == vpn"},
        {break_resident, "n_resident == mm->resident_pages"},
        {break_file, "n_file == mm->file_pages"},
        {break_swapped, "n_swapped == mm->swapped_pages"},
        {break_pinned, "n_pinned == mm->pinned_pages"},
        {break_right, "vk_paged_rights(entry, area->style.prot)"},
        {break_area, "area && "},
        {break_cached, "(cached->entry & ~(uint64_t)"},
        {break_mark, "(cached->entry & ~entry) == 0"},
        {break_reserve, "pool->n_all - pool->n_free == n_used"},
    };
    unit_assert_damages_found(check_after, damages, sizeof damages / sizeof *damages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_damage_is_found)};
    unit_report_to_stderr();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
