/* SPDX-License-Identifier: MIT */
/*
 * paged.c - the machine that pages against a model of each page: after random calls and accesses on two processors,
 * each access comes out as the model says, each page holds what was written to it last, the accounts agree, no
 * translation outlives its entry (check B14, by the machine's own checker), and in the end no frame is missing. Then
 * the same with too little memory and swap (content moves), and a host that has no memory.
 */
#include <string.h>
#include "physical.h"
#include "vmalloc/memory.h"

enum { N_PAGES = 600, N_STEPS = 6000, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };
static const vk_va window = (UINT64_C(1) << 30) - 300 * PAGE; /* across an end of a table */

static struct vk_machine *machine;
static struct vk_mm *mm;
static uint64_t random_state;

static struct page {
    bool is_mapped, has_zero, has_frame; /* what its entry is, where memory is not short */
    bool is_unwanted;                    /* may read as zero at any time */
    unsigned prot;
    uint64_t value;
} model[N_PAGES];

static void start(const struct vk_machine_config *wanted)
{
    static struct vk_preset preset;
    struct vk_machine_config config = *wanted;
    assert_true(vk_preset_find("x86-64", &preset));
    config.preset = &preset;
    config.hooks.more = host_more;
    assert_int_equal(vk_machine_create(&config, &machine), 0);
    assert_int_equal(vk_mm_create(machine, &mm), 0);
    memset(model, 0, sizeof model);
}

static uint64_t below(uint64_t bound)
{
    return unit_below(&random_state, (size_t)bound);
}

/* --- calls ------------------------------------------------------------------------------------------------ */

struct range {
    size_t at, n;
};

static struct range random_range(void)
{
    const size_t n = 1 + below(below(8) ? 12 : 400);
    return (struct range){.at = below(N_PAGES - n + 1), .n = n};
}

static vk_va address(size_t page)
{
    return window + page * PAGE;
}

static bool all_mapped(struct range range)
{
    for (size_t i = range.at; i < range.at + range.n; i++)
        if (!model[i].is_mapped)
            return false;
    return true;
}

static unsigned random_prot(void)
{
    static const unsigned prots[] = {READ_WRITE, READ_WRITE, VK_PROT_READ, VK_PROT_NONE,
                                     VK_PROT_READ | VK_PROT_EXEC};
    return prots[below(5)];
}

static void step_map(struct range range)
{
    const unsigned prot = random_prot();
    vk_va place;
    const struct vk_map wanted = {
        .hint = address(range.at), .bytes = range.n * PAGE, .prot = prot, .flags = VK_MAP_FIXED};
    assert_int_equal(vk_map(mm, &wanted, &place), 0);
    for (size_t i = range.at; i < range.at + range.n; i++)
        model[i] = (struct page){.is_mapped = true, .prot = prot};
}

static void step_unmap(struct range range)
{
    assert_int_equal(vk_unmap(mm, address(range.at), range.n * PAGE), 0);
    memset(&model[range.at], 0, range.n * sizeof *model);
}

static void step_protect(struct range range)
{
    const unsigned prot = random_prot();
    if (!all_mapped(range))
        return;
    assert_int_equal(vk_protect(mm, address(range.at), range.n * PAGE, prot), 0);
    for (size_t i = range.at; i < range.at + range.n; i++)
        model[i].prot = prot;
}

static void step_forget(struct range range)
{
    if (!all_mapped(range))
        return;
    assert_int_equal(vk_advise(mm, address(range.at), range.n * PAGE, VK_ADVICE_DONTNEED), 0);
    for (size_t i = range.at; i < range.at + range.n; i++)
        model[i] = (struct page){.is_mapped = true, .prot = model[i].prot};
}

static void step_forgo(struct range range)
{
    if (!all_mapped(range))
        return;
    assert_int_equal(vk_advise(mm, address(range.at), range.n * PAGE, VK_ADVICE_FREE), 0);
    for (size_t i = range.at; i < range.at + range.n; i++)
        model[i].is_unwanted = true;
}

/* To a place that does not meet the old one. */
static void step_move(struct range range)
{
    const size_t to = below(N_PAGES - range.n + 1);
    vk_va place;
    if (!all_mapped(range) || (to < range.at + range.n && range.at < to + range.n))
        return;
    const struct vk_remap wanted = {
        .start = address(range.at),
        .old_bytes = range.n * PAGE,
        .new_bytes = range.n * PAGE,
        .flags = VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
        .new_start = address(to),
    };
    assert_int_equal(vk_remap(mm, &wanted, &place), 0);
    memcpy(&model[to], &model[range.at], range.n * sizeof *model);
    memset(&model[range.at], 0, range.n * sizeof *model);
}

/* --- accesses --------------------------------------------------------------------------------------------- */

static enum vk_outcome read_page(size_t page, uint64_t *value)
{
    *value = 0;
    return vk_access(mm, &(struct vk_access){address(page) + PAGE - 8, sizeof *value, VK_PROT_READ, value});
}

