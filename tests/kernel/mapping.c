/* SPDX-License-Identifier: MIT */
/*
 * mapping.c - where mappings go (check B6), limits, what is merged, remap, locks and accounts of an address
 * space.
 */
#include <string.h>
#include "maps.h"
#include "sim/kernel.h"

enum { KIB = 1024, PAGE = 4096, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

static struct machine machine;
static struct text text;

static void start(enum vk_layout layout)
{
    machine_free(&machine);
    machine = machine_make(2048 * KIB, &(struct vk_config){.layout = layout});
}

static int teardown(void **state)
{
    (void)state;
    machine_free(&machine);
    return 0;
}

static vk_va map_new(size_t bytes)
{
    vk_va at;
    assert_int_equal(map_anywhere(machine.mm, bytes, &at), 0);
    vk_check(machine.kernel);
    return at;
}

static void unmap(vk_va at, size_t bytes)
{
    assert_int_equal(vk_unmap(machine.mm, at, bytes), 0);
    vk_check(machine.kernel);
}

static size_t n_areas(void)
{
    return vk_usage(machine.mm).n_areas;
}

/* --- placement ------------------------------------------------------------------------------------------ */

static void descends_and_fills_from_the_top(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    const vk_va high = vk_usage(machine.mm).high;
    vk_va at[4];
    for (size_t i = 0; i < 4; i++) {
        at[i] = map_new(128 * KIB);
        assert_int_equal(at[i], high - (i + 1) * 128 * KIB);
    }
    assert_int_equal(n_areas(), 1); /* they touch and are alike */
    unmap(at[1], 128 * KIB);
    assert_int_equal(n_areas(), 2);
    assert_int_equal(map_new(64 * KIB), at[1] + 64 * KIB);
    assert_int_equal(map_new(68 * KIB), at[3] - 68 * KIB); /* the hole has 64 left */
    assert_int_equal(map_new(64 * KIB), at[1]);
}

static void ascends_in_the_other_layout(void **state)
{
    (void)state;
    start(VK_BOTTOM_UP);
    const struct vk_usage usage = vk_usage(machine.mm);
    const vk_va first = map_new(128 * KIB);
    assert_int_equal(first, usage.low + ((usage.high - usage.low) / 3 & ~(size_t)(PAGE - 1)));
    assert_int_equal(map_new(128 * KIB), first + 128 * KIB);
    assert_int_equal(map_new(128 * KIB), first + 256 * KIB);
    unmap(first + 128 * KIB, 128 * KIB);
    assert_int_equal(map_new(64 * KIB), first + 128 * KIB);
    const vk_va large = map_new(usage.high - first - 384 * KIB); /* all there is above */
    assert_int_equal(large, first + 384 * KIB);
    assert_int_equal(map_new(128 * KIB), usage.low); /* below, when there is nothing else */
}

static void honours_hints(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    const vk_va low = vk_usage(machine.mm).low, high = vk_usage(machine.mm).high;
    vk_va at;
    struct vk_map wanted = {.hint = low + 100 * PAGE, .bytes = 3 * PAGE, .prot = READ_WRITE};
    assert_int_equal(vk_map(machine.mm, &wanted, &at), 0);
    assert_int_equal(at, low + 100 * PAGE);
    wanted.hint = low + 97 * PAGE + 5; /* rounded down */
    assert_int_equal(vk_map(machine.mm, &wanted, &at), 0);
    assert_int_equal(at, low + 97 * PAGE);
    wanted.hint = low + 102 * PAGE; /* taken */
    assert_int_equal(vk_map(machine.mm, &wanted, &at), 0);
    assert_int_equal(at, high - 3 * PAGE);
    wanted.hint = 16; /* does not exist */
    assert_int_equal(vk_map(machine.mm, &wanted, &at), 0);
    assert_int_equal(at, high - 6 * PAGE);
    vk_check(machine.kernel);
}

static void fixed_is_exact(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    const vk_va low = vk_usage(machine.mm).low, high = vk_usage(machine.mm).high;
    struct vk_mm *const mm = machine.mm;
    vk_va at;
    assert_int_equal(map_at(mm, low + 8 * PAGE, 8 * PAGE, READ_WRITE), 0);
    memset((void *)(low + 8 * PAGE), 0x11, 8 * PAGE);
    struct vk_map wanted = {.hint = low + 15 * PAGE, .bytes = 2 * PAGE, .flags = VK_MAP_FIXED_NOREPLACE};
    assert_int_equal(vk_map(mm, &wanted, &at), VK_EEXIST);
    wanted.hint += PAGE;
    assert_int_equal(vk_map(mm, &wanted, &at), 0);
    assert_int_equal(at, low + 16 * PAGE);
    assert_int_equal(map_at(mm, low + 10 * PAGE, 2 * PAGE, READ_WRITE), 0); /* in place of two */
    assert_true(unit_is_filled((void *)(low + 8 * PAGE), 2 * PAGE, 0x11));
    assert_true(unit_is_filled((void *)(low + 10 * PAGE), 2 * PAGE, 0));
    assert_true(unit_is_filled((void *)(low + 12 * PAGE), 4 * PAGE, 0x11));
    assert_int_equal(n_areas(), 2);
    assert_int_equal(map_at(mm, low + 1, PAGE, READ_WRITE), VK_EINVAL);
    assert_int_equal(map_at(mm, low - PAGE, PAGE, READ_WRITE), VK_ENOMEM);
    assert_int_equal(map_at(mm, high - PAGE, 2 * PAGE, READ_WRITE), VK_ENOMEM);
    assert_int_equal(map_at(mm, low, high - low + PAGE, READ_WRITE), VK_ENOMEM);
    vk_check(machine.kernel);
}

static void full_is_full(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    const struct vk_usage usage = vk_usage(machine.mm);
    const uint64_t digest = vk_digest(machine.kernel);
    vk_va at;
    assert_int_equal(map_anywhere(machine.mm, usage.high - usage.low + 1, &at), VK_ENOMEM);
    assert_int_equal(map_anywhere(machine.mm, SIZE_MAX, &at), VK_ENOMEM);
    assert_int_equal(map_anywhere(machine.mm, SIZE_MAX / 2, &at), VK_ENOMEM);
    assert_int_equal(map_anywhere(machine.mm, 0, &at), VK_EINVAL);
    assert_int_equal(map_new(usage.high - usage.low), usage.low);
    assert_int_equal(map_anywhere(machine.mm, 1, &at), VK_ENOMEM);
    assert_int_equal(vk_brk(machine.mm, usage.low + 1), usage.low);
    unmap(usage.low, usage.high - usage.low);
    assert_int_equal(vk_digest(machine.kernel), digest);
}

static void aligns(void **state)
{
    (void)state;
    for (enum vk_layout layout = VK_TOP_DOWN; layout <= VK_BOTTOM_UP; layout++) {
        start(layout);
        uint64_t seed = 5;
        for (unsigned i = 0; i < 60; i++) {
            const struct vk_map wanted = {
                .bytes = PAGE * (1 + unit_below(&seed, 4)),
                .alignment = (size_t)PAGE << unit_below(&seed, 6),
                .prot = READ_WRITE,
            };
            vk_va at;
            assert_int_equal(vk_map(machine.mm, &wanted, &at), 0);
            assert_int_equal(at & (wanted.alignment - 1), 0);
            vk_check(machine.kernel);
        }
        vk_va at;
        const struct vk_map odd = {.bytes = PAGE, .alignment = 3 * PAGE};
        assert_int_equal(vk_map(machine.mm, &odd, &at), VK_EINVAL);
    }
}

/* The search by the tree finds what a walk through the list finds: the best place of all. */
static void finds_the_best_gap(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct areas *const areas = &machine.mm->areas;
    const size_t n_pages = (areas->high - areas->low) / PAGE;
    uint64_t seed = 6;
    size_t n_found = 0;
    for (unsigned i = 0; i < 20000; i++) {
        const vk_va at = areas->low + unit_below(&seed, n_pages - 8) * PAGE;
        if (unit_below(&seed, 2))
            assert_int_equal(map_at(machine.mm, at, PAGE * (1 + unit_below(&seed, 8)), READ_WRITE), 0);
        else
            assert_int_equal(vk_unmap(machine.mm, at, PAGE * (1 + unit_below(&seed, 8))), 0);
        struct gap_wanted wanted = {
            .low = areas->low + unit_below(&seed, n_pages / 2) * PAGE,
            .high = areas->high - unit_below(&seed, n_pages / 2) * PAGE,
            .bytes = PAGE * (1 + unit_below(&seed, 24)),
            .alignment = (size_t)PAGE << unit_below(&seed, 4),
            .from = (unsigned)unit_below(&seed, 2),
        };
        vk_va best = 0, place = 0;
        for (vk_va start = wanted.low & ~(wanted.alignment - 1); start + wanted.bytes <= wanted.high;
             start += wanted.alignment) {
            if (start < wanted.low || vk_areas_find_in(areas, start, start + wanted.bytes))
                continue;
            best = start;
            if (wanted.from == RB_LEFT)
                break;
        }
        assert_int_equal(vk_areas_find_gap(areas, &wanted, &place), best != 0);
        assert_int_equal(place, best);
        n_found += best != 0;
    }
    assert_true(n_found > 1000 && n_found < 19000); /* both answers have been asked for */
    vk_check(machine.kernel);
}

/* --- finding -------------------------------------------------------------------------------------------- */

static void finds_as_the_list_does(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct areas *const areas = &machine.mm->areas;
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(map_at(machine.mm, areas->low + i * 5 * PAGE, 2 * PAGE, READ_WRITE), 0);
    for (unsigned round = 0; round < 2; round++)
        for (vk_va at = areas->low; at < areas->low + 205 * PAGE; at += PAGE / 2) {
            const struct area *by_list = vk_areas_first(areas);
            while (by_list && by_list->end <= at)
                by_list = vk_area_next(by_list);
            assert_ptr_equal(vk_areas_find(areas, at), by_list);
        }
    assert_true(areas->n_find_hits > 0 && areas->n_find_hits < areas->n_finds);
}

/* --- limits --------------------------------------------------------------------------------------------- */

static void keeps_to_the_number_of_areas(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct vk_mm *const mm = machine.mm;
    const vk_va low = vk_usage(mm).low;
    assert_int_equal(vk_limit(mm, VK_LIMIT_MAPS, 8), 0);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(map_at(mm, low + 10 * i * PAGE, 8 * PAGE, READ_WRITE), 0);
    assert_int_equal(vk_unmap(mm, low + 2 * PAGE, PAGE), 0); /* the eighth */
    assert_int_equal(n_areas(), 8);

    const uint64_t digest = vk_digest(machine.kernel);
    assert_int_equal(vk_unmap(mm, low + 4 * PAGE, PAGE), VK_ENOMEM);
    assert_int_equal(vk_protect(mm, low + 14 * PAGE, PAGE, VK_PROT_READ), VK_ENOMEM);
    assert_int_equal(vk_protect(mm, low + 10 * PAGE, PAGE, VK_PROT_READ), VK_ENOMEM);
    assert_int_equal(vk_advise(mm, low + 14 * PAGE, PAGE, VK_ADVICE_NOHUGE), VK_ENOMEM);
    assert_int_equal(vk_lock(mm, low + 14 * PAGE, PAGE), VK_ENOMEM);
    vk_va at;
    const struct vk_remap move = {low + 14 * PAGE, PAGE, PAGE, VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
                                  low + 40 * PAGE};
    assert_int_equal(vk_remap(mm, &move, &at), VK_ENOMEM); /* with what is at the target still there */
    const struct vk_remap grow = {low + 10 * PAGE, 8 * PAGE, 12 * PAGE, VK_REMAP_MAYMOVE, 0};
    assert_int_equal(vk_remap(mm, &grow, &at), VK_ENOMEM);
    assert_int_equal(n_areas(), 8);
    assert_int_equal(vk_digest(machine.kernel), digest);

    assert_int_equal(vk_unmap(mm, low + 3 * PAGE, PAGE), 0);             /* an end needs no split */
    assert_int_equal(map_at(mm, low + 8 * PAGE, PAGE, READ_WRITE), 0);   /* joins its neighbour */
    assert_int_equal(map_at(mm, low + 100 * PAGE, PAGE, READ_WRITE), 0); /* one above, as in Linux */
    assert_int_equal(n_areas(), 9);
    assert_int_equal(map_at(mm, low + 102 * PAGE, PAGE, READ_WRITE), VK_ENOMEM);
    vk_check(machine.kernel);
}

static void keeps_to_the_limit_of_addresses(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct vk_mm *const mm = machine.mm;
    const vk_va low = vk_usage(mm).low;
    vk_limit(mm, VK_LIMIT_AS, 10 * PAGE + 1);
    vk_va at;
    assert_int_equal(map_anywhere(mm, 11 * PAGE, &at), VK_ENOMEM);
    assert_int_equal(map_anywhere(mm, 9 * PAGE, &at), 0);
    assert_int_equal(vk_brk(mm, low + PAGE + 1), low);
    assert_int_equal(vk_brk(mm, low + PAGE), low + PAGE);
    assert_int_equal(map_anywhere(mm, 1, &at), VK_ENOMEM);
    assert_int_equal(vk_remap(mm, &(struct vk_remap){low, PAGE, 2 * PAGE, 0, 0}, &at), VK_ENOMEM);
    assert_int_equal(vk_brk(mm, low), low);
    assert_int_equal(map_at(mm, low, PAGE, 0), 0);
    assert_int_equal(map_at(mm, low, PAGE, READ_WRITE), 0); /* in place of a page: no more than before */
    vk_check(machine.kernel);
}

static void keeps_to_the_limit_of_data(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct vk_mm *const mm = machine.mm;
    const vk_va low = vk_usage(mm).low;
    vk_limit(mm, VK_LIMIT_DATA, 4 * PAGE);
    assert_int_equal(map_at(mm, low, 5 * PAGE, READ_WRITE), VK_ENOMEM);
    assert_int_equal(map_at(mm, low, 5 * PAGE, VK_PROT_READ), 0); /* is no data */
    assert_int_equal(vk_protect(mm, low, 5 * PAGE, READ_WRITE), VK_ENOMEM);
    assert_int_equal(vk_protect(mm, low, 4 * PAGE, READ_WRITE), 0);
    assert_int_equal(vk_usage(mm).data_pages, 4);
    assert_int_equal(vk_protect(mm, low + 4 * PAGE, PAGE, VK_PROT_WRITE), VK_ENOMEM);
    vk_check(machine.kernel);
}

static void runs_out_of_records(void **state)
{
    (void)state;
    machine_free(&machine);
    machine = machine_make(256 * KIB, &(struct vk_config){.page_bytes = 1024, .n_areas = 20});
    const vk_va low = vk_usage(machine.mm).low;
    const uint64_t digest = vk_digest(machine.kernel);
    unsigned n = 0;
    while (map_at(machine.mm, low + 2 * n * KIB, KIB, READ_WRITE) == 0)
        n++;
    assert_int_equal(n, 18); /* two are kept for splits */
    vk_check(machine.kernel);
    assert_int_equal(vk_unmap(machine.mm, low, 256 * n), 0);
    vk_va at;
    assert_int_equal(map_anywhere(machine.mm, 20 * KIB, &at), 0);
    assert_int_equal(vk_unmap(machine.mm, low, vk_usage(machine.mm).high - low), 0);
    vk_check(machine.kernel);
    assert_int_equal(vk_digest(machine.kernel), digest);
}

/* --- remap ---------------------------------------------------------------------------------------------- */

static void remaps(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct vk_mm *const mm = machine.mm;
    const vk_va low = vk_usage(mm).low, high = vk_usage(mm).high;
    vk_va at;
    char *const bytes = (char *)low + 10 * PAGE;
    const vk_va start = (vk_va)bytes;
    assert_int_equal(map_at(mm, start, 4 * PAGE, READ_WRITE), 0);
    memset(bytes, 0x42, 4 * PAGE);

    assert_int_equal(vk_remap(mm, &(struct vk_remap){start, 4 * PAGE, 6 * PAGE, 0, 0}, &at), 0);
    assert_int_equal(at, start);
    assert_true(unit_is_filled(bytes, 4 * PAGE, 0x42) && unit_is_filled(bytes + 4 * PAGE, 2 * PAGE, 0));
    assert_int_equal(vk_remap(mm, &(struct vk_remap){start, 6 * PAGE, 2 * PAGE, 0, 0}, &at), 0);
    assert_int_equal(vk_usage(mm).total_pages, 2);

    assert_int_equal(map_at(mm, start + 3 * PAGE, PAGE, VK_PROT_READ), 0);
    struct vk_remap grow = {start, 2 * PAGE, 4 * PAGE, 0, 0};
    assert_int_equal(vk_remap(mm, &grow, &at), VK_ENOMEM); /* in the way */
    grow.flags = VK_REMAP_MAYMOVE;
    assert_int_equal(vk_remap(mm, &grow, &at), 0);
    assert_int_equal(at, high - 4 * PAGE);
    assert_true(unit_is_filled((void *)at, 2 * PAGE, 0x42));
    assert_true(unit_is_filled((char *)at + 2 * PAGE, 2 * PAGE, 0));
    assert_int_equal(vk_usage(mm).total_pages, 5);
    vk_check(machine.kernel);

    /* Over three areas with a gap, to where something is. */
    assert_int_equal(map_at(mm, start, 2 * PAGE, VK_PROT_READ | VK_PROT_EXEC), 0);
    assert_int_equal(map_at(mm, start + 20 * PAGE, 10 * PAGE, READ_WRITE), 0);
    const struct vk_remap move = {start, 4 * PAGE, 4 * PAGE, VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
                                  start + 22 * PAGE};
    assert_int_equal(vk_remap(mm, &move, &at), 0);
    text_of_maps(mm, &text);
    struct map_line line;
    const char *from = text.bytes;
    const struct map_line wanted[] = {
        {start + 20 * PAGE, start + 22 * PAGE, READ_WRITE, false},
        {start + 22 * PAGE, start + 24 * PAGE, VK_PROT_READ | VK_PROT_EXEC, false},
        {start + 24 * PAGE, start + 25 * PAGE, READ_WRITE, false}, /* the gap spares it */
        {start + 25 * PAGE, start + 26 * PAGE, VK_PROT_READ, false},
        {start + 26 * PAGE, start + 30 * PAGE, READ_WRITE, false},
        {high - 4 * PAGE, high, READ_WRITE, false},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_true(next_map_line(&from, &line));
        assert_int_equal(line.start, wanted[i].start);
        assert_int_equal(line.end, wanted[i].end);
        assert_int_equal(line.prot, wanted[i].prot);
    }
    assert_false(next_map_line(&from, &line));
    vk_check(machine.kernel);
}

static void remap_refuses(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct vk_mm *const mm = machine.mm;
    const vk_va a = vk_usage(mm).low + 10 * PAGE;
    assert_int_equal(map_at(mm, a, 4 * PAGE, READ_WRITE), 0);
    assert_int_equal(map_at(mm, a + 4 * PAGE, 4 * PAGE, VK_PROT_READ), 0);
    enum { MOVE = VK_REMAP_MAYMOVE, FIXED = VK_REMAP_MAYMOVE | VK_REMAP_FIXED };
    const struct {
        struct vk_remap wanted;
        int result;
    } cases[] = {
        {{a + 1, PAGE, PAGE, 0, 0}, VK_EINVAL},
        {{a, PAGE, 0, 0, 0}, VK_EINVAL},
        {{a, PAGE, PAGE, 8, 0}, VK_EINVAL},
        {{a, PAGE, 2 * PAGE, VK_REMAP_FIXED, a + 20 * PAGE}, VK_EINVAL},
        {{a, PAGE, PAGE, FIXED, a + 20 * PAGE + 1}, VK_EINVAL},
        {{a, 4 * PAGE, 4 * PAGE, FIXED, a + 3 * PAGE}, VK_EINVAL},
        {{a, 4 * PAGE, 4 * PAGE, FIXED, 0}, VK_EINVAL},
        {{a, 0, PAGE, MOVE, 0}, VK_EINVAL},
        {{a, PAGE, SIZE_MAX / 2, MOVE, 0}, VK_EINVAL},
        {{a - PAGE, PAGE, 2 * PAGE, MOVE, 0}, VK_EFAULT},
        {{a, 5 * PAGE, 6 * PAGE, MOVE, 0}, VK_EFAULT},
        {{a, 5 * PAGE, 6 * PAGE, FIXED, a + 20 * PAGE}, VK_EFAULT},
        {{a - PAGE, 5 * PAGE, 5 * PAGE, FIXED, a + 20 * PAGE}, VK_EFAULT},
        {{a, 4 * PAGE, 5 * PAGE, 0, 0}, VK_ENOMEM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vk_va at;
        assert_int_equal(vk_remap(mm, &cases[i].wanted, &at), cases[i].result);
        assert_int_equal(n_areas(), 2);
        assert_int_equal(vk_usage(mm).total_pages, 8);
        vk_check(machine.kernel);
    }
}

/* --- locks ---------------------------------------------------------------------------------------------- */

static void locks(void **state)
{
    (void)state;
    start(VK_TOP_DOWN);
    struct vk_mm *const mm = machine.mm;
    const vk_va a = vk_usage(mm).low + 10 * PAGE;
    assert_int_equal(map_at(mm, a, 8 * PAGE, READ_WRITE), 0);
    memset((void *)a, 0x33, 8 * PAGE);
    vk_limit(mm, VK_LIMIT_MEMLOCK, 4 * PAGE);
    assert_int_equal(vk_lock(mm, a, 5 * PAGE), VK_ENOMEM);
    assert_int_equal(vk_lock(mm, a + 1, 4 * PAGE - 1), 0);
    assert_int_equal(vk_lock(mm, a, 4 * PAGE), 0); /* again: they count once */
    assert_int_equal(vk_usage(mm).locked_pages, 4);
    assert_int_equal(n_areas(), 2);
    text_of_status(mm, &text);
    assert_int_equal(status_bytes(&text, "VmLck:"), 4 * PAGE);
    assert_int_equal(vk_advise(mm, a, PAGE, VK_ADVICE_DONTNEED), VK_EINVAL);
    assert_int_equal(vk_advise(mm, a + 4 * PAGE, 4 * PAGE, VK_ADVICE_DONTNEED), 0);
    assert_true(unit_is_filled((void *)a, 4 * PAGE, 0x33));
    assert_true(unit_is_filled((void *)(a + 4 * PAGE), 4 * PAGE, 0));
    vk_va at;
    assert_int_equal(vk_remap(mm, &(struct vk_remap){a, 4 * PAGE, 5 * PAGE, VK_REMAP_MAYMOVE, 0}, &at),
                     VK_EAGAIN);
    assert_int_equal(vk_unlock(mm, a, 12 * PAGE), VK_ENOMEM); /* the part that is there is done */
    assert_int_equal(vk_usage(mm).locked_pages, 0);
    assert_int_equal(n_areas(), 1);
    vk_limit(mm, VK_LIMIT_MEMLOCK, 0);
    assert_int_equal(vk_lock(mm, a, PAGE), VK_EPERM);
    assert_int_equal(vk_lock(mm, UINTPTR_MAX - 2 * PAGE, 4 * PAGE), VK_EPERM);
    vk_check(machine.kernel);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descends_and_fills_from_the_top),
        cmocka_unit_test(ascends_in_the_other_layout),
        cmocka_unit_test(honours_hints),
        cmocka_unit_test(fixed_is_exact),
        cmocka_unit_test(full_is_full),
        cmocka_unit_test(aligns),
        cmocka_unit_test(finds_the_best_gap),
        cmocka_unit_test(finds_as_the_list_does),
        cmocka_unit_test(keeps_to_the_number_of_areas),
        cmocka_unit_test(keeps_to_the_limit_of_addresses),
        cmocka_unit_test(keeps_to_the_limit_of_data),
        cmocka_unit_test(runs_out_of_records),
        cmocka_unit_test(remaps),
        cmocka_unit_test(remap_refuses),
        cmocka_unit_test(locks),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
