/* SPDX-License-Identifier: MIT */
/* kmemreport.c - caches of objects: as text in the shape of /proc/slabinfo, and verified. */
#include "base/check.h"
#include "base/report.h"
#include "sim/kmem.h"

enum { NAME_WIDTH = 17, COUNT_WIDTH = 6, SMALL_WIDTH = 4 };

static void field(struct message *message, uint64_t value, unsigned width)
{
    vm_message_text(message, " ");
    vm_message_padded(message, value, width);
}

static const struct vk_cache *cache_of(const struct list_node *link)
{
    return VM_CONTAINER(link, struct vk_cache, link);
}

/* As Linux's lines, and behind them the lengths of the three lists. */
void vk_kmem_report(const struct vk_kmem *kmem, const struct vk_writer *writer)
{
    for (const struct list_node *link = kmem->caches.first; link; link = link->next) {
        const struct vk_cache *const cache = cache_of(link);
        const uint32_t n_active = cache->full.n + cache->partial.n, n_slabs = n_active + cache->free.n;
        struct message message = {0};
        vm_message_text(&message, cache->plan.name);
        while (message.length < NAME_WIDTH)
            vm_message_text(&message, " ");
        field(&message, cache->n_used, COUNT_WIDTH);
        field(&message, (uint64_t)n_slabs * cache->n_in_slab, COUNT_WIDTH);
        field(&message, cache->step_bytes, COUNT_WIDTH);
        field(&message, cache->n_in_slab, SMALL_WIDTH);
        field(&message, (uint64_t)1 << cache->order, SMALL_WIDTH);
        vm_message_text(&message, " : tunables    0    0    0 : slabdata");
        field(&message, n_active, COUNT_WIDTH);
        field(&message, n_slabs, COUNT_WIDTH);
        field(&message, 0, COUNT_WIDTH);
        vm_message_text(&message, " : lists");
        field(&message, cache->full.n, COUNT_WIDTH);
        field(&message, cache->partial.n, COUNT_WIDTH);
        field(&message, cache->free.n, COUNT_WIDTH);
        vm_message_text(&message, "\n");
        writer->write(writer->context, message.text, message.length);
    }
}

/* --- the checker ------------------------------------------------------------------------------------------ */

/* Returns the slab's used objects. */
static uint32_t check_slab(const struct vk_cache *cache, uint32_t slab)
{
    struct vk_phys *const phys = cache->kmem->phys;
    struct vk_slab_record record;
    vk_slab_read(phys, slab, &record);
    uint32_t n_free = 0, n_used = 0;
    for (uint32_t i = record.first_free; i != VK_SLAB_END; i = vk_slab_next(phys, slab, i))
        VM_CHECK(i < cache->n_in_slab && ++n_free <= cache->n_in_slab); /* C2 */
    for (uint32_t i = 0; i < cache->n_in_slab; i++)
        n_used +=
            vk_slab_next(phys, slab, i) == VK_SLAB_USED || vk_slab_next(phys, slab, i) == VK_SLAB_RECORD;
    VM_CHECK(n_free + n_used == cache->n_in_slab && n_used == record.n_used); /* C2 */
    for (uint32_t i = 0; i < 1U << cache->order; i++) {
        const struct vk_frame *const frame = &phys->frame[slab + i];
        VM_CHECK(frame->kind == VK_FRAME_SLAB && frame->owner == cache); /* C4 */
        VM_CHECK(i == 0 || frame->vpn == slab);                          /* C4 */
    }
    return n_used;
}

/* Returns the used objects of the list's slabs, each of which has from n_least to n_most. */
static uint32_t check_slabs(const struct vk_cache *cache, const struct vk_frame_list *list, uint32_t n_least,
                            uint32_t n_most)
{
    uint32_t n_slabs = 0, n_used = 0;
    for (uint32_t slab = list->first; slab != VK_NO_FRAME; slab = cache->kmem->phys->frame[slab].next) {
        const uint32_t n = check_slab(cache, slab);
        VM_CHECK(n >= n_least && n <= n_most); /* C1 */
        VM_CHECK(++n_slabs <= list->n);        /* C1 */
        n_used += n;
    }
    VM_CHECK(n_slabs == list->n); /* C1 */
    return n_used;
}

void vk_kmem_check(struct vk_kmem *kmem)
{
    for (const struct list_node *link = kmem->caches.first; link; link = link->next) {
        const struct vk_cache *const cache = cache_of(link);
        const uint32_t n = cache->n_in_slab;
        const uint32_t n_used = check_slabs(cache, &cache->full, n, n) +
                                check_slabs(cache, &cache->partial, 1, n - 1) +
                                check_slabs(cache, &cache->free, 0, 0);
        VM_CHECK(n_used == cache->n_used); /* C3 */
    }
}
