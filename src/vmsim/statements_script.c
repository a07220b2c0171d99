/* SPDX-License-Identifier: MIT */
/* statements_script.c - variables, loops, what a script expects, and what it prints. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "vmsim/json.h"
#include "vmsim/run.h"

/* --- variables and loops -------------------------------------------------------------------------------- */

static bool run_let(struct session *session)
{
    struct scan_word name;
    uint64_t value;
    unsigned variable;
    if (!scan_word(&session->scan, "a name", &name) || !session_variable(session, name.text, &variable))
        return false;
    if (!scan_skip(&session->scan, "="))
        return scan_fail(&session->scan, "expected =");
    if (!session_read_value(session, &value) || !scan_end_statement(&session->scan))
        return false;
    session->variable[variable].value = value;
    return true;
}

static bool run_for(struct session *session)
{
    struct scan_word name;
    uint64_t first, last, step = 1;
    unsigned variable;
    if (!scan_word(&session->scan, "a name", &name) || !session_variable(session, name.text, &variable) ||
        !session_read_value(session, &first) || !session_read_value(session, &last) ||
        (!scan_is_line_end(&session->scan) && !session_read_value(session, &step)) ||
        !scan_end_statement(&session->scan))
        return false;
    if (first > last || step == 0 || last > UINT64_MAX - step)
        return scan_fail_last(&session->scan, "a loop goes upwards, at least once, from FIRST to LAST");
    if (session->n_loops == SESSION_LOOPS_MOST)
        return scan_fail_last(&session->scan, "more than %d loops in each other", SESSION_LOOPS_MOST);
    session->loop[session->n_loops++] =
        (struct session_loop){scan_place(&session->scan), variable, last, step};
    session->variable[variable].value = first;
    return true;
}

static bool run_end(struct session *session)
{
    if (!session->n_loops)
        return scan_fail_last(&session->scan, "there is no loop to end");
    if (!scan_end_statement(&session->scan))
        return false;
    const struct session_loop *const loop = &session->loop[session->n_loops - 1];
    uint64_t *const value = &session->variable[loop->variable].value;
    *value += loop->step;
    if (*value <= loop->last)
        session->scan.here = loop->body;
    else
        session->n_loops--;
    return true;
}

static bool run_if(struct session *session)
{
    uint64_t value;
    if (!session_read_value(session, &value))
        return false;
    if (scan_skip_word(&session->scan, "for") || scan_skip_word(&session->scan, "end"))
        return scan_fail_last(&session->scan, "a loop neither begins nor ends behind an if");
    if (value)
        return run_statement(session);
    scan_skip_line(&session->scan);
    return true;
}

/* --- expectations --------------------------------------------------------------------------------------- */

static void complain_missed(struct session *session, struct scan_place place,
                            const struct expression_sides *sides)
{
    const struct scan *const scan = &session->scan;
    session->n_missed++;
    fflush(stdout);
    fprintf(stderr, "%s:%u:%u: not as expected: %.*s", scan->name, place.line, scan_column(place),
            (int)(scan->here.at - place.at), place.at);
    if (sides->is_known)
        fprintf(stderr, ": %" PRIu64 " (0x%" PRIx64 ") and %" PRIu64 " (0x%" PRIx64 ")", sides->left,
                sides->left, sides->right, sides->right);
    fputc('\n', stderr);
}

static bool run_expect(struct session *session)
{
    uint64_t value;
    struct expression_sides sides;
    const struct scan_place place = scan_place(&session->scan);
    if (!session_read_compared(session, &value, &sides) || !scan_end_statement(&session->scan))
        return false;
    session->n_expected++;
    if (!value)
        complain_missed(session, place, &sides);
    return true;
}

static bool run_refuse(struct session *session)
{
    struct scan_word why;
    if (!scan_word(&session->scan, "an error", &why))
        return false;
    const struct scan_place place = scan_place(&session->scan);
    if (!run_statement(session))
        return false;
    session->n_expected++;
    if (!session->refusal || strcmp(session->refusal, why.text) != 0) {
        complain_missed(session, place, &(struct expression_sides){0});
        fprintf(stderr, "  wanted %s, got %s\n", why.text,
                session->refusal ? session->refusal : "no refusal");
    }
    session->refusal = NULL;
    return true;
}

static bool run_check(struct session *session)
{
    if (session->machine)
        vk_machine_check(session->machine);
    else
        vk_check(session->flat);
    return scan_end_statement(&session->scan);
}

/* --- output --------------------------------------------------------------------------------------------- */

static void write_text(void *context, const char *text, size_t length)
{
    (void)context;
    fwrite(text, 1, length, stdout);
}

static void write_json(void *context, const char *text, size_t length)
{
    (void)context;
    json_print(text, length);
}

static void report_maps(struct session *session, const struct vk_writer *writer)
{
    vk_report_maps(session->mm, writer);
}

static void report_pmap(struct session *session, const struct vk_writer *writer)
{
    vk_report_pmap(session->mm, writer);
}

static void report_status(struct session *session, const struct vk_writer *writer)
{
    vk_report_status(session->mm, writer);
}

static void report_buddyinfo(struct session *session, const struct vk_writer *writer)
{
    if (session->machine)
        vk_machine_report_buddyinfo(session->machine, writer);
    else
        vk_report_buddyinfo(session->flat, writer);
}

static void report_zoneinfo(struct session *session, const struct vk_writer *writer)
{
    vk_machine_report_zoneinfo(session->machine, writer);
}

