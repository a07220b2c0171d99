/* SPDX-License-Identifier: MIT */
/*
 * exec.c - a program in an address space, as Linux lays it out:
 *
 *     low                                                                                         user_end
 *      |  nothing  | text | data | bss | break -> ...  <- mappings, libraries |   gap   | <- stack |
 *                                                      ^ mmap_base: below what the stack may take
 *
 * Pages of files are inert: they hold zeroes, and take their places. A segment that goes on behind its file's bytes has
 * the rest of that page cleared, which touches it, and anonymous memory behind.
 */
#include "base/check.h"
#include "sim/machine.h"

static const size_t STACK_BYTES = 128 << 10; /* what a stack has besides its arguments at the beginning */
static const size_t BREAK_OFFSET_MOST = 32 << 20;

static vk_va page_down(const struct vk_mm *mm, vk_va at)
{
    return at - vk_page_offset(mm, at);
}

/* An area of that style in place of what is there. */
static int put_area(struct vk_mm *mm, vk_va start, vk_va end, struct area_style style)
{
    if (start >= end)
        return 0;
    if (start < mm->areas.low || end > mm->areas.high)
        return VK_EINVAL;
    const int unmapped = vk_mm_unmap(mm, start, end - start);
    if (unmapped)
        return unmapped;
    if (!vk_mm_may_expand(mm, style, end - start) || mm->areas.n_areas > mm->limit[VK_LIMIT_MAPS] ||
        !vk_area_pool_reserve(&mm->kernel->pool, 1))
        return VK_ENOMEM;
    vk_mm_add(mm, start, end - start, style);
    return 0;
}

static int touch(struct vk_process *process, vk_va at)
{
    return vk_touch(process, at, VK_PROT_WRITE) < VK_FAULT_SEGV ? 0 : VK_ENOMEM;
}

static bool is_segment(const struct vk_segment *segment)
{
    return segment->bytes > 0 && segment->file_bytes <= segment->bytes && segment->bytes <= UINTPTR_MAX / 4 &&
           segment->start <= UINTPTR_MAX / 4 * 3 && (segment->prot & ~(unsigned)PROT_ALL) == 0;
}

static int put_segment(struct vk_process *process, vk_va base, const struct vk_segment *segment)
{
    struct vk_mm *const mm = &process->mm;
    const vk_va start = base + (vk_va)segment->start, file_end = start + (vk_va)segment->file_bytes;
    const vk_va end = vk_page_up(mm, start + (vk_va)segment->bytes);
    const vk_va bss = segment->file_bytes ? vk_page_up(mm, file_end) : page_down(mm, start);
    int done = put_area(mm, page_down(mm, start), bss, (struct area_style){segment->prot, AREA_FILE});
    if (!done)
        done = put_area(mm, bss, end, (struct area_style){segment->prot, AREA_BSS});
    const bool has_rest = segment->bytes > segment->file_bytes && file_end < bss;
    return !done && has_rest && segment->prot & VK_PROT_WRITE ? touch(process, file_end) : done;
}

/* From where to where the image's pages go, by what its segments say. False: they say nothing sensible. */
static bool span_of(const struct vk_mm *mm, const struct vk_image *image, vk_va *start, vk_va *end)
{
    *start = UINTPTR_MAX, *end = 0;
    for (unsigned i = 0; i < image->n_segments; i++) {
        const struct vk_segment *const segment = &image->segments[i];
        if (!is_segment(segment))
            return false;
        *start = vm_min_size(*start, page_down(mm, (vk_va)segment->start));
        *end = vm_max_size(*end, vk_page_up(mm, (vk_va)(segment->start + segment->bytes)));
    }
    return image->n_segments > 0;
}

static void name_file(struct vk_process *process, const char *name, vk_va start, vk_va end)
{
    struct mapped_file *const file = &process->file[process->n_files++];
    *file = (struct mapped_file){.start = start, .end = end};
    for (size_t i = 0; i < VK_NAME_MOST && name[i]; i++)
        file->name[i] = name[i];
}

static int put_image(struct vk_process *process, const struct vk_image *image, vk_va base)
{
    vk_va start, end;
    if (!span_of(&process->mm, image, &start, &end))
        return VK_EINVAL;
    name_file(process, image->name, base + start, base + end);
    for (unsigned i = 0; i < image->n_segments; i++) {
        const int done = put_segment(process, base, &image->segments[i]);
        if (done)
            return done;
    }
    return 0;
}

