/* SPDX-License-Identifier: MIT */
/*
 * machine.c - see machine.h. Owns the window, the simulated kernel in it, and two sets of pages: those that a touch made
 * resident for certain, and those that the policy did. What the allocator wrote to itself, the host knows: nobody else
 * writes to the window.
 */
#include "vmsim/machine.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vmalloc/kernel.h"
#include "vmalloc/sim.h"
#include "vmsim/command.h"
#include "vmsim/map.h"

static const size_t window_alignment = (size_t)1 << (sizeof(void *) == 8 ? 32 : 24);
static const size_t most_bytes = (size_t)1 << (sizeof(void *) == 8 ? 34 : 29); /* 16 GiB; 512 MiB */
enum { BREAK_STRETCH = 4 << 20 };

enum certainty { CERTAIN, BY_POLICY, N_CERTAINTIES };

/* Pages that were touched: a bit each. */
struct touched {
    uint64_t *bits;
    uint64_t n_pages;
};

static char *window;
static size_t window_bytes, page_bytes, host_page_bytes;
static struct vk_kernel *kernel;
static struct vm_kernel_backend flat, backend;
static struct machine_counts counts;
static struct touched touched[N_CERTAINTIES];
static unsigned char *residence; /* a byte a page of the host's */
static uintptr_t highest_break;  /* that was seen */
static uintptr_t lowest_mapping; /* mappings go downwards; nothing is between the break and the lowest ever */

const char *const machine_count_names[N_MACHINE_COUNTS] = {
    "break_grow", "break_refused", "break_trim", "map",     "map_refused",
    "unmap",      "resize",        "move",       "protect", "purge",
};

/* --- pages ---------------------------------------------------------------------------------------------- */

static size_t page_of(const void *address)
{
    return (size_t)((const char *)address - window) / page_bytes;
}

static bool is_set(const struct touched *pages, size_t page)
{
    return pages->bits[page / 64] >> page % 64 & 1;
}

static void set(struct touched *pages, size_t page)
{
    pages->n_pages += !is_set(pages, page);
    pages->bits[page / 64] |= (uint64_t)1 << page % 64;
}

static void forget(const void *start, size_t bytes)
{
    for (size_t page = page_of(start), end = page_of((const char *)start + bytes); page < end; page++)
        for (int i = 0; i < N_CERTAINTIES; i++) {
            touched[i].n_pages -= is_set(&touched[i], page);
            touched[i].bits[page / 64] &= ~((uint64_t)1 << page % 64);
        }
}

void machine_touch(const void *start, size_t bytes, bool is_certain)
{
    if (!bytes)
        return;
    for (size_t page = page_of(start), last = page_of((const char *)start + bytes - 1); page <= last;
         page++) {
        set(&touched[BY_POLICY], page);
        if (is_certain)
            set(&touched[CERTAIN], page);
    }
}

uint64_t machine_touched(void)
{
    return touched[BY_POLICY].n_pages * page_bytes;
}

/* Pages of a range that the host has, or that were touched. */
static void count_range(char *start, const char *end, struct machine_resident *resident)
{
    const size_t n_host = (size_t)(end - start) / host_page_bytes, n_a_page = page_bytes / host_page_bytes;
    if (start == end || mincore(start, (size_t)(end - start), residence) != 0)
        return;
    const size_t first = page_of(start);
    for (size_t i = 0; i < n_host / n_a_page; i++) {
        bool is_written = false;
        for (size_t j = 0; j < n_a_page; j++)
            is_written |= residence[i * n_a_page + j] & 1;
        if (is_written) /* nobody but the allocator writes there */
            machine_touch(start + i * page_bytes, 1, true);
        resident->least += is_written || is_set(&touched[CERTAIN], first + i) ? page_bytes : 0;
        resident->most += is_written || is_set(&touched[BY_POLICY], first + i) ? page_bytes : 0;
    }
}

struct machine_range machine_range(enum machine_segment segment)
{
    const struct vk_usage usage = vk_usage(vk_flat_mm(kernel));
    const uint64_t origin = (uintptr_t)window;
    if (segment == MACHINE_MAPPINGS)
        return (struct machine_range){lowest_mapping - origin, usage.high - lowest_mapping};
    const uint64_t start = (usage.break_start - origin) / page_bytes * page_bytes;
    highest_break = usage.break_end > highest_break ? usage.break_end : highest_break;
    return (struct machine_range){start, (highest_break - origin - start + page_bytes - 1) / page_bytes *
                                             page_bytes};
}

