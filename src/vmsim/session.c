/* SPDX-License-Identifier: MIT */
/* session.c - see session.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vmsim/session.h"

/* --- memory of the host --------------------------------------------------------------------------------- */

struct chunk {
    struct chunk *next;
    _Alignas(64) char bytes[];
};

static void *more(void *context, size_t bytes)
{
    struct session *const session = context;
    struct chunk *const chunk = bytes < SIZE_MAX / 2 && bytes <= session->bytes_left
                                    ? aligned_alloc(64, (sizeof *chunk + bytes + 63) & ~(size_t)63)
                                    : NULL;
    if (!chunk)
        return NULL;
    session->bytes_left -= bytes;
    chunk->next = session->chunks;
    session->chunks = chunk;
    return chunk->bytes;
}

/* The machine is damaged: a bug of the model's. */
static void panic(const char *text, size_t length)
{
    fflush(stdout);
    fwrite(text, 1, length, stderr);
}

void session_begin(struct session *session, const char *name, const char *text, size_t bytes)
{
    *session = (struct session){.steps_left = UINT64_MAX, .bytes_left = UINT64_MAX};
    scan_begin(&session->scan, name, text, bytes);
}

void session_drop_machine(struct session *session)
{
    if (session->machine)
        session->n_struck += vk_machine_plan_hits(session->machine);
    session->machine = NULL;
    session->flat = NULL;
    session->mm = NULL;
    session->n_processes = session->n_libraries = session->n_groups = session->n_caches = 0;
    session->cache_at_hand = NULL;
    while (session->chunks) {
        struct chunk *const chunk = session->chunks;
        session->chunks = chunk->next;
        free(chunk);
    }
}

/* An address space that goes while it has anything, or leaves tables, is damage. */
void session_end(struct session *session)
{
    for (unsigned i = 0; i < session->n_processes; i++)
        while (vk_mm_detach(session->process[i].mm) > 0)
            continue;
    if (session->machine)
        vk_machine_check(session->machine);
    session_drop_machine(session);
}

/* --- machines ------------------------------------------------------------------------------------------- */

int session_make_machine(struct session *session, const struct vk_machine_config *wanted)
{
    struct vk_machine_config config = *wanted;
    config.preset = &session->preset;
    config.hooks = (struct vk_hooks){.context = session, .more = more, .panic = panic};
    const int done = vk_machine_create(&config, &session->machine);
    struct vk_complaint complaint;
    if (!done && session->plan && vk_machine_plan(session->machine, session->plan, &complaint))
        session->is_plan_wrong = true;
    return done;
}

/* Its addresses are those of the memory: an aligned piece, so that they are the same distances from each other every
   time. */
int session_make_flat(struct session *session, uint64_t ram_bytes, enum vk_layout layout)
{
    const size_t page = (size_t)1 << session->preset.page_shift;
    char *const memory = ram_bytes < SIZE_MAX / 2 ? more(session, (size_t)ram_bytes + page) : NULL;
    if (!memory)
        return VK_ENOMEM;
    char *const start = memory + (-(uintptr_t)memory & (page - 1));
    const struct vk_region region = {.start = start, .bytes = (size_t)ram_bytes};
    const uint32_t n_areas = (uint32_t)(ram_bytes / page); /* enough for any script */
    const struct vk_config config = {
        .n_areas = n_areas, .page_bytes = page, .layout = layout, .hooks.panic = panic};
    const int done = vk_create(&config, &region, &session->flat);
    if (done)
        return done;
    session->mm = vk_flat_mm(session->flat);
    return session_set(session, "memory", vk_usage(session->mm).low) ? 0 : VK_EINVAL;
}

uint64_t session_digest(struct session *session)
{
    return session->machine ? vk_machine_digest(session->machine)
           : session->flat  ? vk_digest(session->flat)
                            : 0;
}

struct session_group *session_group(struct session *session, const char *name)
{
    for (unsigned i = 0; i < session->n_groups; i++)
        if (strcmp(session->group[i].name.text, name) == 0)
            return &session->group[i];
    return NULL;
}

struct session_cache *session_cache(struct session *session, const char *name)
{
    for (unsigned i = 0; i < session->n_caches; i++)
        if (strcmp(session->cache[i].name.text, name) == 0)
            return &session->cache[i];
    return NULL;
}

/* --- refusals ------------------------------------------------------------------------------------------- */

void session_note_error(struct session *session, int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {VK_EPERM, "eperm"}, {VK_EAGAIN, "eagain"}, {VK_ENOMEM, "enomem"}, {VK_EFAULT, "efault"},
        {VK_EBUSY, "ebusy"}, {VK_EEXIST, "eexist"}, {VK_EINVAL, "einval"},
    };
    session->refusal = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].error == error)
            session->refusal = names[i].name;
}

void session_note_outcome(struct session *session, enum vk_outcome outcome)
{
    session->refusal = outcome == VK_FAULT_SEGV  ? "segv"
                       : outcome == VK_FAULT_OOM ? "oom"
                       : outcome == VK_KILLED    ? "killed"
                                                 : NULL;
}

