/* SPDX-License-Identifier: MIT */
/*
 * content.c - what frames hold. A frame that was never written reads as zero and takes no memory of the host; the
 * host's pages go from frame to frame and are never given back.
 */
#include "base/bits.h"
#include "base/check.h"
#include "sim/phys.h"

void *vk_frame_bytes(struct vk_phys *phys, uint32_t pfn)
{
    struct vk_frame *const frame = &phys->frame[pfn];
    if (frame->flags & VK_FRAME_HAS_BYTES)
        return frame->bytes;
    VM_CHECK(frame->stamp == 0);
    void *bytes = vm_list_pop_front(&phys->spare_pages);
    if (!bytes)
        bytes = phys->config.more(phys->config.context, vk_phys_page_bytes(phys));
    VM_CHECK(bytes); /* the host's memory is no part of the machine: no way to go on */
    __builtin_memset(bytes, 0, vk_phys_page_bytes(phys));
    frame->bytes = bytes;
    frame->flags |= VK_FRAME_HAS_BYTES;
    return bytes;
}

void vk_frame_clear(struct vk_phys *phys, uint32_t pfn)
{
    struct vk_frame *const frame = &phys->frame[pfn];
    if (frame->flags & VK_FRAME_HAS_BYTES)
        vm_list_push_front(&phys->spare_pages, frame->bytes);
    frame->flags &= (uint8_t)~VK_FRAME_HAS_BYTES;
    frame->stamp = 0;
}

/* Where a physical address is in the host, and how much of its frame is left. */
static char *bytes_at(struct vk_phys *phys, uint64_t at, size_t *n_left)
{
    const uint64_t pfn = at >> phys->config.page_shift;
    VM_CHECK(pfn < phys->n_frames);
    const size_t offset = (size_t)at & (vk_phys_page_bytes(phys) - 1);
    *n_left = vk_phys_page_bytes(phys) - offset;
    return (char *)vk_frame_bytes(phys, (uint32_t)pfn) + offset;
}

void vk_phys_read(struct vk_phys *phys, uint64_t from, void *to, size_t n)
{
    for (size_t part; n > 0; from += part, to = (char *)to + part, n -= part) {
        const char *const bytes = bytes_at(phys, from, &part);
        part = vm_min_size(part, n);
        __builtin_memcpy(to, bytes, part);
    }
}

void vk_phys_write(struct vk_phys *phys, uint64_t to, const void *from, size_t n)
{
    for (size_t part; n > 0; to += part, from = (const char *)from + part, n -= part) {
        char *const bytes = bytes_at(phys, to, &part);
        part = vm_min_size(part, n);
        __builtin_memcpy(bytes, from, part);
    }
}

/* --- content without a frame ------------------------------------------------------------------------------ */

struct vk_content vk_content_out(struct vk_phys *phys, uint32_t pfn)
{
    struct vk_frame *const frame = &phys->frame[pfn];
    struct vk_content content = {.has_bytes = frame->flags & VK_FRAME_HAS_BYTES};
    if (content.has_bytes)
        content.bytes = frame->bytes;
    else
        content.stamp = frame->stamp;
    frame->flags &= (uint8_t)~VK_FRAME_HAS_BYTES;
    frame->stamp = 0;
    return content;
}

void vk_content_in(struct vk_phys *phys, uint32_t pfn, struct vk_content content)
{
    struct vk_frame *const frame = &phys->frame[pfn];
    vk_frame_clear(phys, pfn);
    if (content.has_bytes) {
        frame->bytes = content.bytes;
        frame->flags |= VK_FRAME_HAS_BYTES;
    } else {
        frame->stamp = content.stamp;
    }
}

void vk_content_drop(struct vk_phys *phys, struct vk_content content)
{
    if (content.has_bytes)
        vm_list_push_front(&phys->spare_pages, content.bytes);
}
