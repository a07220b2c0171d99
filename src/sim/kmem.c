/* SPDX-License-Identifier: MIT */
/*
 * kmem.c - see kmem.h. After J. Bonwick's slab allocator, with the rules of Linux's SLAB.
 *
 *   slab:  | colour | record: n_used, first free | next[0..n) | object 0 | object 1 | ... | rest |
 *
 * The rest of a slab is cut into colours: the next slab's first object lies one cache line later, so that the first
 * objects of slabs do not meet in the same lines of the processor's cache. Slabs of large objects have their record in a
 * general cache instead (off-slab), or a page would hold one object less.
 *
 * The frames of a slab are VK_FRAME_SLAB with their cache as owner. The first one's vpn is the physical address of the
 * record, the others' the number of the first.
 *
 * Invariants, which the checker (kmemreport.c) cites:
 *   C1  a slab is in the list that its number of used objects says
 *   C2  its free objects are a list that ends, and those that are not in it are marked as used
 *   C3  a cache counts its used objects
 *   C4  each frame of a slab names its cache and its record
 */
#include "sim/kmem.h"
#include "base/bits.h"
#include "base/check.h"
#include "sim/plan.h"
#include "sim/shadow.h"

enum { ALIGN_LEAST = 8, OFF_SLAB_SHIFT = 3, WASTE_SHIFT = 3, NEXT_BYTES = sizeof(uint32_t) };

static const struct vk_cache_plan general_plans[VK_N_GENERAL_CACHES] = {
    {.name = "size-8", .bytes = 8},       {.name = "size-16", .bytes = 16},
    {.name = "size-32", .bytes = 32},     {.name = "size-64", .bytes = 64},
    {.name = "size-96", .bytes = 96},     {.name = "size-128", .bytes = 128},
    {.name = "size-192", .bytes = 192},   {.name = "size-256", .bytes = 256},
    {.name = "size-512", .bytes = 512},   {.name = "size-1024", .bytes = 1024},
    {.name = "size-2048", .bytes = 2048}, {.name = "size-4096", .bytes = 4096},
    {.name = "size-8192", .bytes = 8192},
};

/* --- the shape of a slab ---------------------------------------------------------------------------------- */

static size_t record_bytes(uint32_t n)
{
    return sizeof(struct vk_slab_record) + n * NEXT_BYTES;
}

static size_t slab_bytes(const struct vk_cache *cache)
{
    return vk_phys_page_bytes(cache->kmem->phys) << cache->order;
}

static size_t align_of(const struct vk_cache *cache)
{
    return cache->plan.align;
}

/* How many objects fit in a slab of the cache's order, with the record in front or without. */
static void count_objects(struct vk_cache *cache)
{
    uint32_t n = (uint32_t)vm_min_size(slab_bytes(cache) / cache->step_bytes, VK_SLAB_RECORD - 1);
    size_t offset = 0;
    while (!cache->is_off_slab && n > 0) {
        offset = vm_round_up(record_bytes(n), align_of(cache));
        if (offset + n * cache->step_bytes <= slab_bytes(cache))
            break;
        n--;
    }
    cache->n_in_slab = n;
    cache->objects_offset = offset;
}

static size_t rest_bytes(const struct vk_cache *cache)
{
    return slab_bytes(cache) - cache->objects_offset - cache->n_in_slab * cache->step_bytes;
}

/* The smallest order that leaves no more than an eighth of a slab over. */
static bool shape(struct vk_cache *cache)
{
    cache->is_off_slab = cache->step_bytes >= vk_phys_page_bytes(cache->kmem->phys) >> OFF_SLAB_SHIFT;
    for (cache->order = 0; cache->order <= VK_SLAB_ORDER_MAX; cache->order++) {
        count_objects(cache);
        if (cache->n_in_slab > 0 && rest_bytes(cache) << WASTE_SHIFT <= slab_bytes(cache))
            break;
    }
    if (cache->order > VK_SLAB_ORDER_MAX) {
        cache->order = VK_SLAB_ORDER_MAX;
        if (cache->n_in_slab == 0)
            return false;
    }
    const size_t in_front = vm_round_up(record_bytes(cache->n_in_slab), align_of(cache));
    if (cache->is_off_slab && rest_bytes(cache) >= in_front) { /* there is room for it after all */
        cache->is_off_slab = false;
        cache->objects_offset = in_front;
    }
    cache->n_colours = (uint32_t)(rest_bytes(cache) / vm_max_size(VK_COLOUR_BYTES, align_of(cache))) + 1;
    return true;
}

