/* SPDX-License-Identifier: MIT */
/*
 * area.c - see area.h.
 *
 *     low                                                                        high
 *      |   gap    | area A |  gap  | area B | area C |        gap above          |
 *       <- A.gap ->         <B.gap>         ^ C.gap = 0
 *
 * Invariants, which the checker cites:
 *   K1  the list is in address order; areas are whole pages, not empty, and do not overlap
 *   K2  the tree holds exactly the areas of the list, in the same order; it is a red-black tree (R1..R3)
 *   K3  each area's gap and gap_most are exact
 *   K4  no two areas that touch have the same style, unless they are holes: they would have been merged
 *   K5  the counts agree, the spare records are there, and the area found last is in the list
 */
#include "sim/area.h"
#include "base/check.h"

struct chunk {
    struct list_node link;
    struct area *next, *end;
};

static struct area *area_of_node(const struct rb_node *node)
{
    return VM_CONTAINER(node, struct area, node);
}

/* --- records -------------------------------------------------------------------------------------------- */

size_t vk_area_pool_bytes(size_t n_areas)
{
    return sizeof(struct chunk) + n_areas * sizeof(struct area);
}

void vk_area_pool_add(struct area_pool *pool, void *memory, size_t bytes)
{
    struct chunk *const chunk = memory;
    const size_t n_areas = (bytes - sizeof *chunk) / sizeof(struct area);
    *chunk = (struct chunk){.next = (struct area *)(chunk + 1), .end = (struct area *)(chunk + 1) + n_areas};
    vm_list_push_back(&pool->chunks, &chunk->link);
    pool->n_free += n_areas;
    pool->n_all += n_areas;
}

bool vk_area_pool_reserve(struct area_pool *pool, size_t n_more)
{
    if (pool->n_free >= AREA_SPARE + n_more)
        return true;
    const size_t bytes = vk_area_pool_bytes(64);
    void *const memory = pool->more ? pool->more(pool->context, bytes) : NULL;
    if (memory)
        vk_area_pool_add(pool, memory, bytes);
    return memory;
}

static struct area *take_record(struct area_pool *pool)
{
    VM_CHECK(pool->n_free > 0);
    pool->n_free--;
    struct list_node *const link = vm_list_pop_front(&pool->free);
    if (link)
        return vk_area_of(link);
    struct chunk *const chunk = VM_CONTAINER(pool->chunks.first, struct chunk, link);
    struct area *const area = chunk->next++;
    if (chunk->next == chunk->end)
        vm_list_remove(&pool->chunks, &chunk->link);
    return area;
}

static void give_record(struct area_pool *pool, struct area *area)
{
    vm_list_push_front(&pool->free, &area->link);
    pool->n_free++;
}

/* --- gaps ----------------------------------------------------------------------------------------------- */

static size_t gap_most_of(const struct rb_node *node)
{
    size_t most = area_of_node(node)->gap;
    for (unsigned side = RB_LEFT; side <= RB_RIGHT; side++)
        if (node->child[side])
            most = vm_max_size(most, area_of_node(node->child[side])->gap_most);
    return most;
}

static void set_gap_most(struct rb_node *node)
{
    area_of_node(node)->gap_most = gap_most_of(node);
}

static size_t gap_of(const struct areas *areas, const struct area *area)
{
    const struct area *const prev = vk_area_prev(area);
    return area->start - (prev ? prev->end : areas->low);
}

/* What is in front of the area has changed. NULL: the gap above all areas, which no node keeps. */
static void update_gap(struct areas *areas, struct area *area)
{
    if (!area)
        return;
    area->gap = gap_of(areas, area);
    vm_rb_update(&areas->tree, &area->node);
}

static bool fits(const struct gap_wanted *wanted, vk_va start, vk_va end, vk_va *place)
{
    start = vm_max_size(start, wanted->low);
    end = vm_min_size(end, wanted->high);
    if (start >= end || end - start < wanted->bytes)
        return false;
    const size_t mask = wanted->alignment - 1;
    const size_t skip = wanted->from == RB_LEFT ? -start & mask : (end - wanted->bytes) & mask;
    if (skip > end - start - wanted->bytes)
        return false;
    *place = wanted->from == RB_LEFT ? start + skip : end - wanted->bytes - skip;
    return true;
}

static bool has_gap(const struct rb_node *node, size_t bytes)
{
    return node && area_of_node(node)->gap_most >= bytes;
}

