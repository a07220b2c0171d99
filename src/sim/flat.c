/* SPDX-License-Identifier: MIT */
/*
 * flat.c - see flat.h. Which addresses are free is the address space's to say; here each mapped page's frame
 * is taken from its region's buddy system, and its contents are looked after.
 *
 *     region:  | kernel (first region only) | region, frame records | area records | frame 0 | frame 1 | ...
 *
 * A page that reads as zero is cleared as late as can be: when it becomes accessible, and only if it is not
 * known to be zero. Memory that came zeroed and was never used is thereby never written to.
 *
 * Invariants, which the checker cites:
 *   F1  a frame is free in its buddy system exactly if its address is not mapped
 *   F2  a live frame is mapped; a frame that is mapped with access is live
 *   F3  the count of resident pages is the number of live frames
 *   F4  regions are in address order, do not overlap, and lie in the address space; the rest of it is holes
 * and those of the buddy system, B1..B4.
 */
#include "sim/flat.h"
#include "base/bits.h"
#include "base/check.h"

static struct flat_region *region_at(const struct vk_kernel *kernel, vk_va at)
{
    struct flat_region *region = vk_flat_first(kernel);
    while (at >= region->end)
        region = vk_flat_next(region);
    return region;
}

/* A run of frames. */
struct frames {
    struct flat_region *region;
    uint32_t index, n;
};

static struct frames frames_of(const struct vk_mm *mm, vk_va start, size_t bytes)
{
    struct flat_region *const region = region_at(mm->kernel, start);
    VM_ASSERT(start >= region->start && bytes <= region->end - start);
    return (struct frames){
        .region = region,
        .index = (uint32_t)vk_pages(mm, start - region->start),
        .n = (uint32_t)vk_pages(mm, bytes),
    };
}

static enum frame_state state_of(const struct frames *frames, uint32_t i)
{
    return (enum frame_state)frames->region->frames[frames->index + i].tag;
}

/* Frames from number i on that are in the same state. */
static uint32_t same_state(const struct frames *frames, uint32_t i)
{
    uint32_t n = 1;
    while (i + n < frames->n && state_of(frames, i + n) == state_of(frames, i))
        n++;
    return n;
}

static void set_state(const struct frames *frames, uint32_t i, uint32_t n, enum frame_state state)
{
    for (uint32_t end = i + n; i < end; i++)
        frames->region->frames[frames->index + i].tag = (uint16_t)state;
}

static void *frame_bytes(const struct vk_mm *mm, const struct frames *frames, uint32_t i)
{
    return (void *)(frames->region->start + ((vk_va)(frames->index + i) << mm->kernel->page_shift));
}

static uint32_t n_live(const struct frames *frames)
{
    uint32_t n_live = 0;
    for (uint32_t i = 0; i < frames->n; i++)
        n_live += state_of(frames, i) == FRAME_LIVE;
    return n_live;
}

/* Makes all frames live; those that were not read as zero. */
static void make_live(struct vk_mm *mm, const struct frames *frames)
{
    for (uint32_t i = 0, n; i < frames->n; i += n) {
        const enum frame_state state = state_of(frames, i);
        n = same_state(frames, i);
        if (state == FRAME_LIVE)
            continue;
        if (state == FRAME_STALE)
            __builtin_memset(frame_bytes(mm, frames, i), 0, (size_t)n << mm->kernel->page_shift);
        set_state(frames, i, n, FRAME_LIVE);
        mm->resident_pages += n;
    }
    mm->resident_pages_most = vm_max_size(mm->resident_pages_most, mm->resident_pages);
}

/* --- the backing ---------------------------------------------------------------------------------------- */

static const unsigned read_write = VK_PROT_READ | VK_PROT_WRITE;

static bool protect(const struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    const struct vk_hooks *const hooks = &mm->kernel->hooks;
    return !hooks->protect || hooks->protect(hooks->context, (void *)start, bytes, prot);
}

/* Readable and writable from now on, whatever it was. */
static bool commit(const struct vk_mm *mm, vk_va start, size_t bytes)
{
    const struct vk_hooks *const hooks = &mm->kernel->hooks;
    return hooks->commit ? hooks->commit(hooks->context, (void *)start, bytes)
                         : protect(mm, start, bytes, read_write);
}

/* Gives memory back to the machine around; true if it reads as zero when it is committed again. */
static bool decommit(const struct vk_mm *mm, vk_va start, size_t bytes)
{
    const struct vk_hooks *const hooks = &mm->kernel->hooks;
    return hooks->decommit && hooks->decommit(hooks->context, (void *)start, bytes);
}

