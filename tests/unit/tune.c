/* SPDX-License-Identifier: MIT */
/*
 * tune.c - settings: the table, and value by value what each row takes in each of the five ways to set it
 * (mallopt, glibc's variable, GLIBC_TUNABLES, our variable, VMALLOC_CONF); which way wins; what is said. The
 * environment is an array of this program's, read again and again.
 */
#include "front/tune.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/atomic.h"
#include "base/bits.h"
#include "base/report.h"
#include "crew.h"
#include "front/front.h"
#include "large/large.h"

extern char **environ;

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* --- the table ------------------------------------------------------------------------------------------ */

static const struct tunable *row_of(const char *key)
{
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (vm_tunables[i].key && strcmp(vm_tunables[i].key, key) == 0)
            return &vm_tunables[i];
    fail_msg("no row %s", key);
    return NULL;
}

static bool has_effect(const struct tunable *tunable)
{
    return tunable->x_bytes || tunable->x_word || tunable->unit == TUNE_TEXT;
}

static bool are_the_same(const char *one, const char *two)
{
    return one && two && strcmp(one, two) == 0;
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < vm_n_tunables; i++) {
        const struct tunable *const tunable = &vm_tunables[i];
        assert_int_equal(tunable->key != NULL, has_effect(tunable));
        assert_true(tunable->help && (tunable->key || tunable->tunable));
        assert_true(!tunable->x_bytes || !tunable->x_word);
        assert_int_equal(tunable->words != NULL, tunable->unit == TUNE_FLAG || tunable->unit == TUNE_CHOICE);
        assert_int_equal(tunable->text && tunable->initial_text, tunable->unit == TUNE_TEXT);
        assert_true(tunable->words || tunable->text || tunable->least < tunable->most);
        assert_true(!tunable->variable || tunable->tunable);
        for (size_t j = 0; j < i; j++) {
            assert_false(are_the_same(tunable->key, vm_tunables[j].key));
            assert_false(are_the_same(tunable->variable, vm_tunables[j].variable));
            assert_false(are_the_same(tunable->tunable, vm_tunables[j].tunable));
            assert_false(tunable->constant && tunable->parameter == vm_tunables[j].parameter);
        }
    }
}

/* --- one way and one value after another ---------------------------------------------------------------- */

static char said[4096]; /* what was reported since the last reset */

static void listen(const char *text, size_t length)
{
    strncat(said, text, vm_min_size(length, sizeof said - strlen(said) - 1));
}

static void reset(void)
{
    for (size_t i = 0; i < vm_n_tunables; i++) {
        const struct tunable *const tunable = &vm_tunables[i];
        if (tunable->set)
            tunable->set(tunable->initial);
        else if (tunable->x_word)
            *tunable->x_word = (uint32_t)tunable->initial;
    }
    vm_large_policy.x_is_dynamic = true;
    memset(vm_tune_source, SOURCE_DEFAULT, sizeof vm_tune_source);
    said[0] = '\0';
}

/* Reads these entries, up to NULL, as the environment. */
static void read_entries(const char *const *entries)
{
    char **const real = environ;
    environ = (char **)(uintptr_t)entries;
    const bool done = vm_tune_read_environment();
    environ = real;
    assert_true(done);
}

enum { NOT = -1, COMPLAINT = -2 }; /* expected instead of a value: nothing changes, silently or with a line */

