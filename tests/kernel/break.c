/* SPDX-License-Identifier: MIT */
/*
 * break.c - the rules of the break (check B3), in one text that runs on the simulated kernel and on the real
 * one. Each rule runs in a child of its own, whose break nobody else moves.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "maps.h"

/* A kernel, real or simulated. */
struct world {
    size_t page;
    uintptr_t (*brk)(uintptr_t wanted);
    bool (*map_at)(uintptr_t at, size_t bytes); /* readable and writable, in place of what is there */
    bool (*unmap)(uintptr_t at, size_t bytes);
    void (*limit_data)(size_t bytes);
    void (*maps)(struct text *text);
    void (*status)(struct text *text);
};

static struct text text;

/* --- two worlds ----------------------------------------------------------------------------------------- */

static struct machine machine;

static uintptr_t sim_brk(uintptr_t wanted)
{
    const uintptr_t now = vk_brk(machine.mm, wanted);
    vk_check(machine.kernel);
    return now;
}

static bool sim_map_at(uintptr_t at, size_t bytes)
{
    return !map_at(machine.mm, at, bytes, VK_PROT_READ | VK_PROT_WRITE);
}

static bool sim_unmap(uintptr_t at, size_t bytes)
{
    return !vk_unmap(machine.mm, at, bytes);
}

static void sim_limit_data(size_t bytes)
{
    vk_limit(machine.mm, VK_LIMIT_DATA, bytes);
}

static void sim_maps(struct text *into)
{
    text_of_maps(machine.mm, into);
}

static void sim_status(struct text *into)
{
    text_of_status(machine.mm, into);
}

static const struct world sim_world = {4096,           sim_brk,  sim_map_at, sim_unmap,
                                       sim_limit_data, sim_maps, sim_status};

static uintptr_t real_brk(uintptr_t wanted)
{
    return (uintptr_t)syscall(SYS_brk, wanted);
}

static bool real_map_at(uintptr_t at, size_t bytes)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return mmap((void *)at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == (void *)at;
}

static bool real_unmap(uintptr_t at, size_t bytes)
{
    return !munmap((void *)at, bytes);
}

static void real_limit_data(size_t bytes)
{
    UNIT_REQUIRE(!setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes}));
}

static void real_maps(struct text *into)
{
    text_of_file("/proc/self/maps", into);
}

static void real_status(struct text *into)
{
    text_of_file("/proc/self/status", into);
}

static struct world real_world = {0,         real_brk,   real_map_at, real_unmap, real_limit_data,
                                  real_maps, real_status};

/* --- what the rules ask --------------------------------------------------------------------------------- */

/* Whether the page of `at` is mapped readable and writable. */
static bool is_mapped(const struct world *world, uintptr_t at)
{
    world->maps(&text);
    struct map_line line;
    for (const char *from = text.bytes; next_map_line(&from, &line);)
        if (line.start <= at && at < line.end)
            return line.prot == (VK_PROT_READ | VK_PROT_WRITE);
    return false;
}

/* The end of the line of the heap. */
static uintptr_t heap_end(const struct world *world)
{
    uintptr_t end = 0;
    world->maps(&text);
    struct map_line line;
    for (const char *from = text.bytes; next_map_line(&from, &line);)
        if (line.is_heap)
            end = line.end;
    return end;
}

/* Moves the break up to a whole page with two pages below it. */
static uintptr_t start_page(const struct world *world)
{
    const uintptr_t now = world->brk(0);
    const uintptr_t start = (now + 3 * world->page - 1) & ~(world->page - 1);
    UNIT_REQUIRE(world->brk(start) == start);
    return start;
}

static void grows_and_shrinks(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->brk(0) == start);
    UNIT_REQUIRE(world->brk(start + 5 * world->page) == start + 5 * world->page);
    UNIT_REQUIRE(heap_end(world) == start + 5 * world->page);
    UNIT_REQUIRE(world->brk(start) == start);
    UNIT_REQUIRE(heap_end(world) == start);
    UNIT_REQUIRE(!is_mapped(world, start));
}

static void has_a_floor(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->brk(1) == start);
    UNIT_REQUIRE(world->brk(world->page) == start);
    UNIT_REQUIRE(heap_end(world) == start);
}

static void keeps_odd_values(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->brk(start + 1) == start + 1);
    UNIT_REQUIRE(heap_end(world) == start + world->page); /* one byte costs a page */
    UNIT_REQUIRE(world->brk(start + 100) == start + 100);
    UNIT_REQUIRE(heap_end(world) == start + world->page); /* more of the same page does not */
    UNIT_REQUIRE(world->brk(start + world->page) == start + world->page);
    UNIT_REQUIRE(heap_end(world) == start + world->page);
    UNIT_REQUIRE(world->brk(start + 7) == start + 7);
    UNIT_REQUIRE(heap_end(world) == start + world->page);
    UNIT_REQUIRE(world->brk(start) == start);
    UNIT_REQUIRE(heap_end(world) == start);
}

static void comes_back_zero(const struct world *world)
{
    const uintptr_t start = start_page(world);
    for (int round = 0; round < 3; round++) {
        UNIT_REQUIRE(world->brk(start + 3 * world->page) == start + 3 * world->page);
        UNIT_REQUIRE(unit_is_filled((void *)start, 3 * world->page, 0));
        memset((void *)start, 0xff, 3 * world->page);
        UNIT_REQUIRE(world->brk(start) == start);
    }
    /* Within a page that stays, bytes stay too. */
    UNIT_REQUIRE(world->brk(start + 20) == start + 20);
    memset((void *)start, 0x77, 20);
    UNIT_REQUIRE(world->brk(start + 10) == start + 10);
    UNIT_REQUIRE(world->brk(start + 20) == start + 20);
    UNIT_REQUIRE(unit_is_filled((void *)start, 20, 0x77));
}

