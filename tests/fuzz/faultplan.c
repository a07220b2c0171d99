/* SPDX-License-Identifier: MIT */
/*
 * faultplan.c - libFuzzer target: any bytes as a fault plan, in a buffer that ends where the text ends.
 * Asserts that a plan that is read keeps what it promises over a sequence of calls, rule by rule as a slow
 * reading of the fields has it, and is read the same from its own text twice; that a complaint lies within
 * the text and is printable.
 */
#include "base/faultplan.h"
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"

/* --- what is wrong -------------------------------------------------------------------------------------- */

static void check_complaint(struct piece text, const struct fault_plan *plan,
                            const struct scan_complaint *complaint)
{
    static const struct fault_plan empty;
    REQUIRE(memcmp(plan, &empty, sizeof empty) == 0);
    unsigned line = 1, column = 1;
    bool is_inside = complaint->line == 1 && complaint->column == 1;
    for (size_t i = 0; i < text.length; i++) {
        line += text.start[i] == '\n';
        column = text.start[i] == '\n' ? 1 : column + 1;
        is_inside |= line == complaint->line && column == complaint->column;
    }
    REQUIRE(is_inside);
    struct message message = {0};
    vm_scan_explain(&message, complaint);
    REQUIRE(message.length > 10 && message.length < 200);
    for (size_t i = 0; i < message.length; i++)
        REQUIRE(message.text[i] >= ' ' && message.text[i] <= '~');
#ifdef PLANTED_FAULT
    REQUIRE(complaint->column < 7);
#endif
}

/* --- what is right -------------------------------------------------------------------------------------- */

static void check_rule(const struct fault_rule *rule)
{
    REQUIRE(rule->site <= FAULT_ANY && rule->effect <= FAULT_SHORT && rule->error <= FAULT_EBUSY);
    REQUIRE(rule->n_filters <= FAULT_FILTERS_MAX && rule->chance <= rule->chance_of);
    REQUIRE((rule->effect == FAULT_FOREIGN) == (rule->foreign_bytes > 0));
    REQUIRE(rule->effect != FAULT_FOREIGN || rule->site == FAULT_BRK);
    REQUIRE(rule->effect != FAULT_SHORT || rule->site == FAULT_BRK);
    REQUIRE(rule->effect != FAULT_MOVE || rule->site == FAULT_REMAP);
    REQUIRE(rule->effect != FAULT_DIRTY || rule->site == FAULT_BRK || rule->site == FAULT_MAP);
    REQUIRE(rule->x_n_calls == 0 && rule->x_n_hits == 0 && (rule->has_space || rule->x_space_left == 0));
}

static bool lets_through(const struct fault_rule *rule, const struct fault_call *call)
{
    bool does = rule->site == FAULT_ANY || rule->site == call->site;
    for (unsigned i = 0; i < rule->n_filters; i++) {
        const struct fault_filter *const filter = &rule->filter[i];
        const uint64_t value = call->property[filter->property];
        does &= call->known >> filter->property & 1;
        does &= filter->comparison == FAULT_AT_LEAST || value <= filter->value;
        does &= filter->comparison == FAULT_AT_MOST || value >= filter->value;
    }
    return does;
}

/* Whether the rule may have struck this call of its own, the n-th. */
static bool may_strike(const struct fault_rule *rule, size_t n)
{
    if (n <= rule->after || (rule->chance_of && rule->chance == 0))
        return false;
    return (!rule->nth || n - rule->after == rule->nth) &&
           (!rule->every || (n - rule->after) % rule->every == 0) &&
           (!rule->times || rule->x_n_hits <= rule->times);
}

static void check_calls(struct fault_plan *plan)
{
    size_t n_calls[FAULT_RULES_MAX] = {0}, n_hits[FAULT_RULES_MAX] = {0};
    for (unsigned i = 0; i < 200; i++) {
        const struct fault_call call = {
            .site = i % FAULT_ANY,
            .known = i % 3 ? 1 << FAULT_SIZE : (1 << FAULT_N_PROPERTIES) - 1,
            .property = {i * 1000, i % 11, i % 3, i % 2, i % 5},
        };
        const struct fault_rule *const rule = vm_faultplan_strike(plan, &call);
        for (unsigned j = 0; j < plan->n_rules; j++)
            n_calls[j] += lets_through(&plan->rule[j], &call);
        if (!rule)
            continue;
        const size_t index = (size_t)(rule - plan->rule);
        REQUIRE(index < plan->n_rules && lets_through(rule, &call) && may_strike(rule, n_calls[index]));
        n_hits[index]++;
    }
    for (unsigned j = 0; j < plan->n_rules; j++)
        REQUIRE(plan->rule[j].x_n_calls == n_calls[j] && plan->rule[j].x_n_hits == n_hits[j]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const exact = malloc(size ? size : 1);
    REQUIRE(exact);
    memcpy(exact, data, size);
    const struct piece text = {exact, size};
    struct fault_plan plan, again;
    struct scan_complaint complaint, other;
    const bool is_read = vm_faultplan_parse(&plan, text, &complaint);
    REQUIRE(vm_faultplan_parse(&again, text, &other) == is_read && memcmp(&plan, &again, sizeof plan) == 0);
    if (!is_read)
        check_complaint(text, &plan, &complaint);
    for (unsigned i = 0; i < plan.n_rules; i++)
        check_rule(&plan.rule[i]);
    check_calls(&plan);
    free(exact);
    return 0;
}
