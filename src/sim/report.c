/* SPDX-License-Identifier: MIT */
/* report.c - the state as text, in the shape of /proc/PID/maps, /proc/PID/status and /proc/buddyinfo. */
#include "base/report.h"
#include "sim/flat.h"

/* Columns in front of a mapping's name, as in Linux, whose addresses take 8 or 12 digits. */
enum { NAME_COLUMN = 25 + 6 * sizeof(void *), ADDRESS_DIGITS = 8, STATUS_WIDTH = 8, COUNT_WIDTH = 6 };

/* The same of pmap, as programs of 64 bits print it. */
enum { PMAP_DIGITS = 16, PMAP_WIDTH = 6, PMAP_TOTAL_WIDTH = 16 };

static void send(const struct vk_writer *writer, const struct message *message)
{
    writer->write(writer->context, message->text, message->length);
}

/* In hexadecimal, with at least so many digits. */
static void address(struct message *message, uint64_t value, unsigned n_digits)
{
    while (n_digits < 2 * sizeof value && value >> (4 * n_digits))
        n_digits++;
    while (n_digits--) {
        const char digit[2] = {"0123456789abcdef"[value >> (4 * n_digits) & 15], 0};
        vm_message_text(message, digit);
    }
}

static void rights(struct message *message, const struct area *area)
{
    vm_message_text(message, area->style.prot & VK_PROT_READ ? " r" : " -");
    vm_message_text(message, area->style.prot & VK_PROT_WRITE ? "w" : "-");
    vm_message_text(message, area->style.prot & VK_PROT_EXEC ? "x" : "-");
}

static void maps_line(struct vk_mm *mm, const struct area *area, struct message *message)
{
    address(message, area->start, ADDRESS_DIGITS);
    vm_message_text(message, "-");
    address(message, area->end, ADDRESS_DIGITS);
    rights(message, area);
    vm_message_text(message, "p 00000000 00:00 0 ");
    const char *const name = mm->kernel->backing->name(mm, area);
    if (name) {
        while (message->length < NAME_COLUMN)
            vm_message_text(message, " ");
        vm_message_text(message, name);
    }
    vm_message_text(message, "\n");
}

/* A file is told by the last part of its path. */
static void pmap_line(struct vk_mm *mm, const struct area *area, struct message *message)
{
    const char *const name = mm->kernel->backing->name(mm, area), *last = name;
    for (const char *at = name; at && *at; at++)
        last = *at == '/' ? at + 1 : last;
    address(message, area->start, PMAP_DIGITS);
    vm_message_text(message, " ");
    vm_message_padded(message, (area->end - area->start) >> 10, PMAP_WIDTH);
    vm_message_text(message, "K");
    rights(message, area);
    vm_message_text(message, "-- ");
    vm_message_text(message, area->style.flags & AREA_STACK          ? "  [ stack ]"
                             : area->style.flags & AREA_FILE && last ? last
                                                                     : "  [ anon ]");
    vm_message_text(message, "\n");
}

/* A line for each area. */
static void report_areas(struct vk_mm *mm, const struct vk_writer *writer,
                         void (*line)(struct vk_mm *mm, const struct area *area, struct message *message))
{
    for (const struct area *area = vk_areas_first(&mm->areas); area; area = vk_area_next(area)) {
        struct message message = {0};
        if (vk_area_is_hole(area))
            continue;
        line(mm, area, &message);
        send(writer, &message);
    }
}

void vk_report_maps(struct vk_mm *mm, const struct vk_writer *writer)
{
    vk_enter(mm->kernel);
    report_areas(mm, writer, maps_line);
    vk_leave(mm->kernel);
}

void vk_report_pmap(struct vk_mm *mm, const struct vk_writer *writer)
{
    struct message message = {0};
    vk_enter(mm->kernel);
    report_areas(mm, writer, pmap_line);
    vm_message_text(&message, " total ");
    vm_message_padded(&message, mm->total_pages << mm->kernel->page_shift >> 10, PMAP_TOTAL_WIDTH);
    vm_message_text(&message, "K\n");
    send(writer, &message);
    vk_leave(mm->kernel);
}

void vk_report_status(struct vk_mm *mm, const struct vk_writer *writer)
{
    vk_enter(mm->kernel);
    const size_t text_pages = vm_min_size(mm->text_pages, mm->exec_pages); /* some may be unmapped */
    const struct {
        const char *name;
        size_t n_pages;
    } rows[] = {
        {"VmPeak:\t", mm->total_pages_most},
        {"VmSize:\t", mm->total_pages},
        {"VmLck:\t", mm->locked_pages},
        {"VmPin:\t", mm->pinned_pages},
        {"VmHWM:\t", mm->resident_pages_most},
        {"VmRSS:\t", mm->resident_pages},
        {"RssAnon:\t", mm->resident_pages - mm->file_pages},
        {"RssFile:\t", mm->file_pages},
        {"RssShmem:\t", 0},
        {"VmData:\t", mm->data_pages},
        {"VmStk:\t", mm->stack_pages},
        {"VmExe:\t", text_pages},
        {"VmLib:\t", mm->exec_pages - text_pages},
        {"VmPTE:\t", mm->table_pages},
        {"VmSwap:\t", mm->swapped_pages},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message = {0};
        vm_message_text(&message, rows[i].name);
        vm_message_padded(&message, rows[i].n_pages << mm->kernel->page_shift >> 10, STATUS_WIDTH);
        vm_message_text(&message, " kB\n");
        send(writer, &message);
    }
    vk_leave(mm->kernel);
}

void vk_report_buddyinfo(struct vk_kernel *kernel, const struct vk_writer *writer)
{
    vk_enter(kernel);
    unsigned node = 0;
    for (const struct flat_region *region = vk_flat_first(kernel); region; region = vk_flat_next(region)) {
        struct message message = {0};
        vm_message_text(&message, "Node ");
        vm_message_unsigned(&message, node++);
        vm_message_text(&message, ", zone   Normal ");
        for (unsigned order = 0; order < VM_N_ORDERS; order++) {
            vm_message_padded(&message, region->buddy.list[order].count, COUNT_WIDTH);
            vm_message_text(&message, " ");
        }
        vm_message_text(&message, "\n");
        send(writer, &message);
    }
    vk_leave(kernel);
}
