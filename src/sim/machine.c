/* SPDX-License-Identifier: MIT */
/* machine.c - a machine that pages is put together, and what it says of itself; its processes come and go. */
#include "sim/machine.h"
#include "base/check.h"
#include "sim/table.h"

static const vk_va LOWEST_ADDRESS = 64 << 10; /* Linux: vm.mmap_min_addr */
static const size_t STACK_LIMIT = 8 << 20;
enum { TLB_ENTRIES = 64, TLB_ENTRIES_MOST = 1 << 16 };

/* --- the machine ---------------------------------------------------------------------------------------- */

static bool is_possible(const struct vk_machine_config *config)
{
    const struct vk_preset *const preset = config->preset;
    const unsigned entries = config->tlb_entries, ways = config->tlb_ways;
    if (!preset || !preset->n_levels || !config->hooks.more || (unsigned)config->layout > VK_BOTTOM_UP ||
        (unsigned)config->keep > VK_KEEP_STAMPS)
        return false;
    const uint64_t n_numbers = preset->entry_bytes > 4 ? VK_NO_FRAME : UINT64_C(1) << (32 - ENTRY_SHIFT);
    const bool has_numbers = config->ram_bytes >> preset->page_shift <= n_numbers &&
                             config->swap_bytes >> preset->page_shift <= n_numbers;
    return preset->user_end <= UINTPTR_MAX && has_numbers && (!entries || vm_is_power_of_two(entries)) &&
           entries <= TLB_ENTRIES_MOST &&
           (!ways || (vm_is_power_of_two(ways) && ways <= (entries ? entries : TLB_ENTRIES)));
}

static struct vk_phys_config phys_config(const struct vk_machine_config *config)
{
    const struct vk_preset *const preset = config->preset;
    return (struct vk_phys_config){
        .page_shift = preset->page_shift,
        .ram_bytes = config->ram_bytes,
        .zone_end = {preset->dma_bytes, preset->dma32_bytes, preset->direct_bytes, UINT64_MAX},
        .boot_bytes = config->boot_bytes,
        .cma_bytes = config->cma_bytes,
        .n_cpus = config->n_cpus,
        .cpu_batch = config->cpu_batch,
        .cpu_high = config->cpu_high,
        .min_free_kib = config->min_free_kib,
        .keeps_stamps = config->keep == VK_KEEP_STAMPS,
        .more = config->hooks.more,
        .context = config->hooks.context,
    };
}

static void *more_zeroed(const struct vk_hooks *hooks, size_t bytes)
{
    void *const memory = hooks->more(hooks->context, bytes);
    return memory ? __builtin_memset(memory, 0, bytes) : NULL;
}

static bool init_tlb(struct vk_machine *machine, const struct vk_machine_config *config)
{
    struct tlb *const tlb = &machine->tlb;
    const unsigned n_entries = config->tlb_entries ? config->tlb_entries : TLB_ENTRIES;
    tlb->n_ways = config->tlb_ways ? config->tlb_ways : n_entries;
    tlb->n_sets = n_entries / tlb->n_ways;
    tlb->n_cpus = machine->phys.config.n_cpus;
    tlb->entry = more_zeroed(&config->hooks, (size_t)tlb->n_cpus * n_entries * sizeof *tlb->entry);
    return tlb->entry;
}

int vk_machine_create(const struct vk_machine_config *config, struct vk_machine **created)
{
    if (!is_possible(config))
        return VK_EINVAL;
    struct vk_machine *const machine = more_zeroed(&config->hooks, sizeof *machine);
    if (!machine)
        return VK_ENOMEM;
    machine->preset = *config->preset;
    machine->seed = config->seed;
    const struct vk_phys_config physical = phys_config(config);
    const int done = vk_phys_init(&machine->phys, &physical);
    if (done)
        return done;
    if (vk_reclaim_init(&machine->reclaim, &machine->phys,
                        (uint32_t)(config->swap_bytes >> machine->preset.page_shift)) ||
        !init_tlb(machine, config))
        return VK_ENOMEM;
    machine->kernel = (struct vk_kernel){
        .page_bytes = (size_t)1 << machine->preset.page_shift,
        .page_shift = machine->preset.page_shift,
        .layout = config->layout,
        .n_frames = machine->phys.n_frames,
        .hooks = config->hooks,
        .backing = &vk_paged_backing,
        .pool = {.more = config->hooks.more, .context = config->hooks.context},
    };
    vk_memory_init(machine);
    if (config->hooks.panic)
        vm_report_sink.write = config->hooks.panic;
    *created = machine;
    return vk_area_pool_reserve(&machine->kernel.pool, 0) ? 0 : VK_ENOMEM;
}

