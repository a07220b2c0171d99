/* SPDX-License-Identifier: MIT */
/* memorydamage.c - the checkers of physical memory, reclaim, caches and vmalloc on what was broken by hand. */
#include "pager.h"
#include "sim/kva.h"

enum { N_PAGES = 5000, N_OBJECTS = 40, KVA_LOW = 4500 * PAGE, KVA_HIGH = 4900 * PAGE };

static struct vk_phys phys;
static struct vk_reclaim reclaim;
static struct vk_kmem kmem;
static struct vk_kva kva;
static struct pager pager, kernel;
static struct vk_group group;
static struct vk_cache *cache;
static uint64_t area;

/* Pages 0 to 4199 are in use, some of them active, some in slots; slabs of 128 bytes are full, partial and free. */
static void make_state(void)
{
    struct vk_phys_config config = plain_config(16 * MIB);
    config.keeps_stamps = true;
    config.cpu_batch = 8;
    config.cma_bytes = 4 * MIB;
    UNIT_REQUIRE(vk_phys_init(&phys, &config) == 0 && vk_reclaim_init(&reclaim, &phys, 512) == 0);
    vk_group_add(&reclaim, &group, 4000);
    pager_start(&kernel, &reclaim, NULL, N_PAGES);
    UNIT_REQUIRE(vk_kva_init(&kva, &phys, &kernel.space, KVA_LOW, KVA_HIGH) == 0);
    area = vk_vmalloc(&kva, 3 * PAGE);
    vk_kmem_init(&kmem, &phys, 0);
    cache = vk_general_cache(&kmem, 128);
    uint64_t objects[N_OBJECTS];
    for (unsigned i = 0; i < N_OBJECTS; i++)
        objects[i] = vk_kmalloc(&kmem, 128, VK_GFP_KERNEL);
    for (unsigned i = 35; i < N_OBJECTS; i++)
        vk_kfree(&kmem, objects[i]);
    pager_start(&pager, &reclaim, &group, N_PAGES);
    for (size_t page = 0; page < 4000; page++)
        pager_write(&pager, page, page);
    for (size_t page = 4000; page < 4200; page++)
        pager_write(&pager, page, page);
    UNIT_REQUIRE(pager.space.n_swapped > 0 && group.active.n > 0 && group.inactive.n > 0);
    UNIT_REQUIRE(cache->full.n == 1 && cache->partial.n == 1);
    for (size_t page = 500; page < 600; page++) /* some frames for the processor's list, of both kinds */
        pager_unmap(&pager, page);
}

static struct vk_zone *zone(void)
{
    return &phys.zone[VK_ZONE_NORMAL];
}

static uint32_t frame_of_kind(enum vk_frame_kind kind)
{
    uint32_t pfn = 0;
    while (phys.frame[pfn].kind != kind)
        pfn++;
    return pfn;
}

static struct vk_frame *in_use(void)
{
    return &phys.frame[group.inactive.first];
}

static void break_kind(void)
{
    phys.frame[frame_of_kind(VK_FRAME_FREE)].kind = VK_FRAME_KERNEL;
}

static void break_mobility(void)
{
    const uint32_t pfn = frame_of_kind(VK_FRAME_FREE);
    zone()->mobility[pfn / VK_PAGEBLOCK_FRAMES] ^= 1;
}

static void break_buddies(void)
{
    zone()->buddy[VK_MOVABLE].list[0].count++;
}

static void break_cached(void)
{
    phys.frame[frame_of_kind(VK_FRAME_CACHED)].kind = VK_FRAME_KERNEL;
}

static void break_cached_count(void)
{
    zone()->cpu[0].n++;
}

static void break_tail(void)
{
    phys.frame[frame_of_kind(VK_FRAME_KERNEL)].order = 2;
}

static void break_list(void)
{
    group.active.n++;
}

static void break_flag(void)
{
    in_use()->flags |= VK_FRAME_ACTIVE;
}

static void break_group(void)
{
    in_use()->owner = &kernel.space;
}

static void break_owner(void)
{
    in_use()->vpn++;
}

static void break_lost(void)
{
    vk_lru_remove(&reclaim, group.inactive.first);
}

static void break_charge(void)
{
    group.n_charged++;
}

static void break_limit(void)
{
    group.limit = group.n_charged - 1;
}

static void break_mark(void)
{
    group.n_charged_most = 1;
}

static void break_resident(void)
{
    pager.space.n_resident--;
}

