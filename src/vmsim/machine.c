/* SPDX-License-Identifier: MIT */
/*
 * machine.c - see machine.h. Owns the machine, the window, and two sets of pages: those that a touch made resident for
 * certain, and those that the policy did. What the allocator wrote to itself, the host knows: nobody else writes to the
 * window. Pages are looked at before they are lost, so that no first access is missed; but which of two is first may be.
 */
#include "vmsim/machine.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vmalloc/kernel.h"
#include "vmalloc/memory.h"
#include "vmsim/command.h"
#include "vmsim/machine_make.h"
#include "vmsim/map.h"
#include "vmsim/window.h"

enum certainty { CERTAIN, BY_POLICY, N_CERTAINTIES };

/* Pages that were touched: a bit each. */
struct touched {
    uint64_t *bits;
    uint64_t n_pages, n_pages_most;
};

static struct machine_made made;
static size_t page_bytes, host_page_bytes;
static struct vm_kernel_backend backend;
static struct machine_counts counts;
static struct touched touched[N_CERTAINTIES];
static unsigned char *residence; /* a byte a page of the host's */
static bool is_killed;           /* the machine ended the process */

/* Of each segment, where it was mapped ever. */
static struct {
    char *start, *end;
} reached[N_MACHINE_SEGMENTS];

const char *const machine_count_names[N_MACHINE_COUNTS] = {
    "break_grow", "break_refused", "break_trim", "map",     "map_refused",
    "unmap",      "resize",        "move",       "protect", "purge",
};

/* --- addresses ------------------------------------------------------------------------------------------ */

static bool is_in_window(const void *address)
{
    return (size_t)((const char *)address - made.all) < made.all_bytes;
}

static const struct machine_window *window_of(const void *address)
{
    const struct machine_window *const mappings = &made.window[MACHINE_MAPPINGS];
    return (size_t)((const char *)address - mappings->start) < mappings->bytes ? mappings
                                                                               : &made.window[MACHINE_BREAK];
}

static vk_va address_of(const void *start)
{
    const struct machine_window *const window = window_of(start);
    return window->at + (vk_va)((const char *)start - window->start);
}

uint64_t machine_place(const void *address)
{
    const struct machine_window *const window = window_of(address);
    return window->place + (uint64_t)((const char *)address - window->start);
}

/* NULL: the window does not reach so far. */
static char *host_of(enum machine_segment segment, vk_va at, size_t bytes)
{
    const struct machine_window *const window = &made.window[segment];
    const size_t offset = (size_t)(at - window->at);
    return at >= window->at && offset <= window->bytes && bytes <= window->bytes - offset
               ? window->start + offset
               : NULL;
}

