/* SPDX-License-Identifier: MIT */
/* physreport.c - physical memory: as text in the shape of /proc/buddyinfo and /proc/zoneinfo, and verified. */
#include "base/check.h"
#include "base/report.h"
#include "sim/phys.h"

enum { COUNT_WIDTH = 6 };

static const char *const zone_names[VK_N_ZONES] = {"     DMA", "   DMA32", "  Normal", " HighMem"};

static void send(const struct vk_writer *writer, struct message *message)
{
    writer->write(writer->context, message->text, message->length);
    message->length = 0;
}

static bool is_empty(const struct vk_zone *zone)
{
    return zone->start == zone->end;
}

static uint32_t n_blocks(const struct vk_zone *zone, unsigned order)
{
    uint32_t n = 0;
    for (unsigned mobility = 0; mobility < VK_N_MOBILITIES; mobility++)
        n += zone->buddy[mobility].list[order].count;
    return n;
}

/* A report of each zone that there is; its line has begun. */
static void report_zones(const struct vk_phys *phys, const struct vk_writer *writer,
                         void (*report)(const struct vk_phys *phys, const struct vk_zone *zone,
                                        struct message *line, const struct vk_writer *writer))
{
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        struct message line = {0};
        if (is_empty(&phys->zone[kind]))
            continue;
        vm_message_text(&line, "Node 0, zone ");
        vm_message_text(&line, zone_names[kind]);
        report(phys, &phys->zone[kind], &line, writer);
    }
}

static void report_blocks(const struct vk_phys *phys, const struct vk_zone *zone, struct message *line,
                          const struct vk_writer *writer)
{
    (void)phys;
    vm_message_text(line, " ");
    for (unsigned order = 0; order < VM_N_ORDERS; order++) {
        vm_message_padded(line, n_blocks(zone, order), COUNT_WIDTH);
        vm_message_text(line, " ");
    }
    vm_message_text(line, "\n");
    send(writer, line);
}

void vk_phys_report_buddyinfo(const struct vk_phys *phys, const struct vk_writer *writer)
{
    report_zones(phys, writer, report_blocks);
}

static void figure(const struct vk_writer *writer, const char *name, uint64_t value)
{
    struct message message = {0};
    vm_message_text(&message, name);
    vm_message_unsigned(&message, value);
    vm_message_text(&message, "\n");
    send(writer, &message);
}

static void report_reserve(const struct vk_zone *zone, const struct vk_writer *writer)
{
    struct message message = {0};
    vm_message_text(&message, "        protection: (");
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        vm_message_text(&message, kind ? ", " : "");
        vm_message_unsigned(&message, zone->reserve[kind]);
    }
    vm_message_text(&message, ")\n");
    send(writer, &message);
}

static void report_cpu(const struct vk_phys *phys, const struct vk_zone *zone, unsigned cpu,
                       const struct vk_writer *writer)
{
    figure(writer, "    cpu: ", cpu);
    figure(writer, "              count: ", zone->cpu[cpu].n);
    figure(writer, "              high:  ", phys->config.cpu_high);
    figure(writer, "              batch: ", phys->config.cpu_batch);
}

static void report_zone(const struct vk_phys *phys, const struct vk_zone *zone, struct message *line,
                        const struct vk_writer *writer)
{
    vm_message_text(line, "\n");
    send(writer, line);
    figure(writer, "  pages free     ", vk_zone_free(zone));
    figure(writer, "        min      ", zone->mark_min);
    figure(writer, "        low      ", zone->mark_low);
    figure(writer, "        high     ", zone->mark_high);
    figure(writer, "        spanned  ", zone->end - zone->start);
    figure(writer, "        present  ", zone->end - zone->start);
    figure(writer, "        managed  ", zone->n_managed);
    figure(writer, "        nr_free_cma ", zone->buddy[VK_CMA].n_free_pages);
    report_reserve(zone, writer);
    for (unsigned cpu = 0; cpu < phys->config.n_cpus && phys->config.cpu_batch != VK_CPU_LISTS_OFF; cpu++)
        report_cpu(phys, zone, cpu, writer);
    figure(writer, "  start_pfn:     ", zone->start);
}

