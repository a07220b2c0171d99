/* SPDX-License-Identifier: MIT */
/* reclaim.c - short of memory: the two lists, swap (check B19c), groups with a limit (B19d), who is ended, locks, pins. */
#include <string.h>
#include "pager.h"

enum { N_KILLS_MAX = 8 };

static struct vk_phys phys;
static struct vk_reclaim reclaim;
static uint32_t killed[N_KILLS_MAX], n_killed, n_free_at_kill;

static void note_kill(void *context, const struct vk_space *victim, const struct vk_group *group)
{
    (void)context, (void)group;
    UNIT_REQUIRE(n_killed < N_KILLS_MAX);
    n_free_at_kill = physical_free(&phys);
    killed[n_killed++] = victim->id;
}

static void start(uint64_t ram_bytes, uint64_t swap_bytes, bool keeps_stamps)
{
    struct vk_phys_config config = plain_config(ram_bytes);
    config.keeps_stamps = keeps_stamps;
    config.cpu_batch = 4;
    physical_start(&phys, &config);
    assert_int_equal(vk_reclaim_init(&reclaim, &phys, (uint32_t)(swap_bytes / PAGE)), 0);
    reclaim.on_kill = note_kill;
    n_killed = 0;
}

static void check(void)
{
    vk_phys_check(&phys);
    vk_reclaim_check(&reclaim);
}

/* B19c: 24 MiB of pages in 16 MiB of memory and as much swap; all are still there. */
static void more_pages_than_frames(void **state)
{
    (void)state;
    for (unsigned keeps_stamps = 0; keeps_stamps < 2; keeps_stamps++) {
        start(16 * MIB, 16 * MIB, keeps_stamps);
        struct pager pager;
        const size_t n = 24 * MIB / PAGE;
        pager_start(&pager, &reclaim, NULL, n);
        const struct vk_zone *const zone = &phys.zone[VK_ZONE_NORMAL];
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(pager_write(&pager, i, 5000 + i), TOUCH_MINOR);
            assert_true(vk_zone_free(zone) >= zone->mark_min);
        }
        check();
        assert_in_range(reclaim.counts.n_swap_outs, 2048, n);
        assert_int_equal(pager.entry[0].state, ENTRY_SWAPPED);
        assert_int_equal(pager.n_major, 0);
        pager_compare(&pager, 0, 1, 5000);
        assert_int_equal(pager.n_major, 1);
        pager_compare(&pager, 0, n, 5000);
        check();
        pager_end(&pager);
        vk_phys_drain(&phys);
        assert_int_equal(physical_free(&phys), 4096);
        assert_int_equal(reclaim.n_slots_used, 0);
        check();
    }
}

/* Pages that are used again and again stay; those that were used once go. The first look cannot tell them apart. */
static void used_pages_stay(void **state)
{
    (void)state;
    start(16 * MIB, 16 * MIB, true);
    struct pager pager;
    pager_start(&pager, &reclaim, NULL, 7000);
    uint64_t n_major = 0;
    for (size_t i = 0; i < 7000; i++) {
        pager_fill(&pager, i, 1, 1);
        if (i > 256 && i % 64 == 0)
            pager_compare(&pager, 0, 256, 1);
        if (i == 4200)
            n_major = pager.n_major;
    }
    assert_true(reclaim.counts.n_swap_outs > 2048);
    assert_true(reclaim.counts.n_activated >= 256 && reclaim.counts.n_rotated > 0);
    assert_in_range(n_major, 0, 256);
    assert_int_equal(pager.n_major, n_major);
    check();
    pager_end(&pager);
}

/* All were accessed: the first look takes note, the second one frees. */
static void who_asks_gets_what_there_is(void **state)
{
    (void)state;
    start(16 * MIB, 16 * MIB, true);
    struct pager pager;
    pager_start(&pager, &reclaim, NULL, 2000);
    pager_fill(&pager, 0, 2000, 1);
    assert_int_equal(vk_reclaim_frames(&reclaim, NULL, VK_ZONE_NORMAL, 700), 700);
    assert_int_equal(pager.space.n_swapped, 700);
    assert_int_equal(vk_reclaim_frames(&reclaim, NULL, VK_ZONE_DMA, 10), 0); /* they are in another zone */
    pager_compare(&pager, 0, 2000, 1);
    check();
    pager_end(&pager);
}

