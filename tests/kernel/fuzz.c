/* SPDX-License-Identifier: MIT */
/*
 * fuzz.c - random calls on a window of 1 MiB, of the simulated kernel and of the real one (check B5): after
 * each call both have given the same error, and the same pages of the window have the same protections. The
 * checker of the simulated one runs after each, its tree finds what its list has (B7), and its status is what
 * its maps add up to (B8).
 *
 * The window lies low in the real address space, where the kernel puts nothing by itself. No page is ever
 * touched there: areas with pages would not merge as those without do, and remap tells areas apart.
 *
 * Arguments: how many calls, the seed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "maps.h"
#include "sim/kernel.h"

enum { WINDOW_BYTES = 1 << 20, N_PAGES_MOST = WINDOW_BYTES / 4096, N_ERRORS = 200 };

static struct machine machine;
static size_t page, n_pages;
static vk_va sim_window, real_window;

/* What of the kernel at hand can be compared. */
static bool has_remap, has_huge;

/* --- one call ------------------------------------------------------------------------------------------- */

enum kind { MAP, MAP_NOREPLACE, UNMAP, PROTECT, REMAP, ADVISE, N_KINDS };

struct call {
    enum kind kind;
    ptrdiff_t at, to; /* from the start of the window */
    size_t bytes, new_bytes;
    unsigned prot, flags;
    int advice; /* an index into `advices` */
};

static const struct {
    enum vk_advice sim;
    int real;
} advices[] = {
    {VK_ADVICE_DONTNEED, MADV_DONTNEED}, {VK_ADVICE_FREE, MADV_FREE},
    {VK_ADVICE_WILLNEED, MADV_WILLNEED}, {VK_ADVICE_HUGE, MADV_HUGEPAGE},
    {VK_ADVICE_NOHUGE, MADV_NOHUGEPAGE},
};

/* Errors are negative; a place is told as its distance from the window, if it is in it. */
struct outcome {
    int error;
    ptrdiff_t place; /* -1: outside, or none */
};

static struct outcome outcome_of(int error, uintptr_t place, uintptr_t window)
{
    const bool is_inside = !error && place >= window && place < window + WINDOW_BYTES;
    return (struct outcome){error, is_inside ? (ptrdiff_t)(place - window) : -1};
}

static struct outcome call_sim(const struct call *call)
{
    vk_va place = 0;
    int error = 0;
    const vk_va at = sim_window + (vk_va)call->at;
    switch (call->kind) {
    case MAP:
    case MAP_NOREPLACE: {
        const unsigned flags = call->kind == MAP ? VK_MAP_FIXED : VK_MAP_FIXED_NOREPLACE;
        const struct vk_map wanted = {.hint = at, .bytes = call->bytes, .prot = call->prot, .flags = flags};
        error = vk_map(machine.mm, &wanted, &place);
        break;
    }
    case UNMAP:
        error = vk_unmap(machine.mm, at, call->bytes);
        break;
    case PROTECT:
        error = vk_protect(machine.mm, at, call->bytes, call->prot);
        break;
    case REMAP: {
        const struct vk_remap wanted = {at, call->bytes, call->new_bytes, call->flags,
                                        sim_window + (vk_va)call->to};
        error = vk_remap(machine.mm, &wanted, &place);
        const struct outcome outcome = outcome_of(error, place, sim_window);
        if (!error && outcome.place < 0)
            vk_unmap(machine.mm, place, call->new_bytes);
        return outcome;
    }
    case ADVISE:
        error = vk_advise(machine.mm, at, call->bytes, advices[call->advice].sim);
        break;
    case N_KINDS:
        break;
    }
    return outcome_of(error, place, sim_window);
}

static struct outcome outcome_of_pointer(const void *result)
{
    return outcome_of(result == MAP_FAILED ? -errno : 0, (uintptr_t)result, real_window);
}

static struct outcome call_real(const struct call *call)
{
    char *const at = (char *)real_window + call->at;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    int failed = 0;
    switch (call->kind) {
    case MAP:
        return outcome_of_pointer(mmap(at, call->bytes, (int)call->prot, flags | MAP_FIXED, -1, 0));
    case MAP_NOREPLACE:
        return outcome_of_pointer(mmap(at, call->bytes, (int)call->prot, flags | MAP_FIXED_NOREPLACE, -1, 0));
    case UNMAP:
        failed = munmap(at, call->bytes);
        break;
    case PROTECT:
        failed = mprotect(at, call->bytes, (int)call->prot);
        break;
    case REMAP: {
        void *const to = (char *)real_window + call->to;
        void *const result = mremap(at, call->bytes, call->new_bytes, (int)call->flags, to);
        const struct outcome outcome = outcome_of_pointer(result);
        if (!outcome.error && outcome.place < 0)
            munmap(result, call->new_bytes);
        return outcome;
    }
    case ADVISE:
        failed = madvise(at, call->bytes, advices[call->advice].real);
        break;
    case N_KINDS:
        break;
    }
    return outcome_of(failed ? -errno : 0, 0, real_window);
}

