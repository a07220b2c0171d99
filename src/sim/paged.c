/* SPDX-License-Identifier: MIT */
/*
 * paged.c - the memory behind an address space with page tables: what the calls do to entries, and what reclaim and
 * migration may do to them. A mapping costs nothing until it is touched (fault.c).
 *
 * Invariants, which the checker cites:
 *   G1  the frames of a process's entries are user frames, which name the process and the page as their owner
 *   G2  the counts of resident pages and of those of files are those of the entries
 *   G3  an entry that is not 0 lies in an area, and grants no more than the area does
 *   G4  an entry in a TLB is the one that the page table has, but for marks that were made since through another TLB
 * and those of page tables, T1..T3.
 */
#include "base/check.h"
#include "sim/plan.h"
#include "sim/table.h"

uint64_t vk_paged_rights(uint64_t entry, unsigned prot)
{
    entry &= ~(uint64_t)(ENTRY_PRESENT | ENTRY_WRITE | ENTRY_EXEC | ENTRY_NO_ACCESS);
    if (!prot)
        return entry | ENTRY_NO_ACCESS;
    entry |= ENTRY_PRESENT;
    if (prot & VK_PROT_EXEC)
        entry |= ENTRY_EXEC;
    if (prot & VK_PROT_WRITE && !(entry & (ENTRY_ZERO | ENTRY_FILE)))
        entry |= ENTRY_WRITE; /* the other two get a frame of their own, or their count, by a fault */
    return entry;
}

/* --- entries -------------------------------------------------------------------------------------------- */

/* Adds what an entry stands for to the counts, or takes it out. */
static void count_entry(struct vk_mm *mm, uint64_t entry, size_t n)
{
    mm->resident_pages += vk_entry_has_frame(entry) ? n : 0;
    mm->file_pages += entry & ENTRY_FILE ? n : 0;
    mm->swapped_pages += entry & ENTRY_SWAP ? n : 0;
}

void vk_paged_set_entry(struct vk_process *process, const struct table_path *path, uint64_t entry)
{
    struct vk_mm *const mm = &process->mm;
    count_entry(mm, vk_table_get(process, path), -(size_t)1);
    count_entry(mm, entry, 1);
    mm->resident_pages_most = vm_max_size(mm->resident_pages_most, mm->resident_pages);
    vk_tlb_forget(&process->machine->tlb, process->space.id, path->vpn);
    vk_table_set(process, path, entry);
}

/* Takes an entry out, and gives what it names back. */
static void drop_entry(struct vk_process *process, const struct table_path *path, uint64_t entry)
{
    vk_paged_set_entry(process, path, 0);
    if (vk_entry_has_frame(entry)) {
        process->mm.pinned_pages -= process->machine->phys.frame[vk_entry_number(entry)].n_pins > 0;
        vk_user_give(&process->machine->reclaim, vk_entry_number(entry));
    } else if (entry & ENTRY_SWAP)
        vk_swap_free(&process->machine->reclaim, vk_entry_number(entry));
}

/* --- ranges of entries ---------------------------------------------------------------------------------- */

/* Steps through the entries of a range that are not 0. */
struct entries {
    struct vk_process *process;
    uint64_t next, end; /* pages */
    struct table_path path;
    uint64_t entry;
};

static struct entries entries_in(struct vk_mm *mm, vk_va start, size_t bytes)
{
    struct vk_process *const process = vk_process_of(mm);
    const uint64_t first = vk_page_number(process, start);
    return (struct entries){.process = process, .next = first, .end = first + vk_pages(mm, bytes)};
}

static bool next_entry(struct entries *entries)
{
    while (entries->next < entries->end) {
        if (!vk_table_walk(entries->process, entries->next, &entries->path)) {
            entries->next = vk_table_skip(entries->process, &entries->path);
            continue;
        }
        entries->next++;
        entries->entry = vk_table_get(entries->process, &entries->path);
        if (entries->entry)
            return true;
    }
    return false;
}

/* Frees the tables of a range that hold nothing any more. */
static void prune(struct vk_mm *mm, vk_va start, size_t bytes)
{
    struct entries range = entries_in(mm, start, bytes);
    while (range.next < range.end) {
        vk_table_walk(range.process, range.next, &range.path);
        range.next = vk_table_skip(range.process, &range.path);
        vk_table_prune(range.process, &range.path);
    }
}

/* --- the backing ---------------------------------------------------------------------------------------- */

static int paged_populate(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    (void)mm, (void)start, (void)bytes, (void)prot;
    return 0;
}