void vk_phys_report_zoneinfo(const struct vk_phys *phys, const struct vk_writer *writer)
{
    report_zones(phys, writer, report_zone);
}

/* --- the checker ------------------------------------------------------------------------------------------ */

static void check_free(const struct vk_phys *phys, const struct vk_zone *zone)
{
    for (uint32_t pfn = zone->start; pfn < zone->end; pfn++) {
        unsigned order;
        const bool is_free = vm_buddy_find(&zone->buddy[0], pfn - zone->base, &order) != VM_BUDDY_NONE;
        VM_CHECK(is_free == (phys->frame[pfn].kind == VK_FRAME_FREE)); /* P1 */
    }
    for (unsigned mobility = 0; mobility < VK_N_MOBILITIES; mobility++)
        for (unsigned order = 0; order < VM_N_ORDERS; order++) {
            uint32_t index = zone->buddy[mobility].list[order].first;
            for (; index != VM_BUDDY_NONE; index = zone->records[index].next)
                VM_CHECK(vk_pageblock_mobility(zone, zone->base + index) == mobility); /* P2 */
        }
}

static uint32_t check_list(const struct vk_phys *phys, const struct vk_frame_list *list, bool is_cma)
{
    uint32_t n = 0;
    for (uint32_t pfn = list->first; pfn != VK_NO_FRAME; pfn = phys->frame[pfn].next, n++) {
        const struct vk_zone *const zone = &phys->zone[phys->frame[pfn].zone];
        VM_CHECK(phys->frame[pfn].kind == VK_FRAME_CACHED);               /* P3 */
        VM_CHECK((vk_pageblock_mobility(zone, pfn) == VK_CMA) == is_cma); /* P3 */
    }
    VM_CHECK(n == list->n); /* P3 */
    return n;
}

static void check_cached(const struct vk_phys *phys, const struct vk_zone *zone)
{
    uint32_t n_cached = 0, n_in_lists = 0;
    for (uint32_t pfn = zone->start; pfn < zone->end; pfn++)
        n_cached += phys->frame[pfn].kind == VK_FRAME_CACHED;
    for (unsigned cpu = 0; cpu < VK_N_CPUS_MAX; cpu++) {
        uint32_t n = 0;
        for (unsigned mobility = 0; mobility < VK_ISOLATED; mobility++)
            n += check_list(phys, &zone->cpu[cpu].list[mobility], mobility == VK_CMA);
        VM_CHECK(n == zone->cpu[cpu].n); /* P3 */
        n_in_lists += n;
    }
    VM_CHECK(n_cached == n_in_lists); /* P3 */
}

static void check_taken(const struct vk_phys *phys, const struct vk_zone *zone)
{
    for (uint32_t pfn = zone->start, n; pfn < zone->end; pfn += n) {
        const struct vk_frame *const frame = &phys->frame[pfn];
        VM_CHECK(!(frame->flags & VK_FRAME_TAIL)); /* P4 */
        n = 1U << frame->order;
        for (uint32_t i = 1; i < n; i++) {
            VM_CHECK(frame[i].flags & VK_FRAME_TAIL && frame[i].kind == frame->kind); /* P4 */
            VM_CHECK(frame[i].order == 0);                                            /* P4 */
        }
    }
}

void vk_phys_check(struct vk_phys *phys)
{
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        const struct vk_zone *const zone = &phys->zone[kind];
        if (is_empty(zone))
            continue;
        vm_buddies_check(zone->buddy, VK_N_MOBILITIES);
        check_free(phys, zone);
        check_cached(phys, zone);
        check_taken(phys, zone);
    }
}
