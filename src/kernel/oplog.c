/* SPDX-License-Identifier: MIT */
/* oplog.c - see oplog.h. Owns the log's file. No lock: what it remembers is set once, or is one word. */
#include "kernel/oplog.h"
#include "base/atomic.h"
#include "base/piece.h"
#include "base/report.h"

static long file = -1;
static long opener;                                   /* process that opened it */
static uintptr_t break_base, x_break_end, x_map_base; /* 0: not known yet */
static size_t x_n_lines;

/* --- opening -------------------------------------------------------------------------------------------- */

/* The name with the process number for %p; false if it is too long. */
static bool expand(struct message *path, const char *name)
{
    for (; *name; name++) {
        if (name[0] == '%' && name[1] == 'p') {
            vm_message_signed(path, vm_process_id());
            name++;
        } else {
            vm_message_text(path, (const char[2]){*name});
        }
    }
    const bool fits = path->length < sizeof path->text;
    if (fits)
        path->text[path->length] = '\0';
    return fits;
}

bool vm_oplog_open(const char *name)
{
    struct message path = {0};
    uint64_t number;
    if (vm_parse_count(vm_piece_of(name), &number))
        file = number <= INT32_MAX ? vm_process_keep_file((int)number) : -1;
    else
        file = expand(&path, name) ? vm_process_open_to_append(path.text) : -1;
    opener = vm_process_id();
    return file >= 0;
}

bool vm_oplog_is_open(void)
{
    return file >= 0;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void send(const struct message *line)
{
    if (!vm_process_write(file, line->text, line->length))
        file = -1; /* the program closed it, or there is no more room: better no log than one with holes */
}

static void begin_line(struct message *line)
{
    const long process = vm_process_id();
    if (process == opener)
        return;
    vm_message_signed(line, process);
    vm_message_text(line, ": ");
}

void vm_oplog_begin(const struct vm_kernel_backend *backend)
{
    break_base = x_break_end = backend->has_break ? (uintptr_t)backend->break_now(backend->context) : 0;
    x_map_base = 0;
    if (!vm_oplog_is_open())
        return;
    struct message line = {0};
    vm_message_text(&line, "# process ");
    vm_message_signed(&line, vm_process_id());
    vm_message_text(&line, ", backend ");
    vm_message_text(&line, backend->name);
    vm_message_text(&line, ", pages of ");
    vm_message_unsigned(&line, backend->page_size);
    vm_message_text(&line, " bytes");
    if (break_base) {
        vm_message_text(&line, ", break at ");
        vm_message_address(&line, (const void *)break_base);
    }
    vm_message_text(&line, "\n");
    send(&line);
}

static void add_offset(struct message *line, const char *base_name, uintptr_t base, uintptr_t address)
{
    vm_message_text(line, base_name);
    vm_message_text(line, address < base ? "-" : "+");
    vm_message_unsigned(line, address < base ? base - address : address - base);
}

static void add_place(struct message *line, const void *place)
{
    const uintptr_t address = (uintptr_t)place;
    if (break_base && address >= break_base && address <= vm_load_relaxed(&x_break_end))
        add_offset(line, " break", break_base, address);
    else
        add_offset(line, " map", vm_load_relaxed(&x_map_base), address);
}

static void add_result(struct message *line, const struct oplog_operation *operation)
{
    vm_message_text(line, " =");
    if (operation->result)
        add_place(line, operation->result);
    else
        vm_message_text(line, operation->done ? " done" : " refused");
    if (operation->rule) {
        vm_message_text(line, " (rule ");
        vm_message_unsigned(line, operation->rule);
        vm_message_text(line, ")");
    }
    vm_message_text(line, "\n");
}

/* Remembers what offsets count from. */
static void note_result(const struct oplog_operation *operation)
{
    const uintptr_t result = (uintptr_t)operation->result;
    uintptr_t none = 0;
    if (!result)
        return;
    if (!operation->sign)
        vm_compare_exchange(&x_map_base, &none, result);
    else if (result + operation->bytes > vm_load_relaxed(&x_break_end))
        vm_store_relaxed(&x_break_end, result + operation->bytes); /* breaks are moved one at a time */
}

void vm_oplog_write(const struct oplog_operation *operation)
{
    if (!vm_oplog_is_open())
        return;
    struct message line = {0};
    note_result(operation);
    begin_line(&line);
    vm_message_unsigned(&line, vm_fetch_add_relaxed(&x_n_lines, 1) + 1);
    vm_message_text(&line, " ");
    vm_message_text(&line, operation->name);
    vm_message_text(&line, operation->sign ? operation->sign : " ");
    vm_message_unsigned(&line, operation->bytes);
    if (operation->new_bytes) {
        vm_message_text(&line, ">");
        vm_message_unsigned(&line, operation->new_bytes);
    }
    if (operation->start)
        add_place(&line, operation->start);
    if (operation->target)
        add_place(&line, operation->target);
    if (operation->detail) {
        vm_message_text(&line, " ");
        vm_message_text(&line, operation->detail);
    }
    add_result(&line, operation);
    send(&line);
}
