/* SPDX-License-Identifier: MIT */
/* memorycalls.c - the public calls of <vmalloc/memory.h>: each under the machine's one lock. */
#include "sim/machine.h"
#include "sim/migrate.h"
#include "sim/table.h"

static struct vk_memory *enter(struct vk_machine *machine)
{
    vk_enter(&machine->kernel);
    return &machine->memory;
}

static int leave(const struct vk_machine *machine, int result)
{
    vk_leave(&machine->kernel);
    return result;
}

/* What was found; VK_NO_FRAME and VK_NO_ADDRESS are one another's. */
static int leave_with(const struct vk_machine *machine, uint64_t found, uint64_t *address)
{
    *address = found;
    return leave(machine, found == VK_NO_ADDRESS ? VK_ENOMEM : 0);
}

static uint32_t limit_frames(const struct vk_machine *machine, uint64_t bytes)
{
    const uint64_t n = bytes >> machine->preset.page_shift;
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* --- groups, pins ----------------------------------------------------------------------------------------- */

int vk_group_create(struct vk_machine *machine, uint64_t limit_bytes, struct vk_group **group)
{
    enter(machine);
    *group = vk_machine_more(machine, sizeof **group);
    if (*group)
        vk_group_add(&machine->reclaim, *group, limit_frames(machine, limit_bytes));
    return leave(machine, *group ? 0 : VK_ENOMEM);
}

int vk_group_resize(struct vk_machine *machine, struct vk_group *group, uint64_t limit_bytes)
{
    enter(machine);
    return leave(machine, vk_group_limit(&machine->reclaim, group, limit_frames(machine, limit_bytes)));
}

int vk_mm_join(struct vk_mm *mm, struct vk_group *group)
{
    struct vk_space *const space = &vk_process_of(mm)->space;
    struct vk_machine *const machine = vk_machine_of(mm->kernel);
    enter(machine);
    const bool is_empty = !space->n_resident && !space->n_swapped;
    if (is_empty)
        space->group = group;
    return leave(machine, is_empty ? 0 : VK_EBUSY);
}

const struct vk_group *vk_mm_group(const struct vk_mm *mm)
{
    return vk_process_of(mm)->space.group;
}

struct vk_group_usage vk_group_usage(struct vk_machine *machine, const struct vk_group *group)
{
    enter(machine);
    const struct vk_group_usage usage = {
        .limit = group->limit,
        .charged = group->n_charged,
        .charged_most = group->n_charged_most,
        .swapped = group->n_swapped,
        .active = group->active.n,
        .inactive = group->inactive.n,
        .n_failed = group->n_failed,
        .n_killed = group->n_killed,
    };
    leave(machine, 0);
    return usage;
}

int vk_page_pin(struct vk_mm *mm, vk_va at, uint64_t *frame)
{
    struct vk_process *const process = vk_process_of(mm);
    enter(process->machine);
    const uint32_t pfn = at < mm->areas.high
                             ? process->space.ops->frame_of(&process->space, vk_page_number(process, at))
                             : VK_NO_FRAME;
    *frame = pfn;
    if (pfn == VK_NO_FRAME)
        return leave(process->machine, VK_EFAULT);
    if (process->machine->phys.frame[pfn].n_pins == UINT16_MAX)
        return leave(process->machine, VK_EAGAIN);
    mm->pinned_pages += process->machine->phys.frame[pfn].n_pins == 0;
    vk_pin(&process->machine->reclaim, pfn);
    return leave(process->machine, 0);
}

int vk_page_unpin(struct vk_machine *machine, uint64_t frame)
{
    enter(machine);
    const struct vk_frame *const pinned = frame < machine->phys.n_frames ? &machine->phys.frame[frame] : NULL;
    if (!pinned || pinned->n_pins == 0)
        return leave(machine, VK_EFAULT);
    if (pinned->n_pins == 1 && pinned->owner)
        vk_process_of_space(vk_owner(pinned))->mm.pinned_pages--;
    vk_unpin(&machine->reclaim, (uint32_t)frame);
    return leave(machine, 0);
}

/* --- frames in a row --------------------------------------------------------------------------------------- */

int vk_range_take(struct vk_machine *machine, uint64_t n_frames, uint64_t *frame)
{
    enter(machine);
    uint32_t pfn = VK_NO_FRAME;
    const int result =
        vk_cma_alloc(&machine->reclaim, (uint32_t)(n_frames < UINT32_MAX ? n_frames : UINT32_MAX), &pfn);
    *frame = pfn;
    return leave(machine, result);
}

int vk_range_give(struct vk_machine *machine, uint64_t frame, uint64_t n_frames)
{
    const struct vk_phys *const phys = &machine->phys;
    enter(machine);
    bool is_taken = frame >= phys->cma_start && frame < phys->cma_end && n_frames <= phys->cma_end - frame;
    for (uint64_t i = 0; is_taken && i < n_frames; i++)
        is_taken = phys->frame[frame + i].kind == VK_FRAME_KERNEL;
    if (is_taken)
        vk_cma_free(&machine->reclaim, (uint32_t)frame, (uint32_t)n_frames);
    return leave(machine, is_taken ? 0 : VK_EINVAL);
}

int vk_frames_compact(struct vk_machine *machine, unsigned order)
{
    enter(machine);
    const bool has_block = order <= VM_ORDER_MAX && vk_compact(&machine->reclaim, VK_ZONE_HIGHMEM, order);
    return leave(machine, has_block ? 0 : VK_ENOMEM);
}

/* --- objects ----------------------------------------------------------------------------------------------- */

static void write_mark(void *context, struct vk_kmem *kmem, uint64_t object)
{
    const struct made_cache *const made = context;
    vk_kernel_write(kmem, object, &made->mark, vm_min_size(sizeof made->mark, made->cache.plan.bytes));
}

static void keep_name(struct made_cache *made, const char *name)
{
    for (size_t i = 0; i < VK_NAME_MOST && name[i]; i++)
        made->name[i] = name[i];
}

int vk_objects_create(struct vk_machine *machine, const struct vk_cache_wanted *wanted,
                      struct vk_cache **cache)
{
    struct vk_memory *const memory = enter(machine);
    struct made_cache *const made = vk_machine_more(machine, sizeof *made);
    if (!made)
        return leave(machine, VK_ENOMEM);
    keep_name(made, wanted->name);
    made->mark = wanted->mark;
    const struct vk_cache_plan plan = {
        .name = made->name,
        .bytes = (size_t)wanted->bytes,
        .align = (size_t)wanted->align,
        .construct = wanted->mark ? write_mark : NULL,
        .context = made,
    };
    *cache = &made->cache;
    return leave(machine, vk_cache_create(&memory->kmem, &made->cache, &plan));
}

int vk_object_take(struct vk_machine *machine, struct vk_cache *cache, uint64_t *address)
{
    enter(machine);
    return leave_with(machine, vk_cache_alloc(cache, VK_GFP_KERNEL), address);
}

int vk_object_give(struct vk_machine *machine, struct vk_cache *cache, uint64_t address)
{
    enter(machine);
    return leave(machine, vk_cache_free(cache, address));
}

struct vk_cache_usage vk_cache_usage(struct vk_machine *machine, const struct vk_cache *cache)
{
    enter(machine);
    const struct vk_cache_usage usage = {
        .full = cache->full.n,
        .partial = cache->partial.n,
        .free = cache->free.n,
        .used = cache->n_used,
        .constructed = cache->n_constructed,
        .in_slab = cache->n_in_slab,
        .colours = cache->n_colours,
    };
    leave(machine, 0);
    return usage;
}

uint64_t vk_objects_reap(struct vk_machine *machine)
{
    const uint64_t n = vk_kmem_reap(&enter(machine)->kmem);
    leave(machine, 0);
    return n;
}

int vk_kernel_alloc(struct vk_machine *machine, uint64_t bytes, enum vk_from from, uint64_t *address)
{
    static const unsigned gfp[] = {VK_GFP_DMA, VK_GFP_DMA32, VK_GFP_KERNEL};
    if ((unsigned)from > VK_FROM_NORMAL || bytes > SIZE_MAX)
        return VK_EINVAL;
    struct vk_memory *const memory = enter(machine);
    return leave_with(machine, vk_kmalloc(&memory->kmem, (size_t)bytes, gfp[from]), address);
}

int vk_kernel_free(struct vk_machine *machine, uint64_t address)
{
    struct vk_memory *const memory = enter(machine);
    return leave(machine, vk_kfree(&memory->kmem, address));
}

/* --- by page tables ---------------------------------------------------------------------------------------- */

int vk_pages_alloc(struct vk_machine *machine, uint64_t bytes, uint64_t *address)
{
    struct vk_memory *const memory = enter(machine);
    const int result = bytes > SIZE_MAX ? VK_ENOMEM : vk_memory_map(machine);
    if (result)
        return leave(machine, result);
    return leave_with(machine, vk_vmalloc(&memory->kva, (size_t)bytes), address);
}

int vk_pages_free(struct vk_machine *machine, uint64_t address)
{
    struct vk_memory *const memory = enter(machine);
    return leave(machine, memory->kernel ? vk_vfree(&memory->kva, address) : VK_EINVAL);
}

/* By one of the two ways to give a frame an address. */
static int map_frame(struct vk_machine *machine, uint64_t frame, uint64_t *address,
                     uint64_t (*way)(struct vk_kmap *kmap, uint32_t pfn))
{
    struct vk_memory *const memory = enter(machine);
    const int result = frame < machine->phys.n_frames ? vk_memory_map(machine) : VK_EINVAL;
    if (result)
        return leave(machine, result);
    return leave_with(machine, way(&memory->kmap, (uint32_t)frame), address);
}

static int unmap_frame(struct vk_machine *machine, uint64_t address,
                       int (*way)(struct vk_kmap *kmap, uint64_t address))
{
    struct vk_memory *const memory = enter(machine);
    return leave(machine, memory->kernel ? way(&memory->kmap, address) : VK_EINVAL);
}

int vk_frame_map(struct vk_machine *machine, uint64_t frame, uint64_t *address)
{
    return map_frame(machine, frame, address, vk_kmap);
}

int vk_frame_unmap(struct vk_machine *machine, uint64_t address)
{
    return unmap_frame(machine, address, vk_kunmap);
}

int vk_frame_map_briefly(struct vk_machine *machine, uint64_t frame, uint64_t *address)
{
    return map_frame(machine, frame, address, vk_kmap_atomic);
}

int vk_frame_unmap_briefly(struct vk_machine *machine, uint64_t address)
{
    return unmap_frame(machine, address, vk_kunmap_atomic);
}

/* --- access ------------------------------------------------------------------------------------------------ */

static bool has_direct(const struct vk_machine *machine, uint64_t at)
{
    const uint64_t pfn = (at - machine->preset.direct_start) >> machine->preset.page_shift;
    return at >= machine->preset.direct_start && pfn < machine->phys.n_frames &&
           vk_frame_is_direct(&machine->phys, (uint32_t)pfn);
}

int vk_kernel_access(struct vk_machine *machine, uint64_t at, size_t bytes, enum vk_prot kind, void *buffer)
{
    struct vk_memory *const memory = enter(machine);
    struct vk_space *const space = memory->kernel ? &memory->kernel->space : NULL;
    const bool writes = kind == VK_PROT_WRITE;
    int result = VK_EFAULT;
    if (has_direct(machine, at))
        result = writes ? vk_kernel_write(&memory->kmem, at, buffer, bytes)
                        : vk_kernel_read(&memory->kmem, at, buffer, bytes);
    else if (space && at >= machine->preset.user_end)
        result = writes ? vk_mapped_write(&machine->phys, space, at, buffer, bytes)
                        : vk_mapped_read(&machine->phys, space, at, buffer, bytes);
    return leave(machine, result);
}

bool vk_kernel_frame_of(struct vk_machine *machine, uint64_t at, uint64_t *frame)
{
    struct vk_memory *const memory = enter(machine);
    struct vk_space *const space = memory->kernel ? &memory->kernel->space : NULL;
    uint32_t pfn = VK_NO_FRAME;
    if (has_direct(machine, at))
        pfn = (uint32_t)((at - machine->preset.direct_start) >> machine->preset.page_shift);
    else if (space && at >= machine->preset.user_end)
        pfn = space->ops->frame_of(space, at >> machine->preset.page_shift);
    *frame = pfn;
    leave(machine, 0);
    return pfn != VK_NO_FRAME;
}

int vk_shadow_begin(struct vk_machine *machine)
{
    struct vk_memory *const memory = enter(machine);
    return leave(machine, vk_shadow_start(&memory->kmem, &memory->shadow));
}

/* --- what it says of itself --------------------------------------------------------------------------------- */

struct vk_memory_counts vk_memory_counts(struct vk_machine *machine)
{
    const struct vk_memory *const memory = enter(machine);
    const struct vk_reclaim *const reclaim = &machine->reclaim;
    const struct vk_memory_counts counts = {
        .n_swap_outs = reclaim->counts.n_swap_outs,
        .n_swap_ins = reclaim->counts.n_swap_ins,
        .n_slots = reclaim->n_slots,
        .n_slots_used = reclaim->n_slots_used,
        .n_scanned = reclaim->counts.n_scanned,
        .n_stolen = reclaim->counts.n_stolen,
        .n_dropped = reclaim->counts.n_dropped,
        .n_activated = reclaim->counts.n_activated,
        .n_deactivated = reclaim->counts.n_deactivated,
        .n_migrated = reclaim->counts.n_migrated,
        .n_compactions = reclaim->counts.n_compactions,
        .n_compacted = reclaim->counts.n_compacted,
        .n_ranges_busy = reclaim->counts.n_cma_busy,
        .n_kills = reclaim->counts.n_kills,
        .n_findings = memory->shadow.n_findings,
        .n_wrong_frees = memory->kmem.n_refused,
        .n_vmalloc_pages = memory->kva.n_pages,
        .n_kmap_flushes = memory->kmap.n_flushes,
        .victim = memory->victim,
    };
    leave(machine, 0);
    return counts;
}

void vk_machine_report_vmstat(struct vk_machine *machine, const struct vk_writer *writer)
{
    enter(machine);
    vk_reclaim_report(&machine->reclaim, writer);
    leave(machine, 0);
}

void vk_machine_report_slabinfo(struct vk_machine *machine, const struct vk_writer *writer)
{
    vk_kmem_report(&enter(machine)->kmem, writer);
    leave(machine, 0);
}

void vk_machine_report_vmallocinfo(struct vk_machine *machine, const struct vk_writer *writer)
{
    vk_kva_report(&enter(machine)->kva, writer);
    leave(machine, 0);
}

void vk_machine_report_finding(struct vk_machine *machine, const struct vk_writer *writer)
{
    const struct vk_memory *const memory = enter(machine);
    if (memory->shadow.n_findings)
        vk_shadow_report(&memory->finding, writer);
    leave(machine, 0);
}