/* --- records ---------------------------------------------------------------------------------------------- */

static uint64_t record_at(const struct vk_phys *phys, uint32_t slab)
{
    return phys->frame[slab].vpn;
}

static uint64_t next_at(const struct vk_phys *phys, uint32_t slab, uint32_t object)
{
    return record_at(phys, slab) + record_bytes(object);
}

void vk_slab_read(struct vk_phys *phys, uint32_t slab, struct vk_slab_record *record)
{
    vk_phys_read(phys, record_at(phys, slab), record, sizeof *record);
}

static void write_record(struct vk_phys *phys, uint32_t slab, const struct vk_slab_record *record)
{
    vk_phys_write(phys, record_at(phys, slab), record, sizeof *record);
}

uint32_t vk_slab_next(struct vk_phys *phys, uint32_t slab, uint32_t object)
{
    uint32_t next;
    vk_phys_read(phys, next_at(phys, slab, object), &next, sizeof next);
    return next;
}

static void set_next(struct vk_phys *phys, uint32_t slab, uint32_t object, uint32_t next)
{
    vk_phys_write(phys, next_at(phys, slab, object), &next, sizeof next);
}

static uint64_t object_at(const struct vk_cache *cache, uint32_t slab, size_t colour_bytes, uint32_t object)
{
    return vk_direct_address(cache->kmem, slab) + colour_bytes + cache->objects_offset +
           object * cache->step_bytes;
}

/* --- objects by address ------------------------------------------------------------------------------------ */

/* The frame that an address of the direct mapping is in, VK_NO_FRAME if it is no such address. */
static uint32_t frame_at(const struct vk_kmem *kmem, uint64_t address)
{
    const uint64_t pfn = (address - kmem->direct_base) >> kmem->phys->config.page_shift;
    return address >= kmem->direct_base && pfn < kmem->phys->n_frames &&
                   vk_frame_is_direct(kmem->phys, (uint32_t)pfn)
               ? (uint32_t)pfn
               : VK_NO_FRAME;
}

static uint32_t first_frame(const struct vk_phys *phys, uint32_t pfn)
{
    return phys->frame[pfn].flags & VK_FRAME_TAIL ? (uint32_t)phys->frame[pfn].vpn : pfn;
}

/* The slab that an address is in, and the number of the object there. False: it is in none. */
static bool find_object(struct vk_kmem *kmem, uint64_t address, uint32_t *slab, uint32_t *object)
{
    struct vk_phys *const phys = kmem->phys;
    const uint32_t pfn = frame_at(kmem, address);
    if (pfn == VK_NO_FRAME || phys->frame[pfn].kind != VK_FRAME_SLAB)
        return false;
    *slab = first_frame(phys, pfn);
    const struct vk_cache *const cache = phys->frame[pfn].owner;
    struct vk_slab_record record;
    vk_slab_read(phys, *slab, &record);
    const uint64_t first = object_at(cache, *slab, record.colour_bytes, 0);
    if (address < first || address - first >= cache->n_in_slab * (uint64_t)cache->step_bytes)
        return false;
    *object = (uint32_t)((address - first) / cache->step_bytes);
    return true;
}

/* --- slabs ------------------------------------------------------------------------------------------------ */

static struct vk_frame_list *list_for(struct vk_cache *cache, uint32_t n_used)
{
    return n_used == 0 ? &cache->free : n_used == cache->n_in_slab ? &cache->full : &cache->partial;
}

static void mark_object(struct vk_kmem *kmem, uint64_t address, uint32_t mark)
{
    uint32_t slab, object;
    const bool is_object = find_object(kmem, address, &slab, &object);
    VM_CHECK(is_object);
    set_next(kmem->phys, slab, object, mark);
}

/* Where the record of a new slab goes, in physical memory; false: there is no memory for it. */
static bool place_record(struct vk_cache *cache, uint32_t slab, size_t colour_bytes, unsigned gfp,
                         uint64_t *at)
{
    const struct vk_phys *const phys = cache->kmem->phys;
    *at = ((uint64_t)slab << phys->config.page_shift) + colour_bytes;
    if (!cache->is_off_slab)
        return true;
    const uint64_t record =
        vk_kmalloc(cache->kmem, record_bytes(cache->n_in_slab), gfp & ~(unsigned)VK_GFP_DMA);
    if (record == VK_NO_ADDRESS)
        return false;
    mark_object(cache->kmem, record, VK_SLAB_RECORD);
    *at = record - cache->kmem->direct_base;
    return true;
}