static char *page_up(char *address)
{
    return address + (-(uintptr_t)address & (page_bytes - 1));
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static size_t page_of(const void *address)
{
    return (size_t)((const char *)address - made.all) / page_bytes;
}

static bool is_set(const struct touched *pages, size_t page)
{
    return pages->bits[page / 64] >> page % 64 & 1;
}

static void set(struct touched *pages, size_t page)
{
    if (is_set(pages, page))
        return;
    pages->bits[page / 64] |= (uint64_t)1 << page % 64;
    if (++pages->n_pages > pages->n_pages_most)
        pages->n_pages_most = pages->n_pages;
}

static void forget(const void *start, size_t bytes)
{
    for (size_t page = page_of(start), end = page_of((const char *)start + bytes); page < end; page++)
        for (int i = 0; i < N_CERTAINTIES; i++) {
            touched[i].n_pages -= is_set(&touched[i], page);
            touched[i].bits[page / 64] &= ~((uint64_t)1 << page % 64);
        }
}

/* On a machine that pages: the access, by its MMU. */
static void access_pages(const void *start, size_t bytes, enum vk_prot kind)
{
    if (!made.machine || is_killed)
        return;
    const struct vk_access access = {.at = address_of(start), .bytes = bytes, .kind = kind};
    is_killed = vk_access(made.mm, &access) >= VK_FAULT_SEGV;
}

void machine_read(const void *start, size_t bytes)
{
    if (bytes)
        access_pages(start, bytes, VK_PROT_READ);
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
    access_pages(start, bytes, VK_PROT_WRITE);
}

bool machine_is_killed(void)
{
    return is_killed;
}

uint64_t machine_touched(void)
{
    return touched[BY_POLICY].n_pages * page_bytes;
}

/* --- looks ---------------------------------------------------------------------------------------------- */

/* Whether the host has a part of the i-th page that `residence` is about. */
static bool has_host_page(size_t i)
{
    const size_t n = page_bytes / host_page_bytes;
    return memchr(residence + i * n, 1, n);
}

/* Which pages of a range the allocator wrote to: nobody else does. */
static void look_at(char *start, size_t bytes)
{
    window_residence(start, bytes, residence);
    for (size_t i = 0; i < bytes / page_bytes; i++) {
        char *const page = start + i * page_bytes;
        if (has_host_page(i) && !is_set(&touched[CERTAIN], page_of(page)))
            machine_touch(page, 1, true);
    }
}

void machine_look(void)
{
    for (int i = 0; i < N_MACHINE_SEGMENTS; i++)
        look_at(reached[i].start, (size_t)(reached[i].end - reached[i].start));
}

static struct machine_resident resident_of(uint64_t n_certain, uint64_t n_by_policy, uint64_t n_frames)
{
    if (made.machine) {
        n_by_policy = n_frames;
        n_certain = n_certain < n_frames ? n_certain : n_frames;
    }
    return (struct machine_resident){n_certain * page_bytes, n_by_policy * page_bytes};
}

struct machine_resident machine_resident(void)
{
    return resident_of(touched[CERTAIN].n_pages, touched[BY_POLICY].n_pages,
                       vk_usage(made.mm).resident_pages);
}

struct machine_resident machine_resident_most(void)
{
    return resident_of(touched[CERTAIN].n_pages_most, touched[BY_POLICY].n_pages_most,
                       vk_usage(made.mm).resident_pages_most);
}

struct machine_figures machine_figures(void)
{
    if (!made.machine)
        return (struct machine_figures){0};
    const struct vk_paging paging = vk_paging(made.mm);
    const struct vk_tlb_counts tlb = vk_tlb_counts(made.machine);
    const struct vk_memory_counts memory = vk_memory_counts(made.machine);
    return (struct machine_figures){
        .minor_faults = paging.n_minor,
        .major_faults = paging.n_major,
        .zero_faults = paging.n_zero,
        .tlb_hits = tlb.n_hits,
        .tlb_misses = tlb.n_misses,
        .walk_reads = tlb.n_walk_reads,
        .tlb_reach_bytes = (uint64_t)vk_tlb_entries(made.machine) * page_bytes,
        .table_pages = paging.table_pages,
        .table_pages_most = paging.table_pages_most,
        .swapped_bytes = paging.swapped_pages * page_bytes,
        .swap_outs = memory.n_swap_outs,
        .swap_ins = memory.n_swap_ins,
        .struck = vk_machine_plan_hits(made.machine),
    };
}

/* --- for pictures --------------------------------------------------------------------------------------- */

struct machine_range machine_range(enum machine_segment segment)
{
    return (struct machine_range){machine_place(reached[segment].start),
                                  (uint64_t)(reached[segment].end - reached[segment].start)};
}

static enum machine_page state_of(const char *start)
{
    const size_t page = page_of(start);
    uint64_t frame;
    if (!vk_is_mapped(made.mm, address_of(start)))
        return MACHINE_UNMAPPED;
    if (!is_set(&touched[BY_POLICY], page))
        return MACHINE_MAPPED;
    if (made.machine && !vk_frame_of(made.mm, address_of(start), &frame))
        return MACHINE_SWAPPED;
    return is_set(&touched[CERTAIN], page) ? MACHINE_AT_LEAST : MACHINE_AT_MOST;
}

void machine_pages(enum machine_segment segment, uint64_t start, size_t n, unsigned char *pages)
{
    const char *const first = made.window[segment].start + (start - made.window[segment].place);
    for (size_t i = 0; i < n; i++)
        pages[i] = (unsigned char)state_of(first + i * page_bytes);
}

/* --- the wall ------------------------------------------------------------------------------------------- */

static void reach(enum machine_segment segment, char *start, char *end)
{
    if (!reached[segment].start || start < reached[segment].start)
        reached[segment].start = start;
    if (end > reached[segment].end)
        reached[segment].end = end;
}

/* What was there is lost. The flat kernel does its part itself. */
static void lose(char *start, size_t bytes)
{
    if (made.machine && bytes)
        window_discard(NULL, start, bytes);
    forget(start, bytes);
}

static void *break_now(void *context)
{
    (void)context;
    return host_of(MACHINE_BREAK, vk_brk(made.mm, 0), 0);
}

static void *break_grow(void *context, size_t bytes)
{
    (void)context;
    const vk_va now = vk_brk(made.mm, 0), wanted = now + bytes;
    char *const start = host_of(MACHINE_BREAK, now, bytes);
    counts.break_grow++;
    if (!start || wanted < now || vk_brk(made.mm, wanted) != wanted) {
        counts.break_refused++;
        return NULL;
    }
    reach(MACHINE_BREAK, start, page_up(start + bytes));
    return start;
}

static bool break_trim(void *context, void *end, size_t bytes)
{
    (void)context;
    const vk_va now = vk_brk(made.mm, 0);
    char *const left = page_up((char *)end - bytes);
    const size_t lost_bytes = (size_t)(page_up(end) - left);
    counts.break_trim++;
    if (now != address_of(end))
        return false;
    look_at(left, lost_bytes);
    if (vk_brk(made.mm, now - bytes) != now - bytes)
        return false;
    lose(left, lost_bytes);
    return true;
}

static unsigned prot_of(enum vm_access access)
{
    return access == VM_ACCESS_NONE ? VK_PROT_NONE : VK_PROT_READ | VK_PROT_WRITE;
}

static void *map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    (void)context;
    const struct vk_map wanted = {.bytes = bytes, .alignment = alignment, .prot = prot_of(access)};
    vk_va at;
    char *start = NULL;
    /* Beyond the window's own alignment it would be luck. */
    if (alignment <= window_alignment() && vk_map(made.mm, &wanted, &at) == 0) {
        start = host_of(MACHINE_MAPPINGS, at, bytes);
        if (!start)
            vk_unmap(made.mm, at, bytes);
    }
    counts.map++;
    counts.map_refused += !start;
    if (start)
        reach(MACHINE_MAPPINGS, start, start + bytes);
    return start;
}