int vk_machine_run_on(struct vk_machine *machine, unsigned cpu)
{
    if (cpu >= machine->tlb.n_cpus)
        return VK_EINVAL;
    vk_enter(&machine->kernel);
    machine->tlb.cpu = machine->phys.cpu = cpu;
    vk_leave(&machine->kernel);
    return 0;
}

void *vk_machine_more(struct vk_machine *machine, size_t bytes)
{
    return more_zeroed(&machine->kernel.hooks, bytes);
}

uint64_t vk_machine_draw(struct vk_machine *machine, uint64_t most)
{
    return machine->seed && most ? vk_stir(&machine->seed, 0) % most : 0;
}

/* --- processes ------------------------------------------------------------------------------------------ */

static struct vk_process *take_record(struct vk_machine *machine)
{
    struct list_node *const link = vm_list_pop_front(&machine->free_processes);
    if (!link)
        return vk_machine_more(machine, sizeof(struct vk_process));
    struct vk_process *const process = VM_CONTAINER(link, struct vk_process, link);
    *process = (struct vk_process){0};
    return process;
}

static int create(struct vk_machine *machine, struct vk_mm **mm)
{
    struct vk_process *const process = take_record(machine);
    if (!process)
        return VK_ENOMEM;
    process->machine = machine;
    process->n_users = 1;
    if (!vk_table_init(process)) {
        vm_list_push_front(&machine->free_processes, &process->link);
        return VK_ENOMEM;
    }
    process->space = (struct vk_space){.ops = &vk_paged_space_ops, .id = ++machine->n_ids};
    vk_space_add(&machine->reclaim, &process->space, NULL);
    vk_mm_init(&process->mm, &machine->kernel, LOWEST_ADDRESS, (vk_va)machine->preset.user_end);
    process->mm.limit[VK_LIMIT_STACK] = STACK_LIMIT;
    process->told.mmap_base = (vk_va)vk_preset_mmap_base(&machine->preset, STACK_LIMIT, 0);
    vm_list_push_back(&machine->processes, &process->link);
    *mm = &process->mm;
    return 0;
}

int vk_mm_create(struct vk_machine *machine, struct vk_mm **mm)
{
    vk_enter(&machine->kernel);
    const int done = create(machine, mm);
    vk_leave(&machine->kernel);
    return done;
}

unsigned vk_mm_attach(struct vk_mm *mm)
{
    vk_enter(mm->kernel);
    const unsigned n_users = ++vk_process_of(mm)->n_users;
    vk_leave(mm->kernel);
    return n_users;
}

static void destroy(struct vk_process *process)
{
    struct vk_mm *const mm = &process->mm;
    const int unmapped = vk_mm_unmap(mm, mm->areas.low, mm->areas.high - mm->areas.low);
    VM_CHECK(unmapped == 0);
    vk_space_remove(&process->machine->reclaim, &process->space);
    vk_table_destroy(process);
    vm_list_remove(&process->machine->processes, &process->link);
    vm_list_push_front(&process->machine->free_processes, &process->link);
}

unsigned vk_mm_detach(struct vk_mm *mm)
{
    const struct vk_kernel *const kernel = mm->kernel;
    struct vk_process *const process = vk_process_of(mm);
    vk_enter(kernel);
    const unsigned n_users = --process->n_users;
    if (!n_users)
        destroy(process);
    vk_leave(kernel);
    return n_users;
}

/* --- what it says of itself ----------------------------------------------------------------------------- */

struct vk_paging vk_paging(struct vk_mm *mm)
{
    const struct vk_process *const process = vk_process_of(mm);
    vk_enter(mm->kernel);
    struct vk_paging told = process->told;
    told.anon_pages = mm->resident_pages - mm->file_pages;
    told.file_pages = mm->file_pages;
    told.swapped_pages = mm->swapped_pages;
    told.pinned_pages = mm->pinned_pages;
    told.stack_pages = mm->stack_pages;
    told.table_pages = mm->table_pages;
    for (unsigned level = 0; level < VK_LEVELS_MOST; level++)
        told.n_tables[level] = process->n_tables[level];
    told.n_users = process->n_users;
    told.is_killed = process->space.is_killed;
    told.root = (uint64_t)process->root << mm->kernel->page_shift;
    vk_leave(mm->kernel);
    return told;
}

struct vk_tlb_counts vk_tlb_counts(const struct vk_machine *machine)
{
    vk_enter(&machine->kernel);
    const struct vk_tlb_counts counts = machine->tlb.counts;
    vk_leave(&machine->kernel);
    return counts;
}

unsigned vk_tlb_entries(const struct vk_machine *machine)
{
    return machine->tlb.n_sets * machine->tlb.n_ways;
}