/* Pages that were used once long ago leave the active list. */
static void unused_pages_age(void **state)
{
    (void)state;
    start(16 * MIB, 16 * MIB, true);
    struct pager pager;
    pager_start(&pager, &reclaim, NULL, 7000);
    pager_fill(&pager, 0, 3000, 1);
    for (unsigned i = 0; i < 4; i++) { /* becomes active */
        pager_compare(&pager, 0, 3000, 1);
        vk_reclaim_frames(&reclaim, NULL, VK_ZONE_NORMAL, 1);
    }
    assert_true(reclaim.root.active.n > 1000);
    pager_fill(&pager, 3000, 4000, 1);
    assert_true(reclaim.counts.n_deactivated > 1000);
    assert_int_equal(pager.entry[0].state, ENTRY_SWAPPED);
    pager_compare(&pager, 0, 7000, 1);
    check();
    pager_end(&pager);
}

/* B19c */
static void locked_and_pinned_pages_stay(void **state)
{
    (void)state;
    start(16 * MIB, 16 * MIB, true);
    struct pager pager;
    const size_t n = 24 * MIB / PAGE;
    pager_start(&pager, &reclaim, NULL, n);
    pager_lock(&pager, 0, 512);
    pager_fill(&pager, 0, 1024, 9);
    uint32_t frames[1024];
    for (size_t i = 0; i < 1024; i++) {
        frames[i] = pager_frame(&pager, i);
        if (i >= 512)
            vk_pin(&reclaim, frames[i]);
    }
    pager_fill(&pager, 1024, n - 1024, 9);
    for (size_t i = 0; i < 1024; i++)
        assert_int_equal(pager_frame(&pager, i), frames[i]);
    check();
    for (size_t i = 512; i < 1024; i++)
        vk_unpin(&reclaim, frames[i]);
    pager_compare(&pager, 0, n, 9);
    pager_compare(&pager, 2000, 3000, 9);
    check();
    pager_end(&pager);
}

/* A page may be unmapped while something else still works on its frame. */
static void a_pin_outlives_the_page(void **state)
{
    (void)state;
    start(16 * MIB, 0, true);
    struct pager pager;
    pager_start(&pager, &reclaim, NULL, 4);
    pager_fill(&pager, 0, 4, 3);
    const uint32_t frame = pager_frame(&pager, 2);
    vk_pin(&reclaim, frame);
    vk_pin(&reclaim, frame);
    pager_end(&pager);
    vk_unpin(&reclaim, frame);
    assert_int_equal(phys.frame[frame].kind, VK_FRAME_USER);
    check();
    vk_unpin(&reclaim, frame);
    vk_phys_drain(&phys);
    assert_int_equal(phys.frame[frame].kind, VK_FRAME_FREE);
    check();
}

/* --- the end of somebody ---------------------------------------------------------------------------------- */

/* B19c: without swap the one that takes most is ended, by name, and the others have its memory. */
static void the_largest_is_ended(void **state)
{
    (void)state;
    start(16 * MIB, 0, true);
    struct pager small, large, asking;
    pager_start(&small, &reclaim, NULL, 300);
    pager_start(&large, &reclaim, NULL, 2500);
    pager_start(&asking, &reclaim, NULL, 2000);
    pager_fill(&small, 0, 300, 1);
    pager_fill(&large, 0, 2500, 2);
    pager_fill(&asking, 0, 2000, 3);
    assert_int_equal(n_killed, 1);
    assert_int_equal(killed[0], 2500);
    assert_true(large.space.is_killed);
    assert_int_equal(large.space.n_resident, 0);
    pager_compare(&small, 0, 300, 1);
    pager_compare(&asking, 0, 2000, 3);
    check();
    pager_end(&small);
    pager_end(&large);
    pager_end(&asking);
}

