/* SPDX-License-Identifier: MIT */
/* faultplan.c - fault plans: what is read, where and how it is complained of, and which calls are struck. */
#include "base/faultplan.h"
#include <stdio.h>
#include <string.h>
#include "unit.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static struct fault_plan plan;

static void read_plan(const char *text)
{
    struct scan_complaint complaint;
    if (!vm_faultplan_parse(&plan, vm_piece_of(text), &complaint))
        fail_msg("'%s': %u:%u: expected %s", text, complaint.line, complaint.column, complaint.expected);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void assert_rule(unsigned index, const struct fault_rule *expected)
{
    assert_memory_equal(&plan.rule[index], expected, sizeof *expected);
}

/* One clause or filter after another: nothing but its own fields is set. */
static void values(void **state)
{
    (void)state;
    const struct {
        const char *text;
        struct fault_rule rule;
    } cases[] = {
        {"brk:fail", {.site = FAULT_BRK}},
        {"map:nth=3", {.site = FAULT_MAP, .nth = 3}},
        {"unmap:every=2", {.site = FAULT_UNMAP, .every = 2}},
        {"remap:after=0", {.site = FAULT_REMAP}},
        {"remap:after=10K", {.site = FAULT_REMAP, .after = 10240}},
        {"advise:space=1M", {.site = FAULT_ADVISE, .has_space = true, .x_space_left = 1 << 20}},
        {"advise:space=0", {.site = FAULT_ADVISE, .has_space = true}},
        {"protect:prob=1/8", {.site = FAULT_PROTECT, .chance = 1, .chance_of = 8}},
        {"protect:prob=0/1", {.site = FAULT_PROTECT, .chance_of = 1}},
        {"protect:prob=4294967295/4294967295",
         {.site = FAULT_PROTECT, .chance = UINT32_MAX, .chance_of = UINT32_MAX}},
        {"page:times=0x10", {.site = FAULT_PAGE, .times = 16}},
        {"slab:err=ENOMEM", {.site = FAULT_SLAB, .error = FAULT_ENOMEM}},
        {"swapout:err=EINVAL", {.site = FAULT_SWAPOUT, .error = FAULT_EINVAL}},
        {"swapin:err=EAGAIN", {.site = FAULT_SWAPIN, .error = FAULT_EAGAIN}},
        {"any:err=EBUSY", {.site = FAULT_ANY, .error = FAULT_EBUSY}},
        {"brk:foreign=1M", {.site = FAULT_BRK, .effect = FAULT_FOREIGN, .foreign_bytes = 1 << 20}},
        {"brk:dirty", {.site = FAULT_BRK, .effect = FAULT_DIRTY}},
        {"brk:short", {.site = FAULT_BRK, .effect = FAULT_SHORT}},
        {"map:dirty", {.site = FAULT_MAP, .effect = FAULT_DIRTY}},
        {"remap:move", {.site = FAULT_REMAP, .effect = FAULT_MOVE}},
        {"brk:nth=2,foreign=1M",
         {.site = FAULT_BRK, .nth = 2, .effect = FAULT_FOREIGN, .foreign_bytes = 1 << 20}},
        {"page(order>=3):prob=1/8",
         {.site = FAULT_PAGE,
          .n_filters = 1,
          .filter = {{3, FAULT_ORDER, FAULT_AT_LEAST}},
          .chance = 1,
          .chance_of = 8}},
        {"any(size<=4K,zone=0,cpu=1,mm>=2):fail",
         {.site = FAULT_ANY,
          .n_filters = 4,
          .filter = {{4096, FAULT_SIZE, FAULT_AT_MOST},
                     {0, FAULT_ZONE, FAULT_EQUAL},
                     {1, FAULT_CPU, FAULT_EQUAL},
                     {2, FAULT_MM, FAULT_AT_LEAST}}}},
        {" map \n( size <= 1G )\t:\nnth = 1 , every = 2,after=3,space=4,prob = 5 / 6,times=7,err=EBUSY,fail "
         "; ",
         {.site = FAULT_MAP,
          .error = FAULT_EBUSY,
          .n_filters = 1,
          .filter = {{1 << 30, FAULT_SIZE, FAULT_AT_MOST}},
          .nth = 1,
          .every = 2,
          .after = 3,
          .has_space = true,
          .x_space_left = 4,
          .chance = 5,
          .chance_of = 6,
          .times = 7}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        read_plan(cases[i].text);
        assert_int_equal(plan.n_rules, 1);
        assert_int_equal(plan.seed, 0);
        assert_rule(0, &cases[i].rule);
    }
}

static void several_rules(void **state)
{
    (void)state;
    read_plan("brk:every=2;seed=0xffffffffffffffff;map:nth=3");
    assert_int_equal(plan.n_rules, 2);
    assert_true(plan.seed == UINT64_MAX);
    assert_rule(0, &(struct fault_rule){.site = FAULT_BRK, .every = 2});
    assert_rule(1, &(struct fault_rule){.site = FAULT_MAP, .nth = 3});
    const char *const empty[] = {"", " \n", "seed=7", "seed=7;"};
    for (size_t i = 0; i < COUNT_OF(empty); i++) {
        read_plan(empty[i]);
        assert_int_equal(plan.n_rules, 0);
    }
    assert_int_equal(plan.seed, 7);
    char text[FAULT_RULES_MAX * 9 + 1] = "";
    for (unsigned i = 0; i < FAULT_RULES_MAX; i++)
        strcat(text, "map:fail;");
    read_plan(text);
    assert_int_equal(plan.n_rules, FAULT_RULES_MAX);
}

/* The place of the first thing that is wrong, and a word of what is expected there. */
static void complaints(void **state)
{
    (void)state;
    const struct {
        const char *text;
        unsigned line, column;
        const char *expected;
    } cases[] = {
        {"x", 1, 1, "brk, map, unmap, remap, advise, protect, page, slab, swapout, swapin, any, or seed"},
        {"BRK:fail", 1, 1, "brk"},
        {"brkk:fail", 1, 1, "brk"},
        {";", 1, 1, "brk"},
        {"map:fail;;", 1, 10, "brk"},
        {"map", 1, 4, "( and filters, or : and clauses"},
        {"map nth=1", 1, 5, ": and clauses"},
        {"map:", 1, 5, "nth"},
        {"map:nht=3", 1, 5, "nth, every, after, space, prob, times, err, or an effect"},
        {"map:nth", 1, 8, "= and a value"},
        {"map:nth=", 1, 9, "a number from 1 up"},
        {"map:nth=0", 1, 9, "a number from 1 up"},
        {"map:nth=-1", 1, 9, "a number from 1 up"},
        {"map:nth=3x", 1, 9, "a number from 1 up"},
        {"map:every=0", 1, 11, "a number from 1 up"},
        {"map:times=0", 1, 11, "a number from 1 up"},
        {"map:after=x", 1, 11, "a number"},
        {"map:space=1T", 1, 11, "a size"},
        {"map:space=99999999999999999999", 1, 11, "a size"},
        {"map:prob=1", 1, 11, "/ and a number"},
        {"map:prob=2/1", 1, 12, "a number from the first one up"},
        {"map:prob=0/0", 1, 12, "a number from the first one up"},
        {"map:prob=1/4294967296", 1, 12, "below 2^32"},
        {"map:err=EPERM", 1, 9, "ENOMEM, EINVAL, EAGAIN or EBUSY"},
        {"map:err=enomem", 1, 9, "ENOMEM"},
        {"map:nth=1,nth=2", 1, 11, "each clause once"},
        {"map:fail,dirty", 1, 10, "one effect a rule"},
        {"map:fail,", 1, 10, "nth"},
        {"map:fail map:fail", 1, 10, ", or ; or the end"},
        {"map:nth=3\n;brk:every=2;\n  pge:fail", 3, 3, "page"},
        {"brk:move", 1, 5, "an effect on brk: fail, foreign, dirty or short"},
        {"map:foreign=1", 1, 5, "an effect on map: fail or dirty"},
        {"remap:short", 1, 7, "an effect on remap: fail or move"},
        {"unmap:dirty", 1, 7, "an effect on this site: fail"},
        {"any:short", 1, 5, "an effect on this site: fail"},
        {"brk:foreign", 1, 12, "= and a value"},
        {"brk:foreign=0", 1, 13, "a size"},
        {"brk:short=1", 1, 10, ", or ; or the end"},
        {"map(:fail", 1, 5, "size, order, zone, cpu or mm"},
        {"map():fail", 1, 5, "size"},
        {"map(weight=1):fail", 1, 5, "size"},
        {"map(size):fail", 1, 9, "<=, >= or ="},
        {"map(size<4):fail", 1, 10, "="},
        {"map(size=):fail", 1, 10, "a number"},
        {"map(size=4:fail", 1, 11, ", or )"},
        {"map(size=4)fail", 1, 12, ": and clauses"},
        {"map(size=1,size=1,size=1,size=1,size=1):fail", 1, 33, "at most 4 filters"},
        {"seed", 1, 5, "= and a number"},
        {"seed=x", 1, 6, "a number"},
        {"seed=18446744073709551616", 1, 6, "a number"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scan_complaint complaint = {0};
        memset(&plan, 0x5a, sizeof plan);
        if (vm_faultplan_parse(&plan, vm_piece_of(cases[i].text), &complaint))
            fail_msg("'%s' is read", cases[i].text);
        if (complaint.line != cases[i].line || complaint.column != cases[i].column ||
            !strstr(complaint.expected, cases[i].expected))
            fail_msg("'%s': %u:%u: expected %s", cases[i].text, complaint.line, complaint.column,
                     complaint.expected);
        assert_memory_equal(&plan, &(struct fault_plan){0}, sizeof plan); /* nothing is left of it */
    }
}

static void too_many_rules(void **state)
{
    (void)state;
    char text[(FAULT_RULES_MAX + 1) * 9 + 1] = "";
    struct scan_complaint complaint;
    for (unsigned i = 0; i <= FAULT_RULES_MAX; i++)
        strcat(text, "map:fail;");
    assert_false(vm_faultplan_parse(&plan, vm_piece_of(text), &complaint));
    assert_int_equal(complaint.column, FAULT_RULES_MAX * 9 + 1);
    assert_string_equal(complaint.expected, "at most 16 rules");
    struct message message = {0};
    vm_scan_explain(&message, &complaint);
    message.text[message.length] = '\0';
    assert_string_equal(message.text, "1:145: expected at most 16 rules");
}

/* --- striking ------------------------------------------------------------------------------------------- */

static bool strikes(enum fault_site site, size_t bytes)
{
    const struct fault_call call = {
        .site = site, .known = 1 << FAULT_SIZE, .property = {[FAULT_SIZE] = bytes}};
    return vm_faultplan_strike(&plan, &call) != NULL;
}

/* Which of the first calls, of 1, 2, 3... bytes, are struck: X, or not: dot. */
static void assert_pattern(const char *text, const char *expected)
{
    char pattern[65] = "";
    read_plan(text);
    for (size_t i = 0; i < strlen(expected); i++)
        pattern[i] = strikes(FAULT_MAP, i + 1) ? 'X' : '.';
    if (strcmp(pattern, expected) != 0)
        fail_msg("%s: %s instead of %s", text, pattern, expected);
}

static void which_calls(void **state)
{
    (void)state;
    assert_pattern("map:fail", "XXXXXXXX");
    assert_pattern("any:fail", "XXXXXXXX");
    assert_pattern("brk:fail", "........");
    assert_pattern("map:nth=1", "X.......");
    assert_pattern("map:nth=3", "..X.....");
    assert_pattern("map:every=1", "XXXXXXXX");
    assert_pattern("map:every=3", "..X..X..");
    assert_pattern("map:after=3", "...XXXXX");
    assert_pattern("map:after=3,every=2", "....X.X.");
    assert_pattern("map:after=3,nth=2", "....X...");
    assert_pattern("map:times=3", "XXX.....");
    assert_pattern("map:after=2,every=2,times=2", "...X.X..");
    assert_pattern("map:space=10", "....XXXX"); /* 1 + 2 + 3 + 4 */
    assert_pattern("map:space=12", "....XXXX");
    assert_pattern("map:space=0", "XXXXXXXX");
    assert_pattern("map:space=3,times=2", "..XX....");
    assert_pattern("map:prob=0/1", "........");
    assert_pattern("map:prob=1/1", "XXXXXXXX");
    assert_pattern("map(size=5):fail", "....X...");
    assert_pattern("map(size<=5):fail", "XXXXX...");
    assert_pattern("map(size>=5):fail", "....XXXX");
    assert_pattern("map(size>=3,size<=6):fail", "..XXXX..");
    assert_pattern("map(size>=3,size<=6):nth=2", "...X....");
    assert_pattern("map(order=0):fail", "........"); /* a mapping has no order */
}

static void first_rule_strikes(void **state)
{
    (void)state;
    read_plan("map:every=2;any:every=3,err=EBUSY");
    const struct fault_call call = {.site = FAULT_MAP};
    const struct fault_rule *struck[12];
    for (unsigned i = 0; i < 12; i++)
        struck[i] = vm_faultplan_strike(&plan, &call);
    for (unsigned i = 0; i < 12; i++) {
        const unsigned n = i + 1;
        assert_ptr_equal(struck[i], n % 2 == 0 ? &plan.rule[0] : n % 3 == 0 ? &plan.rule[1] : NULL);
    }
    strikes(FAULT_BRK, 1);
    struct message message = {0};
    vm_faultplan_describe(&message, &plan, 0);
    vm_message_text(&message, "; ");
    vm_faultplan_describe(&message, &plan, 1);
    message.text[message.length] = '\0';
    assert_string_equal(message.text, "rule 1, map: 12 calls, 6 hits; rule 2, any: 13 calls, 2 hits");
    read_plan("unmap:fail");
    strikes(FAULT_UNMAP, 1);
    message.length = 0;
    vm_faultplan_describe(&message, &plan, 0);
    message.text[message.length] = '\0';
    assert_string_equal(message.text, "rule 1, unmap: 1 call, 1 hit");
}

/* About as often as asked for, the same in each run, another way with another seed or rule. */
static void chance(void **state)
{
    (void)state;
    enum { N = 8000 };
    static bool first[N];
    unsigned n_hits = 0, n_other_seed = 0, n_other_rule = 0;
    read_plan("map:prob=1/8;seed=5");
    for (unsigned i = 0; i < N; i++)
        n_hits += first[i] = strikes(FAULT_MAP, 1);
    assert_in_range(n_hits, N / 8 - 150, N / 8 + 150);
    read_plan("seed=5;map:prob=1/8");
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(strikes(FAULT_MAP, 1), first[i]);
    read_plan("map:prob=1/8;seed=6");
    for (unsigned i = 0; i < N; i++)
        n_other_seed += strikes(FAULT_MAP, 1) != first[i];
    read_plan("brk:fail;map:prob=1/8;seed=5");
    for (unsigned i = 0; i < N; i++)
        n_other_rule += strikes(FAULT_MAP, 1) != first[i];
    assert_true(n_other_seed > N / 8 && n_other_rule > N / 8);
}

static void effects(void **state)
{
    (void)state;
    read_plan("map:dirty;brk:foreign=1");
    assert_true(vm_faultplan_has_effect(&plan, FAULT_DIRTY) && vm_faultplan_has_effect(&plan, FAULT_FOREIGN));
    assert_false(vm_faultplan_has_effect(&plan, FAULT_SHORT) || vm_faultplan_has_effect(&plan, FAULT_FAIL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),      cmocka_unit_test(several_rules),
        cmocka_unit_test(complaints),  cmocka_unit_test(too_many_rules),
        cmocka_unit_test(which_calls), cmocka_unit_test(first_rule_strikes),
        cmocka_unit_test(chance),      cmocka_unit_test(effects),
    };
    return cmocka_run_group_tests_name("faultplan", tests, NULL, NULL);
}
