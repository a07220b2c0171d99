/* SPDX-License-Identifier: MIT */
/* memory.c - the kernel's own memory of a machine is put together: see memory.h. */
#include "sim/machine.h"
#include "sim/table.h"

static void note_finding(void *context, const struct vk_shadow_finding *finding)
{
    struct vk_memory *const memory = context;
    memory->finding = *finding;
}

static void note_kill(void *context, const struct vk_space *victim, const struct vk_group *group)
{
    struct vk_memory *const memory = context;
    (void)group;
    memory->victim = &VM_CONTAINER(victim, struct vk_process, space)->mm;
}

void vk_memory_init(struct vk_machine *machine)
{
    struct vk_memory *const memory = &machine->memory;
    vk_kmem_init(&memory->kmem, &machine->phys, machine->preset.direct_start);
    memory->kmem.frames_owner = machine;
    memory->shrinker = (struct vk_shrinker){.shrink = vk_kmem_reap, .context = &memory->kmem};
    vk_shrinker_add(&machine->reclaim, &memory->shrinker);
    memory->shadow = (struct vk_shadow){.found = note_finding, .context = memory};
    machine->reclaim.on_kill = note_kill;
    machine->reclaim.context = memory;
}

static const struct vk_range *range_of(const struct vk_preset *preset, const char *name)
{
    for (unsigned i = 0; i < preset->n_ranges; i++)
        if (vk_same_text(preset->range[i].name, name))
            return &preset->range[i];
    return NULL;
}

/* Only a layout with HIGHMEM has the two windows; elsewhere each frame has an address. */
static void init_kmap(struct vk_machine *machine)
{
    struct vk_memory *const memory = &machine->memory;
    const struct vk_range *const window = range_of(&machine->preset, "kmap"), *const fixmap = range_of(
                                                                                  &machine->preset, "fixmap");
    const uint64_t bytes = window && fixmap ? window->last - window->start + 1 : 0;
    vk_kmap_init(&memory->kmap, &memory->kmem, &memory->kernel->space, bytes ? window->start : 0,
                 (uint32_t)(bytes >> machine->preset.page_shift), bytes ? fixmap->last + 1 : 0);
}

static int map(struct vk_machine *machine, struct vk_process *kernel)
{
    struct vk_memory *const memory = &machine->memory;
    const vk_va low = (vk_va)machine->preset.vmalloc_start;
    const vk_va high = vm_round_down((vk_va)machine->preset.vmalloc_last, machine->kernel.page_bytes);
    kernel->machine = machine;
    kernel->space = (struct vk_space){.ops = &vk_paged_space_ops};
    vk_mm_init(&kernel->mm, &machine->kernel, low, high);
    if (vk_kva_init(&memory->kva, &machine->phys, &kernel->space, low, high) || !vk_table_init(kernel))
        return VK_ENOMEM;
    memory->kernel = kernel;
    init_kmap(machine);
    return 0;
}

int vk_memory_map(struct vk_machine *machine)
{
    struct vk_memory *const memory = &machine->memory;
    if (memory->kernel)
        return 0;
    if (!machine->preset.vmalloc_start || machine->preset.vmalloc_last > UINTPTR_MAX)
        return VK_EINVAL;
    struct vk_process *const kernel = vk_machine_more(machine, sizeof *kernel);
    return kernel ? map(machine, kernel) : VK_ENOMEM;
}

void vk_memory_check(struct vk_machine *machine)
{
    vk_kmem_check(&machine->memory.kmem);
    if (machine->memory.kernel)
        vk_kva_check(&machine->memory.kva);
}

/* --- digest ------------------------------------------------------------------------------------------------ */

/* The frames of a list, in its order. */
static void stir_list(const struct vk_phys *phys, const struct vk_frame_list *list, uint64_t *digest)
{
    vk_stir(digest, list->n);
    for (uint32_t pfn = list->first; pfn != VK_NO_FRAME; pfn = phys->frame[pfn].next)
        vk_stir(digest, pfn);
}

static void stir_zone(const struct vk_phys *phys, const struct vk_zone *zone, uint64_t *digest)
{
    for (unsigned mobility = 0; mobility < VK_N_MOBILITIES; mobility++)
        for (unsigned order = 0; order < VM_N_ORDERS; order++) {
            uint32_t index = zone->buddy[mobility].list[order].first;
            for (; index != VM_BUDDY_NONE; index = zone->records[index].next)
                vk_stir(digest, (uint64_t)index << 8 | mobility << 4 | order);
        }
    for (unsigned cpu = 0; cpu < phys->config.n_cpus; cpu++)
        for (unsigned mobility = 0; mobility < VK_ISOLATED; mobility++)
            stir_list(phys, &zone->cpu[cpu].list[mobility], digest);
}

static void stir_slot(const struct vk_phys *phys, const struct vk_slot *slot, uint64_t *digest)
{
    vk_stir(digest, slot->space ? slot->space->id : 0);
    if (!slot->space)
        return;
    vk_stir(digest, slot->vpn);
    const size_t n = slot->content.has_bytes ? vk_phys_page_bytes(phys) / sizeof(uint64_t) : 1;
    const uint64_t *const words = slot->content.has_bytes ? slot->content.bytes : &slot->content.stamp;
    for (size_t i = 0; i < n; i++)
        vk_stir(digest, words[i]);
}

static void stir_reclaim(const struct vk_reclaim *reclaim, uint64_t *digest)
{
    for (uint32_t i = 0; i < reclaim->n_slots; i++)
        stir_slot(reclaim->phys, &reclaim->slot[i], digest);
    for (const struct list_node *link = reclaim->groups.first; link; link = link->next) {
        const struct vk_group *const group = VM_CONTAINER(link, struct vk_group, link);
        vk_stir(digest, group->limit);
        vk_stir(digest, group->n_failed);
        stir_list(reclaim->phys, &group->active, digest);
        stir_list(reclaim->phys, &group->inactive, digest);
    }
}

static void stir_kmem(const struct vk_kmem *kmem, uint64_t *digest)
{
    for (const struct list_node *link = kmem->caches.first; link; link = link->next) {
        const struct vk_cache *const cache = VM_CONTAINER(link, struct vk_cache, link);
        vk_stir(digest, (uint64_t)cache->colour << 32 | cache->n_used);
        stir_list(kmem->phys, &cache->full, digest);
        stir_list(kmem->phys, &cache->partial, digest);
        stir_list(kmem->phys, &cache->free, digest);
    }
}

static void stir_kva(const struct vk_kva *kva, uint64_t *digest)
{
    for (const struct area *area = vk_areas_first(&kva->areas); area; area = vk_area_next(area)) {
        vk_stir(digest, area->start);
        vk_stir(digest, area->end);
        for (vk_va at = area->start; at < area->end; at += vk_phys_page_bytes(kva->phys))
            vk_stir(digest, kva->space->ops->frame_of(kva->space, at >> kva->phys->config.page_shift));
    }
}

void vk_memory_stir(struct vk_machine *machine, uint64_t *digest)
{
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        if (machine->phys.zone[kind].start < machine->phys.zone[kind].end)
            stir_zone(&machine->phys, &machine->phys.zone[kind], digest);
    stir_reclaim(&machine->reclaim, digest);
    stir_kmem(&machine->memory.kmem, digest);
    if (machine->memory.kernel)
        stir_kva(&machine->memory.kva, digest);
}
