/* SPDX-License-Identifier: MIT */
/* migrate.c - pages that move: ranges that were reserved (check B19a) and compaction (B19b). */
#include "sim/migrate.h"
#include "pager.h"

static struct vk_phys phys;
static struct vk_reclaim reclaim;

static void start(uint64_t ram_bytes, uint64_t cma_bytes, bool keeps_stamps)
{
    struct vk_phys_config config = plain_config(ram_bytes);
    config.cma_bytes = cma_bytes;
    config.keeps_stamps = keeps_stamps;
    config.cpu_batch = 4;
    physical_start(&phys, &config);
    assert_int_equal(vk_reclaim_init(&reclaim, &phys, 0), 0);
}

static void check(void)
{
    vk_phys_check(&phys);
    vk_reclaim_check(&reclaim);
}

/* Writes pages until there is no memory; how many. */
static size_t fill_all(struct pager *pager, uint64_t seed)
{
    size_t n = 0;
    pager->space.kill_adjust = -1000;
    while (n < pager->n_pages && pager_write(pager, n, seed + n) == TOUCH_MINOR)
        n++;
    return n;
}

/* Pages in CMA's range. */
static uint32_t n_lent(void)
{
    uint32_t n = 0;
    for (uint32_t pfn = phys.cma_start; pfn < phys.cma_end; pfn++)
        n += phys.frame[pfn].kind == VK_FRAME_USER;
    return n;
}

/* Lets all of CMA's range be lent, and frees so many frames elsewhere. Which pages are left: their number is n_kept, in
   `kept`. */
static void lend_all(struct pager *pager, size_t n_to_free, uint64_t seed)
{
    const size_t n = fill_all(pager, seed);
    size_t n_freed = 0;
    for (size_t page = 0; page < n && n_freed < n_to_free; page++)
        if (pager_frame(pager, page) < phys.cma_start) {
            pager_unmap(pager, page);
            n_freed++;
        }
    assert_int_equal(n_freed, n_to_free);
}

static void compare_present(struct pager *pager, uint64_t seed)
{
    size_t n = 0;
    for (size_t page = 0; page < pager->n_pages; page++)
        if (pager->entry[page].state == ENTRY_PRESENT) {
            pager_compare(pager, page, 1, seed);
            n++;
        }
    assert_int_equal(n, pager->space.n_resident);
}

/* B19a: 16 of 64 MiB are CMA's, all lent, 20 MiB are free elsewhere. */
static void a_reserved_range_is_emptied(void **state)
{
    (void)state;
    for (unsigned keeps_stamps = 0; keeps_stamps < 2; keeps_stamps++) {
        start(64 * MIB, 16 * MIB, keeps_stamps);
        struct pager pager;
        pager_start(&pager, &reclaim, NULL, 64 * MIB / PAGE);
        lend_all(&pager, 20 * MIB / PAGE, 77);
        const uint32_t lent = n_lent();
        assert_true(lent >= 16 * MIB / PAGE - phys.zone[VK_ZONE_NORMAL].mark_min);
        uint32_t range;
        assert_int_equal(vk_cma_alloc(&reclaim, 16 * MIB / PAGE, &range), 0);
        assert_int_equal(range, phys.cma_start);
        assert_int_equal(reclaim.counts.n_migrated, lent);
        assert_int_equal(n_lent(), 0);
        for (size_t page = 0; page < pager.n_pages; page++)
            if (pager.entry[page].state == ENTRY_PRESENT)
                assert_true(pager_frame(&pager, page) < phys.cma_start);
        compare_present(&pager, 77);
        check();
        uint32_t other;
        assert_int_equal(vk_cma_alloc(&reclaim, 1, &other), VK_ENOMEM);
        vk_cma_free(&reclaim, range, 16 * MIB / PAGE);
        check();
        assert_int_equal(vk_cma_alloc(&reclaim, 100, &other), 0); /* aligned to 128 */
        assert_int_equal(other, phys.cma_start);
        uint32_t next;
        assert_int_equal(vk_cma_alloc(&reclaim, 1, &next), 0);
        assert_int_equal(next, phys.cma_start + 100);
        vk_cma_free(&reclaim, other, 100);
        vk_cma_free(&reclaim, next, 1);
        check();
        fill_all(&pager, 77);
        assert_true(n_lent() > 0); /* it is lent again */
        check();
        pager_end(&pager);
    }
}

/* B19a: one pinned page in the range: nothing is given, nothing is lost. */
static void a_pinned_page_holds_the_range(void **state)
{
    (void)state;
    start(64 * MIB, 16 * MIB, true);
    struct pager pager;
    pager_start(&pager, &reclaim, NULL, 64 * MIB / PAGE);
    lend_all(&pager, 20 * MIB / PAGE, 99);
    size_t pinned = 0;
    while (pager.entry[pinned].state != ENTRY_PRESENT || pager_frame(&pager, pinned) != phys.cma_start + 2345)
        pinned++;
    vk_pin(&reclaim, phys.cma_start + 2345);
    uint32_t range;
    const uint32_t elsewhere = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    assert_false(vk_migrate(&reclaim, phys.cma_start + 2345, elsewhere));
    assert_int_equal(vk_cma_alloc(&reclaim, 16 * MIB / PAGE, &range), VK_EBUSY);
    assert_int_equal(pager_frame(&pager, pinned), phys.cma_start + 2345);
    compare_present(&pager, 99);
    check();
    assert_int_equal(vk_cma_alloc(&reclaim, 4 * MIB / PAGE, &range), 0); /* beside it */
    compare_present(&pager, 99);
    check();
    vk_cma_free(&reclaim, range, 4 * MIB / PAGE);
    vk_unpin(&reclaim, phys.cma_start + 2345);
    assert_int_equal(vk_cma_alloc(&reclaim, 16 * MIB / PAGE, &range), 0);
    compare_present(&pager, 99);
    check();
    pager_end(&pager);
}