/* Puts a protection into effect, and live frames behind it if it allows access at all. */
static bool give_access(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    const struct frames frames = frames_of(mm, start, bytes);
    if (prot && n_live(&frames) < frames.n) {
        if (!commit(mm, start, bytes))
            return false;
        make_live(mm, &frames);
        if (prot == read_write)
            return true;
    }
    return protect(mm, start, bytes, prot);
}

/* The frames are no longer used: what they hold is nobody's. */
static void drop(struct vk_mm *mm, vk_va start, size_t bytes)
{
    const struct frames frames = frames_of(mm, start, bytes);
    const bool is_zero = n_live(&frames) && decommit(mm, start, bytes);
    for (uint32_t i = 0, n; i < frames.n; i += n) {
        n = same_state(&frames, i);
        if (state_of(&frames, i) == FRAME_LIVE) {
            set_state(&frames, i, n, is_zero ? FRAME_ZERO : FRAME_STALE);
            mm->resident_pages -= n;
        }
    }
    vm_buddy_give(&frames.region->buddy, frames.index, frames.n, BUDDY_FRONT);
}

static int flat_populate(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    const struct frames frames = frames_of(mm, start, bytes);
    const bool is_free = vm_buddy_claim(&frames.region->buddy, frames.index, frames.n);
    VM_CHECK(is_free); /* F1 */
    if (give_access(mm, start, bytes, prot))
        return 0;
    drop(mm, start, bytes);
    return VK_ENOMEM;
}

static int flat_protect(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot)
{
    return give_access(mm, start, bytes, prot) ? 0 : VK_ENOMEM;
}

static int flat_move(struct vk_mm *mm, vk_va from, vk_va to, size_t bytes, unsigned prot)
{
    const struct frames source = frames_of(mm, from, bytes), target = frames_of(mm, to, bytes);
    const bool copies = n_live(&source) > 0;
    const int populated = flat_populate(mm, to, bytes, copies ? read_write : prot);
    if (populated)
        return populated;
    if (copies && prot != read_write)
        protect(mm, from, bytes, read_write);
    for (uint32_t i = 0, n; i < source.n; i += n) {
        n = same_state(&source, i);
        if (state_of(&source, i) == FRAME_LIVE)
            __builtin_memcpy(frame_bytes(mm, &target, i), frame_bytes(mm, &source, i),
                             (size_t)n << mm->kernel->page_shift);
    }
    if (copies && prot != read_write)
        protect(mm, to, bytes, prot);
    drop(mm, from, bytes);
    return 0;
}

/* Lets a run of live frames read as zero. */
static void clear(struct vk_mm *mm, void *run, size_t bytes, unsigned prot)
{
    if (!(prot & VK_PROT_WRITE))
        protect(mm, (vk_va)run, bytes, read_write);
    __builtin_memset(run, 0, bytes);
    if (!(prot & VK_PROT_WRITE))
        protect(mm, (vk_va)run, bytes, prot);
}

static void flat_advise(struct vk_mm *mm, vk_va start, size_t bytes, unsigned prot, enum vk_advice advice)
{
    const struct vk_hooks *const hooks = &mm->kernel->hooks;
    const struct frames frames = frames_of(mm, start, bytes);
    if (advice == VK_ADVICE_WILLNEED)
        return;
    for (uint32_t i = 0, n; i < frames.n; i += n) {
        n = same_state(&frames, i);
        if (state_of(&frames, i) != FRAME_LIVE)
            continue;
        void *const run = frame_bytes(mm, &frames, i);
        const size_t run_bytes = (size_t)n << mm->kernel->page_shift;
        const bool is_done = hooks->discard && hooks->discard(hooks->context, run, run_bytes);
        if (!is_done && advice == VK_ADVICE_DONTNEED)
            clear(mm, run, run_bytes, prot);
    }
}

/* The last region, if there are records for so many bytes behind it; NULL: there are not. */
static const struct flat_region *last_with_room(const struct vk_kernel *kernel, size_t bytes)
{
    const struct flat_region *last = vk_flat_first(kernel);
    for (const struct flat_region *next; (next = vk_flat_next(last)); last = next)
        ;
    return (size_t)(last->n_pages_max - last->buddy.n_pages) << kernel->page_shift >= bytes ? last : NULL;
}

/* Memory from the hook; zero bytes: none. */
static struct vk_region ask(const struct vk_kernel *kernel, size_t bytes)
{
    const struct vk_hooks *const hooks = &kernel->hooks;
    struct vk_region added = {0};
    return hooks->grow && hooks->grow(hooks->context, bytes, &added) ? added : (struct vk_region){0};
}