static void keeps_to_the_limit_of_data(const struct world *world)
{
    const uintptr_t start = start_page(world);
    world->status(&text);
    world->limit_data(status_bytes(&text, "VmData:") + 8 * world->page);
    UNIT_REQUIRE(world->brk(start + 9 * world->page) == start);
    UNIT_REQUIRE(world->brk(start + 8 * world->page + 1) == start);
    UNIT_REQUIRE(world->brk(start + 8 * world->page) == start + 8 * world->page);
    UNIT_REQUIRE(world->brk(start) == start);
    world->limit_data(
        world->page); /* what is there stays, and may even shrink, but only to below the limit */
    UNIT_REQUIRE(world->brk(start + world->page) == start);
}

/* The limit holds for the distance from the break's start too, whatever of it is still mapped. */
static void counts_the_distance_as_data(const struct world *world)
{
    const uintptr_t start = start_page(world);
    world->status(&text);
    const size_t n_pages = status_bytes(&text, "VmData:") / world->page + 100;
    if (n_pages > 100000)
        return; /* a sanitizer's shadow is data too, more than a break can be */
    const uintptr_t end = start + n_pages * world->page;
    UNIT_REQUIRE(world->brk(end) == end);
    UNIT_REQUIRE(world->unmap(start, (n_pages - 1) * world->page));
    world->limit_data(n_pages * world->page);
    UNIT_REQUIRE(world->brk(end + 10 * world->page) == end);
}

static void keeps_a_page_from_neighbours(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->map_at(start + 4 * world->page, world->page));
    UNIT_REQUIRE(world->brk(start + 5 * world->page) == start);
    UNIT_REQUIRE(world->brk(start + 4 * world->page) == start);
    UNIT_REQUIRE(world->brk(start + 3 * world->page + 1) == start);
    UNIT_REQUIRE(world->brk(start + 100 * world->page) == start);
    UNIT_REQUIRE(world->brk(start + 3 * world->page) == start + 3 * world->page);
    UNIT_REQUIRE(world->unmap(start + 4 * world->page, world->page));
    UNIT_REQUIRE(world->brk(start + 5 * world->page) == start + 5 * world->page);
}

static void holes_are_not_filled(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->brk(start + 6 * world->page) == start + 6 * world->page);
    UNIT_REQUIRE(world->unmap(start + 2 * world->page, world->page));
    UNIT_REQUIRE(!is_mapped(world, start + 2 * world->page));
    UNIT_REQUIRE(world->brk(start + 7 * world->page) == start + 7 * world->page);
    UNIT_REQUIRE(!is_mapped(world, start + 2 * world->page));
    UNIT_REQUIRE(world->brk(start + world->page) == start + world->page); /* over the hole */
    UNIT_REQUIRE(world->brk(start + 3 * world->page) == start + 3 * world->page);
    UNIT_REQUIRE(is_mapped(world, start + 2 * world->page));
    UNIT_REQUIRE(unit_is_filled((void *)(start + world->page), 2 * world->page, 0));
}

static void does_not_shrink_over_nothing(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->brk(start + 4 * world->page) == start + 4 * world->page);
    UNIT_REQUIRE(world->unmap(start + 2 * world->page, 2 * world->page));
    UNIT_REQUIRE(world->brk(start + 3 * world->page) == start + 4 * world->page);
    UNIT_REQUIRE(world->brk(start + world->page) == start + world->page);
}

static void refuses_what_has_no_end(const struct world *world)
{
    const uintptr_t start = start_page(world);
    UNIT_REQUIRE(world->brk(UINTPTR_MAX) == start);
    UNIT_REQUIRE(world->brk(UINTPTR_MAX - world->page) == start);
    UNIT_REQUIRE(world->brk(UINTPTR_MAX / 2 + world->page) == start);
    UNIT_REQUIRE(heap_end(world) == start);
}

/* --- the table ------------------------------------------------------------------------------------------ */

static void (*const rules[])(const struct world *world) = {
    grows_and_shrinks,
    has_a_floor,
    keeps_odd_values,
    comes_back_zero,
    holes_are_not_filled,
    keeps_to_the_limit_of_data,
    counts_the_distance_as_data,
    keeps_a_page_from_neighbours,
    refuses_what_has_no_end,
    does_not_shrink_over_nothing,
};
enum { N_RULES = sizeof rules / sizeof *rules };

struct run {
    const struct world *world;
    size_t rule;
};

static void run_rule(void *argument)
{
    const struct run *const run = argument;
    rules[run->rule](run->world);
}

static void on_the_simulated_kernel(void **state)
{
    (void)state;
    for (size_t rule = 0; rule < N_RULES; rule++) {
        machine = machine_make(1 << 20, &(struct vk_config){0});
        struct run run = {&sim_world, rule};
        unit_assert_returns(run_rule, &run);
        machine_free(&machine);
    }
}

static void on_the_real_kernel(void **state)
{
    (void)state;
    real_world.page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t rule = 0; rule < N_RULES; rule++) {
        struct run run = {&real_world, rule};
        unit_assert_returns(run_rule, &run);
    }
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_simulated_kernel),
        cmocka_unit_test(on_the_real_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
