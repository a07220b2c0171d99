/* SPDX-License-Identifier: MIT */
/*
 * meta.c - see meta.h. Owns regions of 256 KiB, cut into aligned chunks; where memory is little, a region is a page,
 * and a chunk at most 8 KiB of it. One lock, of rank META, the last of
 * ours: nothing is called under it but the kernel for a new region. Pages are purged outside the lock,
 * while the chunk is out of every list.
 *
 * Invariants: M1 a chunk is in the list of its size iff it has a free object and is not being swept;
 * M2 n_used is the number of bits set; M3 an empty chunk belongs to no size and is in the empty list.
 *
 * In a fork child the lists may be half changed, by a thread that is not there: new ones begin, of the next generation. The
 * chunks of the old ones wait until one of their objects is freed, and come into the new ones then.
 */
#include "pool/meta.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/list.h"
#include "base/lock.h"
#include "kernel/kernel.h"

enum {
    CHUNK_BYTES = 64 * VM_KIB,
    REGION_BYTES = 256 * VM_KIB,
    SMALL_CHUNK_BYTES = 8 * VM_KIB, /* at most, where memory is little */
    N_SIZES = VM_META_OBJECT_MAX / VM_META_UNIT + 1,
};

/* At the start of each chunk. */
struct chunk {
    struct list_node node;
    uint32_t object_bytes, n_objects, n_used;
    uint16_t is_swept;   /* its pages are being purged: in no list meanwhile */
    uint16_t generation; /* of the lists that it is in */
    uint64_t touched;    /* pages that objects were on since they were purged: a bit each */
    vm_word x_taken[];   /* n_words(): a sweeper reads it while others clear bits */
};

_Static_assert(CHUNK_BYTES >> VM_PAGE_SHIFT_MIN <= 64, "a bit of `touched` for each page");

static struct lock meta_lock = VM_LOCK_INIT(VM_RANK_META);
static struct list chunks_of_size[N_SIZES]; /* with a free object; index in units */
static struct list empty_chunks;
static char *region_next, *region_end;   /* what is left of the last region */
static size_t chunk_bytes, region_bytes; /* set with the first region */
static size_t mapped_bytes, used_bytes;
static uint16_t generation; /* of the lists */

static size_t n_words(void)
{
    return vm_max_size(chunk_bytes / VM_META_UNIT / VM_WORD_BITS, 1);
}

/* Offset of a chunk's first object. */
static size_t first_object(void)
{
    return vm_round_up(sizeof(struct chunk) + n_words() * sizeof(vm_word), VM_META_UNIT);
}

static void choose_sizes_locked(void)
{
    const bool is_little = vm_kernel_is_memory_little();
    chunk_bytes = is_little ? vm_min_size(SMALL_CHUNK_BYTES, vm_kernel.page_bytes) : CHUNK_BYTES;
    region_bytes = is_little ? vm_kernel.page_bytes : REGION_BYTES;
}

static bool add_region_locked(void)
{
    /* If a region starts anywhere, chunks are aligned by a chunk's worth more than is used. */
    const size_t slack = chunk_bytes > vm_kernel.page_bytes ? chunk_bytes : 0;
    const size_t bytes = vm_round_up(region_bytes + slack, vm_kernel.page_bytes);
    char *const region = vm_kernel_map_table(bytes);
    if (!region)
        return false;
    mapped_bytes += bytes;
    region_next = (char *)vm_round_up((uintptr_t)region, chunk_bytes);
    region_end = region_next + region_bytes;
    return true;
}

/* A chunk of no size, or NULL. */
static struct chunk *take_chunk_locked(void)
{
    struct list_node *const node = vm_list_pop_front(&empty_chunks);
    if (node)
        return VM_CONTAINER(node, struct chunk, node);
    if (region_next == region_end && !add_region_locked())
        return NULL;
    struct chunk *const chunk = (struct chunk *)(void *)region_next;
    region_next += chunk_bytes;
    return chunk;
}

static struct chunk *chunk_with_room_locked(size_t object_bytes)
{
    struct list *const list = &chunks_of_size[object_bytes / VM_META_UNIT];
    if (list->first)
        return VM_CONTAINER(list->first, struct chunk, node);
    struct chunk *const chunk = take_chunk_locked();
    if (!chunk)
        return NULL;
    chunk->object_bytes = (uint32_t)object_bytes;
    chunk->n_objects = (uint32_t)((chunk_bytes - first_object()) / object_bytes);
    chunk->n_used = 0;
    chunk->generation = generation;
    vm_list_push_front(list, &chunk->node);
    return chunk;
}

static uint32_t take_lowest(struct chunk *chunk)
{
    for (uint32_t i = 0;; i++) {
        VM_ASSERT(i < n_words());
        if (~chunk->x_taken[i] == 0)
            continue;
        const uint32_t bit = (uint32_t)vm_bits_lowest(~chunk->x_taken[i]);
        chunk->x_taken[i] |= (vm_word)1 << bit;
        return i * VM_WORD_BITS + bit;
    }
}

