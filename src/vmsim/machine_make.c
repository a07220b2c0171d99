/* SPDX-License-Identifier: MIT */
/* machine_make.c - see machine_make.h. */
#include "vmsim/machine_make.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vmalloc/memory.h"
#include "vmsim/command.h"
#include "vmsim/window.h"

static const size_t flat_bytes_most = (size_t)1 << (sizeof(void *) == 8 ? 34 : 29); /* 16 GiB; 512 MiB */
static const size_t window_bytes_most = (size_t)1 << (sizeof(void *) == 8 ? 34 : 28);
static const size_t paged_ram_bytes = (size_t)1 << (sizeof(void *) == 8 ? 32 : 28);

/* How far from `at` it is to where the break should begin. */
static size_t distance_of_break(const struct machine_config *config, vk_va at, size_t page_bytes)
{
    const size_t offset = config->break_offset / page_bytes * page_bytes;
    return (offset - (size_t)at) % MACHINE_BREAK_STRETCH;
}

/* --- the flat kernel ------------------------------------------------------------------------------------ */

static bool make_kernel(struct machine_made *made, char *start, size_t bytes)
{
    const struct vk_region region = {.start = start, .bytes = bytes, .contents = VK_CONTENTS_ZERO};
    const struct vk_config config = {.page_bytes = made->page_bytes,
                                     .hooks = {.decommit = window_discard, .discard = window_discard}};
    return vk_create(&config, &region, &made->flat) == 0;
}

/* The kernel's records come before the break, so a kernel that is made for trial tells how far. The window ends at a
   multiple of the alignment. */
static bool make_flat(const struct machine_config *config, size_t ram, struct machine_made *made)
{
    const size_t window_bytes = ram + MACHINE_BREAK_STRETCH, alignment = window_alignment();
    const size_t all = (window_bytes + alignment - 1) / alignment * alignment;
    char *const end = window_reserve(all);
    if (!end)
        return false;
    char *const window = end + all - window_bytes;
    if (!make_kernel(made, window, ram))
        return false;
    const size_t distance =
        distance_of_break(config, vk_usage(vk_flat_mm(made->flat)).break_start, made->page_bytes);
    window_discard(NULL, window, ram);
    made->all = window;
    made->all_bytes = window_bytes;
    made->window[MACHINE_BREAK] = made->window[MACHINE_MAPPINGS] =
        (struct machine_window){window, window_bytes, (vk_va)window, 0};
    return make_kernel(made, window + distance, ram);
}

bool machine_make_flat(const struct machine_config *config, const struct vk_preset *preset,
                       struct machine_made *made)
{
    size_t most = flat_bytes_most;
    if (preset->user_end && preset->user_end < most)
        most = (size_t)preset->user_end;
    const size_t ram = (config->ram_bytes ? config->ram_bytes : most) / made->page_bytes * made->page_bytes;
    if (ram > most)
        return vmsim_complain("more than %zu bytes of memory are not simulated", most) == 0;
    if (config->group_bytes || config->swap_bytes || config->tlb_entries || config->plan)
        return vmsim_misused("a machine that does not page has no group, swap, TLB or plan") == 0;
    if (!make_flat(config, ram, made))
        return vmsim_complain("a machine with %zu bytes cannot be made here", ram) == 0;
    made->mm = vk_flat_mm(made->flat);
    if (config->limit_bytes)
        vk_limit(made->mm, VK_LIMIT_AS, config->limit_bytes);
    return true;
}

/* --- a machine that pages ------------------------------------------------------------------------------- */

static void *more(void *context, size_t bytes)
{
    (void)context;
    return bytes < SIZE_MAX / 2 ? aligned_alloc(64, (bytes + 63) & ~(size_t)63) : NULL;
}

static void panic(const char *text, size_t length)
{
    fflush(stdout);
    fwrite(text, 1, length, stderr);
}

