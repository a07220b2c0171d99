/* SPDX-License-Identifier: MIT */
/* statements_memory.c - what a program asks of the kernel, and what it does with what it gets. */
#include <string.h>
#include "vmsim/run.h"

/* --- reading -------------------------------------------------------------------------------------------- */

static bool read_range(struct session *session, uint64_t *start, uint64_t *bytes)
{
    return session_read_value(session, start) && session_read_value(session, bytes);
}

static bool read_range_alone(struct session *session, uint64_t *start, uint64_t *bytes)
{
    return read_range(session, start, bytes) && scan_end_statement(&session->scan);
}

bool run_read_prot(struct session *session, unsigned *prot)
{
    struct scan_word word;
    if (!scan_word(&session->scan, "a protection", &word))
        return false;
    *prot = VK_PROT_NONE;
    if (strcmp(word.text, "none") == 0)
        return true;
    for (const char *c = word.text; *c; c++) {
        if (!strchr("rwx", *c))
            return scan_fail_last(&session->scan, "expected a protection: none, or letters of rwx");
        *prot |= *c == 'r' ? VK_PROT_READ : *c == 'w' ? VK_PROT_WRITE : VK_PROT_EXEC;
    }
    return true;
}

/* One of the words, NULL behind the last: its index. */
static bool read_choice(struct session *session, const char *const *words, const char *expected,
                        unsigned *index)
{
    for (*index = 0; words[*index]; ++*index)
        if (scan_skip_word(&session->scan, words[*index]))
            return true;
    return scan_fail(&session->scan, "expected %s", expected);
}

/* --- calls ---------------------------------------------------------------------------------------------- */

/* The result is where it is; a name in front is given to that. */
static void note_place(struct session *session, const char *name, int error, vk_va place)
{
    session_note_error(session, error);
    if (error)
        return;
    session->result = place;
    session_set(session, name, place); /* was made when the name was read */
}

static bool read_map_words(struct session *session, struct vk_map *wanted)
{
    struct scan *const scan = &session->scan;
    uint64_t value;
    while (!scan_is_line_end(scan)) {
        if (scan_skip_word(scan, "at") || scan_skip_word(scan, "align")) {
            const bool is_place = scan->here.at[-1] == 't';
            if (!session_read_value(session, &value))
                return false;
            *(is_place ? &wanted->hint : &wanted->alignment) = (size_t)value;
        } else if (scan_skip_word(scan, "prot")) {
            if (!run_read_prot(session, &wanted->prot))
                return false;
        } else if (scan_skip_word(scan, "fixed")) {
            wanted->flags |= VK_MAP_FIXED;
        } else if (scan_skip_word(scan, "noreplace")) {
            wanted->flags |= VK_MAP_FIXED_NOREPLACE;
        } else if (scan_skip_word(scan, "noreserve")) {
            wanted->flags |= VK_MAP_NORESERVE;
        } else {
            return scan_fail(scan, "expected at, align, prot, fixed, noreplace or noreserve");
        }
    }
    return true;
}

static bool run_map(struct session *session)
{
    struct scan_word name;
    struct vk_map wanted = {.prot = VK_PROT_READ | VK_PROT_WRITE};
    unsigned variable;
    uint64_t bytes;
    if (!scan_word(&session->scan, "a name", &name) || !session_variable(session, name.text, &variable) ||
        !session_read_value(session, &bytes) || !read_map_words(session, &wanted))
        return false;
    vk_va place = 0;
    wanted.bytes = (size_t)bytes;
    const int error = vk_map(session->mm, &wanted, &place);
    note_place(session, name.text, error, place);
    return true;
}

static bool run_unmap(struct session *session)
{
    uint64_t start, bytes;
    if (!read_range_alone(session, &start, &bytes))
        return false;
    session_note_error(session, vk_unmap(session->mm, (vk_va)start, (size_t)bytes));
    return true;
}

static bool run_protect(struct session *session)
{
    uint64_t start, bytes;
    unsigned prot;
    if (!read_range(session, &start, &bytes) || !run_read_prot(session, &prot) ||
        !scan_end_statement(&session->scan))
        return false;
    session_note_error(session, vk_protect(session->mm, (vk_va)start, (size_t)bytes, prot));
    return true;
}

static bool run_remap(struct session *session)
{
    struct scan_word name;
    unsigned variable;
    uint64_t start, old_bytes, new_bytes, target = 0;
    if (!scan_word(&session->scan, "a name", &name) || !session_variable(session, name.text, &variable) ||
        !read_range(session, &start, &old_bytes) || !session_read_value(session, &new_bytes))
        return false;
    struct vk_remap wanted = {
        .start = (vk_va)start, .old_bytes = (size_t)old_bytes, .new_bytes = (size_t)new_bytes};
    if (scan_skip_word(&session->scan, "maymove"))
        wanted.flags |= VK_REMAP_MAYMOVE;
    if (scan_skip_word(&session->scan, "to")) {
        wanted.flags |= VK_REMAP_MAYMOVE | VK_REMAP_FIXED;
        if (!session_read_value(session, &target))
            return false;
    }
    wanted.new_start = (vk_va)target;
    vk_va place = 0;
    if (!scan_end_statement(&session->scan))
        return false;
    const int error = vk_remap(session->mm, &wanted, &place);
    note_place(session, name.text, error, place);
    return true;
}

