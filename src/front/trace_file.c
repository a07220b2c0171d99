/* SPDX-License-Identifier: MIT */
/*
 * trace_file.c - see trace_file.h. Owns the name. Programs that a recorded one starts have the same variable: a file
 * that somebody is writing is left to them, and the name gets the number of the process behind it.
 */
#include "front/trace_file.h"
#include "front/tune.h"
#include "kernel/kernel.h"
#include "kernel/window.h"
#include "vmalloc/trace.h"

static char pattern[VM_PATH_BYTES]; /* with its folder */
static size_t name_start;           /* in the pattern: from there on % is a sign */
static char path[VM_PATH_BYTES];
static size_t path_length;

/* --- the name ------------------------------------------------------------------------------------------- */

bool vm_trace_is_meant(void)
{
    const char *const names = vm_tune_text(TUNE_KEY_TRACE_PROGRAM);
    if (!names)
        return true;
    vm_tune_take_text(TUNE_KEY_TRACE_PROGRAM);
    for (struct piece rest = vm_piece_of(names); rest.length; vm_piece_skip(&rest, rest.length > 0))
        if (vm_piece_is(vm_piece_until(&rest, ","), vm_process_program()))
            return true;
    return false;
}

static bool add_text(const char *text)
{
    for (; *text; text++) {
        if (path_length + 1 >= sizeof path)
            return false;
        path[path_length++] = *text;
    }
    path[path_length] = '\0';
    return true;
}

static bool add_process(void)
{
    struct message number = {0};
    vm_message_signed(&number, vm_process_id());
    number.text[number.length] = '\0';
    return add_text(number.text);
}

/* What stands behind a %. */
static bool add_sign(char sign)
{
    switch (sign) {
    case 'p':
        return add_process();
    case 'e':
        return add_text(vm_process_program());
    case '%':
        return add_text("%");
    default:
        return false;
    }
}

/* The path, from the pattern. `wrong`: the place in the pattern that is none. */
static bool expand(size_t *wrong)
{
    path_length = 0;
    for (size_t i = 0; pattern[i]; i++) {
        const char here[2] = {pattern[i], '\0'};
        *wrong = i;
        if (i >= name_start && here[0] == '%' ? !add_sign(pattern[++i]) : !add_text(here))
            return false;
    }
    return true;
}

/* Whether each process has a file of its own by the name alone. */
static bool has_process_in_name(void)
{
    for (const char *at = pattern + name_start; *at; at++)
        if (*at == '%' && *++at == 'p')
            return true;
    return false;
}

/* --- the file ------------------------------------------------------------------------------------------- */

enum claim { CLAIMED, CLAIM_BUSY, CLAIM_REFUSED };

/* Makes the file empty, if it is new, or an old trace that nobody is writing. */
static enum claim claim(void)
{
    struct vm_trace_head old;
    const long n = vm_window_read(path, &old, sizeof old);
    if (n == 0)
        return CLAIMED;
    if (n != (long)sizeof old || __builtin_memcmp(old.magic, VM_TRACE_MAGIC, sizeof old.magic) != 0)
        return CLAIM_REFUSED;
    const long writer = (long)old.process;
    if (!old.x_is_over && writer != vm_process_id() && vm_window_is_process(writer))
        return CLAIM_BUSY;
    return vm_window_clear(path) ? CLAIMED : CLAIM_REFUSED;
}

static bool claim_beside(void)
{
    return add_text(".") && add_process() && claim() == CLAIMED;
}

const char *vm_trace_claim(const char *name, struct scan_complaint *complaint)
{
    size_t wrong;
    *complaint =
        (struct scan_complaint){1, 1, "a file for a trace: a new one, or one that holds an old trace"};
    if (!vm_window_path(pattern, name))
        return NULL;
    name_start = __builtin_strlen(pattern) - __builtin_strlen(name);
    if (!expand(&wrong)) {
        if (pattern[wrong] == '%')
            *complaint = (struct scan_complaint){1, (unsigned)(wrong - name_start) + 1, "%p, %e or %%"};
        return NULL;
    }
    const enum claim first = claim();
    return first == CLAIMED || (first == CLAIM_BUSY && claim_beside()) ? path : NULL;
}

const char *vm_trace_claim_in_child(void)
{
    size_t wrong;
    if (!expand(&wrong))
        return NULL;
    return (has_process_in_name() ? claim() == CLAIMED : claim_beside()) ? path : NULL;
}