/* On the flat machine addresses are pointers; whether there is memory, advice that changes nothing tells. */
static enum vk_outcome touch_flat(struct session *session, const struct vk_access *access)
{
    const size_t page = (size_t)1 << session->preset.page_shift;
    const vk_va start = access->at & ~(vk_va)(page - 1);
    if (vk_advise(session->mm, start, access->at + access->bytes - start, VK_ADVICE_WILLNEED))
        return VK_FAULT_SEGV;
    if (access->buffer && access->kind == VK_PROT_WRITE)
        memcpy((void *)access->at, access->buffer, access->bytes);
    else if (access->buffer)
        memcpy(access->buffer, (void *)access->at, access->bytes);
    return VK_TLB_HIT;
}

bool session_step(struct session *session, uint64_t n)
{
    if (n > session->steps_left)
        return scan_fail(&session->scan, "the script goes on for too long");
    session->steps_left -= n;
    return true;
}

bool session_touch(struct session *session, const struct vk_access *access)
{
    if (!session_step(session, access->bytes >> session->preset.page_shift))
        return false;
    session_note_outcome(session,
                         session->machine ? vk_access(session->mm, access) : touch_flat(session, access));
    return true;
}

/* --- names ---------------------------------------------------------------------------------------------- */

struct figures {
    uint64_t page, result;
    struct vk_usage usage;
    struct vk_paging paging;
    struct vk_tlb_counts tlb;
    struct vk_frames frames;
    struct vk_memory_counts memory;
    struct vk_cache_usage cache;
    uint64_t n_struck;
    struct vk_group_usage group; /* of the process at hand */
};

#define FIGURE(name, member)                                                                                 \
    {                                                                                                        \
        name, offsetof(struct figures, member), sizeof((struct figures *)NULL)->member                       \
    }
static const struct {
    const char *name;
    size_t offset, bytes;
} figure_table[] = {
    FIGURE("page", page),
    FIGURE("result", result),
    FIGURE("all", usage.all_pages),
    FIGURE("low", usage.low),
    FIGURE("high", usage.high),
    FIGURE("break_start", usage.break_start),
    FIGURE("break_end", usage.break_end),
    FIGURE("total", usage.total_pages),
    FIGURE("total_most", usage.total_pages_most),
    FIGURE("data", usage.data_pages),
    FIGURE("exec_pages", usage.exec_pages),
    FIGURE("locked", usage.locked_pages),
    FIGURE("rss", usage.resident_pages),
    FIGURE("rss_most", usage.resident_pages_most),
    FIGURE("areas", usage.n_areas),
    FIGURE("finds", usage.n_finds),
    FIGURE("find_hits", usage.n_find_hits),
    FIGURE("minor", paging.n_minor),
    FIGURE("major", paging.n_major),
    FIGURE("zero", paging.n_zero),
    FIGURE("growths", paging.n_stack),
    FIGURE("segv", paging.n_segv),
    FIGURE("oom", paging.n_oom),
    FIGURE("anon", paging.anon_pages),
    FIGURE("file", paging.file_pages),
    FIGURE("swapped", paging.swapped_pages),
    FIGURE("pins", paging.pinned_pages),
    FIGURE("stack", paging.stack_pages),
    FIGURE("tables", paging.table_pages),
    FIGURE("tables_most", paging.table_pages_most),
    FIGURE("tables0", paging.n_tables[0]),
    FIGURE("tables1", paging.n_tables[1]),
    FIGURE("tables2", paging.n_tables[2]),
    FIGURE("users", paging.n_users),
    FIGURE("killed", paging.is_killed),
    FIGURE("mmap_base", paging.mmap_base),
    FIGURE("text_start", paging.text_start),
    FIGURE("text_end", paging.text_end),
    FIGURE("data_start", paging.data_start),
    FIGURE("data_end", paging.data_end),
    FIGURE("argument_start", paging.argument_start),
    FIGURE("stack_top", paging.stack_top),
    FIGURE("last_fault", paging.last_fault),
    FIGURE("root", paging.root),
    FIGURE("hits", tlb.n_hits),
    FIGURE("misses", tlb.n_misses),
    FIGURE("walk_reads", tlb.n_walk_reads),
    FIGURE("forgotten", tlb.n_forgotten),
    FIGURE("shot_down", tlb.n_shot_down),
    FIGURE("frames", frames.all),
    FIGURE("free", frames.free),
    FIGURE("cached", frames.cached),
    FIGURE("swap_outs", memory.n_swap_outs),
    FIGURE("swap_ins", memory.n_swap_ins),
    FIGURE("dropped", memory.n_dropped),
    FIGURE("slots", memory.n_slots),
    FIGURE("slots_used", memory.n_slots_used),
    FIGURE("migrated", memory.n_migrated),
    FIGURE("compacted", memory.n_compacted),
    FIGURE("kills", memory.n_kills),
    FIGURE("struck", n_struck),
    FIGURE("findings", memory.n_findings),
    FIGURE("wrong_frees", memory.n_wrong_frees),
    FIGURE("flushes", memory.n_kmap_flushes),
    FIGURE("slabs_full", cache.full),
    FIGURE("slabs_partial", cache.partial),
    FIGURE("slabs_free", cache.free),
    FIGURE("objects", cache.used),
    FIGURE("constructed", cache.constructed),
    FIGURE("in_slab", cache.in_slab),
    FIGURE("colours", cache.colours),
    FIGURE("group_limit", group.limit),
    FIGURE("group_pages", group.charged),
    FIGURE("group_pages_most", group.charged_most),
    FIGURE("group_swapped", group.swapped),
    FIGURE("group_failures", group.n_failed),
    FIGURE("group_kills", group.n_killed),
};
enum { N_FIGURES = sizeof figure_table / sizeof *figure_table };

