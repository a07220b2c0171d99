/* SPDX-License-Identifier: MIT */
/* shadow.c - see shadow.h. After Linux's KASAN in its generic mode, for what kmem.c gives out. */
#include "sim/shadow.h"
#include "base/bits.h"
#include "base/report.h"

enum { UNIT_SHIFT = 3, UNIT = 1 << UNIT_SHIFT };

int vk_shadow_start(struct vk_kmem *kmem, struct vk_shadow *shadow)
{
    const struct vk_phys *const phys = kmem->phys;
    uint32_t n_direct = phys->n_frames;
    while (n_direct > 0 && !vk_frame_is_direct(phys, n_direct - 1))
        n_direct--;
    shadow->n_bytes = ((uint64_t)n_direct << phys->config.page_shift) >> UNIT_SHIFT;
    shadow->bytes = phys->config.more(phys->config.context, (size_t)shadow->n_bytes);
    if (!shadow->bytes)
        return VK_ENOMEM;
    __builtin_memset(shadow->bytes, VK_SHADOW_FREED, (size_t)shadow->n_bytes);
    shadow->n_findings = 0;
    kmem->shadow = shadow;
    return 0;
}

static uint8_t *shadow_of(const struct vk_kmem *kmem, uint64_t address)
{
    return &kmem->shadow->bytes[(address - kmem->direct_base) >> UNIT_SHIFT];
}

static void set(const struct vk_kmem *kmem, uint64_t address, size_t bytes, enum vk_shadow_state state)
{
    __builtin_memset(shadow_of(kmem, address), (int)state, bytes >> UNIT_SHIFT);
}

void vk_shadow_use(struct vk_kmem *kmem, uint64_t object, size_t bytes, size_t step_bytes)
{
    if (!kmem->shadow)
        return;
    set(kmem, object, step_bytes, VK_SHADOW_REDZONE);
    set(kmem, object, bytes, VK_SHADOW_OPEN);
    if (bytes % UNIT)
        *shadow_of(kmem, object + bytes) = (uint8_t)(bytes % UNIT);
}

void vk_shadow_free(struct vk_kmem *kmem, uint64_t object, size_t step_bytes)
{
    if (kmem->shadow)
        set(kmem, object, step_bytes, VK_SHADOW_FREED);
}

void vk_shadow_slab(struct vk_kmem *kmem, uint64_t slab, size_t bytes)
{
    if (kmem->shadow)
        set(kmem, slab, bytes, VK_SHADOW_REDZONE);
}

/* Whether the byte may be accessed, as far as it is in memory that has a shadow. */
static bool is_open(const struct vk_kmem *kmem, uint64_t address)
{
    const struct vk_phys *const phys = kmem->phys;
    const uint64_t offset = address - kmem->direct_base;
    if (address < kmem->direct_base || offset >> UNIT_SHIFT >= kmem->shadow->n_bytes)
        return true; /* no address of the direct mapping: a fault, not a finding */
    const struct vk_frame *const frame = &phys->frame[offset >> phys->config.page_shift];
    if (frame->kind == VK_FRAME_FREE || frame->kind == VK_FRAME_CACHED)
        return false;
    const uint8_t state = *shadow_of(kmem, address);
    const bool has_shadow = frame->kind == VK_FRAME_SLAB || frame->kind == VK_FRAME_LARGE;
    return !has_shadow || state == VK_SHADOW_OPEN || (state < UNIT && address % UNIT < state);
}

/* Bytes that were asked for, which are fewer than the object may have: as far as the shadow is open. */
static size_t open_bytes(const struct vk_kmem *kmem, const struct vk_object *object)
{
    size_t n = 0;
    while (n < object->bytes && is_open(kmem, object->start + n))
        n++;
    return n;
}

/* The object that the address is in; else, what is in front of it: a byte past the last object is beside that one. */
static struct vk_object nearest(struct vk_kmem *kmem, uint64_t address)
{
    struct vk_object object = {.start = VK_NO_ADDRESS};
    const uint64_t low = address & ~(uint64_t)(vk_phys_page_bytes(kmem->phys) - 1);
    for (uint64_t back = 0; back <= address - low; back += UNIT)
        if (vk_object_at(kmem, address - back, &object))
            break;
    if (object.start != VK_NO_ADDRESS && object.is_used)
        object.bytes = open_bytes(kmem, &object);
    return object;
}

bool vk_shadow_check(struct vk_kmem *kmem, uint64_t address, size_t n, enum vk_shadow_access access)
{
    if (!kmem->shadow)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (is_open(kmem, address + i))
            continue;
        const struct vk_object object = nearest(kmem, address + i);
        const struct vk_shadow_finding finding = {
            .access = access,
            .address = address + i,
            .n = n,
            .object = object,
            .offset = address + i - object.start,
            .is_freed = object.start == VK_NO_ADDRESS || !object.is_used,
        };
        kmem->shadow->n_findings++;
        if (kmem->shadow->found)
            kmem->shadow->found(kmem->shadow->context, &finding);
        return false;
    }
    return true;
}

void vk_shadow_report(const struct vk_shadow_finding *finding, const struct vk_writer *writer)
{
    struct message message = {0};
    vm_message_text(&message, finding->is_freed ? "use-after-free: " : "slab-out-of-bounds: ");
    vm_message_text(&message, finding->access == VK_SHADOW_WRITE ? "write of size " : "read of size ");
    vm_message_unsigned(&message, finding->n);
    vm_message_text(&message, " at ");
    vm_message_hexadecimal(&message, finding->address);
    if (finding->object.start != VK_NO_ADDRESS) {
        vm_message_text(&message, ", ");
        vm_message_unsigned(&message, finding->offset);
        vm_message_text(&message, " bytes into the object of ");
        vm_message_unsigned(&message, finding->object.bytes);
        vm_message_text(&message, " at ");
        vm_message_hexadecimal(&message, finding->object.start);
        vm_message_text(&message, " of ");
        vm_message_text(&message, finding->object.cache ? finding->object.cache->plan.name : "kmalloc");
    }
    vm_message_text(&message, "\n");
    writer->write(writer->context, message.text, message.length);
}