/* --- the window ----------------------------------------------------------------------------------------- */

enum { UNMAPPED = 8 };

struct window {
    unsigned char prot[N_PAGES_MOST]; /* or UNMAPPED */
};

static struct text text;

static void read_window(const struct text *maps, vk_va at, struct window *window)
{
    memset(window, UNMAPPED, sizeof *window);
    struct map_line line;
    for (const char *from = maps->bytes; next_map_line(&from, &line);) {
        if (line.start >= at + WINDOW_BYTES)
            break;
        for (vk_va i = line.start; i < line.end; i += page)
            if (i >= at)
                window->prot[(i - at) / page] = (unsigned char)line.prot;
    }
}

/* The lines of /proc/self/maps up to one behind the window: it is the first thing in there. */
static void read_real_maps(int file)
{
    char *line = text.bytes, *end;
    text.length = 0;
    UNIT_REQUIRE(lseek(file, 0, SEEK_SET) == 0);
    for (;;) {
        const ssize_t got = read(file, text.bytes + text.length, sizeof text.bytes - 1 - text.length);
        UNIT_REQUIRE(got >= 0);
        text.length += (size_t)got;
        text.bytes[text.length] = 0;
        for (; (end = strchr(line, '\n')); line = end + 1)
            if (strtoul(line, NULL, 16) >= real_window + WINDOW_BYTES) {
                end[1] = 0;
                return;
            }
        if (got == 0)
            return;
    }
}

/* The totals of the status are what the maps add up to. */
static void check_status(void)
{
    static size_t most, resident_most;
    size_t total = 0, data = 0;
    struct map_line line;
    for (const char *from = text.bytes; next_map_line(&from, &line);) {
        total += line.end - line.start;
        data += line.prot & VK_PROT_WRITE ? line.end - line.start : 0;
    }
    static struct text status;
    text_of_status(machine.mm, &status);
    UNIT_REQUIRE(status_bytes(&status, "VmSize:") == total);
    UNIT_REQUIRE(status_bytes(&status, "VmData:") == data);
    UNIT_REQUIRE(status_bytes(&status, "VmPeak:") >= most && status_bytes(&status, "VmPeak:") >= total);
    UNIT_REQUIRE(status_bytes(&status, "VmHWM:") >= resident_most);
    UNIT_REQUIRE(status_bytes(&status, "VmHWM:") >= status_bytes(&status, "VmRSS:"));
    resident_most = status_bytes(&status, "VmHWM:");
    most = status_bytes(&status, "VmPeak:");
}

/* The area that an address is in, or the next above, is the same by the tree as by the list (B7). */
static void check_finds(uint64_t *seed)
{
    struct areas *const areas = &machine.mm->areas;
    const uint64_t n_find_hits = areas->n_find_hits; /* of the calls alone */
    for (unsigned i = 0; i < 3; i++) {
        const vk_va at = sim_window + unit_below(seed, WINDOW_BYTES);
        const struct area *by_list = vk_areas_first(areas);
        while (by_list && by_list->end <= at)
            by_list = vk_area_next(by_list);
        UNIT_REQUIRE(vk_areas_find(areas, at) == by_list);
    }
    areas->n_find_hits = n_find_hits;
}

/* --- random calls --------------------------------------------------------------------------------------- */

static size_t random_bytes(uint64_t *seed)
{
    const size_t dice = unit_below(seed, 100);
    if (dice < 2)
        return 0;
    if (dice < 6)
        return unit_below(seed, 4 * page); /* no whole pages */
    if (dice < 8)
        return SIZE_MAX - unit_below(seed, 2 * page);
    if (dice < 80)
        return (1 + unit_below(seed, 8)) * page;
    return (1 + unit_below(seed, n_pages / 2)) * page;
}

/* A place in the window, or a bit before or behind it, seldom not on a page. */
static ptrdiff_t random_place(uint64_t *seed)
{
    const ptrdiff_t at = (ptrdiff_t)(unit_below(seed, n_pages) * page);
    return unit_below(seed, 50) ? at : at + (ptrdiff_t)unit_below(seed, page);
}

/* What maps must stay in the window; the other calls find nothing outside it. */
static void keep_inside(struct call *call)
{
    const size_t room = WINDOW_BYTES - (size_t)call->at;
    if (call->kind <= MAP_NOREPLACE && call->bytes > room && call->bytes < WINDOW_BYTES)
        call->bytes = room;
    if (call->kind == REMAP && call->flags & MREMAP_FIXED && call->new_bytes < WINDOW_BYTES &&
        call->to + (ptrdiff_t)call->new_bytes > WINDOW_BYTES)
        call->to = WINDOW_BYTES - (ptrdiff_t)((call->new_bytes + page - 1) / page * page);
}

