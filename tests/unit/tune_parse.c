/* SPDX-License-Identifier: MIT */
/* tune_parse.c - the parsers of settings, text by text. */
#include "front/tune_parse.h"
#include <string.h>
#include "unit.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void numbers(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool is_number;
        uint64_t value;
        const char *rest;
    } cases[] = {
        {"", false, 0, ""},
        {"0", true, 0, ""},
        {"17", true, 17, ""},
        {"  \t17", true, 17, ""},
        {"+17", true, 17, ""},
        {"-17", true, (size_t)-17, ""},
        {" -1x", true, SIZE_MAX, "x"},
        {"1M", true, 1, "M"},
        {"17 ", true, 17, " "},
        {"0x1fF", true, 511, ""},
        {"0X10g", true, 16, "g"},
        {"0x", true, 0, "x"},
        {"0xg", true, 0, "xg"},
        {"-0x10", true, (size_t)-16, ""},
        {"010", true, 8, ""},
        {"08", true, 0, "8"},
        {"00x10", true, 0, "x10"},
        {"18446744073709551615", true, UINT64_MAX, ""},
        {"18446744073709551616", true, UINT64_MAX, "6"},
        {"-18446744073709551616", true, UINT64_MAX, "6"},
        {"0xffffffffffffffff", true, UINT64_MAX, ""},
        {"0x10000000000000000", true, UINT64_MAX, "0"},
        {"x", false, 0, "x"},
        {"-", false, 0, "-"},
        {"--1", false, 0, "--1"},
        {"+-1", false, 0, "+-1"},
        {"- 1", false, 0, "- 1"},
        {" ", false, 0, " "},
        {"\n1", false, 0, "\n1"},
        {"a1", false, 0, "a1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct piece rest = vm_piece_of(cases[i].text);
        uint64_t value = 0;
        if (vm_parse_number(&rest, &value) != cases[i].is_number || value != cases[i].value ||
            !vm_piece_is(rest, cases[i].rest))
            fail_msg("'%s': %llu, rest '%s'", cases[i].text, (unsigned long long)value, rest.start);
        const bool is_whole = cases[i].is_number && !*cases[i].rest;
        assert_int_equal(vm_parse_whole_number(vm_piece_of(cases[i].text), &value), is_whole);
    }
}

static void sizes(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool is_count, is_size;
        uint64_t value;
    } cases[] = {
        {"0", true, true, 0},
        {"4096", true, true, 4096},
        {"0x1000", true, true, 4096},
        {"010000", true, true, 4096},
        {"64k", false, true, 65536},
        {"64K", false, true, 65536},
        {"0x10K", false, true, 16384},
        {"3m", false, true, 3 << 20},
        {"3M", false, true, 3 << 20},
        {"2G", false, true, (uint64_t)2 << 30},
        {"2g", false, true, (uint64_t)2 << 30},
        {"0M", false, true, 0},
        {"17179869183G", false, true, (uint64_t)17179869183u << 30},
        {"17179869184G", false, false, 0},
        {"18446744073709551615", true, true, UINT64_MAX},
        {"18446744073709551616", false, false, 0},
        {"-1", false, true, SIZE_MAX},
        {"-2", false, false, 0},
        {"-1K", false, false, 0},
        {"", false, false, 0},
        {"K", false, false, 0},
        {"1KK", false, false, 0},
        {"1KB", false, false, 0},
        {"1T", false, false, 0},
        {" 1", false, false, 0},
        {"1 ", false, false, 0},
        {"+1", false, false, 0},
        {"0x", false, false, 0},
        {"08", false, false, 0},
        {"abc", false, false, 0},
        {"1.5M", false, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t count = 0, size = 0;
        const bool is_count = vm_parse_count(vm_piece_of(cases[i].text), &count);
        const bool is_size = vm_parse_size(vm_piece_of(cases[i].text), &size);
        if (is_count != cases[i].is_count || is_size != cases[i].is_size ||
            (is_count && count != cases[i].value) || (is_size && size != cases[i].value))
            fail_msg("'%s'", cases[i].text);
    }
}

static void pieces(void **state)
{
    (void)state;
    const struct piece piece = {"top_pads", 7};
    assert_true(vm_piece_is(piece, "top_pad"));
    assert_false(vm_piece_is(piece, "top_pads") || vm_piece_is(piece, "top_pa") || vm_piece_is(piece, ""));
    const struct piece capitals = {"TOP_PADS", 7};
    assert_true(vm_piece_is_capital(capitals, "top_pad"));
    assert_false(vm_piece_is_capital(piece, "top_pad") || vm_piece_is_capital(capitals, "top_pads") ||
                 vm_piece_is_capital(capitals, "top_pa"));
    const struct setting entry = vm_parse_entry("NAME=a=b,c:d");
    assert_true(vm_piece_is(entry.name, "NAME") && vm_piece_is(entry.value, "a=b,c:d") && entry.has_value);
    assert_false(vm_parse_entry("NAME").has_value);
}

/* Asserts that a list has these settings, each "name=value;" or "name;". */
static void assert_list(bool (*parse)(struct piece *rest, struct setting *setting), const char *text,
                        const char *expected)
{
    char found[200] = "";
    struct piece rest = vm_piece_of(text);
    struct setting setting;
    while (parse(&rest, &setting)) {
        strncat(found, setting.name.start, setting.name.length);
        if (setting.has_value) {
            strcat(found, "=");
            strncat(found, setting.value.start, setting.value.length);
        }
        strcat(found, ";");
    }
    assert_int_equal(rest.length, 0);
    if (strcmp(found, expected) != 0)
        fail_msg("'%s' gives '%s' instead of '%s'", text, found, expected);
}

static void lists(void **state)
{
    (void)state;
    const char *const conf[][2] = {
        {"", ""},
        {"strict", "strict;"},
        {"a=1", "a=1;"},
        {"a=1,b=2,c", "a=1;b=2;c;"},
        {",,a=1,, b=2,\t c ,", "a=1;b=2;c ;"},
        {"a=", "a=;"},
        {"=1", "=1;"},
        {"a=1=2:3", "a=1=2:3;"},
    };
    for (size_t i = 0; i < COUNT_OF(conf); i++)
        assert_list(vm_parse_setting, conf[i][0], conf[i][1]);
    const struct {
        const char *text, *settings; /* NULL: not sound */
    } tunables[] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1:b=2", "a=1;b=2;"},
        {"x:a=1", "a=1;"},
        {"a=1:x:b=2", "a=1;b=2;"},
        {"::a=1", "a=1;"},
        {"a=", "a=;"},
        {"=1", "=1;"},
        {"a=1,2", "a=1,2;"},
        {"a", NULL},
        {"a=1:b", NULL},
        {"a=1:", NULL},
        {":", NULL},
        {"a=b=c", NULL},
        {"a=1:b==", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(tunables); i++) {
        assert_int_equal(vm_parse_tunables_are_sound(vm_piece_of(tunables[i].text)),
                         tunables[i].settings != NULL);
        if (tunables[i].settings)
            assert_list(vm_parse_tunable, tunables[i].text, tunables[i].settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(sizes),
        cmocka_unit_test(pieces),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests_name("tune_parse", tests, NULL, NULL);
}