/* Who asks may be the one; its own request says so. */
static void the_one_that_asks_is_ended(void **state)
{
    (void)state;
    start(16 * MIB, 1 * MIB, true);
    struct pager small, large;
    pager_start(&small, &reclaim, NULL, 300);
    pager_start(&large, &reclaim, NULL, 9000);
    pager_fill(&small, 0, 300, 1);
    enum touch done = TOUCH_MINOR;
    size_t n = 0;
    while (done == TOUCH_MINOR)
        done = pager_write(&large, n++, 2);
    assert_int_equal(done, TOUCH_KILLED);
    assert_in_range(n, 3500, 4400); /* memory and swap were full */
    assert_int_equal(n_killed, 1);
    assert_int_equal(killed[0], 9000);
    assert_int_equal(reclaim.n_slots_used, small.space.n_swapped);
    pager_compare(&small, 0, 300, 1);
    check();
    pager_end(&small);
    pager_end(&large);
}

static void who_is_spared_is_not_ended(void **state)
{
    (void)state;
    start(16 * MIB, 0, true);
    struct pager large, spared;
    pager_start(&large, &reclaim, NULL, 1000);
    pager_start(&spared, &reclaim, NULL, 5000);
    spared.space.kill_adjust = -1000;
    pager_fill(&large, 0, 1000, 1);
    size_t n = 0;
    while (pager_write(&spared, n, 2) == TOUCH_MINOR)
        n++;
    assert_int_equal(n_killed, 1);
    assert_int_equal(killed[0], 1000);
    assert_int_equal(pager_write(&spared, n, 2), TOUCH_NO_MEMORY);
    assert_false(spared.space.is_killed);
    check();
    pager_end(&large);
    pager_end(&spared);
}

/* --- groups ----------------------------------------------------------------------------------------------- */

/* B19d: with swap the group stays within its limit, although there is memory. */
static void a_group_stays_within_its_limit(void **state)
{
    (void)state;
    start(64 * MIB, 16 * MIB, true);
    struct vk_group group;
    struct pager inside, outside;
    const size_t n = 12 * MIB / PAGE, limit = 8 * MIB / PAGE;
    vk_group_add(&reclaim, &group, (uint32_t)limit);
    pager_start(&inside, &reclaim, &group, n);
    pager_start(&outside, &reclaim, NULL, n);
    pager_fill(&outside, 0, n, 7);
    for (size_t i = 0; i < n; i++) {
        pager_fill(&inside, i, 1, 8);
        assert_true(group.n_charged <= limit);
    }
    assert_int_equal(group.n_charged_most, limit);
    assert_true(group.n_failed > 0);
    assert_int_equal(group.n_swapped, n - limit);
    assert_int_equal(outside.space.n_swapped, 0);
    assert_int_equal(n_killed, 0);
    pager_compare(&inside, 0, n, 8);
    check();
    assert_int_equal(vk_group_limit(&reclaim, &group, (uint32_t)limit / 2), 0);
    assert_true(group.n_charged <= limit / 2);
    pager_compare(&inside, 0, n, 8);
    check();
    pager_end(&inside);
    pager_end(&outside);
}

/* B19d: without swap it ends one of its own, while at least half of the memory is free. */
static void a_group_ends_one_of_its_own(void **state)
{
    (void)state;
    start(64 * MIB, 0, true);
    struct vk_group group;
    struct pager inside, outside;
    const size_t n = 12 * MIB / PAGE;
    vk_group_add(&reclaim, &group, 8 * MIB / PAGE);
    pager_start(&inside, &reclaim, &group, n);
    pager_start(&outside, &reclaim, NULL, n + 1);
    pager_fill(&outside, 0, n, 7);
    enum touch done = TOUCH_MINOR;
    size_t n_written = 0;
    for (; done == TOUCH_MINOR; n_written++)
        done = pager_write(&inside, n_written, n_written);
    assert_int_equal(done, TOUCH_KILLED);
    assert_int_equal(n_written, 8 * MIB / PAGE + 1);
    assert_int_equal(n_killed, 1);
    assert_int_equal(killed[0], n);
    assert_true(n_free_at_kill >= phys.n_frames / 2);
    assert_int_equal(group.n_killed, 1);
    assert_int_equal(vk_group_limit(&reclaim, &group, 0), 0);
    pager_compare(&outside, 0, n, 7);
    check();
    pager_end(&inside);
    pager_end(&outside);
}

