/* SPDX-License-Identifier: MIT */
/* statements_kernel.c - the kernel's own memory, and what it does when memory is short. */
#include <string.h>
#include "vmsim/run.h"

/* --- reading -------------------------------------------------------------------------------------------- */

static bool read_name(struct session *session, unsigned *variable)
{
    struct scan_word name;
    return scan_word(&session->scan, "a name", &name) && session_variable(session, name.text, variable);
}

static bool read_last(struct session *session, uint64_t *value)
{
    return session_read_value(session, value) && scan_end_statement(&session->scan);
}

static bool read_name_and_last(struct session *session, unsigned *variable, uint64_t *value)
{
    return read_name(session, variable) && read_last(session, value);
}

/* What a call gave, for the name. */
static bool note(struct session *session, unsigned variable, int error, uint64_t value)
{
    session_note_error(session, error);
    if (!error)
        session->result = session->variable[variable].value = value;
    return true;
}

static bool note_error(struct session *session, int error)
{
    session_note_error(session, error);
    return true;
}

/* --- groups, pins, ranges ---------------------------------------------------------------------------------- */

static bool run_group(struct session *session)
{
    struct scan_word name;
    uint64_t limit = (uint64_t)VK_NO_LIMIT;
    const struct run_option options[] = {{"limit", &limit, NULL}};
    if (!scan_name(&session->scan, "a name", &name) || !run_read_options(session, options, 1))
        return false;
    struct session_group *const group = session_group(session, name.text);
    if (group)
        return note_error(session, vk_group_resize(session->machine, group->group, limit));
    if (session->n_groups == SESSION_GROUPS_MOST)
        return scan_fail_last(&session->scan, "more than %d groups", SESSION_GROUPS_MOST);
    struct session_group *const added = &session->group[session->n_groups];
    const int error = vk_group_create(session->machine, limit, &added->group);
    added->name = name;
    session->n_groups += !error;
    return note_error(session, error);
}

static bool run_join(struct session *session)
{
    struct scan_word name;
    if (!scan_word(&session->scan, "the name of a group", &name))
        return false;
    const struct session_group *const group = session_group(session, name.text);
    if (!group)
        return scan_fail_last(&session->scan, "there is no group %s", name.text);
    return scan_end_statement(&session->scan) && note_error(session, vk_mm_join(session->mm, group->group));
}

static bool run_pin(struct session *session)
{
    unsigned variable;
    uint64_t at, frame;
    if (!read_name_and_last(session, &variable, &at))
        return false;
    const int error = vk_page_pin(session->mm, (vk_va)at, &frame);
    return note(session, variable, error, frame);
}

static bool run_unpin(struct session *session)
{
    uint64_t frame;
    return read_last(session, &frame) && note_error(session, vk_page_unpin(session->machine, frame));
}

static bool run_range(struct session *session)
{
    unsigned variable;
    uint64_t n, frame;
    if (!read_name_and_last(session, &variable, &n))
        return false;
    const int error = vk_range_take(session->machine, n, &frame);
    return note(session, variable, error, frame);
}

static bool run_unrange(struct session *session)
{
    uint64_t frame, n;
    return session_read_value(session, &frame) && read_last(session, &n) &&
           note_error(session, vk_range_give(session->machine, frame, n));
}

static bool run_compact(struct session *session)
{
    uint64_t order;
    if (!read_last(session, &order))
        return false;
    return note_error(session, vk_frames_compact(session->machine, order > 64 ? 64 : (unsigned)order));
}

/* --- objects ----------------------------------------------------------------------------------------------- */

static bool run_cache(struct session *session)
{
    struct scan_word name;
    struct vk_cache_wanted wanted = {0};
    const struct run_option options[] = {
        {"bytes", &wanted.bytes, NULL}, {"align", &wanted.align, NULL}, {"mark", &wanted.mark, NULL}};
    if (!scan_name(&session->scan, "a name", &name) || !run_read_options(session, options, 3))
        return false;
    if (session_cache(session, name.text))
        return scan_fail_last(&session->scan, "there is a cache %s already", name.text);
    if (session->n_caches == SESSION_CACHES_MOST)
        return scan_fail_last(&session->scan, "more than %d caches", SESSION_CACHES_MOST);
    struct session_cache *const added = &session->cache[session->n_caches];
    added->name = name;
    wanted.name = name.text;
    const int error = vk_objects_create(session->machine, &wanted, &added->cache);
    if (!error)
        session->cache_at_hand = session->cache[session->n_caches++].cache;
    return note_error(session, error);
}

