/* SPDX-License-Identifier: MIT */
/* fault.c - see fault.h. Owns the plan in force. No lock: the plan's counters are atomic. */
#include "kernel/fault.h"
#include <errno.h>
#include "base/report.h"
#include "kernel/oplog.h"

enum { DIRT = 0xa5 };

struct fault_plan vm_fault_plan;
static struct vm_kernel_backend *inner;

/* --- deciding ------------------------------------------------------------------------------------------- */

static const struct fault_rule *strike(enum fault_site site, size_t bytes)
{
    const struct fault_call call = {
        .site = site, .known = 1U << FAULT_SIZE, .property = {[FAULT_SIZE] = bytes}};
    return vm_faultplan_strike(&vm_fault_plan, &call);
}

static bool has_effect(const struct fault_rule *rule, enum fault_effect effect)
{
    return rule && rule->effect == effect;
}

/* Whether the operation is refused: then errno is as a kernel would leave it. */
static bool is_refused(const struct fault_rule *rule)
{
    static const int numbers[] = {
        [FAULT_ENOMEM] = ENOMEM, [FAULT_EINVAL] = EINVAL, [FAULT_EAGAIN] = EAGAIN, [FAULT_EBUSY] = EBUSY};
    if (!has_effect(rule, FAULT_FAIL))
        return false;
    errno = numbers[rule->error];
    return true;
}

static unsigned number_of(const struct fault_rule *rule)
{
    return rule ? (unsigned)(rule - vm_fault_plan.rule) + 1 : 0;
}

static const char *name_of(enum vm_access access)
{
    return access == VM_ACCESS_NONE ? "no-access" : "read-write";
}

/* --- the break ------------------------------------------------------------------------------------------ */

static void log_grow(size_t bytes, const char *detail, const void *start, const struct fault_rule *rule)
{
    vm_oplog_write(&(struct oplog_operation){.name = "brk",
                                             .sign = " +",
                                             .bytes = bytes,
                                             .detail = detail,
                                             .result = start,
                                             .rule = number_of(rule)});
}

/* What somebody else would do at this moment. */
static void move_foreign_break(const struct fault_rule *rule)
{
    if (has_effect(rule, FAULT_FOREIGN))
        log_grow(rule->foreign_bytes, "foreign", inner->break_grow(inner->context, rule->foreign_bytes),
                 NULL);
}

/* The kernel moves the break by less than it was asked: of no use, so it is moved back. */
static void grow_short(size_t bytes)
{
    char *const start = bytes > 1 ? inner->break_grow(inner->context, bytes / 2) : NULL;
    if (start)
        inner->break_trim(inner->context, start + bytes / 2, bytes / 2);
}

static void *fault_break_grow(void *context, size_t bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_BRK, bytes);
    void *start = NULL;
    move_foreign_break(rule);
    if (has_effect(rule, FAULT_SHORT))
        grow_short(bytes);
    else if (!is_refused(rule))
        start = inner->break_grow(inner->context, bytes);
    if (start && has_effect(rule, FAULT_DIRTY))
        __builtin_memset(start, DIRT, bytes);
    log_grow(bytes, NULL, start, rule);
    return start;
}

static bool fault_break_trim(void *context, void *end, size_t bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_BRK, bytes);
    move_foreign_break(rule);
    const bool done = !is_refused(rule) && inner->break_trim(inner->context, end, bytes);
    vm_oplog_write(&(struct oplog_operation){
        .name = "brk", .sign = " -", .bytes = bytes, .done = done, .rule = number_of(rule)});
    return done;
}

/* Asks, changes nothing: neither a fault nor a line. */
static void *fault_break_now(void *context)
{
    (void)context;
    return inner->break_now(inner->context);
}

/* --- mappings ------------------------------------------------------------------------------------------- */

static void *fault_map(void *context, size_t bytes, size_t alignment, enum vm_access access)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_MAP, bytes);
    void *const start = is_refused(rule) ? NULL : inner->map(inner->context, bytes, alignment, access);
    if (start && has_effect(rule, FAULT_DIRTY) && access == VM_ACCESS_READ_WRITE)
        __builtin_memset(start, DIRT, bytes);
    vm_oplog_write(&(struct oplog_operation){
        .name = "map", .bytes = bytes, .detail = name_of(access), .result = start, .rule = number_of(rule)});
    return start;
}

static bool fault_unmap(void *context, void *start, size_t bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_UNMAP, bytes);
    const bool done = !is_refused(rule) && inner->unmap(inner->context, start, bytes);
    vm_oplog_write(&(struct oplog_operation){
        .name = "unmap", .bytes = bytes, .start = start, .done = done, .rule = number_of(rule)});
    return done;
}

