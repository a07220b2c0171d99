/* SPDX-License-Identifier: MIT */
/* faultplan.c - see faultplan.h. Owns nothing. */
#include "base/faultplan.h"
#include "base/atomic.h"

/* --- the words ------------------------------------------------------------------------------------------ */

/* FAULT_ANY, then what is no site. */
enum { WORD_SEED = FAULT_ANY + 1 };

static const char *const site_words[] = {"brk",  "map",     "unmap",  "remap", "advise", "protect", "page",
                                         "slab", "swapout", "swapin", "any",   "seed",   NULL};
static const char *const property_words[] = {"size", "order", "zone", "cpu", "mm", NULL};
static const char *const error_words[] = {"ENOMEM", "EINVAL", "EAGAIN", "EBUSY", NULL};

enum clause { NTH, EVERY, AFTER, SPACE, PROB, TIMES, ERR, FIRST_EFFECT };
static const char *const clause_words[] = {"nth",  "every",   "after", "space", "prob",  "times", "err",
                                           "fail", "foreign", "dirty", "move",  "short", NULL};

/* What may happen at a site besides failing. */
static const struct {
    unsigned effects;
    const char *expected;
} site_effects[] = {
    [FAULT_BRK] = {1 << FAULT_FOREIGN | 1 << FAULT_DIRTY | 1 << FAULT_SHORT,
                   "an effect on brk: fail, foreign, dirty or short"},
    [FAULT_MAP] = {1 << FAULT_DIRTY, "an effect on map: fail or dirty"},
    [FAULT_REMAP] = {1 << FAULT_MOVE, "an effect on remap: fail or move"},
    [FAULT_ANY] = {0, "an effect on this site: fail"},
};

/* --- reading -------------------------------------------------------------------------------------------- */

static bool read_count(struct scan *scan, uint64_t least, const char *expected, size_t *value)
{
    uint64_t number;
    if (!vm_scan_number(scan, least, SIZE_MAX, expected, &number))
        return false;
    *value = (size_t)number;
    return true;
}

static bool read_filter(struct scan *scan, struct fault_rule *rule)
{
    unsigned property, comparison = FAULT_EQUAL;
    if (rule->n_filters == FAULT_FILTERS_MAX)
        return vm_scan_fail(scan, "at most 4 filters");
    struct fault_filter *const filter = &rule->filter[rule->n_filters++];
    if (!vm_scan_word(scan, property_words, "size, order, zone, cpu or mm", &property))
        return false;
    if (vm_scan_skip_sign(scan, '<'))
        comparison = FAULT_AT_MOST;
    else if (vm_scan_skip_sign(scan, '>'))
        comparison = FAULT_AT_LEAST;
    filter->property = (uint8_t)property;
    filter->comparison = (uint8_t)comparison;
    return vm_scan_sign(scan, '=', comparison == FAULT_EQUAL ? "<=, >= or =" : "=") &&
           vm_scan_number(scan, 0, UINT64_MAX, "a number", &filter->value);
}

static bool read_filters(struct scan *scan, struct fault_rule *rule)
{
    if (!vm_scan_skip_sign(scan, '('))
        return true;
    do {
        if (!read_filter(scan, rule))
            return false;
    } while (vm_scan_skip_sign(scan, ','));
    return vm_scan_sign(scan, ')', ", or )");
}

static bool read_chance(struct scan *scan, struct fault_rule *rule)
{
    uint64_t chance, of;
    if (!vm_scan_number(scan, 0, UINT32_MAX, "a number below 2^32", &chance) ||
        !vm_scan_sign(scan, '/', "/ and a number") ||
        !vm_scan_number(scan, chance ? chance : 1, UINT32_MAX, "a number from the first one up, below 2^32",
                        &of))
        return false;
    rule->chance = (uint32_t)chance;
    rule->chance_of = (uint32_t)of;
    return true;
}

static bool read_error(struct scan *scan, struct fault_rule *rule)
{
    unsigned error;
    if (!vm_scan_word(scan, error_words, "ENOMEM, EINVAL, EAGAIN or EBUSY", &error))
        return false;
    rule->error = (uint8_t)error;
    return true;
}

