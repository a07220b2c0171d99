/* SPDX-License-Identifier: MIT */
/*
 * flat.c - the memory behind the flat kernel: contents of pages against a model, exhaustion, fragmentation
 * (the flat half of check B22), small regions, the digest.
 */
#include "sim/flat.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "maps.h"

enum {
    KIB = 1024,
    MIB = 1024 * 1024,
    PAGE = 4096,
    READ_WRITE = VK_PROT_READ | VK_PROT_WRITE,
    N_MODEL_PAGES = 96
};

static struct machine machine;
static struct text text;

static int teardown(void **state)
{
    (void)state;
    machine_free(&machine);
    return 0;
}

static void start_sized(size_t bytes, size_t page_bytes)
{
    machine_free(&machine);
    machine = machine_make(bytes, &(struct vk_config){.page_bytes = page_bytes});
}

/* --- contents against a model --------------------------------------------------------------------------- */

enum { UNMAPPED = -1 };

static struct {
    int byte[N_MODEL_PAGES]; /* what each page holds */
    unsigned prot[N_MODEL_PAGES];
    size_t n_pages;
    vk_va low;
} model;

static char *model_page(size_t i)
{
    return (char *)model.low + i * machine.page;
}

static void compare_contents(void)
{
    for (size_t i = 0; i < model.n_pages; i++)
        if (model.byte[i] != UNMAPPED && model.prot[i])
            assert_true(unit_is_filled(model_page(i), machine.page, (unsigned char)model.byte[i]));
}

static void model_set(size_t at, size_t n, int byte, unsigned prot)
{
    for (size_t i = at; i < at + n; i++) {
        model.byte[i] = byte;
        model.prot[i] = prot;
    }
}

static bool model_is(size_t at, size_t n, bool is_mapped)
{
    for (size_t i = at; i < at + n; i++)
        if ((model.byte[i] != UNMAPPED) != is_mapped)
            return false;
    return true;
}

/* Moves n pages, or what is mapped of them, to another place. */
static void step_move(size_t at, size_t to, size_t n)
{
    const vk_va from = (vk_va)model_page(at), target = (vk_va)model_page(to);
    const struct vk_remap move = {from, n * machine.page, n * machine.page, VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
                                  target};
    vk_va got;
    const bool overlaps = at < to + n && to < at + n;
    const int wanted = overlaps ? VK_EINVAL : model.byte[at] == UNMAPPED ? VK_EFAULT : 0;
    assert_int_equal(vk_remap(machine.mm, &move, &got), wanted);
    for (size_t i = 0; i < n && !wanted; i++)
        if (model.byte[at + i] != UNMAPPED) {
            model_set(to + i, 1, model.byte[at + i], model.prot[at + i]);
            model.byte[at + i] = UNMAPPED;
        }
}

static void step_fill(uint64_t *seed, size_t at, size_t n)
{
    for (size_t i = at; i < at + n; i++)
        if (model.byte[i] != UNMAPPED && model.prot[i] & VK_PROT_WRITE) {
            model.byte[i] = (int)unit_below(seed, 256);
            memset(model_page(i), model.byte[i], machine.page);
        }
}

static void step(uint64_t *seed)
{
    const size_t at = unit_below(seed, model.n_pages), n = 1 + unit_below(seed, model.n_pages - at);
    const size_t to = unit_below(seed, model.n_pages - n + 1);
    const unsigned prots[] = {VK_PROT_NONE, VK_PROT_READ, READ_WRITE, READ_WRITE};
    const unsigned prot = prots[unit_below(seed, 4)];
    const vk_va place = (vk_va)model_page(at);
    switch (unit_below(seed, 6)) {
    case 0:
        assert_int_equal(map_at(machine.mm, place, n * machine.page, prot), 0);
        model_set(at, n, 0, prot);
        break;
    case 1:
        assert_int_equal(vk_unmap(machine.mm, place, n * machine.page), 0);
        model_set(at, n, UNMAPPED, 0);
        break;
    case 2:
        assert_int_equal(vk_protect(machine.mm, place, n * machine.page, prot),
                         model_is(at, n, true) ? 0 : VK_ENOMEM);
        for (size_t i = at; i < at + n && model.byte[i] != UNMAPPED; i++)
            model.prot[i] = prot;
        break;
    case 3:
        assert_int_equal(vk_advise(machine.mm, place, n * machine.page, VK_ADVICE_DONTNEED),
                         model_is(at, n, true) ? 0 : VK_ENOMEM);
        for (size_t i = at; i < at + n; i++)
            model.byte[i] = model.byte[i] == UNMAPPED ? UNMAPPED : 0;
        break;
    case 4:
        step_move(at, to, n);
        break;
    default:
        step_fill(seed, at, n);
    }
    vk_check(machine.kernel);
    compare_contents();
}