static int put_library(struct vk_process *process, const struct vk_image *library)
{
    vk_va start, end, place;
    if (!span_of(&process->mm, library, &start, &end))
        return VK_EINVAL;
    if (!vk_mm_find_place(&process->mm, end - start, 0, &place))
        return VK_ENOMEM;
    return put_image(process, library, place - start);
}

/* Bounds of text and data, and the break behind all of it: where that is beyond all addresses, at their end, so that it cannot
   move. */
static void set_bounds(struct vk_process *process, const struct vk_image *program, vk_va base)
{
    struct vk_paging *const told = &process->told;
    struct vk_mm *const mm = &process->mm;
    vk_va end = 0;
    for (unsigned i = 0; i < program->n_segments; i++) {
        const struct vk_segment *const segment = &program->segments[i];
        const vk_va start = base + (vk_va)segment->start, last = start + (vk_va)segment->bytes;
        end = vm_max_size(end, last);
        if (segment->prot & VK_PROT_EXEC) {
            told->text_start = start;
            told->text_end = last;
            mm->text_pages = vk_pages(mm, vk_page_up(mm, last) - page_down(mm, start));
        } else if (segment->prot & VK_PROT_WRITE) {
            told->data_start = start;
            told->data_end = start + (vk_va)segment->file_bytes;
        }
    }
    const size_t offset = (size_t)vk_machine_draw(process->machine, BREAK_OFFSET_MOST);
    mm->break_start = mm->break_end =
        vm_min_size(vk_page_up(mm, end) + page_down(mm, offset), mm->areas.high);
}

static int put_stack(struct vk_process *process, vk_va top, size_t argument_bytes)
{
    struct vk_mm *const mm = &process->mm;
    if (argument_bytes > mm->limit[VK_LIMIT_STACK] / 4)
        return VK_ENOMEM; /* Linux: a quarter of the limit, or 6 MiB */
    process->told.stack_top = top;
    process->told.argument_start = vm_round_down(top - argument_bytes, 16);
    const size_t most = vm_round_down(mm->limit[VK_LIMIT_STACK], mm->kernel->page_bytes);
    const vk_va lowest = top - vm_min_size(most, top - mm->areas.low);
    const vk_va start = page_down(mm, process->told.argument_start - STACK_BYTES);
    const struct area_style style = {VK_PROT_READ | VK_PROT_WRITE, AREA_STACK};
    int done = put_area(mm, vm_max_size(start, lowest), top, style);
    for (vk_va at = page_down(mm, process->told.argument_start); !done && at < top;
         at += mm->kernel->page_bytes)
        done = touch(process, at);
    return done;
}

static int exec(struct vk_process *process, const struct vk_exec *wanted)
{
    struct vk_mm *const mm = &process->mm;
    struct vk_machine *const machine = process->machine;
    const struct vk_preset *const preset = &machine->preset;
    if (wanted->n_libraries > VK_LIBRARIES_MOST)
        return VK_EINVAL;
    const uint64_t stack_offset = page_down(mm, (vk_va)vk_machine_draw(machine, preset->user_end / 8192));
    const uint64_t mmap_offset = vk_machine_draw(machine, preset->user_end / 256);
    const uint64_t program_offset = vk_machine_draw(machine, preset->user_end / 256);
    const vk_va base =
        wanted->program.is_movable ? page_down(mm, (vk_va)(preset->pie_start + program_offset)) : 0;
    process->told.mmap_base =
        (vk_va)vk_preset_mmap_base(preset, mm->limit[VK_LIMIT_STACK], stack_offset + mmap_offset);
    int done = put_image(process, &wanted->program, base);
    if (done)
        return done;
    set_bounds(process, &wanted->program, base);
    done = put_stack(process, (vk_va)(preset->user_end - stack_offset), wanted->argument_bytes);
    for (unsigned i = 0; !done && i < wanted->n_libraries; i++)
        done = put_library(process, &wanted->libraries[i]);
    return done;
}

static int empty(struct vk_process *process)
{
    struct vk_mm *const mm = &process->mm;
    process->n_files = 0;
    mm->text_pages = 0;
    mm->break_start = mm->break_end = mm->areas.low;
    return vk_mm_unmap(mm, mm->areas.low, mm->areas.high - mm->areas.low);
}

int vk_exec(struct vk_mm *mm, const struct vk_exec *wanted)
{
    struct vk_process *const process = vk_process_of(mm);
    vk_enter(mm->kernel);
    empty(process);
    const int done = exec(process, wanted);
    if (done)
        empty(process);
    vk_leave(mm->kernel);
    return done;
}