/* What stands behind the name of the clause and its =. */
static bool read_value(struct scan *scan, struct fault_rule *rule, unsigned clause)
{
    static const char from_1[] = "a number from 1 up", bytes[] = "a size (a number, then K, M, G or nothing)";
    switch (clause) {
    case NTH:
        return read_count(scan, 1, from_1, &rule->nth);
    case EVERY:
        return read_count(scan, 1, from_1, &rule->every);
    case AFTER:
        return read_count(scan, 0, "a number", &rule->after);
    case SPACE:
        rule->has_space = true;
        return read_count(scan, 0, bytes, &rule->x_space_left);
    case PROB:
        return read_chance(scan, rule);
    case TIMES:
        return read_count(scan, 1, from_1, &rule->times);
    case ERR:
        return read_error(scan, rule);
    default:
        return read_count(scan, 1, bytes, &rule->foreign_bytes);
    }
}

/* An effect is a clause without a value, but for the foreign break. */
static bool takes_value(unsigned clause)
{
    return clause < FIRST_EFFECT || clause == FIRST_EFFECT + FAULT_FOREIGN;
}

static bool read_clause(struct scan *scan, struct fault_rule *rule, unsigned *seen)
{
    const struct scan before = *scan;
    unsigned clause;
    if (!vm_scan_word(
            scan, clause_words,
            "nth, every, after, space, prob, times, err, or an effect: fail, foreign, dirty, move, short",
            &clause))
        return false;
    const bool is_effect = clause >= FIRST_EFFECT;
    const unsigned bit = 1U << (is_effect ? FIRST_EFFECT : clause), effect = clause - FIRST_EFFECT;
    const char *complaint = NULL;
    if (*seen & bit)
        complaint = is_effect ? "one effect a rule" : "each clause once";
    else if (is_effect && effect != FAULT_FAIL && !(site_effects[rule->site].effects & 1U << effect))
        complaint = site_effects[rule->site].expected ? site_effects[rule->site].expected
                                                      : site_effects[FAULT_ANY].expected;
    if (complaint) {
        *scan = before; /* the complaint is of the word */
        return vm_scan_fail(scan, complaint);
    }
    *seen |= bit;
    if (is_effect)
        rule->effect = (uint8_t)effect;
    return !takes_value(clause) ||
           (vm_scan_sign(scan, '=', "= and a value") && read_value(scan, rule, clause));
}

static bool read_rule(struct scan *scan, struct fault_rule *rule)
{
    unsigned seen = 0;
    if (!read_filters(scan, rule) ||
        !vm_scan_sign(scan, ':', rule->n_filters ? ": and clauses" : "( and filters, or : and clauses"))
        return false;
    do {
        if (!read_clause(scan, rule, &seen))
            return false;
    } while (vm_scan_skip_sign(scan, ','));
    return true;
}

static bool read_item(struct scan *scan, struct fault_plan *plan)
{
    const struct scan before = *scan;
    unsigned site;
    if (!vm_scan_word(scan, site_words,
                      "brk, map, unmap, remap, advise, protect, page, slab, swapout, swapin, any, or seed",
                      &site))
        return false;
    if (site == WORD_SEED)
        return vm_scan_sign(scan, '=', "= and a number") &&
               vm_scan_number(scan, 0, UINT64_MAX, "a number", &plan->seed);
    if (plan->n_rules == FAULT_RULES_MAX) {
        *scan = before; /* the complaint is of the word */
        return vm_scan_fail(scan, "at most 16 rules");
    }
    struct fault_rule *const rule = &plan->rule[plan->n_rules++];
    rule->site = (uint8_t)site;
    return read_rule(scan, rule);
}

static bool read_plan(struct scan *scan, struct fault_plan *plan)
{
    while (!vm_scan_is_at_end(scan)) {
        if (!read_item(scan, plan))
            return false;
        if (!vm_scan_is_at_end(scan) && !vm_scan_sign(scan, ';', ", or ; or the end"))
            return false;
    }
    return true;
}

bool vm_faultplan_parse(struct fault_plan *plan, struct piece text, struct scan_complaint *complaint)
{
    struct scan scan = vm_scan_begin(text);
    *plan = (struct fault_plan){0};
    const bool done = read_plan(&scan, plan);
    *complaint = scan.complaint;
    if (!done)
        *plan = (struct fault_plan){0};
    return done;
}