static void gather_process(const struct session *session, struct figures *figures)
{
    figures->paging = vk_paging(session->mm);
    figures->group = vk_group_usage(session->machine, vk_mm_group(session->mm));
}

static struct figures gather(const struct session *session)
{
    struct figures figures = {.page = UINT64_C(1) << session->preset.page_shift, .result = session->result};
    if (session->mm)
        figures.usage = vk_usage(session->mm);
    if (session->machine && session->mm)
        gather_process(session, &figures);
    if (session->machine) {
        figures.tlb = vk_tlb_counts(session->machine);
        figures.frames = vk_frames(session->machine);
        figures.memory = vk_memory_counts(session->machine);
        figures.n_struck = vk_machine_plan_hits(session->machine);
        if (session->cache_at_hand)
            figures.cache = vk_cache_usage(session->machine, session->cache_at_hand);
    }
    return figures;
}

static bool figure(const struct session *session, const char *name, uint64_t *value)
{
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (strcmp(figure_table[i].name, name) != 0)
            continue;
        const struct figures figures = gather(session);
        const char *const field = (const char *)&figures + figure_table[i].offset;
        uint64_t wide = 0;
        uint32_t narrow = 0;
        if (figure_table[i].bytes == sizeof wide)
            memcpy(&wide, field, sizeof wide);
        else if (figure_table[i].bytes == sizeof narrow)
            memcpy(&narrow, field, sizeof narrow);
        else
            narrow = *(const unsigned char *)field;
        *value = wide + narrow;
        return true;
    }
    return false;
}

static struct session_variable *find_variable(struct session *session, const char *name)
{
    for (unsigned i = 0; i < session->n_variables; i++)
        if (strcmp(session->variable[i].name.text, name) == 0)
            return &session->variable[i];
    return NULL;
}

static bool value_of(void *context, struct scan *scan, const char *name, uint64_t *value)
{
    struct session *const session = context;
    const struct session_variable *const variable = find_variable(session, name);
    if (variable)
        *value = variable->value;
    return variable || figure(session, name, value) || scan_fail_last(scan, "there is no value %s", name);
}

/* frame(ADDRESS): the number of the page's frame; UINT64_MAX if it has none. content(ADDRESS): the 8 bytes there.
   kframe(ADDRESS): as frame, of the kernel's addresses. */
static bool call_function(void *context, struct scan *scan, const char *name, uint64_t argument,
                          uint64_t *value)
{
    struct session *const session = context;
    if (strcmp(name, "frame") == 0 && session->machine && session->mm) {
        if (!vk_frame_of(session->mm, (vk_va)argument, value))
            *value = UINT64_MAX;
        return true;
    }
    if (strcmp(name, "content") == 0 && session->mm) {
        *value = 0;
        return session_touch(session,
                             &(struct vk_access){(vk_va)argument, sizeof *value, VK_PROT_READ, value}) &&
               (!session->refusal || scan_fail_last(scan, "content: %s", session->refusal));
    }
    if (strcmp(name, "kframe") == 0 && session->machine) {
        if (!vk_kernel_frame_of(session->machine, argument, value))
            *value = UINT64_MAX;
        return true;
    }
    return scan_fail_last(scan, "there is no function %s here", name);
}

bool session_variable(struct session *session, const char *name, unsigned *index)
{
    struct session_variable *variable = find_variable(session, name);
    uint64_t taken;
    if (!variable) {
        if (figure(session, name, &taken))
            return scan_fail_last(&session->scan, "%s is the name of a figure", name);
        if (session->n_variables == SESSION_VARIABLES_MOST)
            return scan_fail_last(&session->scan, "more than %d variables", SESSION_VARIABLES_MOST);
        variable = &session->variable[session->n_variables++];
        strcpy(variable->name.text, name); /* words are bounded */
    }
    *index = (unsigned)(variable - session->variable);
    return true;
}

bool session_set(struct session *session, const char *name, uint64_t value)
{
    unsigned index;
    if (!session_variable(session, name, &index))
        return false;
    session->variable[index].value = value;
    return true;
}

bool session_read_compared(struct session *session, uint64_t *value, struct expression_sides *sides)
{
    const struct expression_names names = {session, value_of, call_function};
    return expression_read_compared(&session->scan, &names, value, sides);
}

bool session_read_value(struct session *session, uint64_t *value)
{
    struct expression_sides sides;
    return session_read_compared(session, value, &sides);
}
