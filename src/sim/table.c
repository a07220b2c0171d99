/* SPDX-License-Identifier: MIT */
/*
 * table.c - see table.h.
 *
 *     x86-64, level:  3 (root)      2            1            0
 *                     [ 512 ] --> [ 512 ] --> [ 512 ] --> [ 512 entries of pages ]
 *                       9 bits      9 bits      9 bits      9 bits   of the page's number
 *
 * Invariants, which the checker cites:
 *   T1  a table's count is the number of its entries that are not 0
 *   T2  each entry above level 0 names a frame that is the kernel's and this address space's
 *   T3  the process's count of tables at each level is right
 */
#include "sim/table.h"
#include "base/check.h"

static unsigned root_level(const struct vk_process *process)
{
    return process->machine->preset.n_levels - 1;
}

/* Which entry of the table at that level the page is under. */
static size_t index_at(const struct vk_process *process, uint64_t vpn, unsigned level)
{
    const struct vk_preset *const preset = &process->machine->preset;
    const unsigned bits = level == root_level(process) ? preset->root_bits : preset->level_bits;
    return (size_t)(vpn >> level * preset->level_bits) & (((size_t)1 << bits) - 1);
}

static uint64_t read_entry(const struct vk_process *process, uint32_t table, size_t index)
{
    const void *const bytes = vk_frame_bytes(&process->machine->phys, table);
    return process->machine->preset.entry_bytes == 4 ? ((const uint32_t *)bytes)[index]
                                                     : ((const uint64_t *)bytes)[index];
}

static void write_entry(struct vk_process *process, uint32_t table, size_t index, uint64_t entry)
{
    struct vk_frame *const frame = &process->machine->phys.frame[table];
    void *const bytes = vk_frame_bytes(&process->machine->phys, table);
    const uint64_t old = read_entry(process, table, index);
    if (entry && !old)
        frame->vpn++;
    else if (!entry && old)
        frame->vpn--;
    if (process->machine->preset.entry_bytes == 4)
        ((uint32_t *)bytes)[index] = (uint32_t)entry;
    else
        ((uint64_t *)bytes)[index] = entry;
}

static uint32_t take_table(struct vk_process *process)
{
    struct vk_phys *const phys = &process->machine->phys;
    const uint32_t table = vk_alloc_pages(phys, 0, VK_GFP_KERNEL);
    if (table != VK_NO_FRAME) {
        phys->frame[table].owner = &process->space;
        phys->frame[table].vpn = 0;
    }
    return table;
}

bool vk_table_init(struct vk_process *process)
{
    process->root = take_table(process);
    return process->root != VK_NO_FRAME;
}

void vk_table_destroy(struct vk_process *process)
{
    vk_free_pages(&process->machine->phys, process->root);
}

bool vk_table_walk(const struct vk_process *process, uint64_t vpn, struct table_path *path)
{
    unsigned level = root_level(process);
    path->vpn = vpn;
    path->table[level] = process->root;
    for (; level > 0; level--) {
        const uint64_t entry = read_entry(process, path->table[level], index_at(process, vpn, level));
        if (!entry)
            break;
        path->table[level - 1] = vk_entry_number(entry);
    }
    path->lowest = level;
    return level == 0;
}

bool vk_table_make(struct vk_process *process, uint64_t vpn, struct table_path *path)
{
    if (vk_table_walk(process, vpn, path))
        return true;
    while (path->lowest > 0) {
        const unsigned level = path->lowest;
        const uint32_t table = take_table(process);
        if (table == VK_NO_FRAME) {
            vk_table_prune(process, path);
            return false;
        }
        write_entry(process, path->table[level], index_at(process, vpn, level),
                    vk_entry_of(table, ENTRY_PRESENT));
        path->table[level - 1] = table;
        path->lowest = level - 1;
        process->n_tables[level - 1]++;
        process->mm.table_pages++;
        process->told.table_pages_most = vm_max_size(process->told.table_pages_most, process->mm.table_pages);
        process->space.n_tables++;
    }
    return true;
}

uint64_t vk_table_get(const struct vk_process *process, const struct table_path *path)
{
    return read_entry(process, path->table[0], index_at(process, path->vpn, 0));
}

void vk_table_set(struct vk_process *process, const struct table_path *path, uint64_t entry)
{
    write_entry(process, path->table[0], index_at(process, path->vpn, 0), entry);
}

void vk_table_prune(struct vk_process *process, const struct table_path *path)
{
    struct vk_phys *const phys = &process->machine->phys;
    for (unsigned level = path->lowest; level < root_level(process); level++) {
        if (phys->frame[path->table[level]].vpn)
            return;
        write_entry(process, path->table[level + 1], index_at(process, path->vpn, level + 1), 0);
        vk_free_pages(phys, path->table[level]);
        process->n_tables[level]--;
        process->mm.table_pages--;
        process->space.n_tables--;
    }
}

uint64_t vk_table_skip(const struct vk_process *process, const struct table_path *path)
{
    const uint64_t span = UINT64_C(1) << path->lowest * process->machine->preset.level_bits;
    return (path->vpn & -span) + span;
}

/* --- the checker ---------------------------------------------------------------------------------------- */

struct tally {
    size_t n_frames, n_tables[VK_LEVELS_MOST];
};

static void check_table(const struct vk_process *process, uint32_t table, unsigned level, struct tally *tally)
{
    const struct vk_phys *const phys = &process->machine->phys;
    const struct vk_preset *const preset = &process->machine->preset;
    const unsigned bits = level == root_level(process) ? preset->root_bits : preset->level_bits;
    uint64_t n_used = 0;
    VM_CHECK(phys->frame[table].kind == VK_FRAME_KERNEL &&
             phys->frame[table].owner == &process->space); /* T2 */
    tally->n_tables[level]++;
    for (size_t i = 0; i < (size_t)1 << bits; i++) {
        const uint64_t entry = read_entry(process, table, i);
        n_used += entry != 0;
        if (entry && level > 0)
            check_table(process, vk_entry_number(entry), level - 1, tally);
        else if (vk_entry_has_frame(entry))
            tally->n_frames++;
    }
    VM_CHECK(n_used == phys->frame[table].vpn); /* T1 */
}

size_t vk_table_check(const struct vk_process *process)
{
    struct tally tally = {0};
    check_table(process, process->root, root_level(process), &tally);
    size_t n_pages = 0;
    for (unsigned level = 0; level < root_level(process); level++) {
        VM_CHECK(tally.n_tables[level] == process->n_tables[level]); /* T3 */
        n_pages += tally.n_tables[level];
    }
    VM_CHECK(n_pages == process->mm.table_pages && n_pages == process->space.n_tables); /* T3 */
    return tally.n_frames;
}