struct machine_resident machine_resident(void)
{
    struct machine_resident resident = {0};
    for (int i = 0; i < N_MACHINE_SEGMENTS; i++) {
        const struct machine_range range = machine_range((enum machine_segment)i);
        count_range(window + range.start, window + range.start + range.bytes, &resident);
    }
    return resident;
}

/* Advice that changes nothing says whether the page is mapped. */
static enum machine_page state_of(char *start)
{
    if (vk_advise(vk_flat_mm(kernel), (vk_va)start, page_bytes, VK_ADVICE_WILLNEED) != 0)
        return MACHINE_UNMAPPED;
    return is_set(&touched[CERTAIN], page_of(start))     ? MACHINE_AT_LEAST
           : is_set(&touched[BY_POLICY], page_of(start)) ? MACHINE_AT_MOST
                                                         : MACHINE_MAPPED;
}

void machine_pages(enum machine_segment segment, uint64_t start, size_t n, unsigned char *pages)
{
    (void)segment; /* one window has both */
    for (size_t i = 0; i < n; i++)
        pages[i] = (unsigned char)state_of(window + start + i * page_bytes);
}

struct machine_figures machine_figures(void)
{
    return (struct machine_figures){0};
}

/* --- the wall ------------------------------------------------------------------------------------------- */

static void *break_grow(void *context, size_t bytes)
{
    void *const start = flat.break_grow(context, bytes);
    counts.break_grow++;
    counts.break_refused += !start;
    return start;
}

static bool break_trim(void *context, void *end, size_t bytes)
{
    counts.break_trim++;
    if (!flat.break_trim(context, end, bytes))
        return false;
    forget((char *)end - bytes, bytes);
    return true;
}

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    void *const start = flat.map(context, bytes, alignment, access);
    counts.map++;
    counts.map_refused += !start;
    if (start && (uintptr_t)start < lowest_mapping)
        lowest_mapping = (uintptr_t)start;
    return start;
}

static bool unmap(void *context, void *start, size_t bytes)
{
    counts.unmap++;
    if (!flat.unmap(context, start, bytes))
        return false;
    forget(start, bytes);
    return true;
}

static bool resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    counts.resize++;
    if (!flat.resize(context, start, old_bytes, new_bytes))
        return false;
    if (new_bytes < old_bytes)
        forget((char *)start + new_bytes, old_bytes - new_bytes);
    return true;
}

static bool move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    counts.move++;
    if (!flat.move(context, start, old_bytes, target, new_bytes))
        return false;
    const size_t both = old_bytes < new_bytes ? old_bytes : new_bytes;
    forget(target, new_bytes);
    for (size_t i = 0; i < both; i += page_bytes)
        if (is_set(&touched[BY_POLICY], page_of((char *)start + i)))
            machine_touch((char *)target + i, 1, is_set(&touched[CERTAIN], page_of((char *)start + i)));
    forget(start, old_bytes);
    return true;
}

static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    counts.protect++;
    if (!flat.protect(context, start, bytes, access))
        return false;
    if (access == VM_ACCESS_NONE)
        forget(start, bytes);
    return true;
}

static void purge(void *context, void *start, size_t bytes)
{
    counts.purge++;
    flat.purge(context, start, bytes);
    if ((size_t)((char *)start - window) <
        window_bytes) /* some of the allocator's tables are in its own data */
        forget(start, bytes);
}

/* --- the flat kernel ------------------------------------------------------------------------------------ */

static bool discard(void *context, void *start, size_t bytes)
{
    (void)context;
    return madvise(start, bytes, MADV_DONTNEED) == 0;
}

static bool make_kernel(char *start, size_t bytes)
{
    const struct vk_region region = {.start = start, .bytes = bytes, .contents = VK_CONTENTS_ZERO};
    const struct vk_config config = {.page_bytes = page_bytes,
                                     .hooks = {.decommit = discard, .discard = discard}};
    return vk_create(&config, &region, &kernel) == 0;
}