static void contents_are_kept(void **state)
{
    (void)state;
    for (size_t page_bytes = KIB; page_bytes <= 64 * KIB; page_bytes *= 4) {
        start_sized(192 * page_bytes, page_bytes);
        assert_int_equal(machine.page, page_bytes);
        model.n_pages = N_MODEL_PAGES;
        model.low = vk_usage(machine.mm).low;
        model_set(0, model.n_pages, UNMAPPED, 0);
        const uint64_t digest = vk_digest(machine.kernel);
        uint64_t seed = page_bytes;
        for (unsigned i = 0; i < (unit_is_slow() ? 200 : 2000); i++)
            step(&seed);
        machine_unmap_all(&machine);
        assert_int_equal(vk_digest(machine.kernel), digest);
    }
}

/* --- what there is of it -------------------------------------------------------------------------------- */

static void fragments(void **state)
{
    (void)state;
    machine_free(&machine);
    machine = machine_make(1 * MIB, &(struct vk_config){.n_areas = 256});
    const struct vk_usage usage = vk_usage(machine.mm);
    const size_t n_pages = (usage.high - usage.low) / PAGE;
    assert_int_equal(map_at(machine.mm, usage.low, usage.high - usage.low, READ_WRITE), 0);
    for (size_t i = 0; i < n_pages; i += 2)
        assert_int_equal(vk_unmap(machine.mm, usage.low + i * PAGE, PAGE), 0);
    vk_va at;
    assert_int_equal(map_anywhere(machine.mm, 2 * PAGE, &at), VK_ENOMEM); /* although half of it is free */
    assert_int_equal(vk_usage(machine.mm).resident_pages, n_pages / 2);
    text_of_buddyinfo(machine.kernel, &text);
    assert_non_null(
        strstr(text.bytes, "     0      0      0      0      0      0      0      0      0      0 \n"));
    for (size_t i = 0; i < (n_pages + 1) / 2; i++)
        assert_int_equal(map_anywhere(machine.mm, PAGE, &at), 0);
    assert_int_equal(map_anywhere(machine.mm, PAGE, &at), VK_ENOMEM);
    vk_check(machine.kernel);
}

static void serves_from_64_kib(void **state)
{
    (void)state;
    start_sized(64 * KIB, KIB);
    const struct vk_usage usage = vk_usage(machine.mm);
    const uint64_t digest = vk_digest(machine.kernel);
    assert_true(usage.high - usage.low >= 59 * KIB); /* records take at most 5 KiB */
    size_t n = 0;
    for (vk_va at; map_anywhere(machine.mm, KIB, &at) == 0; n++) {
        assert_true(at >= (vk_va)machine.memory && at + KIB <= (vk_va)machine.memory + machine.bytes);
        memset((void *)at, 0x66, KIB);
    }
    assert_int_equal(n, (usage.high - usage.low) / KIB);
    machine_unmap_all(&machine);
    assert_int_equal(vk_brk(machine.mm, usage.high), usage.high);
    assert_true(unit_is_filled((void *)usage.low, usage.high - usage.low, 0));
    machine_unmap_all(&machine);
    assert_int_equal(vk_digest(machine.kernel), digest);
}