static enum vk_outcome write_page(size_t page, uint64_t value)
{
    return vk_access(mm, &(struct vk_access){address(page) + PAGE - 8, sizeof value, VK_PROT_WRITE, &value});
}

static void step_read(size_t i)
{
    struct page *const page = &model[i];
    uint64_t value;
    const enum vk_outcome outcome = read_page(i, &value);
    if (!page->is_mapped || !page->prot) {
        assert_int_equal(outcome, VK_FAULT_SEGV);
        return;
    }
    if (page->has_frame || page->has_zero)
        assert_in_range(outcome, VK_TLB_HIT, VK_TLB_WALK);
    else
        assert_int_equal(outcome, VK_FAULT_ZERO);
    page->has_zero |= !page->has_frame;
    assert_int_equal(value, page->value);
}

static void step_write(size_t i)
{
    struct page *const page = &model[i];
    const uint64_t value = unit_random(&random_state) | 1;
    const enum vk_outcome outcome = write_page(i, value);
    if (!page->is_mapped || !(page->prot & VK_PROT_WRITE)) {
        assert_int_equal(outcome, VK_FAULT_SEGV);
        return;
    }
    if (page->has_frame)
        assert_in_range(outcome, VK_TLB_HIT, VK_TLB_WALK);
    else
        assert_int_equal(outcome, VK_FAULT_MINOR);
    page->has_frame = true;
    page->has_zero = false;
    page->value = value;
}

static void step(void)
{
    const struct range range = random_range();
    vk_machine_run_on(machine, (unsigned)below(2));
    switch (below(14)) {
    case 0:
    case 1:
        step_map(range);
        break;
    case 2:
        step_unmap(range);
        break;
    case 3:
        step_protect(range);
        break;
    case 4:
        step_forget(range);
        break;
    case 5:
        step_move(range);
        break;
    case 6:
    case 7:
    case 8:
        for (size_t i = range.at; i < range.at + range.n; i++)
            step_read(i);
        break;
    default:
        for (size_t i = range.at; i < range.at + range.n; i++)
            step_write(i);
        break;
    }
}

static void compare_accounts(void)
{
    size_t n_mapped = 0, n_frames = 0;
    for (size_t i = 0; i < N_PAGES; i++) {
        uint64_t frame;
        n_mapped += model[i].is_mapped;
        n_frames += model[i].has_frame;
        assert_int_equal(vk_frame_of(mm, address(i), &frame), model[i].has_frame);
    }
    const struct vk_usage usage = vk_usage(mm);
    assert_int_equal(usage.total_pages, n_mapped);
    assert_int_equal(usage.resident_pages, n_frames);
}

static void all_comes_back(uint64_t n_free)
{
    assert_int_equal(vk_unmap(mm, window, N_PAGES * PAGE), 0);
    const struct vk_paging paging = vk_paging(mm);
    assert_int_equal(paging.table_pages, 0);
    assert_int_equal(paging.swapped_pages, 0);
    assert_int_equal(vk_mm_detach(mm), 0);
    vk_machine_check(machine);
    const struct vk_frames frames = vk_frames(machine);
    assert_int_equal(frames.free + frames.cached, n_free);
}

static uint64_t free_now(void)
{
    const struct vk_frames frames = vk_frames(machine);
    return frames.free + frames.cached;
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    random_state = 7;
    start(&(struct vk_machine_config){.ram_bytes = 8 * MIB, .n_cpus = 2, .tlb_entries = 32, .tlb_ways = 4});
    const uint64_t n_free = free_now() + 1; /* the root table */
    for (unsigned i = 0; i < N_STEPS; i++) {
        step();
        if (i % 8 == 0)
            vk_machine_check(machine);
        compare_accounts();
    }
    const struct vk_tlb_counts tlb = vk_tlb_counts(machine);
    assert_true(tlb.n_hits > 0 && tlb.n_misses > 0 && tlb.n_forgotten > 0 && tlb.n_shot_down > 0);
    assert_int_equal(tlb.n_walk_reads, 4 * tlb.n_misses);
    all_comes_back(n_free);
}

/* --- short of memory -------------------------------------------------------------------------------------- */

static void write_and_note(size_t i)
{
    const uint64_t value = unit_random(&random_state) | 1;
    assert_true(write_page(i, value) < VK_FAULT_SEGV);
    model[i].value = value;
    model[i].is_unwanted = false;
}

static void read_and_compare(size_t i)
{
    uint64_t value;
    assert_true(read_page(i, &value) < VK_FAULT_SEGV);
    if (model[i].is_unwanted && value == 0)
        model[i].value = 0;
    assert_int_equal(value, model[i].value);
}

/* 600 pages over fewer frames: each access has to be served, and bring back what was written; calls move and drop what
   is in swap, too, or leave it to reclaim to drop. */
