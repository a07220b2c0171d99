/* SPDX-License-Identifier: MIT */
/* phys.c - physical memory: zones and their fallback (check B13's part), the lists of free blocks (B16), mobility. */
#include <string.h>
#include "physical.h"

enum { N_BLOCKS_MAX = 4096 };

static struct vk_phys phys;
static struct text text;

static void assert_blocks(const char *counts)
{
    text_of_zones(&phys, &text);
    assert_string_equal(text.bytes, counts);
}

/* B16: a page cuts one block of the largest order into one of each smaller order; given back, all is as before. */
static void one_page_cuts_each_order(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    physical_start(&phys, &config);
    const char *const whole = "Node 0, zone   Normal      0      0      0      0      0      0      0      0 "
                              "     0      0      4 \n";
    assert_blocks(whole);
    const uint32_t page = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    assert_blocks("Node 0, zone   Normal      1      1      1      1      1      1      1      1 "
                  "     1      1      3 \n");
    vk_phys_check(&phys);
    vk_free_pages(&phys, page);
    assert_blocks(whole);
    const uint32_t block = vk_alloc_pages(&phys, 4, VK_GFP_KERNEL);
    assert_int_equal(((uint64_t)block << PAGE_SHIFT) % 0x10000, 0);
    assert_int_equal(vk_alloc_pages(&phys, 11, VK_GFP_KERNEL), VK_NO_FRAME);
    vk_free_pages(&phys, block);
    assert_blocks(whole);
}

static void a_processor_takes_a_batch(void **state)
{
    (void)state;
    struct vk_phys_config config = plain_config(16 * MIB);
    config.cpu_batch = 8;
    config.n_cpus = 2;
    physical_start(&phys, &config);
    uint32_t pages[9];
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(physical_free(&phys), 4096 - (i ? 8 : 0));
        if (i == 8)
            phys.cpu = 1; /* has a list of its own */
        pages[i] = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    }
    assert_int_equal(physical_free(&phys), 4096 - 16);
    vk_phys_check(&phys);
    for (unsigned i = 0; i < 9; i++)
        vk_free_pages(&phys, pages[i]);
    assert_int_equal(physical_free(&phys), 4096 - 16);
    vk_phys_check(&phys);
    vk_phys_drain(&phys);
    assert_int_equal(physical_free(&phys), 4096);
    assert_int_equal(phys.zone[VK_ZONE_NORMAL].buddy[VK_UNMOVABLE].list[10].count +
                         phys.zone[VK_ZONE_NORMAL].buddy[VK_MOVABLE].list[10].count,
                     4);
}

/* Above the high mark a list gives a batch back. */
static void a_list_does_not_grow_beyond_its_mark(void **state)
{
    (void)state;
    struct vk_phys_config config = plain_config(16 * MIB);
    config.cpu_batch = 4;
    config.cpu_high = 12;
    physical_start(&phys, &config);
    uint32_t pages[64];
    for (unsigned i = 0; i < 64; i++)
        pages[i] = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    for (unsigned i = 0; i < 64; i++) {
        vk_free_pages(&phys, pages[i]);
        assert_in_range(phys.zone[VK_ZONE_NORMAL].cpu[0].n, 1, 11);
    }
    vk_phys_check(&phys);
}

/* --- zones ------------------------------------------------------------------------------------------------ */

/* B13 */
static void zones_of_x86(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(2048 * (uint64_t)MIB);
    physical_start(&phys, &config);
    const uint32_t wanted[VK_N_ZONES] = {4096, 0, 225280, 294912};
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        assert_int_equal(phys.zone[kind].end - phys.zone[kind].start, wanted[kind]);
    text_of_zones(&phys, &text);
    assert_non_null(strstr(text.bytes, "zone      DMA"));
    assert_null(strstr(text.bytes, "DMA32"));
    const uint32_t dma = vk_alloc_pages(&phys, 0, VK_GFP_DMA), low = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    assert_in_range(dma, 256, 4095);
    assert_in_range(low, 4096, 229375);
    while (vk_alloc_pages(&phys, 10, VK_GFP_DMA) != VK_NO_FRAME)
        ;
    for (uint32_t pfn; (pfn = vk_alloc_pages(&phys, 0, VK_GFP_DMA)) != VK_NO_FRAME;)
        assert_in_range(pfn, 256, 4095);
    vk_phys_check(&phys);
}