static void touch_pages(struct chunk *chunk, const char *object)
{
    const size_t offset = (size_t)(object - (char *)chunk);
    const size_t last = (offset + chunk->object_bytes - 1) >> vm_kernel.page_shift;
    for (size_t page = offset >> vm_kernel.page_shift; page <= last; page++)
        chunk->touched |= (uint64_t)1 << page;
}

/* Too large for any chunk: pages of its own. */
static void *map_object(size_t object_bytes)
{
    const size_t bytes = vm_round_up(object_bytes, vm_kernel.page_bytes);
    void *const object = vm_kernel_map_table(bytes);
    if (!object)
        return NULL;
    vm_lock_acquire(&meta_lock);
    mapped_bytes += bytes;
    used_bytes += object_bytes;
    vm_lock_release(&meta_lock);
    return object;
}

static void unmap_object(void *object, size_t object_bytes)
{
    const size_t bytes = vm_round_up(object_bytes, vm_kernel.page_bytes);
    const bool is_unmapped = vm_kernel_unmap(object, bytes);
    vm_lock_acquire(&meta_lock);
    mapped_bytes -= is_unmapped ? bytes : 0;
    used_bytes -= object_bytes;
    vm_lock_release(&meta_lock);
}

static bool fits_in_chunk(size_t object_bytes)
{
    return object_bytes <= chunk_bytes - first_object();
}

void *vm_meta_alloc(size_t bytes)
{
    const size_t object_bytes = vm_round_up(bytes, VM_META_UNIT);
    VM_ASSERT(object_bytes > 0 && object_bytes <= VM_META_OBJECT_MAX);
    vm_lock_acquire(&meta_lock);
    if (VM_UNLIKELY(!chunk_bytes))
        choose_sizes_locked();
    if (VM_UNLIKELY(!fits_in_chunk(object_bytes))) {
        vm_lock_release(&meta_lock);
        return map_object(object_bytes);
    }
    struct chunk *const chunk = chunk_with_room_locked(object_bytes);
    char *object = NULL;
    if (chunk) {
        object = (char *)chunk + first_object() + take_lowest(chunk) * object_bytes;
        touch_pages(chunk, object);
        if (++chunk->n_used == chunk->n_objects)
            vm_list_remove(&chunks_of_size[object_bytes / VM_META_UNIT], &chunk->node);
        used_bytes += object_bytes;
    }
    vm_lock_release(&meta_lock);
    /* Word by word, as a thread may still look at the descriptor that was here before. */
    for (size_t i = 0; object && i < object_bytes / sizeof(vm_word); i++)
        vm_store_relaxed(&((vm_word *)(void *)object)[i], 0);
    return object;
}

static bool is_page_free(const struct chunk *chunk, size_t page)
{
    const size_t start = page << vm_kernel.page_shift, end = start + vm_kernel.page_bytes;
    const size_t origin = first_object();
    if (start < origin)
        return false;
    const size_t first = (start - origin) / chunk->object_bytes;
    for (size_t i = first; i < chunk->n_objects && origin + i * chunk->object_bytes < end; i++)
        if (vm_load_relaxed(&chunk->x_taken[i / VM_WORD_BITS]) >> (i % VM_WORD_BITS) & 1)
            return false;
    return true;
}

/* Gives the chunk's free pages back to the kernel that may have contents. Needs is_swept: nobody takes an object from it
   meanwhile. */
static void sweep(struct chunk *chunk)
{
    const size_t n_pages = chunk_bytes >> vm_kernel.page_shift;
    size_t start = 0;
    for (size_t page = 0; page <= n_pages; page++) {
        if (page < n_pages && chunk->touched >> page & 1 && is_page_free(chunk, page)) {
            chunk->touched &= ~((uint64_t)1 << page);
            continue;
        }
        if (start < page)
            vm_kernel_purge((char *)chunk + vm_pages_to_bytes(start), vm_pages_to_bytes(page - start));
        start = page + 1;
    }
}

/* Sweeping at each halving costs few calls while a chunk runs empty and none while it is in use. */
static bool is_worth_sweeping(const struct chunk *chunk)
{
    return chunk_bytes > vm_kernel.page_bytes && chunk->n_used * 4 <= chunk->n_objects &&
           (chunk->n_used & (chunk->n_used - 1)) == 0;
}

/* Puts a chunk where it belongs after something in it was freed. */
static void file_locked(struct chunk *chunk)
{
    struct list *const list = &chunks_of_size[chunk->object_bytes / VM_META_UNIT];
    if (chunk->n_used == 0) {
        chunk->object_bytes = 0;
        vm_list_push_front(&empty_chunks, &chunk->node);
    } else {
        vm_list_push_back(list, &chunk->node);
    }
}

static uint32_t count_used(const struct chunk *chunk)
{
    uint32_t n_bits = 0;
    for (size_t i = 0; i < n_words(); i++)
        n_bits += vm_bits_count(chunk->x_taken[i]);
    return n_bits;
}

/* The chunk is in no list of this generation. Of what it says only this is sure: which objects are taken, and whether it is
   being swept, by this thread, which will list it, or by one that is not here. */