static void nothing_is_lost_in_swap(struct vk_machine_config config)
{
    random_state = 11;
    start(&config);
    const uint64_t n_free = free_now() + 1;
    const struct vk_map wanted = {
        .hint = window, .bytes = N_PAGES * PAGE, .prot = READ_WRITE, .flags = VK_MAP_FIXED};
    vk_va place;
    assert_int_equal(vk_map(mm, &wanted, &place), 0);
    for (size_t i = 0; i < N_PAGES; i++)
        model[i] = (struct page){.is_mapped = true, .prot = READ_WRITE};
    for (unsigned i = 0; i < N_STEPS; i++) {
        const size_t page = below(N_PAGES);
        const struct range range = {page, 1 + below(N_PAGES - page)};
        if (below(400) == 0)
            step_forget(range);
        else if (below(200) == 0)
            step_forgo((struct range){below(N_PAGES / 2), 1 + below(30)});
        else if (below(100) == 0)
            step_move((struct range){below(N_PAGES / 2), 1 + below(20)});
        else if (below(2) && model[page].is_mapped)
            write_and_note(page);
        else if (model[page].is_mapped)
            read_and_compare(page);
        if (i % 32 == 0)
            vk_machine_check(machine);
    }
    assert_true(vk_paging(mm).n_major > 50);
    assert_true(vk_memory_counts(machine).n_dropped > 20);
    all_comes_back(n_free);
}

static void bytes_survive_swap(void **state)
{
    (void)state;
    nothing_is_lost_in_swap((struct vk_machine_config){.ram_bytes = 400 * PAGE,
                                                       .swap_bytes = 4 * MIB,
                                                       .n_cpus = 1,
                                                       .min_free_kib = 64,
                                                       .cpu_batch = VK_NO_CPU_LISTS});
}

static void stamps_survive_swap(void **state)
{
    (void)state;
    nothing_is_lost_in_swap((struct vk_machine_config){.ram_bytes = 400 * PAGE,
                                                       .swap_bytes = 4 * MIB,
                                                       .n_cpus = 1,
                                                       .min_free_kib = 64,
                                                       .keep = VK_KEEP_STAMPS});
}

/* --- a host without memory -------------------------------------------------------------------------------- */

static unsigned n_before_refusal;

static void *more_for_a_while(void *context, size_t bytes)
{
    return n_before_refusal-- ? host_more(context, bytes) : NULL;
}

static void a_poor_host_makes_no_machine(void **state)
{
    (void)state;
    struct vk_preset preset;
    assert_true(vk_preset_find("arm64-64k-42", &preset));
    const struct vk_machine_config config = {
        .preset = &preset, .ram_bytes = 64 * MIB, .swap_bytes = 1 * MIB, .hooks.more = more_for_a_while};
    unsigned n_calls = 0;
    int done;
    do {
        n_before_refusal = n_calls++;
        done = vk_machine_create(&config, &machine);
        assert_true(done == 0 || done == VK_ENOMEM);
    } while (done);
    assert_true(n_calls > 4);
}

static void wrong_machines_are_refused(void **state)
{
    (void)state;
    struct vk_preset x86_64, x86_32, flat;
    assert_true(vk_preset_find("x86-64", &x86_64) && vk_preset_find("x86-32", &x86_32));
    assert_true(vk_preset_find("flat", &flat) && !vk_preset_find("x86", &flat));
    const struct vk_hooks hooks = {.more = host_more};
    const struct vk_machine_config wrong[] = {
        {.ram_bytes = MIB, .hooks = hooks},
        {.preset = &flat, .ram_bytes = MIB, .hooks = hooks},
        {.preset = &x86_64, .ram_bytes = MIB},
        {.preset = &x86_64, .ram_bytes = 0, .hooks = hooks},
        {.preset = &x86_64, .ram_bytes = MIB, .tlb_entries = 48, .hooks = hooks},
        {.preset = &x86_64, .ram_bytes = MIB, .tlb_entries = 16, .tlb_ways = 32, .hooks = hooks},
        {.preset = &x86_64, .ram_bytes = MIB, .n_cpus = 1000, .hooks = hooks},
        {.preset = &x86_32, .ram_bytes = UINT64_C(8) << 30, .hooks = hooks},
        {.preset = &x86_32, .ram_bytes = MIB, .swap_bytes = UINT64_C(8) << 30, .hooks = hooks},
        {.preset = &x86_64, .ram_bytes = UINT64_C(1) << 60, .hooks = hooks},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(vk_machine_create(&wrong[i], &machine), VK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(agrees_with_the_model, host_teardown),
        cmocka_unit_test_teardown(bytes_survive_swap, host_teardown),
        cmocka_unit_test_teardown(stamps_survive_swap, host_teardown),
        cmocka_unit_test_teardown(a_poor_host_makes_no_machine, host_teardown),
        cmocka_unit_test_teardown(wrong_machines_are_refused, host_teardown),
    };
    unit_report_to_stderr();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