/* User pages come from HIGHMEM, then NORMAL, then DMA, and the first MiB never. */
static void zones_fall_back(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(1024 * (uint64_t)MIB);
    physical_start(&phys, &config);
    unsigned last = VK_ZONE_HIGHMEM, n_changes = 0;
    uint32_t n = 0;
    for (uint32_t pfn; (pfn = vk_alloc_pages(&phys, 0, VK_GFP_USER)) != VK_NO_FRAME; n++) {
        assert_true(pfn >= 256);
        assert_true(phys.frame[pfn].zone <= last || vk_zone_free(&phys.zone[last]) > 0);
        n_changes += phys.frame[pfn].zone < last;
        if (phys.frame[pfn].zone < last)
            last = phys.frame[pfn].zone;
    }
    assert_int_equal(n_changes, 2);
    assert_int_equal(last, VK_ZONE_DMA);
    assert_true(n > 250000);
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        assert_true(vk_zone_free(&phys.zone[kind]) >= phys.zone[kind].mark_min);
    assert_int_not_equal(vk_alloc_pages(&phys, 0, VK_GFP_DMA), VK_NO_FRAME); /* what the reserve is for */
    assert_int_not_equal(vk_alloc_pages(&phys, 0, VK_GFP_ATOMIC), VK_NO_FRAME);
    vk_phys_check(&phys);
}

/* Below the min mark there is something for requests that cannot wait, to the last frame. */
static void the_last_frames_are_for_who_cannot_wait(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    physical_start(&phys, &config);
    while (vk_alloc_pages(&phys, 0, VK_GFP_KERNEL) != VK_NO_FRAME)
        ;
    assert_int_equal(physical_free(&phys), phys.zone[VK_ZONE_NORMAL].mark_min);
    while (vk_alloc_pages(&phys, 0, VK_GFP_ATOMIC) != VK_NO_FRAME)
        ;
    assert_int_equal(physical_free(&phys), 0);
    vk_phys_check(&phys);
}

/* The marks of a machine of 64 MiB, by Linux's rule: 4 * root of its KiB. */
static void marks_are_those_of_linux(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(64 * MIB);
    physical_start(&phys, &config);
    const struct vk_zone *const zone = &phys.zone[VK_ZONE_NORMAL];
    assert_int_equal(zone->mark_min, 1024 / 4);
    assert_int_equal(zone->mark_low, 256 + 64);
    assert_int_equal(zone->mark_high, 256 + 128);
    text_of_zoneinfo(&phys, &text);
    assert_non_null(strstr(text.bytes, "  pages free     16384\n        min      256\n        low      320\n"
                                       "        high     384\n"));
}

/* --- mobility --------------------------------------------------------------------------------------------- */

static void movable_pages_alone_are_in_cma(void **state)
{
    (void)state;
    struct vk_phys_config config = plain_config(64 * MIB);
    config.cma_bytes = 16 * MIB;
    physical_start(&phys, &config);
    assert_int_equal(phys.cma_start, 12 * 1024);
    assert_int_equal(phys.cma_end, 16 * 1024);
    for (uint32_t pfn; (pfn = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL)) != VK_NO_FRAME;)
        assert_true(pfn < phys.cma_start);
    uint32_t n = 0;
    for (uint32_t pfn; (pfn = vk_alloc_pages(&phys, 0, VK_GFP_MOVABLE)) != VK_NO_FRAME; n++)
        assert_true(pfn >= phys.cma_start);
    assert_int_equal(n, 4096);
    vk_phys_check(&phys);
}

/* Movable and unmovable pages by turns: each kind stays in pageblocks of its own. */
static void mobilities_keep_apart(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(64 * MIB);
    physical_start(&phys, &config);
    bool has[16][2] = {{false}};
    for (unsigned i = 0; i < 6000; i++) {
        const uint32_t pfn = vk_alloc_pages(&phys, 0, i % 2 ? VK_GFP_MOVABLE : VK_GFP_KERNEL);
        has[pfn / VK_PAGEBLOCK_FRAMES][i % 2] = true;
    }
    for (unsigned block = 0; block < 16; block++)
        assert_false(has[block][0] && has[block][1]);
    vk_phys_check(&phys);
}

/* --- at random -------------------------------------------------------------------------------------------- */