/* --- striking ------------------------------------------------------------------------------------------- */

static bool passes(const struct fault_filter *filter, const struct fault_call *call)
{
    const uint64_t value = call->property[filter->property];
    if (!(call->known & 1U << filter->property))
        return false;
    switch ((enum fault_comparison)filter->comparison) {
    case FAULT_AT_MOST:
        return value <= filter->value;
    case FAULT_AT_LEAST:
        return value >= filter->value;
    default:
        return value == filter->value;
    }
}

static bool concerns(const struct fault_rule *rule, const struct fault_call *call)
{
    if (rule->site != FAULT_ANY && rule->site != call->site)
        return false;
    for (unsigned i = 0; i < rule->n_filters; i++)
        if (!passes(&rule->filter[i], call))
            return false;
    return true;
}

/* A number below 2^32 that looks like chance, from three that need not. */
static uint32_t draw(uint64_t seed, uint64_t index, uint64_t n)
{
    uint64_t mixed = seed * 0xd6e8feb86659fd93 + index * 0xa0761d6478bd642f + n * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
    mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
    return (uint32_t)(mixed >> 32);
}

/* Takes bytes from what is left. False: they do not fit. */
static bool take_space(struct fault_rule *rule, uint64_t bytes)
{
    size_t left = vm_load_relaxed(&rule->x_space_left);
    do {
        if (bytes > left)
            return false;
    } while (!vm_compare_exchange(&rule->x_space_left, &left, left - (size_t)bytes));
    return true;
}

/* Counts a hit. False: there were enough. */
static bool take_hit(struct fault_rule *rule)
{
    size_t n_hits = vm_load_relaxed(&rule->x_n_hits);
    do {
        if (rule->times && n_hits >= rule->times)
            return false;
    } while (!vm_compare_exchange(&rule->x_n_hits, &n_hits, n_hits + 1));
    return true;
}

/* Whether the rule strikes the n-th call that concerns it. */
static bool is_due(struct fault_rule *rule, const struct fault_plan *plan, const struct fault_call *call,
                   size_t n)
{
    if (n <= rule->after)
        return false;
    const size_t nth = n - rule->after;
    if ((rule->nth && nth != rule->nth) || (rule->every && nth % rule->every != 0))
        return false;
    if (rule->chance_of &&
        draw(plan->seed, (uint64_t)(rule - plan->rule), n) % rule->chance_of >= rule->chance)
        return false;
    if (rule->has_space && take_space(rule, call->property[FAULT_SIZE]))
        return false;
    return take_hit(rule);
}

const struct fault_rule *vm_faultplan_strike(struct fault_plan *plan, const struct fault_call *call)
{
    const struct fault_rule *striking = NULL;
    for (struct fault_rule *rule = plan->rule; rule < plan->rule + plan->n_rules; rule++) {
        if (!concerns(rule, call))
            continue;
        const size_t n = vm_fetch_add_relaxed(&rule->x_n_calls, 1) + 1;
        if (!striking && is_due(rule, plan, call, n))
            striking = rule;
    }
    return striking;
}

bool vm_faultplan_has_effect(const struct fault_plan *plan, enum fault_effect effect)
{
    for (unsigned i = 0; i < plan->n_rules; i++)
        if (plan->rule[i].effect == effect)
            return true;
    return false;
}

void vm_faultplan_describe(struct message *message, const struct fault_plan *plan, unsigned index)
{
    const struct fault_rule *const rule = &plan->rule[index];
    const size_t n_calls = vm_load_relaxed(&rule->x_n_calls), n_hits = vm_load_relaxed(&rule->x_n_hits);
    vm_message_text(message, "rule ");
    vm_message_unsigned(message, index + 1);
    vm_message_text(message, ", ");
    vm_message_text(message, site_words[rule->site]);
    vm_message_text(message, ": ");
    vm_message_unsigned(message, n_calls);
    vm_message_text(message, n_calls == 1 ? " call, " : " calls, ");
    vm_message_unsigned(message, n_hits);
    vm_message_text(message, n_hits == 1 ? " hit" : " hits");
}