static bool unmap(void *context, void *start, size_t bytes)
{
    (void)context;
    counts.unmap++;
    look_at(start, bytes);
    if (vk_unmap(made.mm, address_of(start), bytes) != 0)
        return false;
    lose(start, bytes);
    return true;
}

static bool resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    (void)context;
    const struct vk_remap wanted = {
        .start = address_of(start), .old_bytes = old_bytes, .new_bytes = new_bytes};
    vk_va at;
    counts.resize++;
    if (new_bytes < old_bytes)
        look_at((char *)start + new_bytes, old_bytes - new_bytes);
    if (vk_remap(made.mm, &wanted, &at) != 0)
        return false;
    if (new_bytes < old_bytes)
        lose((char *)start + new_bytes, old_bytes - new_bytes);
    else
        reach(MACHINE_MAPPINGS, start, (char *)start + new_bytes);
    return true;
}

/* In the host's window, what has been written there; and who was touched. */
static void move_pages(char *start, char *target, size_t bytes)
{
    window_residence(start, bytes, residence);
    for (size_t i = 0; i < bytes / page_bytes; i++) {
        char *const from = start + i * page_bytes, *const to = target + i * page_bytes;
        if (made.machine && has_host_page(i))
            memcpy(to, from, page_bytes);
        for (int j = 0; j < N_CERTAINTIES; j++)
            if (is_set(&touched[j], page_of(from)))
                set(&touched[j], page_of(to));
    }
}

static bool move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    (void)context;
    const struct vk_remap wanted = {.start = address_of(start),
                                    .old_bytes = old_bytes,
                                    .new_bytes = new_bytes,
                                    .flags = VK_REMAP_MAYMOVE | VK_REMAP_FIXED,
                                    .new_start = address_of(target)};
    vk_va at;
    counts.move++;
    look_at(start, old_bytes);
    look_at(target, new_bytes);
    if (vk_remap(made.mm, &wanted, &at) != 0)
        return false;
    lose(target, new_bytes);
    move_pages(start, target, old_bytes < new_bytes ? old_bytes : new_bytes);
    lose(start, old_bytes);
    return true;
}

/* Without access: in place of what there was, whose contents go. */
static bool protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    (void)context;
    const struct vk_map wanted = {.hint = address_of(start), .bytes = bytes, .flags = VK_MAP_FIXED};
    vk_va at;
    counts.protect++;
    if (access == VM_ACCESS_NONE)
        look_at(start, bytes);
    if (access != VM_ACCESS_NONE)
        return vk_protect(made.mm, address_of(start), bytes, prot_of(access)) == 0;
    if (vk_map(made.mm, &wanted, &at) != 0)
        return false;
    lose(start, bytes);
    return true;
}

