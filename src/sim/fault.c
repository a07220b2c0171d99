/* SPDX-License-Identifier: MIT */
/*
 * fault.c - the MMU and the page fault: an access asks this processor's TLB, then the page tables, and what those do
 * not grant is up to the area that the address is in.
 *
 *   not mapped          -> below a stack that may grow: it grows; else SEGV
 *   area forbids it     -> SEGV
 *   no entry, a read    -> the page of zeroes, without a frame; of a file: a frame
 *   no entry, a write   -> a frame
 *   page of zeroes, a write -> a frame
 *   frame, a right less than the area's -> the right; a file's page becomes the program's own
 *
 * As on x86, what may be written to or executed may be read.
 */
#include "base/check.h"
#include "sim/table.h"

/* A stack keeps this distance from what is below it. */
enum { STACK_GAP_PAGES = 256 };

static bool area_allows(const struct area *area, unsigned kind)
{
    return kind == VK_PROT_READ ? area->style.prot != VK_PROT_NONE : (area->style.prot & kind) != 0;
}

static bool entry_allows(const struct vk_process *process, uint64_t entry, unsigned kind)
{
    if (!(entry & ENTRY_PRESENT))
        return false;
    if (kind == VK_PROT_WRITE)
        return entry & ENTRY_WRITE;
    return kind == VK_PROT_READ || entry & ENTRY_EXEC || !process->machine->preset.has_no_exec;
}

/* --- the stack ------------------------------------------------------------------------------------------ */

/* Lets the stack above the address, if there is one, reach down to it. */
static struct area *grow_stack(struct vk_process *process, vk_va at)
{
    struct vk_mm *const mm = &process->mm;
    const size_t page = mm->kernel->page_bytes, gap = STACK_GAP_PAGES * page;
    struct area *const stack = vk_areas_find(&mm->areas, at);
    if (!stack || !(stack->style.flags & AREA_STACK))
        return NULL;
    const vk_va start = vm_round_down(at, page), end = stack->end;
    const size_t more = stack->start - start;
    const struct area *const below = vk_area_prev(stack);
    const vk_va lowest = below && below->style.prot ? below->end + gap : mm->areas.low;
    if (start < lowest || end - start > mm->limit[VK_LIMIT_STACK] ||
        !vk_mm_may_expand(mm, stack->style, more) || !vk_area_pool_reserve(&mm->kernel->pool, 1))
        return NULL;
    vk_mm_add(mm, start, more, stack->style);
    process->told.n_stack++;
    return vk_areas_find_at(&mm->areas, at);
}

/* --- faults --------------------------------------------------------------------------------------------- */

/* The page's own frame, in place of nothing, of the page of zeroes or of a slot. */
static enum vk_outcome map_frame(struct vk_process *process, const struct area *area,
                                 const struct table_path *path, unsigned kind)
{
    struct vk_reclaim *const reclaim = &process->machine->reclaim;
    const uint64_t entry = vk_table_get(process, path);
    const bool is_swapped = entry & ENTRY_SWAP;
    const bool is_file = !entry && area->style.flags & AREA_FILE && kind != VK_PROT_WRITE;
    const uint32_t pfn = is_swapped ? vk_swap_in(reclaim, vk_entry_number(entry))
                                    : vk_user_take(reclaim, &process->space, path->vpn);
    if (pfn == VK_NO_FRAME)
        return VK_FAULT_OOM;
    const unsigned flags = is_swapped ? ENTRY_DIRTY : is_file ? ENTRY_FILE : 0;
    vk_paged_set_entry(process, path, vk_paged_rights(vk_entry_of(pfn, flags), area->style.prot));
    return is_swapped ? VK_FAULT_MAJOR : VK_FAULT_MINOR;
}

/* The page has its frame, which it may now write to. */
static enum vk_outcome own_frame(struct vk_process *process, const struct area *area,
                                 const struct table_path *path, uint64_t entry)
{
    vk_paged_set_entry(process, path, vk_paged_rights(entry & ~(uint64_t)ENTRY_FILE, area->style.prot));
    return VK_FAULT_MINOR;
}

static enum vk_outcome serve(struct vk_process *process, const struct area *area, struct table_path *path,
                             unsigned kind)
{
    if (!vk_table_make(process, path->vpn, path))
        return VK_FAULT_OOM;
    const uint64_t entry = vk_table_get(process, path);
    if (vk_entry_has_frame(entry))
        return own_frame(process, area, path, entry);
    if (!entry && kind != VK_PROT_WRITE && !(area->style.flags & AREA_FILE)) {
        vk_paged_set_entry(process, path, vk_paged_rights(ENTRY_ZERO, area->style.prot));
        return VK_FAULT_ZERO;
    }
    const enum vk_outcome outcome = map_frame(process, area, path, kind);
    if (outcome == VK_FAULT_OOM)
        vk_table_prune(process, path);
    return outcome;
}

