/* SPDX-License-Identifier: MIT */
/* kva.c - vmalloc: see kva.h. */
#include "sim/kva.h"
#include "base/check.h"
#include "base/report.h"

enum { INFO_WIDTH = 8 };

static const struct area_style pages_style = {.prot = VK_PROT_READ | VK_PROT_WRITE};
static const struct area_style guard_style = {.prot = VK_PROT_NONE};

static size_t page_bytes(const struct vk_kva *kva)
{
    return vk_phys_page_bytes(kva->phys);
}

static uint64_t vpn_of(const struct vk_kva *kva, uint64_t address)
{
    return address >> kva->phys->config.page_shift;
}

int vk_kva_init(struct vk_kva *kva, struct vk_phys *phys, struct vk_space *space, vk_va low, vk_va high)
{
    *kva = (struct vk_kva){
        .phys = phys,
        .space = space,
        .pool = {.more = phys->config.more, .context = phys->config.context},
    };
    if (!vk_area_pool_reserve(&kva->pool, 1))
        return VK_ENOMEM;
    vk_areas_init(&kva->areas, &kva->pool, low, high);
    return 0;
}

/* --- areas ------------------------------------------------------------------------------------------------ */

/* Takes the entries and frames of [start, end) away. */
static void unmap_pages(struct vk_kva *kva, vk_va start, vk_va end)
{
    for (vk_va at = start; at < end; at += page_bytes(kva)) {
        const uint32_t pfn = kva->space->ops->frame_of(kva->space, vpn_of(kva, at));
        kva->space->ops->clear(kva->space, vpn_of(kva, at));
        vk_free_pages(kva->phys, pfn);
        kva->n_pages--;
    }
}

static bool map_page(struct vk_kva *kva, vk_va at)
{
    const uint32_t pfn = vk_alloc_pages(kva->phys, 0, VK_GFP_KERNEL | VK_GFP_HIGHMEM);
    if (pfn == VK_NO_FRAME)
        return false;
    if (!kva->space->ops->set(kva->space, vpn_of(kva, at), pfn)) {
        vk_free_pages(kva->phys, pfn);
        return false;
    }
    kva->n_pages++;
    return true;
}

static bool map_pages(struct vk_kva *kva, vk_va start, vk_va end)
{
    for (vk_va at = start; at < end; at += page_bytes(kva))
        if (!map_page(kva, at)) {
            unmap_pages(kva, start, at);
            return false;
        }
    return true;
}

uint64_t vk_vmalloc(struct vk_kva *kva, size_t bytes)
{
    if (bytes == 0 || bytes > kva->areas.high - kva->areas.low)
        return VK_NO_ADDRESS;
    const size_t mapped_bytes = vm_round_up(bytes, page_bytes(kva));
    const struct gap_wanted wanted = {
        .low = kva->areas.low,
        .high = kva->areas.high,
        .bytes = mapped_bytes + page_bytes(kva),
        .alignment = page_bytes(kva),
        .from = RB_LEFT,
    };
    vk_va start;
    if (!vk_area_pool_reserve(&kva->pool, 2) || !vk_areas_find_gap(&kva->areas, &wanted, &start))
        return VK_NO_ADDRESS;
    const vk_va end = start + mapped_bytes;
    if (!map_pages(kva, start, end))
        return VK_NO_ADDRESS;
    vk_areas_add(&kva->areas, start, end, pages_style);
    vk_areas_add(&kva->areas, end, end + page_bytes(kva), guard_style);
    return start;
}

static bool is_guard(const struct area *area)
{
    return area->style.prot == VK_PROT_NONE;
}

int vk_vfree(struct vk_kva *kva, uint64_t address)
{
    struct area *const area =
        address < kva->areas.high ? vk_areas_find_at(&kva->areas, (vk_va)address) : NULL;
    if (!area || area->start != address || is_guard(area))
        return VK_EINVAL;
    unmap_pages(kva, area->start, area->end);
    vk_areas_remove(&kva->areas, vk_area_next(area));
    vk_areas_remove(&kva->areas, area);
    return 0;
}

/* --- access ----------------------------------------------------------------------------------------------- */

