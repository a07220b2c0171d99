/* SPDX-License-Identifier: MIT */
/*
 * tune.c - the table of tunables, read by mallopt, by the MALLOC_ variables that glibc knows, and by VMALLOC_
 * ones. Owns the table; what it sets are single words that are read with relaxed loads, so no lock.
 */
#include <errno.h>
#include "base/atomic.h"
#include "base/bits.h"
#include "front/front.h"
#include "heap/perturb.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/arena.h"
#include "vmalloc/vmalloc.h"

struct front_settings vm_front_settings;

static void set_top_pad(size_t bytes)
{
    vm_store_relaxed(&vm_arena_policy.x_top_pad, vm_min_size(bytes, PTRDIFF_MAX / 4));
}

static void set_trim_threshold(size_t bytes)
{
    vm_store_relaxed(&vm_arena_policy.x_trim_threshold, bytes);
}

static void set_mmap_max(size_t count)
{
    vm_store_relaxed(&vm_large_policy.x_n_max, (ptrdiff_t)count < 0 ? 0 : count);
}

struct tunable {
    int parameter;     /* number for mallopt */
    const char *glibc; /* glibc's variable */
    const char *ours;  /* our variable: sizes with K, M, G */
    void (*set)(size_t value);
};

/* Setting any of these ends the dynamic threshold, as in glibc. */
static const struct tunable tunables[] = {
    {VM_M_TOP_PAD, "MALLOC_TOP_PAD_", "VMALLOC_TOP_PAD", set_top_pad},
    {VM_M_TRIM_THRESHOLD, "MALLOC_TRIM_THRESHOLD_", "VMALLOC_TRIM_THRESHOLD", set_trim_threshold},
    {VM_M_MMAP_THRESHOLD, "MALLOC_MMAP_THRESHOLD_", "VMALLOC_MMAP_THRESHOLD", vm_large_set_threshold},
    {VM_M_MMAP_MAX, "MALLOC_MMAP_MAX_", "VMALLOC_MMAP_MAX", set_mmap_max},
};
enum { N_TUNABLES = sizeof tunables / sizeof *tunables };

static void apply(const struct tunable *tunable, size_t value)
{
    vm_store_relaxed(&vm_large_policy.x_is_dynamic, false);
    tunable->set(value);
}

static unsigned digit_of(char character)
{
    if (character >= '0' && character <= '9')
        return (unsigned)(character - '0');
    const char lower = (char)(character | 32);
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a' + 10) : 16;
}

/* A number as the loader reads it: blanks, a sign that wraps, hexadecimal after 0x, octal after 0. False:
   none. */
static bool read_number(const char **text, size_t *value)
{
    const char *at = *text;
    while (*at == ' ' || *at == '\t')
        at++;
    const bool is_negative = *at == '-';
    at += *at == '-' || *at == '+';
    unsigned base = 10;
    if (at[0] == '0')
        base = (at[1] | 32) == 'x' ? 16 : 8;
    at += base == 16 ? 2 : 0;
    const char *const first = at;
    size_t number = 0;
    for (; digit_of(*at) < base; at++)
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, digit_of(*at), &number))
            number = SIZE_MAX / 16; /* too large to mean anything: stays large */
    *text = at;
    *value = is_negative ? 0 - number : number;
    return at != first;
}

/* A number with K, M or G behind it, and nothing else. */
static bool read_size(const char *text, size_t *value)
{
    if (!read_number(&text, value))
        return false;
    unsigned shift = 0;
    switch (*text) {
    case 'k':
    case 'K':
        shift = 10;
        break;
    case 'm':
    case 'M':
        shift = 20;
        break;
    case 'g':
    case 'G':
        shift = 30;
        break;
    default:
        break;
    }
    text += shift != 0;
    if (*text || (shift && *value > SIZE_MAX >> shift))
        return false;
    *value <<= shift;
    return true;
}

static void report_malformed(const char *name, const char *text)
{
    struct message message = {0};
    vm_message_text(&message, "vmalloc: ");
    vm_message_text(&message, name);
    vm_message_text(&message, "=");
    vm_message_text(&message, text);
    vm_message_text(&message, ": not a size (a number, then K, M or G or nothing): ignored\n");
    vm_report_send(&message);
}

static bool read_flag(const char *name)
{
    const char *const text = vm_process_environment(name);
    return text && text[0] == '1' && !text[1];
}

void vm_tune_read_environment(void)
{
    for (size_t i = 0; i < N_TUNABLES; i++) {
        size_t value;
        const char *text = vm_process_environment(tunables[i].glibc);
        if (text && read_number(&text, &value))
            apply(&tunables[i], value);
        text = vm_process_environment(tunables[i].ours);
        if (!text)
            continue;
        if (read_size(text, &value))
            apply(&tunables[i], value);
        else
            report_malformed(tunables[i].ours, text);
    }
    vm_front_settings.is_verbose = read_flag("VMALLOC_VERBOSE");
    vm_front_settings.stats = read_flag("VMALLOC_STATS") ? STATS_TEXT : STATS_NONE;
    vm_front_settings.is_check = read_flag("VMALLOC_CHECK");
}

int vm_mallopt(int parameter, int value)
{
    vm_heap_first_call();
    if (parameter == VM_M_MXFAST)
        return value >= 0 && (size_t)value <= 80 * sizeof(size_t) / 4;
    if (parameter == VM_M_PERTURB)
        vm_heap_set_perturb((unsigned char)value);
    if (parameter == VM_M_ARENA_MAX && value > 0)
        vm_store_relaxed(&vm_heap_policy.x_n_own_max, (uint32_t)value);
    for (size_t i = 0; i < N_TUNABLES; i++)
        if (tunables[i].parameter == parameter)
            apply(&tunables[i], (size_t)value);
    return 1;
}

VM_LIBC_NAME(mallopt, vm_mallopt);
VM_LIBC_NAME(__libc_mallopt, vm_mallopt);