static bool read_cache(struct session *session, struct vk_cache **cache)
{
    struct scan_word name;
    if (!scan_word(&session->scan, "the name of a cache", &name))
        return false;
    const struct session_cache *const found = session_cache(session, name.text);
    if (!found)
        return scan_fail_last(&session->scan, "there is no cache %s", name.text);
    *cache = session->cache_at_hand = found->cache;
    return true;
}

static bool run_take(struct session *session)
{
    struct vk_cache *cache;
    unsigned variable;
    uint64_t address;
    if (!read_name(session, &variable) || !read_cache(session, &cache) || !scan_end_statement(&session->scan))
        return false;
    const int error = vk_object_take(session->machine, cache, &address);
    return note(session, variable, error, address);
}

static bool run_give(struct session *session)
{
    struct vk_cache *cache;
    uint64_t address;
    return read_cache(session, &cache) && read_last(session, &address) &&
           note_error(session, vk_object_give(session->machine, cache, address));
}

static bool run_reap(struct session *session)
{
    session->result = vk_objects_reap(session->machine);
    return scan_end_statement(&session->scan);
}

static bool run_kmalloc(struct session *session)
{
    unsigned variable;
    uint64_t bytes, address;
    if (!read_name(session, &variable) || !session_read_value(session, &bytes))
        return false;
    const enum vk_from from = scan_skip_word(&session->scan, "dma") ? VK_FROM_DMA : VK_FROM_NORMAL;
    if (!scan_end_statement(&session->scan))
        return false;
    const int error = vk_kernel_alloc(session->machine, bytes, from, &address);
    return note(session, variable, error, address);
}

static bool run_kfree(struct session *session)
{
    uint64_t address;
    return read_last(session, &address) && note_error(session, vk_kernel_free(session->machine, address));
}

static bool run_shadow(struct session *session)
{
    return scan_end_statement(&session->scan) && note_error(session, vk_shadow_begin(session->machine));
}

/* --- by page tables ---------------------------------------------------------------------------------------- */

static bool run_vmalloc(struct session *session)
{
    unsigned variable;
    uint64_t bytes, address;
    if (!read_name_and_last(session, &variable, &bytes))
        return false;
    const int error = vk_pages_alloc(session->machine, bytes, &address);
    return note(session, variable, error, address);
}

static bool run_vfree(struct session *session)
{
    uint64_t address;
    return read_last(session, &address) && note_error(session, vk_pages_free(session->machine, address));
}

static bool read_briefly(struct session *session, bool *is_brief)
{
    *is_brief = scan_skip_word(&session->scan, "briefly");
    return scan_end_statement(&session->scan);
}

static bool run_kmap(struct session *session)
{
    unsigned variable;
    uint64_t frame, address;
    bool is_brief;
    if (!read_name(session, &variable) || !session_read_value(session, &frame) ||
        !read_briefly(session, &is_brief))
        return false;
    const int error = is_brief ? vk_frame_map_briefly(session->machine, frame, &address)
                               : vk_frame_map(session->machine, frame, &address);
    return note(session, variable, error, address);
}

static bool run_kunmap(struct session *session)
{
    uint64_t address;
    bool is_brief;
    if (!session_read_value(session, &address) || !read_briefly(session, &is_brief))
        return false;
    return note_error(session, is_brief ? vk_frame_unmap_briefly(session->machine, address)
                                        : vk_frame_unmap(session->machine, address));
}

/* --- access ------------------------------------------------------------------------------------------------ */

static bool access(struct session *session, uint64_t at, uint64_t n, enum vk_prot kind, void *buffer)
{
    if (n == 0 || n > sizeof(uint64_t))
        return scan_fail_last(&session->scan, "an access has from 1 to 8 bytes");
    return note_error(session, vk_kernel_access(session->machine, at, (size_t)n, kind, buffer));
}

