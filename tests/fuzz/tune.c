/* SPDX-License-Identifier: MIT */
/*
 * tune.c - libFuzzer target: any bytes as settings. First as one text for each parser, in a buffer that ends
 * where the text ends; then, line by line, as the entries of the environment. Asserts that numbers are those
 * of strtoull, that lists fall into the pieces that they should, that each setting stays within its range,
 * and that whatever is said is one printable line.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/report.h"
#include "front/front.h"
#include "front/tune.h"
#include "fuzz.h"
#include "heap/heap.h"
#include "large/large.h"
#include "pool/arena.h"
#include "vmalloc/vmalloc.h"

extern char **environ;

/* --- the parsers ---------------------------------------------------------------------------------------- */

/* Whether strtoull reads more than ours does: other blanks, binary numbers. */
static bool is_beyond_us(const char *text)
{
    text += strspn(text, " \t");
    if (strchr("\n\v\f\r", *text))
        return *text != '\0';
    text += *text == '-' || *text == '+';
    return text[0] == '0' && (text[1] | 32) == 'b';
}

static void check_number(struct piece whole, const char *terminated)
{
    struct piece rest = whole;
    uint64_t value = 0;
    const bool is_number = vm_parse_number(&rest, &value);
    REQUIRE(rest.length <= whole.length && rest.start + rest.length == whole.start + whole.length);
    REQUIRE(is_number ? rest.length < whole.length : rest.length == whole.length);
    uint64_t again;
    REQUIRE(vm_parse_whole_number(whole, &again) == (is_number && rest.length == 0));
    if (is_beyond_us(terminated))
        return;
    char *end;
    errno = 0;
    const uint64_t expected = strtoull(terminated, &end, 0);
    if (errno == ERANGE)
        REQUIRE(value == UINT64_MAX && rest.length > 0);
    else
        REQUIRE(value == (is_number ? expected : 0) &&
                (size_t)(end - terminated) == whole.length - rest.length);
}

static void check_own_numbers(struct piece whole)
{
    uint64_t count = 0, bytes = 0, number = 0;
    const bool is_count = vm_parse_count(whole, &count), is_size = vm_parse_size(whole, &bytes);
    if (is_count) {
        REQUIRE(vm_parse_whole_number(whole, &number) && number == count);
        REQUIRE(is_size && bytes == count);
    } else if (is_size && !vm_piece_is(whole, "-1")) {
        const char *const units = "kmg", *const unit = strchr(units, whole.start[--whole.length] | 32);
        REQUIRE(unit && vm_parse_count(whole, &count));
        REQUIRE(bytes >> 10 * (unit - units + 1) == count);
    }
}

static size_t count_of(struct piece piece, char character)
{
    size_t n = 0;
    for (size_t i = 0; i < piece.length; i++)
        n += piece.start[i] == character;
    return n;
}

/* Both kinds of list: the settings come in order, and none has what separates them in it. */
static void check_list(struct piece whole, bool (*parse)(struct piece *rest, struct setting *setting),
                       char separator)
{
    struct piece rest = whole;
    struct setting setting;
    const char *before = whole.start;
    while (parse(&rest, &setting)) {
        const struct piece name = setting.name, value = setting.value;
        REQUIRE(name.start >= before && value.start == name.start + name.length + setting.has_value);
        REQUIRE(value.start + value.length <= rest.start && rest.start > before);
        REQUIRE(rest.start + rest.length == whole.start + whole.length);
        REQUIRE(count_of(name, '=') == 0 && count_of(name, separator) == 0 &&
                count_of(value, separator) == 0);
        REQUIRE(setting.has_value || value.length == 0);
        before = rest.start;
    }
    REQUIRE(rest.length == 0);
}

static void check_tunables(struct piece whole)
{
    struct piece rest = whole;
    struct setting setting;
    size_t n_settings = 0, n_double = 0;
    while (vm_parse_tunable(&rest, &setting)) {
        n_settings++;
        n_double += count_of(setting.value, '=') != 0;
    }
    if (vm_parse_tunables_are_sound(whole)) {
        REQUIRE(n_double == 0 && (n_settings || whole.length == 0));
        REQUIRE(whole.length == 0 || whole.start[whole.length - 1] != ':');
    } else {
        REQUIRE(n_double || n_settings <= count_of(whole, ':'));
    }
}