static enum vk_outcome fault(struct vk_process *process, vk_va at, unsigned kind, struct table_path *path)
{
    struct vk_paging *const told = &process->told;
    const uint64_t n_stack = told->n_stack;
    told->last_fault = at;
    const struct area *area = vk_areas_find_at(&process->mm.areas, at);
    if (!area)
        area = grow_stack(process, at);
    if (!area || !area_allows(area, kind)) {
        told->n_segv++;
        return VK_FAULT_SEGV;
    }
    process->machine->reclaim.serving = &process->space;
    enum vk_outcome outcome = serve(process, area, path, kind);
    process->machine->reclaim.serving = NULL;
    if (process->space.is_killed) {
        vk_paged_empty(process);
        outcome = VK_KILLED;
    }
    told->n_minor += outcome == VK_FAULT_ZERO || outcome == VK_FAULT_MINOR;
    told->n_zero += outcome == VK_FAULT_ZERO;
    told->n_major += outcome == VK_FAULT_MAJOR;
    told->n_oom += outcome == VK_FAULT_OOM;
    return told->n_stack > n_stack && outcome < VK_FAULT_STACK ? VK_FAULT_STACK : outcome;
}

/* --- access --------------------------------------------------------------------------------------------- */

static unsigned marks_of(unsigned kind)
{
    return ENTRY_ACCESSED | (kind == VK_PROT_WRITE ? ENTRY_DIRTY : 0);
}

/* Whether the TLB grants the access. One that is the first to write tells the page table so. */
static bool is_hit(struct vk_process *process, uint64_t vpn, unsigned kind)
{
    struct tlb *const tlb = &process->machine->tlb;
    struct tlb_entry *const cached = vk_tlb_find(tlb, process->space.id, vpn);
    if (!cached || !entry_allows(process, cached->entry, kind))
        return false;
    if (marks_of(kind) & ~cached->entry) {
        struct table_path path;
        const bool is_there = vk_table_walk(process, vpn, &path);
        VM_CHECK(is_there);
        cached->entry |= marks_of(kind);
        vk_table_set(process, &path, cached->entry);
    }
    return true;
}

enum vk_outcome vk_touch(struct vk_process *process, vk_va at, unsigned kind)
{
    struct tlb *const tlb = &process->machine->tlb;
    const uint64_t vpn = vk_page_number(process, at);
    if (process->space.is_killed)
        return VK_KILLED;
    if (is_hit(process, vpn, kind)) {
        tlb->counts.n_hits++;
        return VK_TLB_HIT;
    }
    tlb->counts.n_misses++;
    tlb->counts.n_walk_reads += process->machine->preset.n_levels;
    enum vk_outcome outcome = VK_TLB_WALK;
    struct table_path path;
    const bool has_table = at < process->mm.areas.high && vk_table_walk(process, vpn, &path);
    if (!has_table || !entry_allows(process, vk_table_get(process, &path), kind))
        outcome = fault(process, at, kind, &path);
    if (outcome >= VK_FAULT_SEGV)
        return outcome;
    const uint64_t entry = vk_table_get(process, &path) | marks_of(kind);
    vk_table_set(process, &path, entry);
    vk_tlb_fill(tlb, process->space.id, vpn, entry);
    return outcome;
}

/* What the page holds goes to the buffer, or the other way. Needs: it has just been touched. */
static void transfer(struct vk_process *process, vk_va at, size_t bytes, unsigned kind, void *buffer)
{
    struct vk_phys *const phys = &process->machine->phys;
    struct table_path path;
    vk_table_walk(process, vk_page_number(process, at), &path);
    const uint64_t entry = vk_table_get(process, &path);
    if (entry & ENTRY_ZERO) {
        __builtin_memset(buffer, 0, bytes);
        return;
    }
    const uint32_t pfn = vk_entry_number(entry);
    struct vk_frame *const frame = &phys->frame[pfn];
    if (phys->config.keeps_stamps) {
        const size_t n = vm_min_size(bytes, sizeof frame->stamp);
        if (kind == VK_PROT_WRITE)
            frame->stamp = 0;
        else
            __builtin_memset(buffer, 0, bytes);
        __builtin_memcpy(kind == VK_PROT_WRITE ? (void *)&frame->stamp : buffer,
                         kind == VK_PROT_WRITE ? buffer : (void *)&frame->stamp, n);
        return;
    }
    const uint64_t physical = ((uint64_t)pfn << phys->config.page_shift) + vk_page_offset(&process->mm, at);
    if (kind == VK_PROT_WRITE)
        vk_phys_write(phys, physical, buffer, bytes);
    else
        vk_phys_read(phys, physical, buffer, bytes);
}

static enum vk_outcome access_range(struct vk_process *process, const struct vk_access *access)
{
    enum vk_outcome worst = VK_TLB_HIT;
    const size_t page = process->mm.kernel->page_bytes;
    for (size_t done = 0, n; done < access->bytes; done += n) {
        const vk_va at = access->at + done;
        n = vm_min_size(access->bytes - done, page - vk_page_offset(&process->mm, at));
        const enum vk_outcome outcome = vk_touch(process, at, access->kind);
        worst = outcome > worst ? outcome : worst;
        if (outcome >= VK_FAULT_SEGV)
            break;
        if (access->buffer)
            transfer(process, at, n, access->kind, (char *)access->buffer + done);
    }
    return worst;
}

enum vk_outcome vk_access(struct vk_mm *mm, const struct vk_access *access)
{
    vk_enter(mm->kernel);
    const enum vk_outcome worst = access_range(vk_process_of(mm), access);
    vk_leave(mm->kernel);
    return worst;
}