static void creation_refuses(void **state)
{
    (void)state;
    static char memory[64 * KIB];
    struct vk_kernel *kernel = NULL;
    const struct vk_region region = {.start = memory, .bytes = sizeof memory};
    const struct {
        struct vk_config config;
        struct vk_region region;
        int result;
    } cases[] = {
        {{.page_bytes = 512}, region, VK_EINVAL},
        {{.page_bytes = 128 * KIB}, region, VK_EINVAL},
        {{.page_bytes = 5000}, region, VK_EINVAL},
        {{.layout = (enum vk_layout)7}, region, VK_EINVAL},
        {{0}, {.bytes = 64 * KIB}, VK_EINVAL},
        {{0}, {.start = memory}, VK_ENOMEM},
        {{0}, {.start = memory, .bytes = 2 * KIB}, VK_ENOMEM},
        {{.n_areas = UINT32_MAX}, region, VK_ENOMEM},
        {{.page_bytes = 64 * KIB}, region, VK_ENOMEM},
        {{0}, {.start = memory, .bytes = SIZE_MAX}, VK_ENOMEM},
        {{0}, {.start = memory, .bytes = sizeof memory, .bytes_max = SIZE_MAX / 2}, VK_ENOMEM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(vk_create(&cases[i].config, &cases[i].region, &kernel), cases[i].result);
    assert_null(kernel);
    assert_true(unit_is_filled(memory, sizeof memory, 0)); /* nothing was written */
    assert_int_equal(vk_create(&(struct vk_config){0}, &region, &kernel), 0);
    vk_check(kernel);
}

/* Memory that came zeroed is not touched before the program does. */
static void leaves_zero_alone(void **state)
{
    (void)state;
    const size_t bytes = 64 * MIB;
    void *const memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    struct vk_kernel *kernel;
    const struct vk_region region = {.start = memory, .bytes = bytes, .contents = VK_CONTENTS_ZERO};
    assert_int_equal(vk_create(&(struct vk_config){0}, &region, &kernel), 0);
    struct vk_mm *const mm = vk_flat_mm(kernel);
    const size_t records = unit_resident_pages(memory, bytes);
    assert_true(records < 24);
    vk_va at;
    assert_int_equal(map_anywhere(mm, 32 * MIB, &at), 0);
    assert_int_equal(unit_resident_pages((void *)at, 32 * MIB), 0);
    memset((void *)at, 1, 8 * PAGE);
    assert_int_equal(vk_unmap(mm, at, 32 * MIB), 0);
    vk_va again;
    assert_int_equal(vk_map(mm, &(struct vk_map){.bytes = 32 * MIB}, &again), 0);
    assert_int_equal(again, at);
    assert_true(unit_is_filled((void *)at, 8 * PAGE, 1)); /* not accessible: not cleared yet */
    assert_int_equal(vk_protect(mm, at, 4 * PAGE, READ_WRITE), 0);
    assert_true(unit_is_filled((void *)at, 4 * PAGE, 0));
    assert_int_equal(vk_usage(mm).resident_pages, 4);
    vk_check(kernel);
    munmap(memory, bytes);
}

/* --- the digest ----------------------------------------------------------------------------------------- */

/* A random call that depends on the seed and on offsets alone. */
static void random_call(struct vk_mm *mm, uint64_t *seed)
{
    const vk_va low = vk_usage(mm).low, at = low + unit_below(seed, 200) * PAGE;
    const size_t bytes = (1 + unit_below(seed, 20)) * PAGE;
    vk_va got;
    switch (unit_below(seed, 5)) {
    case 0:
        map_at(mm, at, bytes, READ_WRITE);
        break;
    case 1:
        map_anywhere(mm, bytes, &got);
        break;
    case 2:
        vk_unmap(mm, at, bytes);
        break;
    case 3:
        vk_protect(mm, at, bytes, VK_PROT_READ);
        break;
    default:
        vk_brk(mm, low + unit_below(seed, 30000));
    }
}

static void digest_is_of_the_state(void **state)
{
    (void)state;
    struct machine others[2] = {machine_make(1 * MIB, &(struct vk_config){0}),
                                machine_make(1 * MIB, &(struct vk_config){0})};
    assert_ptr_not_equal(others[0].memory, others[1].memory);
    uint64_t seeds[2] = {9, 9}, before = 0;
    size_t n_changes = 0;
    for (unsigned i = 0; i < 2000; i++) {
        for (size_t k = 0; k < 2; k++)
            random_call(others[k].mm, &seeds[k]);
        const uint64_t digest = vk_digest(others[0].kernel);
        assert_int_equal(digest, vk_digest(others[1].kernel));
        n_changes += digest != before;
        before = digest;
    }
    assert_true(n_changes > 500);
    vk_limit(others[0].mm, VK_LIMIT_AS, 12345);
    assert_int_not_equal(vk_digest(others[0].kernel), before);
    for (size_t k = 0; k < 2; k++)
        machine_free(&others[k]);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_are_kept),  cmocka_unit_test(fragments),
        cmocka_unit_test(serves_from_64_kib), cmocka_unit_test(creation_refuses),
        cmocka_unit_test(leaves_zero_alone),  cmocka_unit_test(digest_is_of_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