static void paged_release(struct vk_mm *mm, vk_va start, size_t bytes)
{
    for (struct entries all = entries_in(mm, start, bytes); next_entry(&all);)
        drop_entry(all.process, &all.path, all.entry);
    prune(mm, start, bytes);
}

static int paged_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    for (struct entries all = entries_in(mm, start, bytes); next_entry(&all);) {
        if (!(all.entry & ENTRY_SWAP))
            vk_paged_set_entry(all.process, &all.path, vk_paged_rights(all.entry, prot));
    }
    return 0;
}

/* Makes the tables that entries need once they are moved. */
static bool make_targets(struct vk_mm *mm, vk_va from, vk_va to, size_t bytes)
{
    struct vk_process *const process = vk_process_of(mm);
    const uint64_t distance = vk_page_number(process, to) - vk_page_number(process, from);
    struct table_path target;
    for (struct entries all = entries_in(mm, from, bytes); next_entry(&all);)
        if (!vk_table_make(process, all.path.vpn + distance, &target))
            return false;
    return true;
}

static int paged_move(struct vk_mm *mm, vk_va from, vk_va to, size_t bytes, unsigned prot)
{
    (void)prot;
    struct vk_process *const process = vk_process_of(mm);
    const uint64_t distance = vk_page_number(process, to) - vk_page_number(process, from);
    if (!make_targets(mm, from, to, bytes)) {
        prune(mm, to, bytes);
        return VK_ENOMEM;
    }
    for (struct entries all = entries_in(mm, from, bytes); next_entry(&all);) {
        struct table_path target;
        vk_table_walk(process, all.path.vpn + distance, &target);
        vk_paged_set_entry(process, &all.path, 0);
        vk_paged_set_entry(process, &target, all.entry);
        if (vk_entry_has_frame(all.entry))
            vk_user_moved(&process->machine->reclaim, vk_entry_number(all.entry), target.vpn);
        else if (all.entry & ENTRY_SWAP)
            vk_swap_moved(&process->machine->reclaim, vk_entry_number(all.entry), target.vpn);
    }
    prune(mm, from, bytes);
    return 0;
}

/* Reclaim drops the page, unless it was written to since; what is in swap is dropped at once. */
static void forgo_entry(struct vk_process *process, const struct table_path *path, uint64_t entry)
{
    if (entry & ENTRY_SWAP)
        drop_entry(process, path, entry);
    if (!vk_entry_has_frame(entry) || entry & ENTRY_FILE)
        return;
    vk_paged_set_entry(process, path, entry & ~(uint64_t)(ENTRY_DIRTY | ENTRY_ACCESSED));
    vk_user_unwanted(&process->machine->reclaim, vk_entry_number(entry));
}

/* WILLNEED is about files and swap. */
static void paged_advise(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot, enum vk_advice advice)
{
    (void)prot;
    if (advice == VK_ADVICE_WILLNEED)
        return;
    for (struct entries all = entries_in(mm, start, bytes); next_entry(&all);)
        (advice == VK_ADVICE_DONTNEED ? drop_entry : forgo_entry)(all.process, &all.path, all.entry);
}

/* As Linux does: pages of areas that may be written to get frames of their own, others what a read gets. What cannot be
   had is left to the touch that needs it. */
static void paged_lock(struct vk_mm *mm, vk_va start, size_t bytes)
{
    struct vk_process *const process = vk_process_of(mm);
    for (vk_va at = start, next; at < start + bytes; at = next) {
        const struct area *const area = vk_areas_find_at(&mm->areas, at);
        next = area->style.prot ? at + mm->kernel->page_bytes : area->end;
        if (!area->style.prot)
            continue;
        if (vk_touch(process, at, area->style.prot & VK_PROT_WRITE ? VK_PROT_WRITE : VK_PROT_READ) >=
            VK_FAULT_SEGV)
            return;
    }
}

/* All addresses are there from the start. */
static bool paged_grow(struct vk_kernel *kernel, size_t bytes)
{
    (void)kernel, (void)bytes;
    return false;
}

/* From the base downwards; if there is no room, and in the old layout at once, upwards from a third. */
static bool paged_find_gap(struct vk_mm *mm, struct gap_wanted *wanted, vk_va *place)
{
    const struct vk_process *const process = vk_process_of(mm);
    if (wanted->from == RB_RIGHT) {
        wanted->low = mm->areas.low;
        wanted->high = process->told.mmap_base;
        if (vk_areas_find_gap(&mm->areas, wanted, place))
            return true;
        wanted->from = RB_LEFT;
    }
    wanted->low = (vk_va)vk_preset_legacy_base(&process->machine->preset);
    wanted->high = mm->areas.high;
    return vk_areas_find_gap(&mm->areas, wanted, place);
}