static struct call random_call(uint64_t *seed)
{
    struct call call = {
        .kind = (enum kind)unit_below(seed, N_KINDS),
        .at = random_place(seed),
        .to = random_place(seed),
        .bytes = random_bytes(seed),
        .new_bytes = random_bytes(seed),
        .prot = (unsigned)unit_below(seed, 8),
        .advice = (int)unit_below(seed, has_huge ? 5 : 2),
    };
    if (unit_below(seed, 3))
        call.prot =
            unit_below(seed, 2) ? VK_PROT_READ | VK_PROT_WRITE : VK_PROT_READ; /* so that much merges */
    if (call.kind == REMAP && !has_remap)
        call.kind = UNMAP;
    if (call.kind == REMAP) {
        static const unsigned flags[] = {
            0, 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_FIXED,
            64};
        call.flags = flags[unit_below(seed, sizeof flags / sizeof *flags)];
        if (unit_below(seed, 2))
            call.new_bytes = call.bytes;
    }
    keep_inside(&call);
    return call;
}

/* Whether the kernel is one whose rules remap.c has; older ones also keep areas apart of which one was
   writable. */
static bool is_new_enough(void)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    return !uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 17));
}

static bool takes_all_advice(void)
{
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (madvise((void *)real_window, page, advices[i].real))
            return false;
    return true;
}

static void start(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    n_pages = WINDOW_BYTES / page;
    machine = machine_make(3 << 20, &(struct vk_config){.page_bytes = page});
    const struct vk_usage usage = vk_usage(machine.mm);
    sim_window = (usage.low + (1 << 19)) & ~(vk_va)(page - 1);
    UNIT_REQUIRE(sim_window + 2 * WINDOW_BYTES < usage.high);
    UNIT_REQUIRE(!map_at(machine.mm, sim_window, WINDOW_BYTES, VK_PROT_NONE));

    void *const wanted = (void *)0x10000000;
    void *const got =
        mmap(wanted, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != wanted) {
        printf("1..0 # SKIP no window at %p\n", wanted);
        exit(0);
    }
    real_window = (uintptr_t)got;
    has_remap = is_new_enough();
    has_huge = takes_all_advice();
    munmap(got, WINDOW_BYTES);
    mmap(wanted, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static bool is_same(unsigned number, const struct call *call, const struct outcome *sim,
                    const struct outcome *real, const struct window windows[2])
{
    if (sim->error == real->error && sim->place == real->place &&
        !memcmp(&windows[0], &windows[1], sizeof *windows))
        return true;
    static const char *const names[] = {"map", "map noreplace", "unmap", "protect", "remap", "advise"};
    printf("# call %u: %s at %#tx, %#zx bytes, to %#tx, %#zx bytes, prot %u, flags %u, advice %d\n", number,
           names[call->kind], call->at, call->bytes, call->to, call->new_bytes, call->prot, call->flags,
           advices[call->advice].real);
    printf("# simulated: error %d, place %#tx; real: error %d, place %#tx\n", sim->error, sim->place,
           real->error, real->place);
    for (size_t i = 0; i < n_pages; i++)
        if (windows[0].prot[i] != windows[1].prot[i])
            printf("# page %zu: simulated %u, real %u\n", i, windows[0].prot[i], windows[1].prot[i]);
    return false;
}

int main(int argc, char **argv)
{
    const unsigned n_calls = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    const uint64_t first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t seed = first_seed, find_seed = first_seed;
    unit_report_to_stderr();
    start();
    const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    static unsigned n_by_error[N_ERRORS];
    static struct window windows[2];
    for (unsigned i = 0; i < n_calls; i++) {
        const struct call call = random_call(&seed);
        const struct outcome sim = call_sim(&call), real = call_real(&call);
        text_of_maps(machine.mm, &text);
        read_window(&text, sim_window, &windows[0]);
        check_status();
        vk_check(machine.kernel);
        check_finds(&find_seed);
        read_real_maps(file);
        read_window(&text, real_window, &windows[1]);
        if (!is_same(i, &call, &sim, &real, windows)) {
            printf("1..1\nnot ok 1 - %u calls, seed %llu\n", n_calls, (unsigned long long)first_seed);
            return 1;
        }
        n_by_error[-real.error % N_ERRORS]++;
    }
    const struct vk_usage usage = vk_usage(machine.mm);
    const bool has_hits = usage.n_find_hits > 0;
    printf("# remap %s, advice on huge pages %s\n",
           has_remap ? "compared" : "left out: the kernel is older than 6.17",
           has_huge ? "compared" : "left out");
    for (unsigned i = 0; i < N_ERRORS; i++)
        if (n_by_error[i])
            printf("# %u calls: %s\n", n_by_error[i], i ? strerror((int)i) : "done");
    printf("# %llu of %llu searches found what the last one had\n", (unsigned long long)usage.n_find_hits,
           (unsigned long long)usage.n_finds);
    printf("1..2\nok 1 - %u calls, seed %llu: no difference\n", n_calls, (unsigned long long)first_seed);
    printf("%sok 2 - the area found last was the one wanted\n", has_hits ? "" : "not ");
    return has_hits ? 0 : 1;
}