/* Memory that continues no region becomes one of its own: makes it longer by what goes for records, if more follows it. */
static void add_room_for_records(struct vk_kernel *kernel, struct vk_region *added, size_t bytes)
{
    struct vk_region more = ask(kernel, bytes);
    if (more.bytes && more.start == (char *)added->start + added->bytes) {
        added->bytes += more.bytes;
        if (more.contents != added->contents)
            added->contents = VK_CONTENTS_UNKNOWN;
    } else if (more.bytes) {
        vk_flat_add(kernel, &more);
    }
}

/* Asks for just what is needed if that will continue a region; if not, generously, for a quarter and three pages more,
   which records take. */
static bool flat_grow(struct vk_kernel *kernel, size_t bytes)
{
    const size_t for_records = bytes / 4 + 3 * kernel->page_bytes;
    const struct flat_region *const last = last_with_room(kernel, bytes);
    if (bytes > SIZE_MAX - for_records)
        return false;
    struct vk_region added = ask(kernel, last ? bytes : bytes + for_records);
    if (!added.bytes)
        return false;
    if (last && (vk_va)added.start != last->end)
        add_room_for_records(kernel, &added, for_records);
    return vk_flat_add(kernel, &added) == 0;
}

static bool flat_find_gap(struct vk_mm *mm, struct gap_wanted *wanted, vk_va *place)
{
    wanted->low = mm->areas.low;
    wanted->high = mm->areas.high;
    if (wanted->from ==
        RB_LEFT) { /* leaves the lower third to the break, as long as there is room above it */
        wanted->low += vm_round_down((wanted->high - wanted->low) / 3, mm->kernel->page_bytes);
        if (vk_areas_find_gap(&mm->areas, wanted, place))
            return true;
        wanted->low = mm->areas.low;
    }
    return vk_areas_find_gap(&mm->areas, wanted, place);
}

/* They always are in memory. */
static void flat_lock(struct vk_mm *mm, vk_va start, size_t bytes)
{
    (void)mm, (void)start, (void)bytes;
}

const struct vk_backing vk_flat_backing = {
    .populate = flat_populate,
    .release = drop,
    .protect = flat_protect,
    .move = flat_move,
    .advise = flat_advise,
    .lock = flat_lock,
    .grow = flat_grow,
    .find_gap = flat_find_gap,
    .name = vk_heap_name,
};

/* --- the checker ---------------------------------------------------------------------------------------- */

static size_t check_frames(struct vk_mm *mm, const struct flat_region *region)
{
    size_t n_live = 0;
    const struct area *area = vk_areas_find(&mm->areas, region->start);
    vk_va at = region->start;
    uint32_t until_free = 0; /* end of the last free block */
    for (uint32_t i = 0; i < region->buddy.n_pages; i++, at += mm->kernel->page_bytes) {
        const struct buddy_page *const frame = &region->frames[i];
        while (area && area->end <= at)
            area = vk_area_next(area);
        const bool is_mapped = area && area->start <= at;
        if (frame->state == BUDDY_FREE)
            until_free = i + (1U << frame->order);
        VM_CHECK(is_mapped == (i >= until_free));                              /* F1 */
        VM_CHECK(frame->tag <= FRAME_LIVE);                                    /* F2 */
        VM_CHECK(is_mapped || frame->tag != FRAME_LIVE);                       /* F2 */
        VM_CHECK(!is_mapped || !area->style.prot || frame->tag == FRAME_LIVE); /* F2 */
        VM_CHECK(!is_mapped || !vk_area_is_hole(area));                        /* F4 */
        n_live += frame->tag == FRAME_LIVE;
    }
    return n_live;
}

void vk_flat_check(struct vk_kernel *kernel)
{
    size_t n_live = 0, n_pages = 0, hole_pages = 0;
    vk_va end = 0;
    for (struct flat_region *region = vk_flat_first(kernel); region; region = vk_flat_next(region)) {
        VM_CHECK(region->start >= end && region->start < region->end);                          /* F4 */
        VM_CHECK(region->buddy.n_pages == (region->end - region->start) >> kernel->page_shift); /* F4 */
        VM_CHECK(region->buddy.n_pages <= region->n_pages_max);                                 /* F4 */
        vm_buddy_check(&region->buddy);
        n_live += check_frames(&kernel->mm, region);
        n_pages += region->buddy.n_pages;
        end = region->end;
    }
    const struct areas *const areas = &kernel->mm.areas;
    for (const struct area *area = vk_areas_first(areas); area; area = vk_area_next(area))
        if (vk_area_is_hole(area))
            hole_pages += (area->end - area->start) >> kernel->page_shift;
    VM_CHECK(n_live == kernel->mm.resident_pages);                                      /* F3 */
    VM_CHECK(n_pages == kernel->n_frames);                                              /* F4 */
    VM_CHECK(n_pages + hole_pages == (areas->high - areas->low) >> kernel->page_shift); /* F4 */
}