static void construct_objects(struct vk_cache *cache, uint32_t slab, size_t colour_bytes)
{
    for (uint32_t i = 0; i < cache->n_in_slab; i++) {
        const uint64_t object = object_at(cache, slab, colour_bytes, i);
        if (cache->plan.construct) {
            vk_shadow_use(cache->kmem, object, cache->plan.bytes, cache->step_bytes);
            cache->plan.construct(cache->plan.context, cache->kmem, object);
            cache->n_constructed++;
        }
        vk_shadow_free(cache->kmem, object, cache->step_bytes);
    }
}

static bool add_slab(struct vk_cache *cache, unsigned gfp)
{
    struct vk_phys *const phys = cache->kmem->phys;
    const size_t colour_bytes = cache->colour * vm_max_size(VK_COLOUR_BYTES, align_of(cache));
    const uint32_t slab = vk_alloc_pages(phys, cache->order, gfp);
    uint64_t record;
    if (slab == VK_NO_FRAME)
        return false;
    if (!place_record(cache, slab, colour_bytes, gfp, &record)) {
        vk_free_pages(phys, slab);
        return false;
    }
    vk_frames_become(phys, slab, VK_FRAME_SLAB);
    for (uint32_t i = 0; i < 1U << cache->order; i++) {
        phys->frame[slab + i].owner = cache;
        phys->frame[slab + i].vpn = i ? slab : record;
    }
    cache->colour = (cache->colour + 1) % cache->n_colours;
    write_record(phys, slab, &(struct vk_slab_record){.colour_bytes = (uint32_t)colour_bytes});
    for (uint32_t i = 0; i < cache->n_in_slab; i++)
        set_next(phys, slab, i, i + 1 < cache->n_in_slab ? i + 1 : VK_SLAB_END);
    vk_shadow_slab(cache->kmem, vk_direct_address(cache->kmem, slab), slab_bytes(cache));
    construct_objects(cache, slab, colour_bytes);
    vk_frames_push_front(phys, &cache->free, slab);
    return true;
}

static void remove_slab(struct vk_cache *cache, uint32_t slab)
{
    struct vk_phys *const phys = cache->kmem->phys;
    const uint64_t record = record_at(phys, slab);
    vk_frames_remove(phys, &cache->free, slab);
    if (cache->is_off_slab) {
        mark_object(cache->kmem, cache->kmem->direct_base + record, VK_SLAB_USED);
        vk_kfree(cache->kmem, cache->kmem->direct_base + record);
    }
    vk_free_pages(phys, slab);
    cache->n_reaped_slabs++;
}

/* --- objects ---------------------------------------------------------------------------------------------- */

uint64_t vk_cache_alloc(struct vk_cache *cache, unsigned gfp)
{
    struct vk_phys *const phys = cache->kmem->phys;
    if (vk_plan_strikes(phys, FAULT_SLAB, cache->plan.bytes, NULL))
        return VK_NO_ADDRESS;
    if (!cache->partial.n && !cache->free.n && !add_slab(cache, gfp))
        return VK_NO_ADDRESS;
    const uint32_t slab = cache->partial.n ? cache->partial.first : cache->free.first;
    struct vk_slab_record record;
    vk_slab_read(phys, slab, &record);
    const uint32_t object = record.first_free;
    vk_frames_remove(phys, list_for(cache, record.n_used), slab);
    record.n_used++;
    record.first_free = vk_slab_next(phys, slab, object);
    set_next(phys, slab, object, VK_SLAB_USED);
    write_record(phys, slab, &record);
    vk_frames_push_front(phys, list_for(cache, record.n_used), slab);
    cache->n_used++;
    cache->n_taken++;
    const uint64_t address = object_at(cache, slab, record.colour_bytes, object);
    vk_shadow_use(cache->kmem, address, cache->plan.bytes, cache->step_bytes);
    return address;
}

bool vk_object_at(struct vk_kmem *kmem, uint64_t address, struct vk_object *found)
{
    struct vk_phys *const phys = kmem->phys;
    uint32_t slab, object;
    if (find_object(kmem, address, &slab, &object)) {
        const struct vk_cache *const cache = phys->frame[slab].owner;
        struct vk_slab_record record;
        vk_slab_read(phys, slab, &record);
        *found = (struct vk_object){
            .start = object_at(cache, slab, record.colour_bytes, object),
            .bytes = cache->plan.bytes,
            .cache = cache,
            .is_used = vk_slab_next(phys, slab, object) == VK_SLAB_USED,
        };
        return true;
    }
    const uint32_t pfn = frame_at(kmem, address);
    if (pfn == VK_NO_FRAME || phys->frame[pfn].kind != VK_FRAME_LARGE)
        return false;
    const uint32_t first = first_frame(phys, pfn);
    *found = (struct vk_object){
        .start = vk_direct_address(kmem, first),
        .bytes = (size_t)phys->frame[first].vpn,
        .is_used = true,
    };
    return true;
}