static void check_parsers(const uint8_t *data, size_t size)
{
    char *const exact = malloc(size ? size : 1), *const terminated = malloc(size + 1);
    REQUIRE(exact && terminated);
    memcpy(exact, data, size);
    memcpy(terminated, data, size);
    terminated[size] = '\0';
    const struct piece whole = {exact, size};
    if (!memchr(data, 0, size))
        check_number(whole, terminated);
    check_own_numbers(whole);
    check_list(whole, vm_parse_setting, ',');
    check_list(whole, vm_parse_tunable, ':');
    check_tunables(whole);
    const struct setting entry = vm_parse_entry(terminated);
    REQUIRE(count_of(entry.name, '=') == 0 &&
            entry.name.length + entry.has_value + entry.value.length == strlen(terminated));
    free(exact);
    free(terminated);
}

/* --- the environment ------------------------------------------------------------------------------------ */

static jmp_buf fatal;
static bool is_last_fatal;

static void check_line(const char *text, size_t length)
{
    REQUIRE(length > 10 && length <= sizeof((struct message *)NULL)->text);
    REQUIRE(memcmp(text, "vmalloc: ", 9) == 0 && text[length - 1] == '\n');
    for (size_t i = 0; i < length - 1; i++)
        REQUIRE(text[i] >= ' ' && text[i] <= '~');
    static const char ending[] = ": fatal, as settings are strict\n";
    is_last_fatal =
        length > sizeof ending && memcmp(text + length - (sizeof ending - 1), ending, sizeof ending - 1) == 0;
#ifdef PLANTED_FAULT
    REQUIRE(!"a complaint");
#endif
}

static void leave(void)
{
    REQUIRE(is_last_fatal);
    longjmp(fatal, 1);
}

static void check_settings(void)
{
    for (size_t i = 0; i < vm_n_tunables; i++) {
        const struct tunable *const tunable = &vm_tunables[i];
        REQUIRE(vm_tune_source[i] <= SOURCE_MALLOPT);
        if (!tunable->key || vm_tune_source[i] == SOURCE_DEFAULT)
            continue;
        const struct tune_word *word = tunable->words;
        const size_t value = vm_tune_value(tunable);
        while (word && word->word && word->value != value)
            word++;
        REQUIRE(word ? word->word != NULL : value >= tunable->least && value <= tunable->most);
    }
    REQUIRE(vm_arena_policy.x_top_pad <= PTRDIFF_MAX / 4);
}

static void check_environment(const uint8_t *data, size_t size)
{
    enum { ENTRIES_MAX = 20 };
    char *const text = malloc(size + 1), *entries[ENTRIES_MAX + 1] = {NULL}, *at = text;
    REQUIRE(text);
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < ENTRIES_MAX && at; i++)
        entries[i] = strsep(&at, "\n");
    char **const real = environ;
    memset(vm_tune_source, SOURCE_DEFAULT, sizeof vm_tune_source);
    environ = entries;
    if (setjmp(fatal) == 0)
        REQUIRE(vm_tune_read_environment());
    environ = real;
    check_settings();
    vm_front_settings.stats = STATS_NONE; /* no report at the end of the process */
    free(text);
}

static void check_mallopt(const uint8_t *data, size_t size)
{
    int value;
    if (size < 1 + sizeof value)
        return;
    memcpy(&value, data + 1, sizeof value);
    const int result = vm_mallopt((int8_t)data[0], value);
    REQUIRE(result == 1 || ((int8_t)data[0] == VM_M_MXFAST && result == 0));
    check_settings();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vm_heap_first_call();
    vm_report_sink.write = check_line;
    vm_report_sink.abort = leave;
    check_parsers(data, size);
    check_environment(data, size);
    check_mallopt(data, size);
    return 0;
}