/* Asserts that all is at its default but the row, if it has a value; and that there was a line, if any. */
static void assert_outcome(const char *what, const struct tunable *tunable, enum tune_source source,
                           int64_t expected)
{
    for (size_t i = 0; i < vm_n_tunables; i++) {
        const struct tunable *const row = &vm_tunables[i];
        const bool is_set = row == tunable && expected >= 0;
        if (vm_tune_source[i] != (is_set ? source : SOURCE_DEFAULT))
            fail_msg("%s: source of row %zu is %u", what, i, vm_tune_source[i]);
        if (has_effect(row) && vm_tune_value(row) != (is_set ? (size_t)expected : row->initial))
            fail_msg("%s: %s is %zu", what, row->key, vm_tune_value(row));
    }
    const bool ends_dynamic = expected >= 0 && tunable->x_bytes;
    assert_int_equal(vm_large_policy.x_is_dynamic, !ends_dynamic);
    if (expected != COMPLAINT)
        assert_string_equal(said, "");
    else if (strncmp(said, "vmalloc: ", 9) != 0 || strcmp(said + strlen(said) - 10, ": ignored\n") != 0 ||
             strchr(said, '\n') != said + strlen(said) - 1)
        fail_msg("%s: not one line of complaint: '%s'", what, said);
}

static void assert_entry(const char *entry, const struct tunable *tunable, enum tune_source source,
                         int64_t expected)
{
    reset();
    read_entries((const char *const[]){"PATH=/", entry, "HOME=/", NULL});
    assert_outcome(entry, tunable, source, expected);
}

static void upper(char *text)
{
    for (; *text; text++)
        *text = vm_capital(*text);
}

/* What a text sets a row to: by glibc's variable, by GLIBC_TUNABLES, by our two ways. */
struct sample {
    const char *text;
    int64_t variable, tunable, own;
};

static void assert_samples(const char *key, const struct sample *samples, size_t n_samples)
{
    const struct tunable *const row = row_of(key);
    char entry[200], capitals[40];
    snprintf(capitals, sizeof capitals, "%s", key);
    upper(capitals);
    for (const struct sample *sample = samples; sample < samples + n_samples; sample++) {
        if (row->variable) {
            snprintf(entry, sizeof entry, "%s=%s", row->variable, sample->text);
            assert_entry(entry, row, SOURCE_GLIBC_VARIABLE, sample->variable);
            snprintf(entry, sizeof entry, "GLIBC_TUNABLES=a.b=1:%s=%s:c.d=2", row->tunable, sample->text);
            assert_entry(entry, row, SOURCE_GLIBC_TUNABLES, sample->tunable);
        }
        snprintf(entry, sizeof entry, "VMALLOC_%s=%s", capitals, sample->text);
        assert_entry(entry, row, SOURCE_VARIABLE, sample->own);
        snprintf(entry, sizeof entry, "VMALLOC_CONF=,%s=%s", key, sample->text);
        assert_entry(entry, row, SOURCE_CONF, sample->own);
    }
    reset();
}

/* A number of 64 bits that only fits where addresses have as many; glibc compares it with its range before it
   cuts. */
#define WIDE(value) (sizeof(size_t) == 8 ? (int64_t)(value) : NOT)