static int refuse(struct vk_kmem *kmem)
{
    kmem->n_refused++;
    return VK_EINVAL;
}

static int free_object(struct vk_cache *cache, uint32_t slab, uint32_t object)
{
    struct vk_phys *const phys = cache->kmem->phys;
    struct vk_slab_record record;
    vk_slab_read(phys, slab, &record);
    vk_frames_remove(phys, list_for(cache, record.n_used), slab);
    set_next(phys, slab, object, record.first_free);
    record.first_free = object;
    record.n_used--;
    write_record(phys, slab, &record);
    vk_frames_push_front(phys, list_for(cache, record.n_used), slab);
    cache->n_used--;
    vk_shadow_free(cache->kmem, object_at(cache, slab, record.colour_bytes, object), cache->step_bytes);
    return 0;
}

/* Frees an object of the cache, or of any for NULL. */
static int free_in_slab(struct vk_kmem *kmem, const struct vk_cache *cache, uint64_t address)
{
    uint32_t slab, object;
    struct vk_object found;
    if (!vk_object_at(kmem, address, &found) || !found.cache || (cache && found.cache != cache) ||
        found.start != address || !found.is_used)
        return refuse(kmem);
    find_object(kmem, address, &slab, &object);
    return free_object(kmem->phys->frame[slab].owner, slab, object);
}

int vk_cache_free(struct vk_cache *cache, uint64_t object)
{
    return free_in_slab(cache->kmem, cache, object);
}

/* --- kmalloc ---------------------------------------------------------------------------------------------- */

struct vk_cache *vk_general_cache(struct vk_kmem *kmem, size_t bytes)
{
    for (unsigned i = 0; i < VK_N_GENERAL_CACHES; i++)
        if (bytes <= kmem->general[i].plan.bytes)
            return kmem->general[i].n_in_slab ? &kmem->general[i] : NULL;
    return NULL;
}

uint64_t vk_kmalloc(struct vk_kmem *kmem, size_t bytes, unsigned gfp)
{
    struct vk_phys *const phys = kmem->phys;
    if (bytes == 0 || bytes > vk_phys_page_bytes(phys) << VM_ORDER_MAX ||
        gfp & (VK_GFP_HIGHMEM | VK_GFP_MOVABLE))
        return VK_NO_ADDRESS;
    struct vk_cache *const cache = gfp & VK_GFP_DMA ? NULL : vk_general_cache(kmem, bytes);
    if (cache) {
        const uint64_t address = vk_cache_alloc(cache, gfp);
        if (address != VK_NO_ADDRESS)
            vk_shadow_use(kmem, address, bytes, cache->step_bytes);
        return address;
    }
    const size_t n_frames = (bytes - 1) / vk_phys_page_bytes(phys) + 1;
    const uint32_t first = vk_alloc_pages(phys, vm_ceil_log2(n_frames), gfp);
    if (first == VK_NO_FRAME)
        return VK_NO_ADDRESS;
    const unsigned order = phys->frame[first].order;
    vk_frames_become(phys, first, VK_FRAME_LARGE);
    phys->frame[first].vpn = bytes;
    for (uint32_t i = 1; i < 1U << order; i++)
        phys->frame[first + i].vpn = first;
    const uint64_t address = vk_direct_address(kmem, first);
    vk_shadow_use(kmem, address, bytes, vk_phys_page_bytes(phys) << order);
    return address;
}

int vk_kfree(struct vk_kmem *kmem, uint64_t address)
{
    const uint32_t pfn = frame_at(kmem, address);
    if (pfn == VK_NO_FRAME)
        return refuse(kmem);
    const struct vk_frame *const frame = &kmem->phys->frame[pfn];
    if (frame->kind != VK_FRAME_LARGE)
        return free_in_slab(kmem, NULL, address);
    if (address != vk_direct_address(kmem, pfn) || frame->flags & VK_FRAME_TAIL)
        return refuse(kmem);
    vk_free_pages(kmem->phys, pfn);
    return 0;
}

/* --- caches ----------------------------------------------------------------------------------------------- */

