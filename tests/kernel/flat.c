/* SPDX-License-Identifier: MIT */
/*
 * flat.c - the memory behind the flat kernel: contents of pages against a model, several regions, hooks, exhaustion,
 * fragmentation (the flat half of check B22), small regions, the digest, and the checkers on broken structures.
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

static void unmap_all(void)
{
    const struct vk_usage usage = vk_usage(machine.mm);
    vk_brk(machine.mm, usage.break_start);
    for (struct area *area; (area = vk_areas_first(&machine.mm->areas));) {
        while (area && vk_area_is_hole(area))
            area = vk_area_next(area);
        if (!area)
            break;
        assert_int_equal(vk_unmap(machine.mm, area->start, area->end - area->start), 0);
    }
    vk_check(machine.kernel);
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
        unmap_all();
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
    unmap_all();
    assert_int_equal(vk_brk(machine.mm, usage.high), usage.high);
    assert_true(unit_is_filled((void *)usage.low, usage.high - usage.low, 0));
    unmap_all();
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

/* --- several regions ------------------------------------------------------------------------------------ */

/* Six stretches of 256 KiB of one array; at most one machine is in it. */
enum { STRETCH = 256 * KIB, N_STRETCHES = 6 };
static _Alignas(64 * KIB) char stretches[N_STRETCHES][STRETCH];

static struct vk_region stretch(size_t i, size_t n)
{
    return (struct vk_region){.start = stretches[i], .bytes = n * STRETCH};
}

static struct vk_mm *start_in_stretch(const struct vk_region *region, const struct vk_config *config)
{
    machine_free(&machine);
    memset(stretches, 0x5a, sizeof stretches);
    assert_int_equal(vk_create(config, region, &machine.kernel), 0);
    machine.mm = vk_flat_mm(machine.kernel);
    return machine.mm;
}

static void regions_are_apart(void **state)
{
    (void)state;
    const struct vk_region first = stretch(2, 1), above = stretch(5, 1), below = stretch(0, 1),
                           between = stretch(3, 1);
    struct vk_mm *const mm = start_in_stretch(&first, &(struct vk_config){0});
    const vk_va low = vk_usage(mm).low;
    const struct vk_region *const added[] = {&above, &below, &between};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(vk_region_add(machine.kernel, added[i]), 0);
        vk_check(machine.kernel);
        assert_int_equal(vk_region_add(machine.kernel, added[i]), VK_EINVAL); /* is there already */
    }
    assert_int_equal(vk_region_add(machine.kernel, &first), VK_EINVAL);
    const struct vk_region tiny = {.start = stretches[4], .bytes = PAGE};
    assert_int_equal(vk_region_add(machine.kernel, &tiny), VK_ENOMEM);
    vk_check(machine.kernel);
    text_of_buddyinfo(machine.kernel, &text);
    assert_non_null(strstr(text.bytes, "Node 3, zone"));
    assert_null(strstr(text.bytes, "Node 4, zone"));
    const uint64_t digest = vk_digest(machine.kernel);
    assert_int_equal(vk_brk(mm, low + 3 * PAGE), low + 3 * PAGE);

    const struct vk_usage usage = vk_usage(mm);
    assert_true(usage.low < (vk_va)stretches[1] && usage.high == (vk_va)stretches[N_STRETCHES]);
    vk_va at;
    assert_int_equal(map_anywhere(mm, STRETCH, &at), VK_ENOMEM); /* none is so large with its records */
    size_t n = 0;
    for (; map_anywhere(mm, STRETCH / 2, &at) == 0; n++)
        memset((void *)at, 0x21, STRETCH / 2);
    assert_int_equal(n, 4);
    assert_int_equal(map_at(mm, (vk_va)stretches[3] - PAGE, 2 * PAGE, READ_WRITE), VK_ENOMEM);
    assert_int_equal(vk_unmap(mm, (vk_va)stretches[3] - PAGE, 2 * PAGE), VK_EINVAL);
    assert_int_equal(vk_brk(mm, (vk_va)stretches[3]), low + 3 * PAGE);
    vk_check(machine.kernel);
    text_of_maps(mm, &text);
    struct map_line line;
    for (const char *from = text.bytes; next_map_line(&from, &line);) {
        assert_false(line.start < (vk_va)stretches[2] && line.end > (vk_va)stretches[1]);
        if (!line.is_heap)
            assert_int_equal(vk_unmap(mm, line.start, line.end - line.start), 0);
    }
    unmap_all();
    assert_int_equal(vk_digest(machine.kernel), digest);
}