struct vk_frames vk_frames(const struct vk_machine *machine)
{
    const struct vk_phys *const phys = &machine->phys;
    vk_enter(&machine->kernel);
    struct vk_frames frames = {.all = phys->n_frames};
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        frames.free += vk_zone_free(&phys->zone[kind]);
        for (unsigned cpu = 0; cpu < VK_N_CPUS_MAX; cpu++)
            frames.cached += phys->zone[kind].cpu[cpu].n;
    }
    vk_leave(&machine->kernel);
    return frames;
}

int vk_frames_take(struct vk_machine *machine, unsigned order, enum vk_from from, uint64_t *frame)
{
    static const unsigned gfp[] = {VK_GFP_DMA, VK_GFP_DMA32, VK_GFP_KERNEL, VK_GFP_HIGHMEM};
    if ((unsigned)from > VK_FROM_HIGHMEM)
        return VK_EINVAL;
    vk_enter(&machine->kernel);
    const uint32_t pfn = vk_alloc_pages(&machine->phys, order, gfp[from]);
    if (pfn != VK_NO_FRAME)
        machine->phys.frame[pfn].owner = machine;
    vk_leave(&machine->kernel);
    *frame = pfn;
    return pfn == VK_NO_FRAME ? VK_ENOMEM : 0;
}

int vk_frames_give(struct vk_machine *machine, uint64_t frame)
{
    struct vk_phys *const phys = &machine->phys;
    vk_enter(&machine->kernel);
    const bool is_taken = frame < phys->n_frames && phys->frame[frame].kind == VK_FRAME_KERNEL &&
                          phys->frame[frame].owner == machine;
    if (is_taken)
        vk_free_pages(phys, (uint32_t)frame);
    vk_leave(&machine->kernel);
    return is_taken ? 0 : VK_EINVAL;
}

void vk_frames_drain(struct vk_machine *machine)
{
    vk_enter(&machine->kernel);
    vk_phys_drain(&machine->phys);
    vk_leave(&machine->kernel);
}

bool vk_frame_of(struct vk_mm *mm, vk_va at, uint64_t *frame)
{
    const struct vk_process *const process = vk_process_of(mm);
    struct table_path path;
    vk_enter(mm->kernel);
    const uint64_t entry = at < mm->areas.high && vk_table_walk(process, vk_page_number(process, at), &path)
                               ? vk_table_get(process, &path)
                               : 0;
    vk_leave(mm->kernel);
    *frame = vk_entry_number(entry);
    return vk_entry_has_frame(entry);
}

void vk_machine_report_buddyinfo(struct vk_machine *machine, const struct vk_writer *writer)
{
    vk_enter(&machine->kernel);
    vk_phys_report_buddyinfo(&machine->phys, writer);
    vk_leave(&machine->kernel);
}

void vk_machine_report_zoneinfo(struct vk_machine *machine, const struct vk_writer *writer)
{
    vk_enter(&machine->kernel);
    vk_phys_report_zoneinfo(&machine->phys, writer);
    vk_leave(&machine->kernel);
}

void vk_machine_check(struct vk_machine *machine)
{
    vk_enter(&machine->kernel);
    size_t n_areas = 0;
    for (struct list_node *link = machine->processes.first; link; link = link->next) {
        struct vk_process *const process = VM_CONTAINER(link, struct vk_process, link);
        vk_mm_check(&process->mm);
        vk_paged_check(process);
        n_areas += process->mm.areas.n_areas;
    }
    vk_area_pool_check(&machine->kernel.pool, n_areas);
    vk_reclaim_check(&machine->reclaim);
    vk_memory_check(machine);
    vk_phys_check(&machine->phys);
    vk_leave(&machine->kernel);
}

/* Contents are in it, other than in that of a flat kernel: a page's number of sorts. */
static void stir_process(uint64_t *digest, struct vk_process *process)
{
    vk_stir_mm(digest, &process->mm, 0);
    vk_stir(digest, process->told.n_minor);
    vk_stir(digest, process->told.n_major);
    for (unsigned level = 0; level < VK_LEVELS_MOST; level++)
        vk_stir(digest, process->n_tables[level]);
    vk_paged_stir(process, digest);
}

uint64_t vk_machine_digest(struct vk_machine *machine)
{
    vk_enter(&machine->kernel);
    uint64_t digest = machine->kernel.page_bytes;
    vk_stir(&digest, machine->kernel.layout);
    for (uint32_t pfn = 0; pfn < machine->phys.n_frames; pfn++)
        vk_stir(&digest, machine->phys.frame[pfn].kind);
    vk_memory_stir(machine, &digest);
    for (struct list_node *link = machine->processes.first; link; link = link->next)
        stir_process(&digest, VM_CONTAINER(link, struct vk_process, link));
    vk_leave(&machine->kernel);
    return digest;
}
