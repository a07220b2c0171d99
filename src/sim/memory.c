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
    memory->shrinker = (struct vk_shrinker){.shrink = vk_kmem_reap, .context = &memory->kmem};
    vk_shrinker_add(&machine->reclaim, &memory->shrinker);
    memory->shadow = (struct vk_shadow){.found = note_finding, .context = memory};
    machine->reclaim.on_kill = note_kill;
    machine->reclaim.context = memory;
}

static const struct vk_range *range_of(const struct vk_preset *preset, const char *name)
{
    const size_t bytes = vk_text_length(name) + 1;
    for (unsigned i = 0; i < preset->n_ranges; i++)
        if (vk_text_length(preset->range[i].name) + 1 == bytes &&
            __builtin_memcmp(preset->range[i].name, name, bytes) == 0)
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