/* Some of the allocator's tables are in its own data: those are not the machine's. */
static void purge(void *context, void *start, size_t bytes)
{
    (void)context;
    counts.purge++;
    if (is_in_window(start))
        look_at(start, bytes);
    if (!is_in_window(start) || vk_advise(made.mm, address_of(start), bytes, VK_ADVICE_DONTNEED) != 0)
        memset(start, 0, bytes);
    else
        lose(start, bytes);
}

static void no_huge_pages(void *context, void *start, size_t bytes)
{
    (void)context, (void)start, (void)bytes;
}

/* As Linux appears to the allocator: memory anywhere, as much as one wants. */
static void put_before(void)
{
    backend = (struct vm_kernel_backend){
        .name = "linux",
        .page_size = page_bytes,
        .has_break = true,
        .has_remap = true,
        .fresh_is_zero = true,
        .purge_zeroes = true,
        .break_grow = break_grow,
        .break_trim = break_trim,
        .break_now = break_now,
        .map = map,
        .unmap = unmap,
        .resize = resize,
        .move = move,
        .protect = protect,
        .purge = purge,
        .no_huge_pages = no_huge_pages,
    };
}

/* --- the beginning -------------------------------------------------------------------------------------- */

/* In a process the first mapping is the page by which a fork child knows that it is one. */
static void make_mark(void)
{
    void *const mark = map(NULL, page_bytes, page_bytes, VM_ACCESS_READ_WRITE);
    if (mark)
        machine_touch(mark, page_bytes, true);
}

static bool choose_layout(const struct machine_config *config, struct vk_preset *preset)
{
    const char *const name = config->layout ? config->layout : MACHINE_DEFAULT;
    if (!vk_preset_find(name, preset))
        return vmsim_misused("there is no layout %s; `vmsim layout all` lists them", name) == 0;
    host_page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    page_bytes = config->page_bytes ? config->page_bytes : (size_t)1 << preset->page_shift;
    if (page_bytes < host_page_bytes || page_bytes > 65536 || (page_bytes & (page_bytes - 1)))
        return vmsim_complain("pages of %zu bytes: not a power of two from %zu to 65536", page_bytes,
                              host_page_bytes) == 0;
    vk_preset_resize(preset, (unsigned)__builtin_ctzll(page_bytes));
    if (preset->user_end > UINTPTR_MAX)
        return vmsim_complain("the addresses of %s do not fit those of this host", name) == 0;
    return true;
}

static void begin_counts(void)
{
    for (int i = 0; i < N_CERTAINTIES; i++) {
        const size_t n_words = made.all_bytes / page_bytes / 64 + 1;
        touched[i].bits = grow_array(NULL, n_words, sizeof(uint64_t));
        memset(touched[i].bits, 0, n_words * sizeof(uint64_t));
    }
    residence = grow_array(NULL, made.all_bytes / host_page_bytes, 1);
    char *const start = host_of(MACHINE_BREAK, vk_brk(made.mm, 0), 0);
    reached[MACHINE_BREAK].start = start - (page_bytes - (size_t)(page_up(start) - start)) % page_bytes;
    reached[MACHINE_BREAK].end = page_up(start);
}

bool machine_begin(const struct machine_config *config)
{
    struct vk_preset preset;
    if (!choose_layout(config, &preset))
        return false;
    made.page_bytes = page_bytes;
    if (!(preset.n_levels ? machine_make_paged : machine_make_flat)(config, &preset, &made))
        return false;
    begin_counts();
    put_before();
    make_mark();
    return vm_kernel_install(&backend) == VM_KERNEL_OK || vmsim_complain("the allocator is in use") == 0;
}

/* --- what is asked of it -------------------------------------------------------------------------------- */

size_t machine_page_bytes(void)
{
    return page_bytes;
}

struct vk_mm *machine_mm(void)
{
    return made.mm;
}

const struct machine_counts *machine_counts(void)
{
    return &counts;
}

uint64_t machine_virtual(void)
{
    return (uint64_t)(vk_usage(made.mm).total_pages - made.pages_before) * page_bytes;
}

uint64_t machine_virtual_most(void)
{
    return (uint64_t)(vk_usage(made.mm).total_pages_most - made.pages_before) * page_bytes;
}

uint64_t machine_digest(void)
{
    if (made.flat)
        vk_check(made.flat);
    else
        vk_machine_check(made.machine);
    return made.flat ? vk_digest(made.flat) : vk_machine_digest(made.machine);
}
