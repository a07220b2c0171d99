/* SPDX-License-Identifier: MIT */
/*
 * regions.c - memory handed over in pieces, by the program or by a hook, and the other hooks: locks,
 * records, and the real kernel's protections behind the simulated ones.
 */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include "maps.h"

enum { KIB = 1024, MIB = 1024 * 1024, PAGE = 4096, READ_WRITE = VK_PROT_READ | VK_PROT_WRITE };

static struct machine machine;
static struct text text;

static int teardown(void **state)
{
    (void)state;
    machine_free(&machine);
    return 0;
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
    machine_unmap_all(&machine);
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
    size_t asked_bytes; /* the last time */
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
    hook.asked_bytes = bytes;
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

/* What continues a region is just what is needed; what cannot, as others took memory meanwhile, becomes a region with
   room for its own records. */
static void asks_the_hook_for_what_is_needed(void **state)
{
    (void)state;
    memset(&hook, 0, sizeof hook);
    hook.n_stretches = 1;
    const struct vk_config config = {.hooks = {.context = &hook, .grow = hook_grow}};
    struct vk_region first = stretch(0, 1);
    first.bytes_max = N_STRETCHES * STRETCH;
    struct vk_mm *const mm = start_in_stretch(&first, &config);
    vk_va at;
    assert_int_equal(map_anywhere(mm, STRETCH, &at), 0);
    assert_int_equal(hook.n_grows, 1);
    assert_int_equal(hook.asked_bytes, STRETCH);
    assert_int_equal(at, (vk_va)stretches[1]);

    hook.n_stretches++; /* somebody else's */
    const size_t n_before = hook.n_stretches;
    assert_int_equal(map_anywhere(mm, STRETCH, &at), 0);
    assert_int_equal(hook.n_grows, 3);
    assert_int_equal(hook.n_stretches, n_before + 2);
    assert_true(at > (vk_va)stretches[n_before]); /* behind records, and in both stretches */
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

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_are_apart),
        cmocka_unit_test(a_region_is_continued),
        cmocka_unit_test(locks_around_each_call),
        cmocka_unit_test(grows_by_the_hook),
        cmocka_unit_test(asks_the_hook_for_what_is_needed),
        cmocka_unit_test(takes_records_from_the_hook),
        cmocka_unit_test(protects_for_real),
        cmocka_unit_test(moves_what_is_protected),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