static bool fault_resize(void *context, void *start, size_t old_bytes, size_t new_bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_REMAP, new_bytes);
    const bool done = !is_refused(rule) && !has_effect(rule, FAULT_MOVE) &&
                      inner->resize(inner->context, start, old_bytes, new_bytes);
    vm_oplog_write(&(struct oplog_operation){.name = "remap",
                                             .bytes = old_bytes,
                                             .new_bytes = new_bytes,
                                             .start = start,
                                             .done = done,
                                             .rule = number_of(rule)});
    return done;
}

static bool fault_move(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_REMAP, new_bytes);
    const bool done = !is_refused(rule) && inner->move(inner->context, start, old_bytes, target, new_bytes);
    vm_oplog_write(&(struct oplog_operation){.name = "remap",
                                             .bytes = old_bytes,
                                             .new_bytes = new_bytes,
                                             .start = start,
                                             .target = target,
                                             .done = done,
                                             .rule = number_of(rule)});
    return done;
}

static bool fault_protect(void *context, void *start, size_t bytes, enum vm_access access)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_PROTECT, bytes);
    const bool done = !is_refused(rule) && inner->protect(inner->context, start, bytes, access);
    vm_oplog_write(&(struct oplog_operation){.name = "protect",
                                             .bytes = bytes,
                                             .start = start,
                                             .detail = name_of(access),
                                             .done = done,
                                             .rule = number_of(rule)});
    return done;
}

/* --- advice --------------------------------------------------------------------------------------------- */

static void log_advice(void *start, size_t bytes, const char *detail, const struct fault_rule *rule)
{
    vm_oplog_write(&(struct oplog_operation){.name = "advise",
                                             .bytes = bytes,
                                             .start = start,
                                             .detail = detail,
                                             .done = !has_effect(rule, FAULT_FAIL),
                                             .rule = number_of(rule)});
}

static void fault_purge(void *context, void *start, size_t bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_ADVISE, bytes);
    if (!is_refused(rule))
        inner->purge(inner->context, start, bytes);
    else if (inner->purge_zeroes)
        __builtin_memset(start, 0, bytes); /* as a backend has to that says so, when its kernel refuses */
    log_advice(start, bytes, "purge", rule);
}

static void fault_no_huge_pages(void *context, void *start, size_t bytes)
{
    (void)context;
    const struct fault_rule *const rule = strike(FAULT_ADVISE, bytes);
    if (!is_refused(rule))
        inner->no_huge_pages(inner->context, start, bytes);
    log_advice(start, bytes, "no-huge-pages", rule);
}

/* Asks, too. */
static bool fault_is_unused(void *context, const void *address)
{
    (void)context;
    return inner->is_unused && inner->is_unused(inner->context, address);
}

/* Asks, changes nothing. */
static void fault_describe(void *context, struct vm_kernel_region *region)
{
    (void)context;
    if (inner->describe)
        inner->describe(inner->context, region);
}

/* --- standing before ------------------------------------------------------------------------------------ */

static void fault_start(struct vm_kernel_backend *self)
{
    if (inner->start)
        inner->start(inner);
    self->page_size = inner->page_size;
    self->has_break = inner->has_break;
    self->has_remap = inner->has_remap;
    self->fresh_is_zero = inner->fresh_is_zero && !vm_faultplan_has_effect(&vm_fault_plan, FAULT_DIRTY);
    self->purge_zeroes = inner->purge_zeroes;
    self->memory = inner->memory;
    self->memory_bytes = inner->memory_bytes;
    self->grows_on_demand = inner->grows_on_demand;
    vm_oplog_begin(inner);
}

static const struct vm_kernel_backend calls = {
    .start = fault_start,
    .break_grow = fault_break_grow,
    .break_trim = fault_break_trim,
    .break_now = fault_break_now,
    .map = fault_map,
    .unmap = fault_unmap,
    .resize = fault_resize,
    .move = fault_move,
    .protect = fault_protect,
    .purge = fault_purge,
    .no_huge_pages = fault_no_huge_pages,
    .is_unused = fault_is_unused,
    .describe = fault_describe,
};

struct vm_kernel_backend *vm_fault_interpose(struct vm_kernel_backend *backend)
{
    static struct vm_kernel_backend fault_backend; /* a copy, as starts that need none write no page for it */
    inner = backend;
    fault_backend = calls;
    fault_backend.name = backend->name;
    return &fault_backend;
}

void vm_fault_report(void)
{
    for (unsigned i = 0; i < vm_fault_plan.n_rules; i++) {
        struct message message = {0};
        vm_message_text(&message, "vmalloc: fault plan: ");
        vm_faultplan_describe(&message, &vm_fault_plan, i);
        vm_message_text(&message, "\n");
        vm_report_send(&message);
    }
}