static bool run_kstore(struct session *session)
{
    uint64_t at, value, n = sizeof value;
    return session_read_value(session, &at) && session_read_value(session, &value) &&
           (scan_is_line_end(&session->scan) || session_read_value(session, &n)) &&
           scan_end_statement(&session->scan) && access(session, at, n, VK_PROT_WRITE, &value);
}

static bool run_kload(struct session *session)
{
    uint64_t at, value = 0, n = sizeof value;
    if (!session_read_value(session, &at) ||
        (!scan_is_line_end(&session->scan) && !session_read_value(session, &n)) ||
        !scan_end_statement(&session->scan) || !access(session, at, n, VK_PROT_READ, &value))
        return false;
    session->result = value;
    return true;
}

/* --- failing on purpose ------------------------------------------------------------------------------------ */

/* What is wrong in the text is told where it is in the script. */
static bool run_plan(struct session *session)
{
    const char *start;
    char plan[512];
    size_t length;
    struct vk_complaint complaint;
    if (!scan_text(&session->scan, &start, &length))
        return false;
    if (length >= sizeof plan)
        return scan_fail_last(&session->scan, "a plan has at most %zu characters", sizeof plan - 1);
    memcpy(plan, start, length);
    plan[length] = '\0';
    if (vk_machine_plan(session->machine, plan, &complaint)) {
        session->scan.here.at = start + complaint.column - 1;
        return scan_fail(&session->scan, "expected %s", complaint.expected);
    }
    return scan_end_statement(&session->scan);
}

const struct statement statements_kernel[] = {
    {"group", NEEDS_PAGING, run_group, "NAME [limit=BYTES]: a new one, or another limit for it"},
    {"join", NEEDS_PAGED_MM, run_join, "NAME: the process at hand is in that group from now on"},
    {"pin", NEEDS_PAGED_MM, run_pin, "NAME ADDRESS: the page stays in its frame, which NAME is"},
    {"unpin", NEEDS_PAGING, run_unpin, "FRAME"},
    {"range", NEEDS_PAGING, run_range,
     "NAME N: that many frames of those reserved by cma=; NAME is the first"},
    {"unrange", NEEDS_PAGING, run_unrange, "FRAME N"},
    {"compact", NEEDS_PAGING, run_compact, "ORDER: moves pages until a block of that order is free"},
    {"cache", NEEDS_PAGING, run_cache,
     "NAME bytes=BYTES [align=BYTES] [mark=VALUE]: of objects, made with a mark"},
    {"take", NEEDS_PAGING, run_take, "NAME CACHE: an object of the cache; NAME is where"},
    {"give", NEEDS_PAGING, run_give, "CACHE ADDRESS"},
    {"reap", NEEDS_PAGING, run_reap, "gives slabs without objects back; result is how many frames"},
    {"kmalloc", NEEDS_PAGING, run_kmalloc, "NAME BYTES [dma]: memory for the kernel; NAME is where"},
    {"kfree", NEEDS_PAGING, run_kfree, "ADDRESS"},
    {"shadow", NEEDS_PAGING, run_shadow, "from now on accesses to kmalloc's memory are checked"},
    {"vmalloc", NEEDS_PAGING, run_vmalloc,
     "NAME BYTES: pages from anywhere at addresses in a row; NAME is where"},
    {"vfree", NEEDS_PAGING, run_vfree, "ADDRESS"},
    {"kmap", NEEDS_PAGING, run_kmap, "NAME FRAME [briefly]: an address for the frame; NAME is it"},
    {"kunmap", NEEDS_PAGING, run_kunmap, "ADDRESS [briefly]"},
    {"kstore", NEEDS_PAGING, run_kstore, "ADDRESS VALUE [BYTES]: the kernel writes 8 bytes, or fewer"},
    {"kload", NEEDS_PAGING, run_kload, "ADDRESS [BYTES]: result is what it reads there"},
    {"plan", NEEDS_PAGING, run_plan,
     "\"PLAN\": what fails from now on, as in VMALLOC_FAULT, also at page, slab, swapout, swapin"},
    {0},
};