static const char *paged_name(const struct vk_mm *mm, const struct area *area)
{
    const struct vk_process *const process = vk_process_of(mm);
    if (area->style.flags & AREA_STACK)
        return "[stack]";
    for (unsigned i = 0; area->style.flags & AREA_FILE && i < process->n_files; i++)
        if (area->start >= process->file[i].start && area->start < process->file[i].end)
            return process->file[i].name;
    return vk_heap_name(mm, area);
}

const struct vk_backing vk_paged_backing = {
    .populate = paged_populate,
    .release = paged_release,
    .protect = paged_protect,
    .move = paged_move,
    .advise = paged_advise,
    .lock = paged_lock,
    .grow = paged_grow,
    .find_gap = paged_find_gap,
    .name = paged_name,
    .admit = vk_plan_admit,
};

/* --- what reclaim and migration do ---------------------------------------------------------------------- */

static const struct area *area_of_page(struct vk_process *process, uint64_t vpn)
{
    return vk_areas_find_at(&process->mm.areas, (vk_va)vpn << process->machine->preset.page_shift);
}

/* Its entry, 0 if there is no table for it. */
static uint64_t entry_of_page(struct vk_process *process, uint64_t vpn, struct table_path *path)
{
    return vk_table_walk(process, vpn, path) ? vk_table_get(process, path) : 0;
}

static bool space_set(struct vk_space *space, uint64_t vpn, uint32_t pfn)
{
    struct vk_process *const process = vk_process_of_space(space);
    struct table_path path;
    if (!vk_table_make(process, vpn, &path))
        return false;
    const struct area *const area = area_of_page(process, vpn);
    const unsigned prot = area ? area->style.prot : VK_PROT_READ | VK_PROT_WRITE; /* the kernel's own pages */
    vk_paged_set_entry(process, &path, vk_paged_rights(vk_entry_of(pfn, ENTRY_DIRTY), prot));
    return true;
}

static void space_clear(struct vk_space *space, uint64_t vpn)
{
    struct table_path path;
    if (entry_of_page(vk_process_of_space(space), vpn, &path))
        vk_paged_set_entry(vk_process_of_space(space), &path, 0);
}

static uint32_t space_frame_of(struct vk_space *space, uint64_t vpn)
{
    struct table_path path;
    const uint64_t entry = entry_of_page(vk_process_of_space(space), vpn, &path);
    return vk_entry_has_frame(entry) ? vk_entry_number(entry) : VK_NO_FRAME;
}

static bool space_test_clear_accessed(struct vk_space *space, uint64_t vpn)
{
    struct table_path path;
    const uint64_t entry = entry_of_page(vk_process_of_space(space), vpn, &path);
    if (entry & ENTRY_ACCESSED)
        vk_paged_set_entry(vk_process_of_space(space), &path, entry & ~(uint64_t)ENTRY_ACCESSED);
    return entry & ENTRY_ACCESSED;
}

static bool space_is_dirty(struct vk_space *space, uint64_t vpn)
{
    struct table_path path;
    return entry_of_page(vk_process_of_space(space), vpn, &path) & ENTRY_DIRTY;
}

static void space_replace(struct vk_space *space, uint64_t vpn, uint32_t pfn)
{
    struct table_path path;
    const uint64_t entry = entry_of_page(vk_process_of_space(space), vpn, &path);
    const unsigned flags = (unsigned)entry & ((1U << ENTRY_SHIFT) - 1);
    VM_CHECK(vk_entry_has_frame(entry));
    vk_paged_set_entry(vk_process_of_space(space), &path, vk_entry_of(pfn, flags));
}

static void space_swap_out(struct vk_space *space, uint64_t vpn, uint32_t slot)
{
    struct table_path path;
    const uint64_t entry = entry_of_page(vk_process_of_space(space), vpn, &path);
    VM_CHECK(vk_entry_has_frame(entry));
    vk_paged_set_entry(vk_process_of_space(space), &path, vk_entry_of(slot, ENTRY_SWAP));
}

static bool space_is_locked(struct vk_space *space, uint64_t vpn)
{
    const struct area *const area = area_of_page(vk_process_of_space(space), vpn);
    return area && area->style.flags & AREA_LOCKED;
}

void vk_paged_empty(struct vk_process *process)
{
    struct vk_mm *const mm = &process->mm;
    paged_release(mm, mm->areas.low, mm->areas.high - mm->areas.low);
}