/* What kmap has mapped may since be free, or hold a stamp. */
static bool holds_bytes(const struct vk_phys *phys, uint32_t pfn)
{
    const enum vk_frame_kind kind = phys->frame[pfn].kind;
    return kind == VK_FRAME_KERNEL || (kind == VK_FRAME_USER && !phys->config.keeps_stamps);
}

/* Calls copy for each piece of [at, at + n) that is in one page, with its physical address. */
static int each_page(struct vk_phys *phys, struct vk_space *space, uint64_t at, size_t n,
                     void (*copy)(struct vk_phys *phys, uint64_t physical, size_t done, size_t part,
                                  void *buffer),
                     void *buffer)
{
    const uint64_t mask = vk_phys_page_bytes(phys) - 1;
    for (size_t done = 0, part; done < n; done += part) {
        part = vm_min_size(n - done, (size_t)(mask + 1 - ((at + done) & mask)));
        const uint32_t pfn = space->ops->frame_of(space, (at + done) >> phys->config.page_shift);
        if (pfn == VK_NO_FRAME || !holds_bytes(phys, pfn))
            return VK_EFAULT;
        copy(phys, ((uint64_t)pfn << phys->config.page_shift) + ((at + done) & mask), done, part, buffer);
    }
    return 0;
}

static void copy_nothing(struct vk_phys *phys, uint64_t physical, size_t done, size_t part, void *buffer)
{
    (void)phys, (void)physical, (void)done, (void)part, (void)buffer;
}

static void copy_out(struct vk_phys *phys, uint64_t physical, size_t done, size_t part, void *buffer)
{
    vk_phys_read(phys, physical, (char *)buffer + done, part);
}

static void copy_in(struct vk_phys *phys, uint64_t physical, size_t done, size_t part, void *buffer)
{
    vk_phys_write(phys, physical, *(const char **)buffer + done, part);
}

int vk_mapped_read(struct vk_phys *phys, struct vk_space *space, uint64_t from, void *to, size_t n)
{
    const int result = each_page(phys, space, from, n, copy_nothing, NULL);
    return result ? result : each_page(phys, space, from, n, copy_out, to);
}

int vk_mapped_write(struct vk_phys *phys, struct vk_space *space, uint64_t to, const void *from, size_t n)
{
    const int result = each_page(phys, space, to, n, copy_nothing, NULL);
    return result ? result : each_page(phys, space, to, n, copy_in, &from);
}

/* --- what it says of itself ------------------------------------------------------------------------------- */

void vk_kva_report(const struct vk_kva *kva, const struct vk_writer *writer)
{
    for (const struct area *area = vk_areas_first(&kva->areas); area;
         area = vk_area_next(vk_area_next(area))) {
        struct message message = {0};
        const vk_va end = vk_area_next(area)->end;
        vm_message_hexadecimal(&message, area->start);
        vm_message_text(&message, "-");
        vm_message_hexadecimal(&message, end);
        vm_message_padded(&message, end - area->start, INFO_WIDTH);
        vm_message_text(&message, " pages=");
        vm_message_unsigned(&message, (area->end - area->start) >> kva->phys->config.page_shift);
        vm_message_text(&message, " vmalloc\n");
        writer->write(writer->context, message.text, message.length);
    }
}

void vk_kva_check(struct vk_kva *kva)
{
    uint32_t n_pages = 0;
    vk_areas_check(&kva->areas, page_bytes(kva));
    for (const struct area *area = vk_areas_first(&kva->areas); area; area = vk_area_next(area)) {
        const struct area *const other = is_guard(area) ? vk_area_prev(area) : vk_area_next(area);
        VM_CHECK(other && is_guard(other) != is_guard(area));
        VM_CHECK(is_guard(area) ? other->end == area->start : area->end == other->start);
        for (vk_va at = area->start; at < area->end; at += page_bytes(kva)) {
            const uint32_t pfn = kva->space->ops->frame_of(kva->space, vpn_of(kva, at));
            VM_CHECK((pfn == VK_NO_FRAME) == is_guard(area));
            VM_CHECK(is_guard(area) || kva->phys->frame[pfn].kind == VK_FRAME_KERNEL);
            n_pages += !is_guard(area);
        }
    }
    VM_CHECK(n_pages == kva->n_pages);
}
