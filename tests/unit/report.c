/* SPDX-License-Identifier: MIT */
/* report.c - messages: what is appended, what is cut, where they go. */
#include "base/report.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "unit.h"

static char sent[1024];
static size_t n_sent_bytes;
static unsigned n_sent;

static void take_message(const char *text, size_t length)
{
    assert_true(length < sizeof sent);
    memcpy(sent, text, length);
    sent[length] = 0;
    n_sent_bytes = length;
    n_sent++;
}

static void assert_text(const struct message *message, const char *expected)
{
    assert_int_equal(message->length, strlen(expected));
    assert_memory_equal(message->text, expected, message->length);
}

static void appends(void **state)
{
    (void)state;
    struct message message = {0};
    vm_message_text(&message, "");
    assert_text(&message, "");
    vm_message_text(&message, "free(");
    vm_message_address(&message, (void *)(uintptr_t)0xdeadbeef10);
    vm_message_text(&message, ") ");
    vm_message_unsigned(&message, 0);
    vm_message_text(&message, " ");
    vm_message_signed(&message, -7);
    assert_text(&message, "free(0xdeadbeef10) 0 -7");
}

static void numbers(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (unsigned round = 0; round < 5000; round++) {
        const uint64_t value = round == 0   ? 0
                               : round == 1 ? UINT64_MAX
                                            : unit_random(&seed) >> unit_below(&seed, 64);
        const unsigned width = (unsigned)unit_below(&seed, 25);
        char expected[200];
        snprintf(expected, sizeof expected, "%" PRIu64 "|%" PRId64 "|%*" PRIu64 "|0x%" PRIxPTR, value,
                 (int64_t)value, (int)width, value, (uintptr_t)value);
        struct message message = {0};
        vm_message_unsigned(&message, value);
        vm_message_text(&message, "|");
        vm_message_signed(&message, (int64_t)value);
        vm_message_text(&message, "|");
        vm_message_padded(&message, value, width);
        vm_message_text(&message, "|");
        vm_message_address(&message, (void *)(uintptr_t)value);
        assert_text(&message, expected);
    }
    struct message message = {0};
    vm_message_signed(&message, INT64_MIN);
    vm_message_signed(&message, INT64_MAX);
    vm_message_address(&message, NULL);
    assert_text(&message, "-92233720368547758089223372036854775807"
                          "0x0");
}

static void truncation(void **state)
{
    (void)state;
    struct {
        struct message message;
        unsigned char behind[64];
    } guarded = {0};
    memset(guarded.behind, 0xa5, sizeof guarded.behind);
    for (unsigned i = 0; i < 200; i++) {
        vm_message_text(&guarded.message, "seven..");
        vm_message_unsigned(&guarded.message, UINT64_MAX);
        vm_message_padded(&guarded.message, 1, 40);
        vm_message_address(&guarded.message, &guarded);
    }
    assert_int_equal(guarded.message.length, sizeof guarded.message.text);
    assert_true(unit_is_filled(guarded.behind, sizeof guarded.behind, 0xa5));
    assert_memory_equal(guarded.message.text, "seven..18446744073709551615 ", 28);
}

static void sending(void **state)
{
    (void)state;
    struct message message = {0};
    vm_message_text(&message, "one line\n");
    vm_report_sink = (struct report_sink){0};
    vm_report_send(&message); /* nobody listens: nothing happens */
    vm_report_sink = (struct report_sink){.write = take_message};
    n_sent = 0;
    vm_report_send(&message);
    assert_int_equal(n_sent, 1);
    assert_int_equal(n_sent_bytes, 9);
    assert_string_equal(sent, "one line\n");
}

static void die_of_message(void *argument)
{
    (void)argument;
    unit_report_to_stderr();
    struct message message = {0};
    vm_message_text(&message, "the last words\n");
    vm_report_fatal(&message);
}

static void die_of_check(void *argument)
{
    unit_report_to_stderr();
    VM_CHECK(argument);
}

static void die_without_sink(void *argument)
{
    vm_report_sink = (struct report_sink){0};
    VM_CHECK(argument);
}

static void endings(void **state)
{
    (void)state;
    int something;
    unit_assert_aborts(die_of_message, NULL, "the last words\n");
    unit_assert_aborts(die_of_check, NULL, "vmalloc: internal check failed: ");
    unit_assert_aborts(die_of_check, NULL, ": argument\n");
    unit_assert_returns(die_of_check, &something);
    const struct unit_outcome outcome = unit_fork(die_without_sink, NULL);
    assert_true(!outcome.exited || outcome.code != 0); /* by a trap, whatever that gives here */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends), cmocka_unit_test(numbers), cmocka_unit_test(truncation),
        cmocka_unit_test(sending), cmocka_unit_test(endings),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