static void random_requests(void **state)
{
    (void)state;
    struct vk_phys_config config = x86_config(40 * MIB);
    config.zone_end[VK_ZONE_NORMAL] = 26 * MIB; /* an end inside a pageblock */
    config.cma_bytes = 4 * MIB;
    config.cpu_batch = 5;
    config.n_cpus = 3;
    physical_start(&phys, &config);
    static uint32_t blocks[N_BLOCKS_MAX];
    uint32_t n = 0;
    uint64_t seed = 16;
    const uint32_t n_free = physical_free(&phys);
    static const unsigned gfps[] = {VK_GFP_KERNEL, VK_GFP_DMA, VK_GFP_USER, VK_GFP_MOVABLE, VK_GFP_ATOMIC};
    for (unsigned i = 0; i < (unit_is_slow() ? 2000 : 40000); i++) {
        phys.cpu = (uint32_t)unit_below(&seed, 3);
        if (n < N_BLOCKS_MAX && unit_below(&seed, 100) < 55) {
            const unsigned order = unit_below(&seed, 4) ? 0 : (unsigned)unit_below(&seed, 8);
            const uint32_t pfn = vk_alloc_pages(&phys, order, gfps[unit_below(&seed, 5)]);
            if (pfn == VK_NO_FRAME)
                continue;
            assert_int_equal(pfn & ((1U << order) - 1), 0);
            blocks[n++] = pfn;
            memset(vk_frame_bytes(&phys, pfn), 0xee, PAGE);
        } else if (n > 0) {
            const size_t at = unit_below(&seed, n);
            vk_free_pages(&phys, blocks[at]);
            blocks[at] = blocks[--n];
        }
        if (i % 64 == 0)
            vk_phys_check(&phys);
    }
    while (n > 0)
        vk_free_pages(&phys, blocks[--n]);
    vk_phys_drain(&phys);
    assert_int_equal(physical_free(&phys), n_free);
    assert_int_equal(phys.counts.n_taken, phys.counts.n_given);
    vk_phys_check(&phys);
}

static void pages_read_as_zero(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    physical_start(&phys, &config);
    const uint32_t pfn = vk_alloc_pages(&phys, 1, VK_GFP_KERNEL);
    const uint64_t at = (uint64_t)pfn << PAGE_SHIFT;
    char bytes[200];
    memset(bytes, 7, sizeof bytes);
    vk_phys_write(&phys, at + PAGE - 100, bytes, sizeof bytes); /* across two frames */
    memset(bytes, 0, sizeof bytes);
    vk_phys_read(&phys, at + PAGE - 100, bytes, sizeof bytes);
    assert_true(unit_is_filled(bytes, sizeof bytes, 7));
    vk_free_pages(&phys, pfn);
    assert_int_equal(vk_alloc_pages(&phys, 1, VK_GFP_KERNEL), pfn);
    vk_phys_read(&phys, at + PAGE - 100, bytes, sizeof bytes);
    assert_true(unit_is_filled(bytes, sizeof bytes, 0));
}

static void refuses_no_machine(void **state)
{
    (void)state;
    struct vk_phys_config config = plain_config(0);
    assert_int_equal(vk_phys_init(&phys, &config), VK_EINVAL);
    config = plain_config(16 * MIB);
    config.page_shift = 9;
    assert_int_equal(vk_phys_init(&phys, &config), VK_EINVAL);
    config = plain_config(16 * MIB);
    config.n_cpus = 9;
    assert_int_equal(vk_phys_init(&phys, &config), VK_EINVAL);
    config = plain_config(16 * MIB);
    config.cma_bytes = 20 * MIB;
    assert_int_equal(vk_phys_init(&phys, &config), VK_EINVAL);
    config.cma_bytes = 1 * MIB; /* no whole pageblock */
    assert_int_equal(vk_phys_init(&phys, &config), VK_EINVAL);
    config = plain_config(16 * MIB);
    config.boot_bytes = 16 * MIB;
    assert_int_equal(vk_phys_init(&phys, &config), VK_EINVAL);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_page_cuts_each_order),
        cmocka_unit_test(a_processor_takes_a_batch),
        cmocka_unit_test(a_list_does_not_grow_beyond_its_mark),
        cmocka_unit_test(zones_of_x86),
        cmocka_unit_test(zones_fall_back),
        cmocka_unit_test(the_last_frames_are_for_who_cannot_wait),
        cmocka_unit_test(marks_are_those_of_linux),
        cmocka_unit_test(movable_pages_alone_are_in_cma),
        cmocka_unit_test(mobilities_keep_apart),
        cmocka_unit_test(random_requests),
        cmocka_unit_test(pages_read_as_zero),
        cmocka_unit_test(refuses_no_machine),
    };
    return cmocka_run_group_tests(tests, NULL, host_teardown);
}