static void byte_rows(void **state)
{
    (void)state;
    const struct sample samples[] = {
        {"4096", 4096, 4096, 4096},
        {"0", 0, 0, 0},
        {"", NOT, COMPLAINT, COMPLAINT},
        {"64k", 64, COMPLAINT, 65536},
        {"1M", 1, COMPLAINT, 1 << 20},
        {"1T", 1, COMPLAINT, COMPLAINT},
        {"0x1000", 4096, 4096, 4096},
        {"0x10k", 16, COMPLAINT, 16384},
        {"010000", 4096, 4096, 4096},
        {"09", 0, COMPLAINT, COMPLAINT},
        {"  8192", 8192, 8192, COMPLAINT},
        {"8192 ", 8192, COMPLAINT, COMPLAINT},
        {"+8192", 8192, 8192, COMPLAINT},
        {"-18446744073709547520", 4096, 4096, COMPLAINT}, /* the sign wraps */
        {"4294967296", WIDE(1ll << 32), WIDE(1ll << 32), sizeof(size_t) == 8 ? 1ll << 32 : COMPLAINT},
        {"99999999999G", WIDE(99999999999), COMPLAINT, COMPLAINT},
        {"never", NOT, COMPLAINT, COMPLAINT},
        {"\x1b[2J", NOT, COMPLAINT, COMPLAINT},
    };
    const char *const keys[] = {"top_pad", "trim_threshold", "mmap_threshold"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_samples(keys[i], samples, COUNT_OF(samples));
}

/* Values beyond int64_t: -1 is never, or as much as can be. */
static void huge_values(void **state)
{
    (void)state;
    const struct {
        const char *key, *entry;
        size_t value;
    } cases[] = {
        {"trim_threshold", "MALLOC_TRIM_THRESHOLD_=99999999999999999999",
         sizeof(size_t) == 8 ? SIZE_MAX : VM_DEFAULT_TRIM_THRESHOLD},
        {"trim_threshold", "MALLOC_TRIM_THRESHOLD_=-1", SIZE_MAX},
        {"trim_threshold", "GLIBC_TUNABLES=glibc.malloc.trim_threshold=-1", SIZE_MAX},
        {"trim_threshold", "VMALLOC_TRIM_THRESHOLD=-1", SIZE_MAX},
        {"trim_threshold", "VMALLOC_CONF=trim_threshold=-1", SIZE_MAX},
        {"trim_threshold", "MALLOC_TRIM_THRESHOLD_=-4096", SIZE_MAX - 4095},
        {"mmap_threshold", "MALLOC_MMAP_THRESHOLD_=-1", SIZE_MAX},
        {"mmap_threshold", "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=-1", SIZE_MAX},
        {"mmap_threshold", "VMALLOC_MMAP_THRESHOLD=-1", SIZE_MAX},
        {"mmap_threshold", "VMALLOC_CONF=mmap_threshold=-1", SIZE_MAX},
        {"top_pad", "MALLOC_TOP_PAD_=-1", PTRDIFF_MAX / 4},
        {"top_pad", "GLIBC_TUNABLES=glibc.malloc.top_pad=-4096", PTRDIFF_MAX / 4},
        {"top_pad", "VMALLOC_TOP_PAD=-1", PTRDIFF_MAX / 4},
        {"top_pad", "VMALLOC_CONF=top_pad=-1", PTRDIFF_MAX / 4},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        reset();
        read_entries((const char *const[]){cases[i].entry, NULL});
        const struct tunable *const row = row_of(cases[i].key);
        if (vm_tune_value(row) != cases[i].value || said[0])
            fail_msg("%s: %zu; %s", cases[i].entry, vm_tune_value(row), said);
    }
    reset();
}

static void count_rows(void **state)
{
    (void)state;
    const struct sample mmap_max[] = {
        {"7", 7, 7, 7},
        {"0", 0, 0, 0},
        {"2147483647", INT32_MAX, INT32_MAX, INT32_MAX},
        {"2147483648", NOT, NOT, COMPLAINT},
        {"4294967303", NOT, NOT, COMPLAINT},
        {"-1", NOT, NOT, COMPLAINT},
        {"", NOT, COMPLAINT, COMPLAINT},
        {"7k", 7, COMPLAINT, COMPLAINT},
        {"0x10", 16, 16, 16},
        {"010", 8, 8, 8},
        {" 5", 5, 5, COMPLAINT},
        {"99999999999999999999", NOT, COMPLAINT, COMPLAINT},
    };
    const struct sample perturb[] = {
        {"165", 165, 165, 165},
        {"0xa5", 165, 165, 165},
        {"0245", 165, 165, 165},
        {"255", 255, 255, 255},
        {"256", NOT, NOT, COMPLAINT},
        {"-1", NOT, NOT, COMPLAINT},
        {"0", 0, 0, 0},
        {"", NOT, COMPLAINT, COMPLAINT},
        {"1K", 1, COMPLAINT, COMPLAINT},
        {"99999999999999999999", NOT, COMPLAINT, COMPLAINT},
        {"a5", NOT, COMPLAINT, COMPLAINT},
    };
    const struct sample arena_max[] = {
        {"1", 1, 1, 1},
        {"4", 4, 4, 4},
        {"0", NOT, NOT, COMPLAINT},
        {"-1", UINT32_MAX, UINT32_MAX, COMPLAINT},
        {"4294967295", UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {"4294967296", WIDE(UINT32_MAX), WIDE(UINT32_MAX),
         sizeof(size_t) == 8 ? (int64_t)UINT32_MAX : COMPLAINT},
        {"0x10", 16, 16, 16},
        {"010", 8, 8, 8},
        {"", NOT, COMPLAINT, COMPLAINT},
        {"2M", 2, COMPLAINT, COMPLAINT},
    };
    assert_samples("mmap_max", mmap_max, COUNT_OF(mmap_max));
    assert_samples("perturb", perturb, COUNT_OF(perturb));
    assert_samples("arena_max", arena_max, COUNT_OF(arena_max));
}

static void word_rows(void **state)
{
    (void)state;
    const struct sample flag[] = {{"1", 0, 0, 1},          {"0", 0, 0, 0},          {"", 0, 0, COMPLAINT},
                                  {"2", 0, 0, COMPLAINT},  {"-1", 0, 0, COMPLAINT}, {"01", 0, 0, COMPLAINT},
                                  {"yes", 0, 0, COMPLAINT}};
    const struct sample stats[] = {
        {"0", 0, 0, STATS_NONE},    {"1", 0, 0, STATS_TEXT},      {"text", 0, 0, STATS_TEXT},
        {"json", 0, 0, STATS_JSON}, {"glibc", 0, 0, STATS_GLIBC}, {"", 0, 0, COMPLAINT},
        {"2", 0, 0, COMPLAINT},     {"JSON", 0, 0, COMPLAINT},    {"jsonx", 0, 0, COMPLAINT},
        {"jso", 0, 0, COMPLAINT},
    };
    const char *const flags[] = {"verbose", "check"};
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        assert_samples(flags[i], flag, COUNT_OF(flag));
    assert_samples("strict", flag, 2); /* its malformed values: see strictness */
    assert_samples("stats", stats, COUNT_OF(stats));
    assert_entry("VMALLOC_CONF=verbose", row_of("verbose"), SOURCE_CONF, 1);
    assert_entry("VMALLOC_CONF=strict", row_of("strict"), SOURCE_CONF, 1);
    assert_entry("VMALLOC_CONF=stats", row_of("stats"), SOURCE_CONF, COMPLAINT);
    assert_entry("VMALLOC_CONF=top_pad", row_of("top_pad"), SOURCE_CONF, COMPLAINT);
    reset();
}

static void numbers_of_mallopt(void **state)
{
    (void)state;
    const int fast_max = (int)(80 * sizeof(size_t) / 4);
    const struct {
        int parameter, value, result;
        const char *key; /* of the row that changes; NULL: none */
        size_t expected;
    } cases[] = {
        {VM_M_TOP_PAD, 4096, 1, "top_pad", 4096},
        {VM_M_TOP_PAD, 0, 1, "top_pad", 0},
        {VM_M_TOP_PAD, -1, 1, "top_pad", PTRDIFF_MAX / 4},
        {VM_M_TOP_PAD, INT32_MIN, 1, "top_pad", PTRDIFF_MAX / 4},
        {VM_M_TRIM_THRESHOLD, 65536, 1, "trim_threshold", 65536},
        {VM_M_TRIM_THRESHOLD, 0, 1, "trim_threshold", 0},
        {VM_M_TRIM_THRESHOLD, -1, 1, "trim_threshold", SIZE_MAX},
        {VM_M_MMAP_THRESHOLD, 65536, 1, "mmap_threshold", 65536},
        {VM_M_MMAP_THRESHOLD, 0, 1, "mmap_threshold", 0},
        {VM_M_MMAP_THRESHOLD, 1 << 30, 1, "mmap_threshold", 1 << 30},
        {VM_M_MMAP_THRESHOLD, -1, 1, "mmap_threshold", SIZE_MAX},
        {VM_M_MMAP_MAX, 3, 1, "mmap_max", 3},
        {VM_M_MMAP_MAX, 0, 1, "mmap_max", 0},
        {VM_M_MMAP_MAX, -1, 1, "mmap_max", 0},
        {VM_M_PERTURB, 0xa5, 1, "perturb", 0xa5},
        {VM_M_PERTURB, 0x1a5, 1, "perturb", 0xa5},
        {VM_M_PERTURB, -1, 1, "perturb", 0xff},
        {VM_M_PERTURB, 0, 1, "perturb", 0},
        {VM_M_ARENA_MAX, 1, 1, "arena_max", 1},
        {VM_M_ARENA_MAX, 0, 1, NULL, 0},
        {VM_M_ARENA_MAX, -1, 1, NULL, 0},
        {VM_M_ARENA_TEST, 2, 1, NULL, 0},
        {VM_M_ARENA_TEST, 0, 1, NULL, 0},
        {VM_M_ARENA_TEST, -1, 1, NULL, 0},
        {VM_M_MXFAST, 0, 1, NULL, 0},
        {VM_M_MXFAST, fast_max, 1, NULL, 0},
        {VM_M_MXFAST, fast_max + 1, 0, NULL, 0},
        {VM_M_MXFAST, -1, 0, NULL, 0},
        {VM_M_CHECK_ACTION, 3, 1, NULL, 0},
        {VM_M_CHECK_ACTION, -7, 1, NULL, 0},
        {0, 1, 1, NULL, 0},
        {2, 5, 1, NULL, 0},
        {3, 5, 1, NULL, 0},
        {4, 5, 1, NULL, 0},
        {4711, 1, 1, NULL, 0},
        {-4711, 1, 1, NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        reset();
        const int result = vm_mallopt(cases[i].parameter, cases[i].value);
        bool ends_dynamic = false;
        if (result != cases[i].result)
            fail_msg("mallopt(%d, %d) gives %d", cases[i].parameter, cases[i].value, result);
        for (const struct tunable *row = vm_tunables; row < vm_tunables + vm_n_tunables; row++) {
            const bool is_set = are_the_same(row->key, cases[i].key);
            ends_dynamic |= is_set && row->x_bytes;
            if (has_effect(row) && vm_tune_value(row) != (is_set ? cases[i].expected : row->initial))
                fail_msg("mallopt(%d, %d) sets %s to %zu", cases[i].parameter, cases[i].value, row->key,
                         vm_tune_value(row));
            if (has_effect(row))
                assert_int_equal(vm_tune_source[row - vm_tunables], is_set ? SOURCE_MALLOPT : SOURCE_DEFAULT);
        }
        assert_int_equal(vm_large_policy.x_is_dynamic, !ends_dynamic);
    }
    reset();
}

/* --- which of several counts ---------------------------------------------------------------------------- */

static void precedence(void **state)
{
    (void)state;
    const struct tunable *const row = row_of("top_pad");
    /* Each alone beats all behind it, wherever it stands in the environment. */
    static const char *const entries[] = {"VMALLOC_CONF=mmap_max=5,top_pad=4", "VMALLOC_TOP_PAD=3",
                                          "GLIBC_TUNABLES=glibc.malloc.top_pad=2", "MALLOC_TOP_PAD_=1", NULL};
    enum { N = COUNT_OF(entries) - 1 };
    for (size_t first = 0; first < N; first++) {
        const char *forward[N + 1] = {NULL}, *backward[N + 1] = {NULL};
        for (size_t i = first; i < N; i++) {
            forward[i - first] = entries[i];
            backward[N - 1 - i] = entries[i];
        }
        const char *const *const orders[] = {forward, backward};
        for (size_t i = 0; i < 2; i++) {
            reset();
            read_entries(orders[i]);
            assert_int_equal(vm_tune_value(row), N - first);
            assert_string_equal(said, "");
        }
    }
    vm_mallopt(VM_M_TOP_PAD, 5);
    assert_int_equal(vm_tune_value(row), 5);
    read_entries(entries); /* the environment, once it is there */
    assert_int_equal(vm_tune_value(row), 5);
    assert_int_equal(vm_tune_value(row_of("mmap_max")), 5);
    /* What is wrong leaves what the weaker one said; of one list the last counts. */
    const char *const wrong[] = {"VMALLOC_CONF=top_pad=x", "VMALLOC_TOP_PAD=",
                                 "GLIBC_TUNABLES=glibc.malloc.top_pad=2:glibc.malloc.top_pad=7", NULL};
    reset();
    read_entries(wrong);
    assert_int_equal(vm_tune_value(row), 7);
    reset();
    read_entries((const char *const[]){"VMALLOC_CONF=top_pad=1,top_pad=2", NULL});
    assert_int_equal(vm_tune_value(row), 2);
    reset();
}

static void no_environment(void **state)
{
    (void)state;
    char **const real = environ;
    environ = NULL;
    const bool done = vm_tune_read_environment();
    environ = real;
    assert_false(done);
}

/* --- complaints ----------------------------------------------------------------------------------------- */

static void assert_said(const char *entry, const char *expected)
{
    reset();
    read_entries((const char *const[]){entry, NULL});
    if (strcmp(said, expected) != 0)
        fail_msg("%s: '%s' instead of '%s'", entry, said, expected);
    reset();
}

#define THERE_ARE                                                                                            \
    "no such setting (there are top_pad, trim_threshold, mmap_threshold, mmap_max, perturb, arena_max, "     \
    "stats, verbose, check, strict, backend, fault, oplog, trace, "                                          \
    "trace_program, trace_bytes): ignored\n"

static void complaints(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"VMALLOC_TOP_PAD=12Q",
         "vmalloc: VMALLOC_TOP_PAD=12Q: not a size (a number, then K, M or G or nothing; or -1): ignored\n"},
        {"VMALLOC_PERTURB=256", "vmalloc: VMALLOC_PERTURB=256: not a number from 0 to 255: ignored\n"},
        {"VMALLOC_ARENA_MAX=0", "vmalloc: VMALLOC_ARENA_MAX=0: not a number from 1 up: ignored\n"},
        {"VMALLOC_VERBOSE=yes", "vmalloc: VMALLOC_VERBOSE=yes: not one of 0, 1: ignored\n"},
        {"VMALLOC_CONF=mmap_max=1k",
         "vmalloc: VMALLOC_CONF: mmap_max=1k: not a number from 0 to 2147483647: ignored\n"},
        {"VMALLOC_CONF=stats", "vmalloc: VMALLOC_CONF: stats: not one of 0, text, json, glibc, 1: ignored\n"},
        {"VMALLOC_CONF=TOP_PAD=1", "vmalloc: VMALLOC_CONF: TOP_PAD=1: " THERE_ARE},
        {"VMALLOC_CONF=mxfast=1", "vmalloc: VMALLOC_CONF: mxfast=1: " THERE_ARE},
        {"VMALLOC_MMAP_TRESHOLD=1", "vmalloc: VMALLOC_MMAP_TRESHOLD=1: " THERE_ARE},
        {"VMALLOC_TOP_PAD_=1", "vmalloc: VMALLOC_TOP_PAD_=1: " THERE_ARE},
        {"VMALLOC_=", "vmalloc: VMALLOC_=: " THERE_ARE},
        {"VMALLOC_CONFIG=1", "vmalloc: VMALLOC_CONFIG=1: " THERE_ARE},
        {"VMALLOC_FAULT_PLAN=1", "vmalloc: VMALLOC_FAULT_PLAN=1: " THERE_ARE},
        {"VMALLOC_TRACE_FILE=x", "vmalloc: VMALLOC_TRACE_FILE=x: " THERE_ARE},
        {"VMALLOC_TRACER=1", "vmalloc: VMALLOC_TRACER=1: " THERE_ARE},
        {"VMALLOC_top_pad=1", "vmalloc: VMALLOC_top_pad=1: " THERE_ARE},
        {"VMALLOC_X=\x1b[1m\n\x7f\xc3\xa4", "vmalloc: VMALLOC_X=?[1m????: " THERE_ARE},
        {"GLIBC_TUNABLES=a=1:b",
         "vmalloc: GLIBC_TUNABLES=a=1:b: not name=value, once or more with : in between: "
         "ignored\n"},
        {"GLIBC_TUNABLES=glibc.malloc.top_pad=1M",
         "vmalloc: GLIBC_TUNABLES: glibc.malloc.top_pad=1M: not a number: ignored\n"},
        /* None of ours, known for other things, or nothing at all. */
        {"VMALLOC_CONF=", ""},
        {"VMALLOC_CONF=, ,", ""},
        {"VMALLOC", ""},
        {"VMALLOCX_Y=1", ""},
        {"MALLOC_TOP_PAD=1", ""},
        {"MALLOC_TOP_PAD_=x", ""},
        {"GLIBC_TUNABLES=glibc.malloc.no_such=1M:glibc.cpu.x=y", ""},
        {"GLIBC_TUNABLES=glibc.malloc.check=3:glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_said(cases[i][0], cases[i][1]);
}

/* Names and values of any length: the line is whole. */
static void long_complaints(void **state)
{
    (void)state;
    enum { LENGTH = 100000 };
    static char entry[LENGTH + 1];
    for (size_t n_name = 9; n_name < 1000; n_name = n_name * 3 / 2) {
        memset(entry, 'X', LENGTH);
        memcpy(entry, "VMALLOC_", 8);
        entry[n_name] = '=';
        reset();
        read_entries((const char *const[]){entry, NULL});
        const char *const ending = ": " THERE_ARE;
        assert_true(strlen(said) < sizeof(struct message) && strlen(said) > strlen(ending));
        assert_string_equal(said + strlen(said) - strlen(ending), ending);
        assert_int_equal(strncmp(said + strlen(said) - strlen(ending) - 3, "...", 3), 0);
    }
    reset();
}

static void read_them(void *argument)
{
    unit_report_to_stderr();
    read_entries(argument);
}

static void strictness(void **state)
{
    (void)state;
    const char *const fatal[][3] = {
        {"VMALLOC_CONF=strict,top_pad=x"},
        {"VMALLOC_CONF=top_pad=x,strict"},
        {"VMALLOC_CONF=no_such=1,strict=1"},
        {"VMALLOC_CONF=strict", "VMALLOC_TOP_PAD=1Q"},
        {"VMALLOC_STATS=", "VMALLOC_CONF=strict"},
        {"VMALLOC_MMAP_TRESHOLD=1", "VMALLOC_CONF=strict"},
        {"VMALLOC_MMAP_TRESHOLD=1", "VMALLOC_STRICT=1"},
        {"VMALLOC_STRICT=yes", "VMALLOC_CONF=strict"},
    };
    for (size_t i = 0; i < COUNT_OF(fatal); i++) {
        reset();
        unit_assert_aborts(read_them, (void *)(uintptr_t)fatal[i], ": fatal, as settings are strict\n");
    }
    const char *const harmless[][3] = {
        {"VMALLOC_CONF=strict,top_pad=1M", "VMALLOC_STATS=0"},
        {"VMALLOC_CONF=strict", "MALLOC_TOP_PAD_=x"},
        {"VMALLOC_CONF=strict", "GLIBC_TUNABLES=a"},
        {"VMALLOC_CONF=strict", "VMALLOC_TRACE=x"},
        {"VMALLOC_CONF=strict=0", "VMALLOC_STRICT=1", "VMALLOC_NO_SUCH=1"},
        {"VMALLOC_CONF=strict,strict=0,no_such=1"},
        {"VMALLOC_CONF=strict=yes,no_such=1"},
        {"VMALLOC_STRICT=2"},
    };
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        const char *entries[4] = {harmless[i][0], harmless[i][1], harmless[i][2], NULL};
        reset();
        unit_assert_returns(read_them, entries);
    }
}

/* --- the report ----------------------------------------------------------------------------------------- */

static void report(void **state)
{
    (void)state;
    reset();
    vm_tune_report();
    assert_string_equal(said, "vmalloc: top_pad = 131072 (default)\n"
                              "vmalloc: trim_threshold = 131072, dynamic (default)\n"
                              "vmalloc: mmap_threshold = 131072, dynamic (default)\n"
                              "vmalloc: mmap_max = 65536 (default)\n"
                              "vmalloc: perturb = 0 (default)\n"
                              "vmalloc: arena_max = 0 (default)\n"
                              "vmalloc: stats = 0 (default)\n"
                              "vmalloc: verbose = 0 (default)\n"
                              "vmalloc: check = 0 (default)\n"
                              "vmalloc: strict = 0 (default)\n"
                              "vmalloc: backend = linux (default)\n"
                              "vmalloc: fault = none (default)\n"
                              "vmalloc: oplog = none (default)\n"
                              "vmalloc: trace = none (default)\n"
                              "vmalloc: trace_program = all (default)\n"
                              "vmalloc: trace_bytes = 0 (default)\n");
    reset();
    read_entries((const char *const[]){"MALLOC_TOP_PAD_=1", "GLIBC_TUNABLES=glibc.malloc.mmap_max=2",
                                       "VMALLOC_TRIM_THRESHOLD=-1", "VMALLOC_CONF=stats=1,verbose",
                                       "MALLOC_ARENA_MAX=3", NULL});
    vm_mallopt(VM_M_PERTURB, 4);
    vm_tune_report();
    assert_string_equal(said, "vmalloc: top_pad = 1 (MALLOC_TOP_PAD_)\n"
                              "vmalloc: trim_threshold = -1 (VMALLOC_TRIM_THRESHOLD)\n"
                              "vmalloc: mmap_threshold = 131072 (default)\n"
                              "vmalloc: mmap_max = 2 (GLIBC_TUNABLES)\n"
                              "vmalloc: perturb = 4 (mallopt)\n"
                              "vmalloc: arena_max = 3 (MALLOC_ARENA_MAX)\n"
                              "vmalloc: stats = text (VMALLOC_CONF)\n"
                              "vmalloc: verbose = 1 (VMALLOC_CONF)\n"
                              "vmalloc: check = 0 (default)\n"
                              "vmalloc: strict = 0 (default)\n"
                              "vmalloc: backend = linux (default)\n"
                              "vmalloc: fault = none (default)\n"
                              "vmalloc: oplog = none (default)\n"
                              "vmalloc: trace = none (default)\n"
                              "vmalloc: trace_program = all (default)\n"
                              "vmalloc: trace_bytes = 0 (default)\n");
    reset();
}

/* The table's defaults are those that the rooms begin with. */
static int begin(void **state)
{
    (void)state;
    vm_heap_first_call();
    vm_report_sink.write = listen;
    for (size_t i = 0; i < vm_n_tunables; i++)
        if (has_effect(&vm_tunables[i]) && vm_tune_source[i] == SOURCE_DEFAULT &&
            vm_tune_value(&vm_tunables[i]) != vm_tunables[i].initial)
            return 1;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),       cmocka_unit_test(byte_rows),
        cmocka_unit_test(huge_values), cmocka_unit_test(count_rows),
        cmocka_unit_test(word_rows),   cmocka_unit_test(numbers_of_mallopt),
        cmocka_unit_test(precedence),  cmocka_unit_test(no_environment),
        cmocka_unit_test(complaints),  cmocka_unit_test(long_complaints),
        cmocka_unit_test(strictness),  cmocka_unit_test(report),
    };
    return cmocka_run_group_tests_name("tune", tests, begin, NULL);
}