/* Nowhere to move to: the range stays lent. */
static void a_range_without_room_elsewhere(void **state)
{
    (void)state;
    start(64 * MIB, 16 * MIB, true);
    struct pager pager;
    pager_start(&pager, &reclaim, NULL, 64 * MIB / PAGE);
    fill_all(&pager, 5);
    pager.space.kill_adjust = 0; /* and nobody is ended for it */
    uint32_t range;
    assert_int_equal(vk_cma_alloc(&reclaim, 16 * MIB / PAGE, &range), VK_EBUSY);
    compare_present(&pager, 5);
    assert_int_equal(reclaim.counts.n_kills, 0);
    check();
    pager_end(&pager);
}

/* --- compaction ------------------------------------------------------------------------------------------- */

/* All of memory is used, then every second frame is freed, but for the pinned ones. */
static void checkerboard(struct pager *pager, uint64_t seed, uint32_t pin_every)
{
    pager_start(pager, &reclaim, NULL, phys.n_frames);
    const size_t n = fill_all(pager, seed);
    for (uint32_t pfn; (pfn = vk_alloc_pages(&phys, 0, VK_GFP_ATOMIC)) != VK_NO_FRAME;) {
        phys.frame[pfn].kind = VK_FRAME_KERNEL; /* what the marks keep is taken as well */
    }
    vk_phys_drain(&phys);
    for (size_t page = 0; page < n; page++) {
        const uint32_t pfn = pager_frame(pager, page);
        if (pin_every && pfn % pin_every == 0)
            vk_pin(&reclaim, pfn);
        else if (pfn % 2)
            pager_unmap(pager, page);
    }
    vk_phys_drain(&phys);
    assert_int_equal(physical_largest(&phys), 0);
    check();
}

/* B19b */
static void compaction_makes_a_block(void **state)
{
    (void)state;
    start(64 * MIB, 0, false);
    struct pager pager;
    checkerboard(&pager, 1000, 0);
    assert_false(vk_has_block(&phys, VK_ZONE_NORMAL, 9));
    assert_true(vk_compact(&reclaim, VK_ZONE_HIGHMEM, 9));
    assert_true(physical_largest(&phys) >= 9);
    compare_present(&pager, 1000);
    assert_int_not_equal(vk_alloc_pages(&phys, 9, VK_GFP_KERNEL), VK_NO_FRAME);
    check();
    pager_end(&pager);
}

/* Pinned pages do not move, and what lies between them cannot become one block. */
static void pinned_pages_do_not_move(void **state)
{
    (void)state;
    start(64 * MIB, 0, true);
    struct pager pager;
    checkerboard(&pager, 2000, 64);
    assert_true(vk_compact(&reclaim, VK_ZONE_HIGHMEM, 5));
    assert_false(vk_compact(&reclaim, VK_ZONE_HIGHMEM, 7));
    uint32_t n_pinned = 0;
    for (size_t page = 0; page < pager.n_pages; page++)
        if (pager.entry[page].state == ENTRY_PRESENT && pager_frame(&pager, page) % 64 == 0)
            n_pinned += phys.frame[pager_frame(&pager, page)].n_pins;
    assert_true(n_pinned > 240);
    assert_true(reclaim.counts.n_migrated > 1000);
    compare_present(&pager, 2000);
    check();
    for (uint32_t pfn = 0; pfn < phys.n_frames; pfn++)
        if (phys.frame[pfn].n_pins)
            vk_unpin(&reclaim, pfn);
    pager_end(&pager);
}

/* A request for more than one frame compacts by itself. */
static void a_request_compacts(void **state)
{
    (void)state;
    start(64 * MIB, 0, true);
    struct pager pager;
    checkerboard(&pager, 3000, 0);
    const uint32_t block = vk_alloc_pages(&phys, 6, VK_GFP_KERNEL);
    assert_int_not_equal(block, VK_NO_FRAME);
    assert_int_equal(reclaim.counts.n_compacted, 1);
    compare_present(&pager, 3000);
    check();
    vk_free_pages(&phys, block);
    pager_end(&pager);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reserved_range_is_emptied),    cmocka_unit_test(a_pinned_page_holds_the_range),
        cmocka_unit_test(a_range_without_room_elsewhere), cmocka_unit_test(compaction_makes_a_block),
        cmocka_unit_test(pinned_pages_do_not_move),       cmocka_unit_test(a_request_compacts),
    };
    return cmocka_run_group_tests(tests, NULL, host_teardown);
}