static void report_vmstat(struct session *session, const struct vk_writer *writer)
{
    vk_machine_report_vmstat(session->machine, writer);
}

static void report_slabinfo(struct session *session, const struct vk_writer *writer)
{
    vk_machine_report_slabinfo(session->machine, writer);
}

static void report_vmallocinfo(struct session *session, const struct vk_writer *writer)
{
    vk_machine_report_vmallocinfo(session->machine, writer);
}

static void report_plan(struct session *session, const struct vk_writer *writer)
{
    vk_machine_report_plan(session->machine, writer);
}

static void report_finding(struct session *session, const struct vk_writer *writer)
{
    vk_machine_report_finding(session->machine, writer);
}

/* Whom the kernel ended last for want of memory. */
static void report_victim(struct session *session, const struct vk_writer *writer)
{
    const struct vk_mm *const victim = vk_memory_counts(session->machine).victim;
    for (unsigned i = 0; i < session->n_processes; i++)
        if (session->process[i].mm == victim) {
            const char *const name = session->process[i].name.text;
            writer->write(writer->context, "out of memory: ended ", 21);
            writer->write(writer->context, name, strlen(name));
            writer->write(writer->context, "\n", 1);
        }
}

static const struct {
    const char *name;
    enum statement_needs needs;
    void (*report)(struct session *session, const struct vk_writer *writer);
} reports[] = {
    {"maps", NEEDS_MM, report_maps},
    {"pmap", NEEDS_MM, report_pmap},
    {"status", NEEDS_MM, report_status},
    {"buddyinfo", NEEDS_MACHINE, report_buddyinfo},
    {"zoneinfo", NEEDS_PAGING, report_zoneinfo},
    {"vmstat", NEEDS_PAGING, report_vmstat},
    {"slabinfo", NEEDS_PAGING, report_slabinfo},
    {"vmallocinfo", NEEDS_PAGING, report_vmallocinfo},
    {"finding", NEEDS_PAGING, report_finding},
    {"victim", NEEDS_PAGING, report_victim},
    {"plan", NEEDS_PAGING, report_plan},
};

static bool run_print(struct session *session)
{
    struct scan_word name;
    const struct vk_writer writer = {session->is_json ? write_json : write_text, NULL};
    const unsigned line = session->scan.here.line;
    if (!scan_word(&session->scan, "a report", &name) || !scan_end_statement(&session->scan))
        return false;
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
        if (strcmp(reports[i].name, name.text) != 0)
            continue;
        if (!run_has(session, reports[i].needs))
            return false;
        if (session->is_json)
            printf("{\"line\": %u, \"report\": \"%s\", \"text\": \"", line, name.text);
        reports[i].report(session, &writer);
        if (session->is_json)
            puts("\"}");
        return true;
    }
    return scan_fail_last(&session->scan, "expected maps, pmap, status, buddyinfo, zoneinfo, vmstat, "
                                          "slabinfo, vmallocinfo, finding, victim or plan");
}

static bool run_show(struct session *session)
{
    uint64_t value;
    const unsigned line = session->scan.here.line;
    const bool is_hexadecimal = scan_skip_word(&session->scan, "hex");
    const char *const start = scan_place(&session->scan).at;
    if (!session_read_value(session, &value))
        return false;
    const size_t length = (size_t)(session->scan.here.at - start);
    if (!scan_end_statement(&session->scan))
        return false;
    if (session->is_json) {
        printf("{\"line\": %u, \"show\": \"", line);
        json_print(start, length);
        printf(is_hexadecimal ? "\", \"value\": \"0x%" PRIx64 "\"}\n" : "\", \"value\": %" PRIu64 "}\n",
               value);
    } else {
        printf(is_hexadecimal ? "%.*s = 0x%" PRIx64 "\n" : "%.*s = %" PRIu64 "\n", (int)length, start, value);
    }
    return true;
}

static bool run_say(struct session *session)
{
    const char *text;
    size_t length;
    const unsigned line = session->scan.here.line;
    if (!scan_text(&session->scan, &text, &length) || !scan_end_statement(&session->scan))
        return false;
    if (session->is_json)
        printf("{\"line\": %u, \"say\": \"", line);
    (session->is_json ? write_json : write_text)(NULL, text, length);
    puts(session->is_json ? "\"}" : "");
    return true;
}

const struct statement statements_script[] = {
    {"let", NEEDS_NOTHING, run_let, "NAME = VALUE"},
    {"for", NEEDS_NOTHING, run_for, "NAME FIRST LAST [STEP]: what follows, up to `end`, for each value"},
    {"end", NEEDS_NOTHING, run_end, ""},
    {"if", NEEDS_NOTHING, run_if, "VALUE STATEMENT: does it if VALUE is not 0"},
    {"expect", NEEDS_NOTHING, run_expect, "VALUE: it is not 0"},
    {"refuse", NEEDS_NOTHING, run_refuse,
     "ERROR STATEMENT: the kernel refuses it so: eperm, eagain, enomem, efault, ebusy, eexist, einval, segv, "
     "oom, "
     "killed"},
    {"check", NEEDS_MACHINE, run_check,
     "verifies every structure of the machine; a damaged one ends the program"},
    {"print", NEEDS_NOTHING, run_print,
     "maps|pmap|status|buddyinfo|zoneinfo|vmstat|slabinfo|vmallocinfo|finding|victim|plan"},
    {"show", NEEDS_NOTHING, run_show, "[hex] VALUE"},
    {"say", NEEDS_NOTHING, run_say, "\"TEXT\""},
    {0},
};
