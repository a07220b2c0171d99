/* SPDX-License-Identifier: MIT */
/*
 * kmap.c - addresses for frames that have none: see kva.h.
 *
 * Slots are given by turns. One that has no user any more stays mapped, so that TLBs need not forget it at once; when
 * the turn comes to the first slot again, all such are unmapped together. That is Linux's rule (mm/highmem.c).
 */
#include "base/check.h"
#include "sim/kva.h"

void vk_kmap_init(struct vk_kmap *kmap, struct vk_kmem *kmem, struct vk_space *space, uint64_t base,
                  uint32_t n_slots, uint64_t atomic_top)
{
    VM_CHECK(n_slots <= VK_KMAP_SLOTS_MAX);
    *kmap = (struct vk_kmap){
        .kmem = kmem, .space = space, .base = base, .n_slots = n_slots, .atomic_top = atomic_top};
}

static unsigned page_shift(const struct vk_kmap *kmap)
{
    return kmap->kmem->phys->config.page_shift;
}

static uint64_t slot_address(const struct vk_kmap *kmap, uint32_t slot)
{
    return kmap->base + ((uint64_t)slot << page_shift(kmap));
}

static bool map(struct vk_kmap *kmap, uint64_t address, uint32_t pfn)
{
    return kmap->space->ops->set(kmap->space, address >> page_shift(kmap), pfn);
}

static void unmap(struct vk_kmap *kmap, uint64_t address)
{
    kmap->space->ops->clear(kmap->space, address >> page_shift(kmap));
}

/* --- slots ------------------------------------------------------------------------------------------------ */

static void flush(struct vk_kmap *kmap)
{
    kmap->n_flushes++;
    for (uint32_t slot = 0; slot < kmap->n_slots; slot++)
        if (kmap->n_uses[slot] == 1) {
            unmap(kmap, slot_address(kmap, slot));
            kmap->n_uses[slot] = 0;
        }
}

/* The slot that the frame has, used or not. */
static uint32_t slot_of(const struct vk_kmap *kmap, uint32_t pfn)
{
    for (uint32_t slot = 0; slot < kmap->n_slots; slot++)
        if (kmap->n_uses[slot] && kmap->frame[slot] == pfn)
            return slot;
    return VK_NO_SLOT;
}

/* The next free slot behind the last one; behind the highest come the lowest again, after a flush, once. */
static uint32_t next_slot(struct vk_kmap *kmap)
{
    for (uint32_t n_left = kmap->n_slots; n_left > 0; n_left--) {
        kmap->last = (kmap->last + 1) % kmap->n_slots;
        if (kmap->last == 0) {
            flush(kmap);
            n_left = kmap->n_slots;
        }
        if (kmap->n_uses[kmap->last] == 0)
            return kmap->last;
    }
    return VK_NO_SLOT;
}

uint64_t vk_kmap(struct vk_kmap *kmap, uint32_t pfn)
{
    if (vk_frame_is_direct(kmap->kmem->phys, pfn))
        return vk_direct_address(kmap->kmem, pfn);
    uint32_t slot = slot_of(kmap, pfn);
    if (slot == VK_NO_SLOT) {
        slot = next_slot(kmap);
        if (slot == VK_NO_SLOT || !map(kmap, slot_address(kmap, slot), pfn))
            return VK_NO_ADDRESS;
        kmap->frame[slot] = pfn;
        kmap->n_uses[slot] = 1;
    }
    if (kmap->n_uses[slot] == UINT16_MAX)
        return VK_NO_ADDRESS;
    kmap->n_uses[slot]++;
    return slot_address(kmap, slot);
}

/* Whether the address is that of a frame in the direct mapping: nothing to give back. */
static bool is_direct(const struct vk_kmap *kmap, uint64_t address)
{
    const struct vk_phys *const phys = kmap->kmem->phys;
    const uint64_t pfn = (address - kmap->kmem->direct_base) >> page_shift(kmap);
    return address >= kmap->kmem->direct_base && pfn < phys->n_frames &&
           vk_frame_is_direct(phys, (uint32_t)pfn);
}

int vk_kunmap(struct vk_kmap *kmap, uint64_t address)
{
    if (is_direct(kmap, address))
        return 0;
    const uint64_t slot = (address - kmap->base) >> page_shift(kmap);
    if (address < kmap->base || slot >= kmap->n_slots || kmap->n_uses[slot] < 2)
        return VK_EINVAL;
    kmap->n_uses[slot]--;
    return 0;
}

/* --- for moments ------------------------------------------------------------------------------------------ */

/* Places of all processors lie below the top, those of each by turns. */
static uint64_t atomic_address(const struct vk_kmap *kmap, uint32_t place)
{
    const uint64_t number = (uint64_t)kmap->kmem->phys->cpu * VK_ATOMIC_SLOTS + place;
    return kmap->atomic_top - ((number + 1) << page_shift(kmap));
}

uint64_t vk_kmap_atomic(struct vk_kmap *kmap, uint32_t pfn)
{
    uint32_t *const n = &kmap->n_atomic[kmap->kmem->phys->cpu];
    if (vk_frame_is_direct(kmap->kmem->phys, pfn))
        return vk_direct_address(kmap->kmem, pfn);
    if (*n == VK_ATOMIC_SLOTS || !map(kmap, atomic_address(kmap, *n), pfn))
        return VK_NO_ADDRESS;
    return atomic_address(kmap, (*n)++);
}

int vk_kunmap_atomic(struct vk_kmap *kmap, uint64_t address)
{
    uint32_t *const n = &kmap->n_atomic[kmap->kmem->phys->cpu];
    if (is_direct(kmap, address))
        return 0;
    if (*n == 0 || address != atomic_address(kmap, *n - 1))
        return VK_EINVAL;
    unmap(kmap, address);
    --*n;
    return 0;
}