static void a_limit_that_cannot_be_is_refused(void **state)
{
    (void)state;
    start(16 * MIB, 0, true);
    struct vk_group group;
    struct pager inside;
    vk_group_add(&reclaim, &group, UINT32_MAX);
    pager_start(&inside, &reclaim, &group, 64);
    pager_fill(&inside, 0, 64, 1);
    assert_int_equal(vk_group_limit(&reclaim, &group, 10), VK_EAGAIN);
    assert_int_equal(group.limit, UINT32_MAX);
    pager_compare(&inside, 0, 64, 1);
    check();
    pager_end(&inside);
}

/* --- at random -------------------------------------------------------------------------------------------- */

static void random_touches(void **state)
{
    (void)state;
    enum { N = 3, PAGES = 1500 };
    start(16 * MIB, 8 * MIB, false);
    struct vk_group group;
    struct pager pagers[N];
    static uint64_t wanted[N][PAGES];
    memset(wanted, 0, sizeof wanted);
    vk_group_add(&reclaim, &group, 300);
    for (unsigned i = 0; i < N; i++)
        pager_start(&pagers[i], &reclaim, i == 0 ? &group : NULL, PAGES);
    uint64_t seed = 62;
    for (unsigned i = 0; i < (unit_is_slow() ? 3000 : 30000); i++) {
        const size_t which = unit_below(&seed, N), page = unit_below(&seed, PAGES);
        struct pager *const pager = &pagers[which];
        switch (unit_below(&seed, 8)) {
        case 0:
            pager_unmap(pager, page);
            wanted[which][page] = 0;
            break;
        case 1:
        case 2:
        case 3:
            if (wanted[which][page])
                pager_compare(pager, page, 1, wanted[which][page] - page);
            break;
        default:
            wanted[which][page] = 1 + unit_random(&seed) % 1000000;
            assert_in_range(pager_write(pager, page, wanted[which][page]), TOUCH_HIT, TOUCH_MAJOR);
        }
        if (i % 500 == 0)
            check();
    }
    assert_true(reclaim.counts.n_swap_outs > 0 && reclaim.counts.n_swap_ins > 0);
    for (unsigned i = 0; i < N; i++)
        for (size_t page = 0; page < PAGES; page++)
            if (wanted[i][page])
                pager_compare(&pagers[i], page, 1, wanted[i][page] - page);
    check();
    for (unsigned i = 0; i < N; i++)
        pager_end(&pagers[i]);
    vk_phys_drain(&phys);
    assert_int_equal(physical_free(&phys), 4096);
    check();
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_pages_than_frames),
        cmocka_unit_test(used_pages_stay),
        cmocka_unit_test(who_asks_gets_what_there_is),
        cmocka_unit_test(unused_pages_age),
        cmocka_unit_test(locked_and_pinned_pages_stay),
        cmocka_unit_test(a_pin_outlives_the_page),
        cmocka_unit_test(the_largest_is_ended),
        cmocka_unit_test(the_one_that_asks_is_ended),
        cmocka_unit_test(who_is_spared_is_not_ended),
        cmocka_unit_test(a_group_stays_within_its_limit),
        cmocka_unit_test(a_group_ends_one_of_its_own),
        cmocka_unit_test(a_limit_that_cannot_be_is_refused),
        cmocka_unit_test(random_touches),
    };
    return cmocka_run_group_tests(tests, NULL, host_teardown);
}