int vk_cache_create(struct vk_kmem *kmem, struct vk_cache *cache, const struct vk_cache_plan *plan)
{
    const size_t align = plan->align ? plan->align : ALIGN_LEAST;
    *cache = (struct vk_cache){.kmem = kmem, .plan = *plan};
    if (plan->bytes == 0 || !vm_is_power_of_two(align) || align > vk_phys_page_bytes(kmem->phys) ||
        plan->bytes > vk_phys_page_bytes(kmem->phys) << VK_SLAB_ORDER_MAX)
        return VK_EINVAL;
    cache->plan.align = align;
    cache->step_bytes = vm_round_up(plan->bytes, align);
    vk_frames_init(&cache->full);
    vk_frames_init(&cache->partial);
    vk_frames_init(&cache->free);
    if (!shape(cache)) {
        cache->n_in_slab = 0;
        return VK_EINVAL;
    }
    vm_list_push_back(&kmem->caches, &cache->link);
    return 0;
}

uint32_t vk_cache_reap(struct vk_cache *cache)
{
    const uint32_t n = cache->free.n << cache->order;
    while (cache->free.n)
        remove_slab(cache, cache->free.first);
    return n;
}

int vk_cache_destroy(struct vk_cache *cache)
{
    if (cache->n_used)
        return VK_EBUSY;
    vk_cache_reap(cache);
    vm_list_remove(&cache->kmem->caches, &cache->link);
    return 0;
}

/* Caches with their records elsewhere first, as these are objects of others then free. */
uint32_t vk_kmem_reap(void *context)
{
    struct vk_kmem *const kmem = context;
    uint32_t n = 0;
    for (unsigned on_slab = 0; on_slab < 2; on_slab++)
        for (struct list_node *link = kmem->caches.first; link; link = link->next) {
            struct vk_cache *const cache = VM_CONTAINER(link, struct vk_cache, link);
            if (cache->is_off_slab != (on_slab == 1))
                n += vk_cache_reap(cache);
        }
    return n;
}

void vk_kmem_init(struct vk_kmem *kmem, struct vk_phys *phys, uint64_t direct_base)
{
    *kmem = (struct vk_kmem){.phys = phys, .direct_base = direct_base};
    for (unsigned i = 0; i < VK_N_GENERAL_CACHES; i++)
        vk_cache_create(kmem, &kmem->general[i], &general_plans[i]);
}

/* --- access ----------------------------------------------------------------------------------------------- */

/* Whether the byte is in something that was given out, or could be. */
static bool may_access(struct vk_kmem *kmem, uint64_t address)
{
    struct vk_phys *const phys = kmem->phys;
    const uint32_t pfn = frame_at(kmem, address);
    uint32_t slab, object;
    if (pfn == VK_NO_FRAME)
        return false;
    const struct vk_frame *const frame = &phys->frame[pfn];
    switch ((enum vk_frame_kind)frame->kind) {
    case VK_FRAME_SLAB:
        return find_object(kmem, address, &slab, &object) &&
               vk_slab_next(phys, slab, object) != VK_SLAB_RECORD;
    case VK_FRAME_KERNEL:
        return !frame->owner || frame->owner == kmem->frames_owner;
    case VK_FRAME_USER:
        return !phys->config.keeps_stamps;
    case VK_FRAME_LARGE:
        return true;
    case VK_FRAME_RESERVED:
    case VK_FRAME_FREE:
    case VK_FRAME_CACHED:
        break;
    }
    return false;
}

/* All of it; objects, of which none is smaller than 8 bytes, are looked at each. */
static bool may_access_all(struct vk_kmem *kmem, uint64_t address, size_t n)
{
    for (size_t i = 0; i < n; i += ALIGN_LEAST)
        if (!may_access(kmem, address + i))
            return false;
    return may_access(kmem, address + n - 1);
}

int vk_kernel_read(struct vk_kmem *kmem, uint64_t from, void *to, size_t n)
{
    if (n == 0)
        return 0;
    vk_shadow_check(kmem, from, n, VK_SHADOW_READ);
    if (!may_access_all(kmem, from, n))
        return VK_EFAULT;
    vk_phys_read(kmem->phys, from - kmem->direct_base, to, n);
    return 0;
}

int vk_kernel_write(struct vk_kmem *kmem, uint64_t to, const void *from, size_t n)
{
    if (n == 0)
        return 0;
    vk_shadow_check(kmem, to, n, VK_SHADOW_WRITE);
    if (!may_access_all(kmem, to, n))
        return VK_EFAULT;
    vk_phys_write(kmem->phys, to - kmem->direct_base, from, n);
    return 0;
}