static bool run_advise(struct session *session)
{
    static const char *const words[] = {"willneed", "dontneed", "free", "huge", "nohuge", NULL};
    uint64_t start, bytes;
    unsigned advice;
    if (!read_range(session, &start, &bytes) ||
        !read_choice(session, words, "willneed, dontneed, free, huge or nohuge", &advice) ||
        !scan_end_statement(&session->scan))
        return false;
    session_note_error(session, vk_advise(session->mm, (vk_va)start, (size_t)bytes, (enum vk_advice)advice));
    return true;
}

static bool run_lock(struct session *session)
{
    uint64_t start, bytes;
    if (!read_range_alone(session, &start, &bytes))
        return false;
    session_note_error(session, vk_lock(session->mm, (vk_va)start, (size_t)bytes));
    return true;
}

static bool run_unlock(struct session *session)
{
    uint64_t start, bytes;
    if (!read_range_alone(session, &start, &bytes))
        return false;
    session_note_error(session, vk_unlock(session->mm, (vk_va)start, (size_t)bytes));
    return true;
}

static void move_break(struct session *session, vk_va wanted)
{
    session->result = vk_brk(session->mm, wanted);
    session_note_error(session, session->result == wanted ? 0 : VK_ENOMEM);
}

static bool run_brk(struct session *session)
{
    uint64_t wanted;
    if (!session_read_value(session, &wanted) || !scan_end_statement(&session->scan))
        return false;
    move_break(session, (vk_va)wanted);
    return true;
}

static bool run_sbrk(struct session *session)
{
    uint64_t more;
    if (!session_read_value(session, &more) || !scan_end_statement(&session->scan))
        return false;
    move_break(session, vk_usage(session->mm).break_end + (vk_va)more);
    return true;
}

static bool run_limit(struct session *session)
{
    static const char *const words[] = {"as", "data", "memlock", "maps", "stack", NULL};
    uint64_t most = SIZE_MAX;
    unsigned limit;
    if (!read_choice(session, words, "as, data, memlock, maps or stack", &limit) ||
        (!scan_skip_word(&session->scan, "none") && !session_read_value(session, &most)) ||
        !scan_end_statement(&session->scan))
        return false;
    session_note_error(session, vk_limit(session->mm, (enum vk_limit)limit, (size_t)most));
    return true;
}

/* --- accesses ------------------------------------------------------------------------------------------- */

static bool run_touch(struct session *session)
{
    static const char *const words[] = {"read", "write", "exec", NULL};
    static const enum vk_prot kinds[] = {VK_PROT_READ, VK_PROT_WRITE, VK_PROT_EXEC};
    uint64_t start, bytes = 1;
    unsigned kind;
    if (!read_choice(session, words, "read, write or exec", &kind) || !session_read_value(session, &start) ||
        (!scan_is_line_end(&session->scan) && !session_read_value(session, &bytes)) ||
        !scan_end_statement(&session->scan))
        return false;
    return session_touch(session, &(struct vk_access){(vk_va)start, (size_t)bytes, kinds[kind], NULL});
}

static bool run_store(struct session *session)
{
    uint64_t at, value;
    if (!read_range_alone(session, &at, &value))
        return false;
    return session_touch(session, &(struct vk_access){(vk_va)at, sizeof value, VK_PROT_WRITE, &value});
}

static bool run_load(struct session *session)
{
    uint64_t at, value = 0;
    if (!session_read_value(session, &at) || !scan_end_statement(&session->scan))
        return false;
    if (!session_touch(session, &(struct vk_access){(vk_va)at, sizeof value, VK_PROT_READ, &value}))
        return false;
    session->result = value;
    return true;
}

const struct statement statements_memory[] = {
    {"map", NEEDS_MM, run_map,
     "NAME BYTES [at ADDRESS] [align BYTES] [prot RWX|none] [fixed|noreplace] [noreserve]: NAME is where"},
    {"unmap", NEEDS_MM, run_unmap, "ADDRESS BYTES"},
    {"protect", NEEDS_MM, run_protect, "ADDRESS BYTES RWX|none"},
    {"remap", NEEDS_MM, run_remap, "NAME ADDRESS OLD_BYTES NEW_BYTES [maymove] [to ADDRESS]: NAME is where"},
    {"advise", NEEDS_MM, run_advise, "ADDRESS BYTES willneed|dontneed|free|huge|nohuge"},
    {"lock", NEEDS_MM, run_lock, "ADDRESS BYTES"},
    {"unlock", NEEDS_MM, run_unlock, "ADDRESS BYTES"},
    {"brk", NEEDS_MM, run_brk, "ADDRESS: moves the break; result is where it is then"},
    {"sbrk", NEEDS_MM, run_sbrk, "BYTES: moves it by so many, or back by -BYTES"},
    {"limit", NEEDS_MM, run_limit, "as|data|memlock|maps|stack NUMBER|none"},
    {"touch", NEEDS_MM, run_touch, "read|write|exec ADDRESS [BYTES]: each page of the range"},
    {"store", NEEDS_MM, run_store, "ADDRESS VALUE: writes 8 bytes"},
    {"load", NEEDS_MM, run_load, "ADDRESS: result is the 8 bytes there"},
    {0},
};