static void a_region_is_continued(void **state)
{
    (void)state;
    struct vk_region first = stretch(0, 1);
    first.bytes_max = 4 * STRETCH;
    struct vk_mm *const mm = start_in_stretch(&first, &(struct vk_config){0});
    const vk_va high = vk_usage(mm).high;
    assert_int_equal(high, (vk_va)stretches[1]);
    vk_va at;
    assert_int_equal(map_anywhere(mm, 2 * PAGE, &at), 0);
    const struct vk_region more = stretch(1, 1), rest = stretch(2, 4);
    assert_int_equal(vk_region_add(machine.kernel, &more), 0);
    assert_int_equal(vk_usage(mm).high, (vk_va)stretches[2]);
    assert_int_equal(map_at(mm, (vk_va)stretches[1] - 4 * PAGE, 8 * PAGE, READ_WRITE), 0); /* across */
    assert_true(unit_is_filled((void *)((vk_va)stretches[1] - 4 * PAGE), 8 * PAGE, 0));
    assert_int_equal(vk_region_add(machine.kernel, &rest), 0); /* the last two are more than was said */
    assert_int_equal(vk_usage(mm).high, (vk_va)stretches[4]);
    vk_check(machine.kernel);
}

/* --- hooks ---------------------------------------------------------------------------------------------- */

static struct {
    unsigned n_locks, n_grows, n_more;
    bool is_locked, may_commit;
    size_t committed_pages;
    size_t n_stretches; /* that the grow hook has given away, with those at the start */
} hook;

static void hook_lock(void *context)
{
    assert_ptr_equal(context, &hook);
    assert_false(hook.is_locked);
    hook.is_locked = true;
    hook.n_locks++;
}

static void hook_unlock(void *context)
{
    (void)context;
    assert_true(hook.is_locked);
    hook.is_locked = false;
}

static bool hook_grow(void *context, size_t bytes, struct vk_region *added)
{
    (void)context;
    hook.n_grows++;
    const size_t n = (bytes + STRETCH - 1) / STRETCH;
    if (n > N_STRETCHES - hook.n_stretches)
        return false;
    *added = stretch(hook.n_stretches, n);
    hook.n_stretches += n;
    return true;
}

static void *hook_more(void *context, size_t bytes)
{
    (void)context;
    static max_align_t memory[4096];
    static size_t used;
    hook.n_more++;
    const size_t n = (bytes + sizeof *memory - 1) / sizeof *memory;
    if (n > 4096 - used)
        return NULL;
    used += n;
    return &memory[used - n];
}

static uintptr_t hook_thread(void *context)
{
    (void)context;
    return 77;
}

static void locks_around_each_call(void **state)
{
    (void)state;
    memset(&hook, 0, sizeof hook);
    const struct vk_config config = {
        .hooks = {.context = &hook, .lock = hook_lock, .unlock = hook_unlock, .thread = hook_thread}};
    const struct vk_region first = stretch(0, 1), second = stretch(3, 1);
    struct vk_mm *const mm = start_in_stretch(&first, &config);
    assert_int_equal(vk_thread(machine.kernel), 77);
    vk_va at;
    unsigned n = 0;
#define TAKES_THE_LOCK(call) ((void)(call), assert_int_equal(hook.n_locks, ++n), assert_false(hook.is_locked))
    TAKES_THE_LOCK(map_anywhere(mm, PAGE, &at));
    TAKES_THE_LOCK(vk_protect(mm, at, PAGE, VK_PROT_READ));
    TAKES_THE_LOCK(vk_advise(mm, at, PAGE, VK_ADVICE_DONTNEED));
    TAKES_THE_LOCK(vk_lock(mm, at, PAGE));
    TAKES_THE_LOCK(vk_unlock(mm, at, PAGE));
    TAKES_THE_LOCK(vk_remap(mm, &(struct vk_remap){at, PAGE, 2 * PAGE, VK_REMAP_MAYMOVE, 0}, &at));
    TAKES_THE_LOCK(vk_unmap(mm, at, 2 * PAGE));
    TAKES_THE_LOCK(vk_brk(mm, 0));
    TAKES_THE_LOCK(vk_limit(mm, VK_LIMIT_AS, 1));
    TAKES_THE_LOCK(map_anywhere(mm, PAGE, &at));
    TAKES_THE_LOCK(vk_usage(mm));
    TAKES_THE_LOCK(vk_check(machine.kernel));
    TAKES_THE_LOCK(vk_digest(machine.kernel));
    TAKES_THE_LOCK(vk_region_add(machine.kernel, &second));
    TAKES_THE_LOCK(text_of_maps(mm, &text));
    TAKES_THE_LOCK(text_of_status(mm, &text));
    TAKES_THE_LOCK(text_of_buddyinfo(machine.kernel, &text));
}