/* The outermost node on that side of the subtree with so wide a gap. Needs: there is one. */
static const struct rb_node *outermost_gap(const struct rb_node *node, unsigned side, size_t bytes)
{
    for (;;) {
        if (has_gap(node->child[side], bytes))
            node = node->child[side];
        else if (area_of_node(node)->gap >= bytes)
            return node;
        else
            node = node->child[!side];
    }
}

/* The next node towards that side with so wide a gap. */
static const struct rb_node *next_gap(const struct rb_node *node, unsigned side, size_t bytes)
{
    if (has_gap(node->child[side], bytes))
        return outermost_gap(node->child[side], !side, bytes);
    for (; node->parent; node = node->parent) {
        if (node == node->parent->child[side])
            continue;
        if (area_of_node(node->parent)->gap >= bytes)
            return node->parent;
        if (has_gap(node->parent->child[side], bytes))
            return outermost_gap(node->parent->child[side], !side, bytes);
    }
    return NULL;
}

bool vk_areas_find_gap(const struct areas *areas, const struct gap_wanted *wanted, vk_va *place)
{
    const struct area *const last = vk_area_of(vm_list_last(&areas->list));
    const vk_va top = last ? last->end : areas->low;
    if (wanted->from == RB_RIGHT && fits(wanted, top, areas->high, place))
        return true;
    const struct rb_node *node = areas->tree.root;
    node = has_gap(node, wanted->bytes) ? outermost_gap(node, wanted->from, wanted->bytes) : NULL;
    for (; node; node = next_gap(node, !wanted->from, wanted->bytes)) {
        const struct area *const area = area_of_node(node);
        if (fits(wanted, area->start - area->gap, area->start, place))
            return true;
    }
    return wanted->from == RB_LEFT && fits(wanted, top, areas->high, place);
}

/* --- areas ---------------------------------------------------------------------------------------------- */

void vk_areas_init(struct areas *areas, struct area_pool *pool, vk_va low, vk_va high)
{
    *areas = (struct areas){.tree.augment = set_gap_most, .pool = pool, .low = low, .high = high};
}

void vk_areas_set_ends(struct areas *areas, vk_va low, vk_va high)
{
    areas->low = low;
    areas->high = high;
    update_gap(areas, vk_areas_first(areas));
}

struct area *vk_areas_find(struct areas *areas, vk_va at)
{
    areas->n_finds++;
    struct area *found = areas->last_found;
    if (found && found->start <= at && at < found->end) {
        areas->n_find_hits++;
        return found;
    }
    found = NULL;
    for (struct rb_node *node = areas->tree.root; node;) {
        struct area *const area = area_of_node(node);
        if (area->end > at)
            found = area;
        node = node->child[area->end > at ? RB_LEFT : RB_RIGHT];
    }
    if (found && found->start <= at)
        areas->last_found = found;
    return found;
}

struct area *vk_areas_find_at(struct areas *areas, vk_va at)
{
    struct area *const area = vk_areas_find(areas, at);
    return area && area->start <= at && !vk_area_is_hole(area) ? area : NULL;
}

struct area *vk_areas_find_in(struct areas *areas, vk_va start, vk_va end)
{
    struct area *const area = vk_areas_find(areas, start);
    return area && area->start < end ? area : NULL;
}

bool vk_areas_exist(struct areas *areas, vk_va start, size_t bytes)
{
    if (start < areas->low || start > areas->high || bytes > areas->high - start)
        return false;
    if (!areas->n_holes)
        return true;
    const struct area *area = vk_areas_find_in(areas, start, start + bytes);
    for (; area && area->start < start + bytes; area = vk_area_next(area))
        if (vk_area_is_hole(area))
            return false;
    return true;
}

struct area *vk_areas_add(struct areas *areas, vk_va start, vk_va end, struct area_style style)
{
    VM_ASSERT(!vk_areas_find_in(areas, start, end));
    struct area *const area = take_record(areas->pool);
    *area = (struct area){.start = start, .end = end, .style = style};
    struct rb_node *parent = NULL;
    unsigned side = RB_LEFT;
    for (struct rb_node *node = areas->tree.root; node; node = node->child[side]) {
        parent = node;
        side = start > area_of_node(node)->start ? RB_RIGHT : RB_LEFT;
    }
    struct list_node *prev = parent ? &area_of_node(parent)->link : NULL;
    if (parent && side == RB_LEFT)
        prev = vm_list_prev(prev);
    vm_list_insert(&areas->list, &area->link, prev);
    vm_rb_insert(&areas->tree, &area->node, parent, side);
    update_gap(areas, area);
    update_gap(areas, vk_area_next(area));
    *(vk_area_is_hole(area) ? &areas->n_holes : &areas->n_areas) += 1;
    return area;
}