static void inherit_locked(struct chunk *chunk)
{
    chunk->generation = generation;
    chunk->n_used = count_used(chunk);
    chunk->touched = UINT64_MAX >> (64 - (chunk_bytes >> vm_kernel.page_shift));
}

void vm_meta_free(void *object, size_t bytes)
{
    const size_t object_bytes = vm_round_up(bytes, VM_META_UNIT);
    if (VM_UNLIKELY(!fits_in_chunk(object_bytes))) {
        unmap_object(object, object_bytes);
        return;
    }
    struct chunk *const chunk = (struct chunk *)vm_round_down((uintptr_t)object, chunk_bytes);
    const size_t index = ((size_t)((char *)object - (char *)chunk) - first_object()) / object_bytes;
    vm_lock_acquire(&meta_lock);
    const bool is_inherited = chunk->generation != generation;
    if (VM_UNLIKELY(is_inherited))
        inherit_locked(chunk);
    VM_ASSERT(chunk->object_bytes == object_bytes && chunk->n_used > 0);
    VM_ASSERT(chunk->x_taken[index / VM_WORD_BITS] >> (index % VM_WORD_BITS) & 1);
    vm_word *const taken = &chunk->x_taken[index / VM_WORD_BITS];
    vm_store_relaxed(taken, *taken & ~((vm_word)1 << (index % VM_WORD_BITS)));
    used_bytes -= object_bytes;
    const bool was_listed = chunk->n_used-- < chunk->n_objects && !is_inherited;
    bool sweeping = false;
    if (!chunk->is_swept) {
        if (was_listed)
            vm_list_remove(&chunks_of_size[object_bytes / VM_META_UNIT], &chunk->node);
        sweeping = is_worth_sweeping(chunk);
        chunk->is_swept = sweeping;
        if (!sweeping)
            file_locked(chunk);
    }
    vm_lock_release(&meta_lock);
    if (!sweeping)
        return;
    sweep(chunk);
    vm_lock_acquire(&meta_lock);
    if (VM_UNLIKELY(chunk->generation != generation))
        inherit_locked(chunk);
    chunk->is_swept = false;
    file_locked(chunk);
    vm_lock_release(&meta_lock);
}

/* A chunk that is a mapping of its own and has no object, taken out of its list. */
static struct chunk *take_empty_region(void)
{
    vm_lock_acquire(&meta_lock);
    struct list_node *const node = chunk_bytes == region_bytes ? vm_list_pop_front(&empty_chunks) : NULL;
    vm_lock_release(&meta_lock);
    return node ? VM_CONTAINER(node, struct chunk, node) : NULL;
}

/* It was unmapped, or, if that was refused, stays in the list. */
static void settle_empty_region(struct chunk *chunk, bool is_unmapped)
{
    vm_lock_acquire(&meta_lock);
    if (is_unmapped)
        mapped_bytes -= region_bytes;
    else
        vm_list_push_back(&empty_chunks, &chunk->node);
    vm_lock_release(&meta_lock);
}

bool vm_meta_trim(void)
{
    bool done = false, goes_on = vm_kernel_is_memory_little() && vm_process_is_single_threaded();
    while (goes_on) {
        struct chunk *const chunk = take_empty_region();
        goes_on = chunk && vm_kernel_unmap(chunk, region_bytes);
        if (chunk)
            settle_empty_region(chunk, goes_on);
        done |= goes_on;
    }
    return done;
}

struct meta_totals vm_meta_totals(void)
{
    vm_lock_acquire(&meta_lock);
    const struct meta_totals totals = {.mapped_bytes = mapped_bytes, .used_bytes = used_bytes};
    vm_lock_release(&meta_lock);
    return totals;
}

void vm_meta_reset_in_child(void)
{
    if (!vm_lock_reset_in_child(&meta_lock))
        return;
    for (unsigned size = 0; size < N_SIZES; size++)
        chunks_of_size[size] = (struct list){0};
    empty_chunks = (struct list){0};
    region_next = region_end = NULL;
    generation = (uint16_t)(generation + 1);
}

void vm_meta_check(void)
{
    vm_lock_acquire(&meta_lock);
    for (unsigned size = 1; size < N_SIZES; size++) {
        for (struct list_node *node = chunks_of_size[size].first; node; node = node->next) {
            const struct chunk *const chunk = VM_CONTAINER(node, struct chunk, node);
            const uint32_t n_bits = count_used(chunk);
            VM_CHECK(chunk->object_bytes == size * VM_META_UNIT);           /* M1 */
            VM_CHECK(chunk->generation == generation);                      /* M1 */
            VM_CHECK(!chunk->is_swept && chunk->n_used < chunk->n_objects); /* M1 */
            VM_CHECK(n_bits == chunk->n_used && n_bits > 0);                /* M2 M3 */
        }
    }
    for (struct list_node *node = empty_chunks.first; node; node = node->next)
        VM_CHECK(VM_CONTAINER(node, struct chunk, node)->n_used == 0); /* M3 */
    vm_lock_release(&meta_lock);
}