static void grows_by_the_hook(void **state)
{
    (void)state;
    memset(&hook, 0, sizeof hook);
    hook.n_stretches = 1;
    const struct vk_config config = {.hooks = {.context = &hook, .grow = hook_grow}};
    struct vk_region first = stretch(0, 1);
    first.bytes_max = 3 * STRETCH;
    struct vk_mm *const mm = start_in_stretch(&first, &config);
    const vk_va low = vk_usage(mm).low;
    assert_int_equal(vk_brk(mm, (vk_va)stretches[1] + PAGE), (vk_va)stretches[1] + PAGE);
    assert_int_equal(hook.n_grows, 1);
    vk_va at;
    assert_int_equal(map_anywhere(mm, STRETCH - PAGE, &at), 0); /* fits in what there is */
    assert_int_equal(hook.n_grows, 1);
    assert_int_equal(map_anywhere(mm, STRETCH, &at), 0);
    assert_int_equal(hook.n_grows, 2);
    vk_check(machine.kernel);
    assert_int_equal(map_anywhere(mm, 4 * STRETCH, &at), VK_ENOMEM);
    assert_int_equal(hook.n_grows, 3);
    vk_limit(mm, VK_LIMIT_AS, 0);
    assert_int_equal(vk_brk(mm, (vk_va)stretches[5]), (vk_va)stretches[1] + PAGE); /* in vain: not asked */
    assert_int_equal(hook.n_grows, 3);
    assert_int_equal(vk_brk(mm, low), low);
    vk_check(machine.kernel);
}

static void takes_records_from_the_hook(void **state)
{
    (void)state;
    memset(&hook, 0, sizeof hook);
    const struct vk_config config = {.n_areas = 16, .hooks = {.context = &hook, .more = hook_more}};
    const struct vk_region region = stretch(0, 4);
    struct vk_mm *const mm = start_in_stretch(&region, &config);
    const vk_va low = vk_usage(mm).low;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(map_at(mm, low + 2 * i * PAGE, PAGE, READ_WRITE), 0);
    assert_int_equal(hook.n_more, 2);
    vk_check(machine.kernel);
}

/* The real kernel's protections behind the simulated ones'. */
static size_t host_page;

static bool host_protect(void *context, void *start, size_t bytes, unsigned prot)
{
    (void)context;
    return !mprotect(start, bytes, (int)prot);
}

static bool host_commit(void *context, void *start, size_t bytes)
{
    (void)context;
    bytes = (bytes + host_page - 1) & ~(host_page - 1);
    hook.committed_pages += bytes / host_page;
    return hook.may_commit && !mprotect(start, bytes, PROT_READ | PROT_WRITE);
}

static bool host_decommit(void *context, void *start, size_t bytes)
{
    (void)context;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    return mmap(start, bytes, PROT_NONE, flags, -1, 0) == start;
}

static bool host_discard(void *context, void *start, size_t bytes)
{
    (void)context;
    return !madvise(start, bytes, MADV_DONTNEED);
}

static void read_byte(void *at)
{
    *(volatile char *)at;
}

static void assert_faults(void *at)
{
    const struct unit_outcome outcome = unit_fork(read_byte, at);
    assert_true(!outcome.exited || outcome.code != 0); /* a sanitizer exits */
}