/* How far the break would have to move up to be where it should. */
static size_t distance_of_break(const struct machine_config *config)
{
    const size_t offset = config->break_offset / page_bytes * page_bytes;
    return (offset - vk_usage(vk_flat_mm(kernel)).break_start) % BREAK_STRETCH;
}

/* The kernel's records come before the break, so a kernel that is made for trial tells how far. */
static bool make_flat(const struct machine_config *config)
{
    const size_t bytes = window_bytes - BREAK_STRETCH;
    if (!make_kernel(window, bytes))
        return false;
    const size_t distance = distance_of_break(config);
    discard(NULL, window, bytes);
    if (!make_kernel(window + distance, bytes))
        return false;
    if (config->limit_bytes)
        vk_limit(vk_flat_mm(kernel), VK_LIMIT_AS, config->limit_bytes);
    lowest_mapping = vk_usage(vk_flat_mm(kernel)).high;
    return vm_sim_backend(&flat, kernel) == 0;
}

/* As Linux appears to the allocator: memory anywhere, as much as one wants. */
static void put_before(void)
{
    backend = flat;
    backend.name = "linux";
    backend.memory = NULL;
    backend.memory_bytes = 0;
    backend.break_grow = break_grow;
    backend.break_trim = break_trim;
    backend.map = map;
    backend.unmap = unmap;
    backend.resize = resize;
    backend.move = move;
    backend.protect = protect;
    backend.purge = purge;
}

/* In a process the first mapping is the page by which a fork child knows that it is one. */
static void make_mark(void)
{
    void *const mark = map(backend.context, page_bytes, page_bytes, VM_ACCESS_READ_WRITE);
    if (mark)
        machine_touch(mark, page_bytes, true);
}

static bool open_window(size_t bytes)
{
    const size_t all = bytes + window_alignment;
    char *const start =
        mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return false;
    const uintptr_t end = ((uintptr_t)start + all) & ~(window_alignment - 1);
    window = (char *)end - bytes;
    window_bytes = bytes;
    madvise(start, all, MADV_NOHUGEPAGE);
    return true;
}

bool machine_begin(const struct machine_config *config)
{
    host_page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    page_bytes = config->page_bytes ? config->page_bytes : host_page_bytes;
    if (page_bytes < host_page_bytes || page_bytes > 65536 || (page_bytes & (page_bytes - 1)))
        return vmsim_complain("pages of %zu bytes: not a power of two from %zu to 65536", page_bytes,
                              host_page_bytes) == 0;
    const size_t ram = (config->ram_bytes ? config->ram_bytes : most_bytes) / page_bytes * page_bytes;
    if (ram > most_bytes)
        return vmsim_complain("more than %zu bytes of memory are not simulated", most_bytes) == 0;
    if (!open_window(ram + BREAK_STRETCH) || !make_flat(config))
        return vmsim_complain("a machine with %zu bytes cannot be made here", ram) == 0;
    for (int i = 0; i < N_CERTAINTIES; i++) {
        const size_t n_words = window_bytes / page_bytes / 64 + 1;
        touched[i].bits = grow_array(NULL, n_words, sizeof(uint64_t));
        memset(touched[i].bits, 0, n_words * sizeof(uint64_t));
    }
    residence = grow_array(NULL, window_bytes / host_page_bytes, 1);
    put_before();
    make_mark();
    return vm_kernel_install(&backend) == VM_KERNEL_OK || vmsim_complain("the allocator is in use") == 0;
}

/* --- what is asked of it -------------------------------------------------------------------------------- */

size_t machine_page_bytes(void)
{
    return page_bytes;
}

uint64_t machine_place(const void *address)
{
    return (uint64_t)((const char *)address - window);
}

const struct machine_counts *machine_counts(void)
{
    return &counts;
}

uint64_t machine_virtual(void)
{
    return (uint64_t)vk_usage(vk_flat_mm(kernel)).total_pages * page_bytes;
}

uint64_t machine_virtual_most(void)
{
    return (uint64_t)vk_usage(vk_flat_mm(kernel)).total_pages_most * page_bytes;
}

uint64_t machine_digest(void)
{
    return vk_digest(kernel);
}