static void space_kill(struct vk_space *space)
{
    vk_paged_empty(vk_process_of_space(space));
}

const struct vk_space_ops vk_paged_space_ops = {
    .set = space_set,
    .clear = space_clear,
    .frame_of = space_frame_of,
    .test_clear_accessed = space_test_clear_accessed,
    .is_dirty = space_is_dirty,
    .replace = space_replace,
    .swap_out = space_swap_out,
    .is_locked = space_is_locked,
    .kill = space_kill,
};

/* --- the checker ---------------------------------------------------------------------------------------- */

static void check_entry(const struct vk_process *process, const struct area *area, uint64_t vpn,
                        uint64_t entry)
{
    const struct vk_frame *const frames = process->machine->phys.frame;
    const unsigned rights = ENTRY_PRESENT | ENTRY_WRITE | ENTRY_EXEC | ENTRY_NO_ACCESS;
    VM_CHECK(area && !(entry & ENTRY_SWAP && entry & rights)); /* G3 */
    if (!(entry & ENTRY_SWAP))
        VM_CHECK((entry & rights & ~vk_paged_rights(entry, area->style.prot)) == 0); /* G3 */
    if (!vk_entry_has_frame(entry))
        return;
    const struct vk_frame *const frame = &frames[vk_entry_number(entry)];
    VM_CHECK(frame->kind == VK_FRAME_USER && frame->owner == &process->space && frame->vpn == vpn); /* G1 */
}

static void check_tlb(struct vk_process *process)
{
    const struct tlb *const tlb = &process->machine->tlb;
    const size_t n = (size_t)tlb->n_cpus * tlb->n_sets * tlb->n_ways;
    for (size_t i = 0; i < n; i++) {
        const struct tlb_entry *const cached = &tlb->entry[i];
        struct table_path path;
        if (cached->space != process->space.id)
            continue;
        const uint64_t entry = entry_of_page(process, cached->vpn, &path);
        VM_CHECK((entry & ~(uint64_t)(ENTRY_ACCESSED | ENTRY_DIRTY)) ==
                 (cached->entry & ~(uint64_t)(ENTRY_ACCESSED | ENTRY_DIRTY))); /* G4 */
        VM_CHECK((cached->entry & ~entry) == 0);                               /* G4 */
    }
}

void vk_paged_check(struct vk_process *process)
{
    struct vk_mm *const mm = &process->mm;
    size_t n_resident = 0, n_file = 0, n_swapped = 0, n_pinned = 0;
    for (struct entries all = entries_in(mm, 0, mm->areas.high); next_entry(&all);) {
        const vk_va at = (vk_va)all.path.vpn << process->machine->preset.page_shift;
        check_entry(process, vk_areas_find_at(&mm->areas, at), all.path.vpn, all.entry);
        n_resident += vk_entry_has_frame(all.entry);
        n_file += (all.entry & ENTRY_FILE) != 0;
        n_swapped += (all.entry & ENTRY_SWAP) != 0;
        n_pinned += vk_entry_has_frame(all.entry) &&
                    process->machine->phys.frame[vk_entry_number(all.entry)].n_pins > 0;
    }
    VM_CHECK(n_resident == mm->resident_pages && n_file == mm->file_pages);   /* G2 */
    VM_CHECK(n_swapped == mm->swapped_pages && n_pinned == mm->pinned_pages); /* G2 */
    VM_CHECK(vk_table_check(process) == n_resident);                          /* G2 */
    check_tlb(process);
}

/* A number for what a frame holds. */
static uint64_t content_of(const struct vk_process *process, uint32_t pfn)
{
    const struct vk_phys *const phys = &process->machine->phys;
    const struct vk_frame *const frame = &phys->frame[pfn];
    if (!(frame->flags & VK_FRAME_HAS_BYTES))
        return frame->stamp;
    uint64_t sum = 0;
    const uint64_t *const words = frame->bytes;
    for (size_t i = 0; i < vk_phys_page_bytes(phys) / sizeof *words; i++)
        sum = (sum << 7 | sum >> 57) ^ words[i];
    return sum;
}

void vk_paged_stir(struct vk_process *process, uint64_t *digest)
{
    struct vk_mm *const mm = &process->mm;
    for (struct entries all = entries_in(mm, mm->areas.low, mm->areas.high - mm->areas.low);
         next_entry(&all);) {
        vk_stir(digest, all.path.vpn);
        vk_stir(digest, all.entry);
        if (vk_entry_has_frame(all.entry))
            vk_stir(digest, content_of(process, vk_entry_number(all.entry)));
    }
}