void vk_areas_remove(struct areas *areas, struct area *area)
{
    struct area *const next = vk_area_next(area);
    *(vk_area_is_hole(area) ? &areas->n_holes : &areas->n_areas) -= 1;
    vm_rb_remove(&areas->tree, &area->node);
    vm_list_remove(&areas->list, &area->link);
    update_gap(areas, next);
    if (areas->last_found == area)
        areas->last_found = NULL;
    give_record(areas->pool, area);
}

static void split(struct areas *areas, vk_va at)
{
    struct area *const area = vk_areas_find(areas, at);
    if (!area || area->start >= at)
        return;
    const vk_va end = area->end;
    area->end = at;
    vk_areas_add(areas, at, end, area->style);
}

void vk_areas_isolate(struct areas *areas, vk_va start, vk_va end)
{
    split(areas, start);
    split(areas, end);
}

static bool are_one(const struct area *left, const struct area *right)
{
    return left && right && left->end == right->start && vk_same_style(left->style, right->style) &&
           !vk_area_is_hole(left);
}

void vk_areas_merge(struct areas *areas, struct area *area)
{
    struct area *const prev = vk_area_prev(area);
    if (are_one(prev, area)) {
        const vk_va end = area->end;
        vk_areas_remove(areas, area);
        area = prev;
        area->end = end;
        update_gap(areas, vk_area_next(area));
    }
    struct area *const next = vk_area_next(area);
    if (are_one(area, next)) {
        const vk_va end = next->end;
        vk_areas_remove(areas, next);
        area->end = end;
        update_gap(areas, vk_area_next(area));
    }
}

/* --- the checker ---------------------------------------------------------------------------------------- */

static bool is_before(const struct rb_node *left, const struct rb_node *right)
{
    return area_of_node(left)->link.next == &area_of_node(right)->link;
}

static bool is_gap_most_exact(const struct rb_node *node)
{
    return area_of_node(node)->gap_most == gap_most_of(node);
}

void vk_areas_check(const struct areas *areas, size_t page_bytes)
{
    size_t n_areas = 0, n_holes = 0;
    bool has_last_found = false;
    const struct area *prev = NULL;
    for (const struct area *area = vk_areas_first(areas); area; prev = area, area = vk_area_next(area)) {
        VM_CHECK(area->start < area->end);                             /* K1 */
        VM_CHECK(((area->start | area->end) & (page_bytes - 1)) == 0); /* K1 */
        VM_CHECK(area->start >= (prev ? prev->end : areas->low));      /* K1 */
        VM_CHECK(vk_area_prev(area) == prev);                          /* K1 */
        VM_CHECK(area->gap == gap_of(areas, area));                    /* K3 */
        VM_CHECK(!are_one(prev, area));                                /* K4 */
        n_areas += !vk_area_is_hole(area);
        n_holes += vk_area_is_hole(area);
        has_last_found |= area == areas->last_found;
    }
    VM_CHECK(areas->low <= areas->high && (!prev || prev->end <= areas->high)); /* K1 */
    VM_CHECK(vk_area_of(vm_list_last(&areas->list)) == prev);                   /* K1 */
    const size_t n_nodes = vm_rb_check(&areas->tree, is_before, is_gap_most_exact);
    VM_CHECK(n_nodes == n_areas + n_holes);                           /* K2 */
    VM_CHECK(n_areas == areas->n_areas && n_holes == areas->n_holes); /* K5 */
    VM_CHECK(has_last_found || !areas->last_found);                   /* K5 */
}

void vk_area_pool_check(const struct area_pool *pool, size_t n_used)
{
    size_t n_free = 0;
    for (const struct list_node *link = pool->free.first; link; link = link->next)
        n_free++;
    for (const struct list_node *link = pool->chunks.first; link; link = link->next) {
        const struct chunk *const chunk = VM_CONTAINER(link, struct chunk, link);
        VM_CHECK(chunk->next < chunk->end); /* K5 */
        n_free += (size_t)(chunk->end - chunk->next);
    }
    VM_CHECK(n_free == pool->n_free);               /* K5 */
    VM_CHECK(pool->n_all - pool->n_free == n_used); /* K5 */
    VM_CHECK(pool->n_free >= AREA_SPARE);           /* K5 */
}