static bool make_machine(const struct machine_config *config, const struct vk_preset *preset,
                         struct machine_made *made)
{
    const struct vk_machine_config wanted = {
        .preset = preset,
        .ram_bytes = config->ram_bytes ? config->ram_bytes : paged_ram_bytes,
        .tlb_entries = config->tlb_entries,
        .tlb_ways = config->tlb_ways,
        .swap_bytes = config->swap_bytes,
        .keep = VK_KEEP_STAMPS,
        .hooks = {.more = more, .panic = panic},
    };
    return vk_machine_create(&wanted, &made->machine) == 0;
}

/* A program whose code ends where the break is to begin, and that has no page in memory; or the one that is wanted. */
static bool start_program(const struct machine_config *config, const struct vk_preset *preset,
                          struct machine_made *made)
{
    const struct machine_program *const wanted = config->program;
    const size_t distance = distance_of_break(config, (vk_va)preset->pie_start, made->page_bytes);
    const size_t text = wanted ? wanted->text_bytes : distance ? distance : MACHINE_BREAK_STRETCH;
    struct vk_segment segments[2] = {
        {.file_bytes = text, .bytes = text, .prot = VK_PROT_READ | VK_PROT_EXEC}};
    if (wanted)
        segments[1] = (struct vk_segment){.start = (text + made->page_bytes - 1) & -made->page_bytes,
                                          .file_bytes = wanted->data_bytes,
                                          .bytes = wanted->data_bytes + wanted->bss_bytes,
                                          .prot = VK_PROT_READ | VK_PROT_WRITE};
    const struct vk_exec program = {
        .program = {
            .name = "program", .segments = segments, .n_segments = wanted ? 2 : 1, .is_movable = true}};
    return vk_mm_create(made->machine, &made->mm) == 0 && vk_exec(made->mm, &program) == 0;
}

static bool set_limits(const struct machine_config *config, struct machine_made *made)
{
    struct vk_group *group;
    made->pages_before = vk_usage(made->mm).total_pages;
    if (config->limit_bytes &&
        vk_limit(made->mm, VK_LIMIT_AS, config->limit_bytes + made->pages_before * made->page_bytes) != 0)
        return false;
    return !config->group_bytes || (vk_group_create(made->machine, config->group_bytes, &group) == 0 &&
                                    vk_mm_join(made->mm, group) == 0);
}

/* A window for the addresses from the break on, and one for those up to the end. */
static bool open_windows(const struct vk_preset *preset, struct machine_made *made)
{
    const uint64_t alignment = window_alignment();
    const uint64_t end = (preset->user_end + alignment - 1) / alignment * alignment;
    const uint64_t first = vk_usage(made->mm).break_start / alignment * alignment;
    const size_t break_bytes = end - first < window_bytes_most ? (size_t)(end - first) : window_bytes_most;
    const size_t mapping_bytes = end < window_bytes_most ? (size_t)end : window_bytes_most;
    char *const start = window_reserve(break_bytes + mapping_bytes);
    const uint64_t low = end - mapping_bytes;
    made->all = start;
    made->all_bytes = break_bytes + mapping_bytes;
    made->window[MACHINE_BREAK] = (struct machine_window){start, break_bytes, (vk_va)first, first};
    made->window[MACHINE_MAPPINGS] =
        (struct machine_window){start + break_bytes, mapping_bytes, (vk_va)low, low};
    return start;
}

static bool set_plan(const char *plan, struct vk_machine *machine)
{
    struct vk_complaint complaint;
    if (!plan || vk_machine_plan(machine, plan, &complaint) == 0)
        return true;
    vmsim_misused("--plan:%u:%u: expected %s", complaint.line, complaint.column, complaint.expected);
    return false;
}

bool machine_make_paged(const struct machine_config *config, const struct vk_preset *preset,
                        struct machine_made *made)
{
    if (!make_machine(config, preset, made) || !start_program(config, preset, made) ||
        !set_limits(config, made) || !open_windows(preset, made))
        return vmsim_complain("a machine %s of that memory, TLB and limits cannot be made here",
                              preset->name) == 0;
    return set_plan(config->plan, made->machine);
}