static void break_swapped(void)
{
    pager.space.n_swapped++;
}

static void break_slot(void)
{
    reclaim.slot[reclaim.free_slot].space = &pager.space;
}

static void break_slots(void)
{
    reclaim.n_slots_used++;
}

static void break_slab_list(void)
{
    const uint32_t slab = cache->full.first;
    vk_frames_remove(&phys, &cache->full, slab);
    vk_frames_push_front(&phys, &cache->partial, slab);
}

static void break_slab_record(void)
{
    struct vk_slab_record record;
    vk_slab_read(&phys, cache->partial.first, &record);
    record.n_used--;
    vk_phys_write(&phys, phys.frame[cache->partial.first].vpn, &record, sizeof record);
}

static void break_slab_free(void)
{
    struct vk_slab_record record;
    vk_slab_read(&phys, cache->partial.first, &record);
    record.first_free = VK_SLAB_END;
    vk_phys_write(&phys, phys.frame[cache->partial.first].vpn, &record, sizeof record);
}

static void break_objects(void)
{
    cache->n_used++;
}

static void break_slab_owner(void)
{
    phys.frame[cache->partial.first].owner = NULL;
}

static void break_guard(void)
{
    vk_areas_remove(&kva.areas, vk_area_next(vk_areas_first(&kva.areas)));
}

static void break_mapping(void)
{
    kernel.entry[area / PAGE + 1].state = ENTRY_NONE;
}

static void break_guard_page(void)
{
    kernel.entry[area / PAGE + 3] = kernel.entry[area / PAGE];
}

static void break_mapped_count(void)
{
    kva.n_pages--;
}

static void check_after(void *damage)
{
    make_state();
    unit_damage(damage);
    vk_kmem_check(&kmem);
    vk_kva_check(&kva);
    vk_reclaim_check(&reclaim);
    vk_phys_check(&phys);
}

static void each_damage_is_found(void **state)
{
    (void)state;
    static const struct unit_damage damages[] = {
        {break_kind, "is_free == ("},
        {break_mobility, "vk_pageblock_mobility"},
        {break_buddies, "in_list == buddy->list"},
        {break_cached, "kind == VK_FRAME_CACHED"},
        {break_cached_count, "n == zone->cpu"},
        {break_tail, "VK_FRAME_TAIL"},
        {break_list, "n == list->n"},
        {break_flag, "VK_FRAME_ACTIVE) == flag"},
        {break_group, "vk_owner(frame)->group == group"},
        {break_owner, "frame_of(frame->owner, frame->vpn) == pfn"},
        {break_lost, "n_charged == group->active.n"},
        {break_charge, "n_charged == group->active.n"},
        {break_limit, "group->n_charged <= group->limit"},
        {break_mark, "n_charged_most >="},
        {break_resident, "space->n_resident =="},
        {break_swapped, "space->n_swapped =="},
        {break_slot, "!reclaim->slot[i].space"},
        {break_slots, "n_slots_used == reclaim->n_slots"},
        {break_slab_list, "n >= n_least && n <= n_most"},
        {break_slab_record, "n_used == record.n_used"},
        {break_slab_free, "n_free + n_used == cache->n_in_slab"},
        {break_objects, "n_used == cache->n_used"},
        {break_slab_owner, "frame->owner == cache"},
        {break_guard, "is_guard"},
        {break_mapping, "== is_guard(area)"},
        {break_guard_page, "== is_guard(area)"},
        {break_mapped_count, "n_pages == kva->n_pages"},
    };
    unit_assert_damages_found(check_after, damages, sizeof damages / sizeof *damages);
}

/* What is no frame in use is not freed: a panic, as it can only be a bug of the model's. */
static void free_twice(void *argument)
{
    (void)argument;
    make_state();
    const uint32_t pfn = vk_alloc_pages(&phys, 2, VK_GFP_ATOMIC);
    vk_free_pages(&phys, pfn);
    vk_free_pages(&phys, pfn);
}

static void free_a_part(void *argument)
{
    (void)argument;
    make_state();
    vk_free_pages(&phys, vk_alloc_pages(&phys, 2, VK_GFP_ATOMIC) + 1);
}

static void wrong_frees_are_found(void **state)
{
    (void)state;
    unit_assert_aborts(free_twice, NULL, "frame->kind >= VK_FRAME_KERNEL");
    unit_assert_aborts(free_a_part, NULL, "VK_FRAME_TAIL");
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_is_found),
        cmocka_unit_test(wrong_frees_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