static void protects_for_real(void **state)
{
    (void)state;
    memset(&hook, 0, sizeof hook);
    host_page = 64 * KIB; /* more than any page is */
    const size_t bytes = 16 * MIB;
    char *const memory = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const struct vk_config config = {.page_bytes = host_page,
                                     .hooks = {
                                         .commit = host_commit,
                                         .decommit = host_decommit,
                                         .protect = host_protect,
                                         .discard = host_discard,
                                     }};
    const struct vk_region region = {.start = memory, .bytes = bytes, .contents = VK_CONTENTS_ZERO};
    struct vk_kernel *kernel;
    assert_int_equal(vk_create(&config, &region, &kernel), VK_ENOMEM); /* not even records */
    hook.may_commit = true;
    assert_int_equal(vk_create(&config, &region, &kernel), 0);
    struct vk_mm *const mm = vk_flat_mm(kernel);
    assert_faults((void *)vk_usage(mm).low);
    vk_va at;
    assert_int_equal(map_anywhere(mm, 4 * host_page, &at), 0);
    memset((void *)at, 0x19, 4 * host_page);
    assert_int_equal(vk_protect(mm, at, host_page, VK_PROT_NONE), 0);
    assert_faults((void *)at);
    assert_int_equal(vk_protect(mm, at, host_page, VK_PROT_READ), 0);
    assert_true(unit_is_filled((void *)at, 4 * host_page, 0x19));
    assert_int_equal(vk_advise(mm, at, host_page, VK_ADVICE_DONTNEED), 0);
    assert_true(unit_is_filled((void *)at, host_page, 0));
    const struct vk_remap move = {at, 4 * host_page, 6 * host_page, VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
                                  at - 8 * host_page};
    assert_int_equal(vk_remap(mm, &move, &at), VK_EFAULT); /* two areas */
    const struct vk_remap move_one = {at + host_page, 3 * host_page, 6 * host_page, VK_REMAP_MAYMOVE, 0};
    assert_int_equal(vk_remap(mm, &move_one, &at), 0);
    assert_true(unit_is_filled((void *)at, 3 * host_page, 0x19));
    assert_true(unit_is_filled((char *)at + 3 * host_page, 3 * host_page, 0));
    assert_int_equal(vk_protect(mm, at, 6 * host_page, VK_PROT_READ), 0);
    assert_int_equal(vk_unmap(mm, at, 6 * host_page), 0);
    assert_faults((void *)at);
    vk_check(kernel);

    const struct vk_usage usage = vk_usage(mm);
    hook.may_commit = false;
    assert_int_equal(map_anywhere(mm, host_page, &at), VK_ENOMEM);
    assert_int_equal(vk_brk(mm, usage.low + 1), usage.low);
    assert_int_equal(vk_map(mm, &(struct vk_map){.bytes = host_page}, &at), 0); /* addresses alone */
    assert_int_equal(vk_protect(mm, at, host_page, READ_WRITE), VK_ENOMEM);
    vk_check(kernel);
    assert_int_equal(vk_usage(mm).total_pages, usage.total_pages + 1);
    munmap(memory, bytes);
}

/* Live areas that are not writable survive a move and a cleaning, with protections that are real. */
static void moves_what_is_protected(void **state)
{
    (void)state;
    memset(&hook, 0, sizeof hook);
    host_page = 64 * KIB;
    const size_t bytes = 4 * MIB;
    char *const memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct vk_config config = {.page_bytes = host_page, .hooks = {.protect = host_protect}};
    const struct vk_region region = {.start = memory, .bytes = bytes, .contents = VK_CONTENTS_ZERO};
    struct vk_kernel *kernel;
    assert_int_equal(vk_create(&config, &region, &kernel), 0);
    struct vk_mm *const mm = vk_flat_mm(kernel);
    const unsigned prots[] = {VK_PROT_NONE, VK_PROT_READ};
    for (size_t i = 0; i < 2; i++) {
        vk_va at, moved;
        assert_int_equal(map_anywhere(mm, 2 * host_page, &at), 0);
        memset((void *)at, 0x44, 2 * host_page);
        assert_int_equal(vk_protect(mm, at, 2 * host_page, prots[i]), 0);
        const struct vk_remap move = {at, 2 * host_page, 3 * host_page, VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
                                      at - 8 * host_page};
        assert_int_equal(vk_remap(mm, &move, &moved), 0);
        if (!prots[i])
            assert_faults((void *)moved);
        assert_int_equal(vk_advise(mm, moved, host_page, VK_ADVICE_DONTNEED), 0);
        assert_int_equal(vk_protect(mm, moved, 3 * host_page, VK_PROT_READ), 0);
        assert_true(unit_is_filled((void *)moved, host_page, 0));
        assert_true(unit_is_filled((char *)moved + host_page, host_page, 0x44));
        assert_true(unit_is_filled((char *)moved + 2 * host_page, host_page, 0));
        assert_int_equal(vk_unmap(mm, moved, 3 * host_page), 0);
        vk_check(kernel);
    }
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
        cmocka_unit_test(contents_are_kept),      cmocka_unit_test(fragments),
        cmocka_unit_test(serves_from_64_kib),     cmocka_unit_test(creation_refuses),
        cmocka_unit_test(leaves_zero_alone),      cmocka_unit_test(regions_are_apart),
        cmocka_unit_test(a_region_is_continued),  cmocka_unit_test(locks_around_each_call),
        cmocka_unit_test(grows_by_the_hook),      cmocka_unit_test(takes_records_from_the_hook),
        cmocka_unit_test(protects_for_real),      cmocka_unit_test(moves_what_is_protected),
        cmocka_unit_test(digest_is_of_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
