/* SPDX-License-Identifier: MIT */
/*
 * demos.c - the four demo programs. Each is what docs/examples has as a program for a real kernel: the calls of malloc and of
 * the kernel are the same, and what the program writes is told to the machine.
 */
#include "vmsim/demo.h"
#include <string.h>
#include "vmalloc/machine.h"
#include "vmalloc/vmalloc.h"
#include "vmsim/machine.h"
#include "vmsim/rows.h"

enum { KIB = 1024, MIB = 1024 * 1024 };
enum { STREAM_BYTES = 1024 }; /* the buffer of standard output, which printf takes from malloc */
enum { ARRAY_OFFSET = 0x80, ARRAY_BYTES = 64 * KIB };

const struct machine_program demo_program = {
    .text_bytes = 16 * KIB, .data_bytes = ARRAY_OFFSET + ARRAY_BYTES, .bss_bytes = 8 * KIB};

/* --- what the programs ask ------------------------------------------------------------------------------ */

static int64_t break_now(void)
{
    return (int64_t)vk_brk(machine_mm(), 0);
}

/* Where the break was, 0 if it cannot be moved. */
static int64_t move_break(int64_t bytes)
{
    const vk_va before = vk_brk(machine_mm(), 0), wanted = before + (vk_va)bytes;
    return vk_brk(machine_mm(), wanted) == wanted ? (int64_t)before : 0;
}

/* A block, and what the allocator wrote to serve it. */
static void *allocate(size_t bytes)
{
    void *const block = vm_malloc(bytes);
    machine_look();
    return block;
}

static int64_t place_of(const void *block)
{
    return (int64_t)machine_place(block);
}

static bool is_in_heap(const void *block)
{
    const struct vk_usage usage = vk_usage(machine_mm());
    return machine_place(block) >= usage.break_start && machine_place(block) < usage.break_end;
}

static int64_t resident_pages(void)
{
    return (int64_t)vk_usage(machine_mm()).resident_pages;
}

struct lines {
    const struct rows *rows;
    const char *wanted; /* only lines that have this; NULL: all */
};

static void put_line(void *context, const char *text, size_t length)
{
    const struct lines *const lines = context;
    if (!lines->wanted || memmem(text, length, lines->wanted, strlen(lines->wanted)))
        rows_text(lines->rows, text, length);
}

static void put_maps(const struct rows *rows, const char *wanted)
{
    struct lines lines = {rows, wanted};
    vk_report_maps(machine_mm(), &(struct vk_writer){.write = put_line, .context = &lines});
}

/* --- threshold ------------------------------------------------------------------------------------------ */

/* What is asked for, in turn, and whether it is to be in the heap. */
struct block {
    int64_t n_kib;
    bool is_in_heap;
};

static bool put_block(const struct rows *rows, const struct block *wanted)
{
    const void *const block = allocate((size_t)wanted->n_kib * KIB);
    const bool is_heap = block && is_in_heap(block);
    rows_put(rows, (union rows_cell[]){{.word = "malloc"},
                                       {.number = wanted->n_kib},
                                       {.number = block ? place_of(block) : 0},
                                       {.word = is_heap ? "heap" : "mapping"},
                                       {.number = break_now()}});
    return block && is_heap == wanted->is_in_heap;
}

static bool put_blocks(const struct rows *rows, const struct block *wanted, size_t n)
{
    bool is_right = true;
    for (size_t i = 0; i < n; i++)
        is_right &= put_block(rows, &wanted[i]);
    return is_right;
}

static bool run_threshold(bool is_json)
{
    const struct rows rows = {"threshold",
                              is_json,
                              5,
                              {{"call", "", -8, ROWS_WORD},
                               {"kib", "KiB", 4, ROWS_NUMBER},
                               {"address", "address", 14, ROWS_ADDRESS},
                               {"where", "where", -8, ROWS_WORD},
                               {"heap_end", "end of the heap", 15, ROWS_ADDRESS}}};
    static const struct block small[] = {{STREAM_BYTES / KIB, true}, {32, true}, {64, true}, {127, true}};
    static const struct block large[] = {{128, false}, {128, false}}, lower[] = {{64, false}, {127, false}};
    rows_head(&rows);
    bool is_right = put_blocks(&rows, small, sizeof small / sizeof *small);
    const int64_t end = break_now();
    is_right &= put_blocks(&rows, large, sizeof large / sizeof *large);
    const int done = vm_mallopt(VM_M_MMAP_THRESHOLD, 64 * KIB);
    rows_put(&rows,
             (union rows_cell[]){
                 {.word = "mallopt"}, {.number = 64}, {0}, {.word = done ? "accepted" : "refused"}, {0}});
    is_right &= put_blocks(&rows, lower, sizeof lower / sizeof *lower);
    return is_right && done && break_now() == end;
}

/* --- rss ------------------------------------------------------------------------------------------------ */

static bool put_written(const struct rows *rows, int64_t n_kib, int64_t n_kib_written)
{
    const int64_t before = resident_pages(), faults = (int64_t)vk_paging(machine_mm()).n_minor;
    char *const block = allocate((size_t)n_kib * KIB);
    const int64_t allocated = resident_pages();
    if (!block)
        return false;
    machine_touch(block, (size_t)n_kib_written * KIB, true);
    const int64_t written = resident_pages();
    rows_put(rows, (union rows_cell[]){{.number = n_kib},
                                       {.number = n_kib_written},
                                       {.number = place_of(block)},
                                       {.number = allocated - before},
                                       {.number = written - allocated},
                                       {.number = (int64_t)vk_paging(machine_mm()).n_minor - faults}});
    const int64_t page = (int64_t)machine_page_bytes();
    return written - allocated == (n_kib_written * KIB + page - 1) / page;
}

static bool run_rss(bool is_json)
{
    const struct rows rows = {"rss",
                              is_json,
                              6,
                              {{"kib", "malloc, KiB", 11, ROWS_NUMBER},
                               {"kib_written", "written", 7, ROWS_NUMBER},
                               {"address", "address", 14, ROWS_ADDRESS},
                               {"pages_by_malloc", "pages by malloc", 15, ROWS_CHANGE},
                               {"pages_by_writing", "by writing", 10, ROWS_CHANGE},
                               {"faults", "faults", 6, ROWS_NUMBER}}};
    vm_free(allocate(32 * KIB)); /* what is needed once is there before we count */
    rows_head(&rows);
    bool is_right = put_written(&rows, 32, 0);
    is_right &= put_written(&rows, 64, 1);
    is_right &= put_written(&rows, 127, 5);
    is_right &= put_written(&rows, 64, 7);
    return is_right;
}

/* --- layout --------------------------------------------------------------------------------------------- */

static void put_end(const struct rows *rows, const char *when)
{
    rows_put(rows, (union rows_cell[]){{.word = when},
                                       {.number = break_now()},
                                       {.number = (int64_t)vm_mallinfo2().keepcost}});
}

/* The trim rule: no more stays free at the end than M_TRIM_THRESHOLD, or M_TOP_PAD and a byte. */
static bool put_ends(bool is_json)
{
    const struct rows rows = {"heap_end",
                              is_json,
                              3,
                              {{"when", "", -26, ROWS_WORD},
                               {"heap_end", "end of the heap", 15, ROWS_ADDRESS},
                               {"free", "bytes free there", 16, ROWS_NUMBER}}};
    if (!is_json)
        rows_text(&rows, "\n", 1);
    rows_head(&rows);
    put_end(&rows, "before");
    void *const first = allocate(127 * KIB);
    put_end(&rows, "after malloc(127 KiB)");
    void *const second = allocate(127 * KIB);
    put_end(&rows, "after another one");
    vm_free(first);
    vm_free(second);
    put_end(&rows, "after free of both");
    return first && second && vm_mallinfo2().keepcost <= 128 * KIB;
}

static bool run_layout(bool is_json)
{
    const struct rows rows = {
        "layout", is_json, 2, {{"what", "", -26, ROWS_WORD}, {"address", "address", 15, ROWS_ADDRESS}}};
    const struct vk_paging paging = vk_paging(machine_mm());
    const void *const small = allocate(1000), *const large = allocate(1000 * KIB);
    const struct {
        const char *what;
        int64_t address;
    } things[] = {
        {"main, code", (int64_t)paging.text_start + 4 * KIB},
        {"a 64 KiB array, data", (int64_t)paging.data_start + ARRAY_OFFSET},
        {"a zero global, bss", (int64_t)paging.data_end + 32},
        {"malloc(1000), heap", place_of(small)},
        {"malloc(1000 KiB), mapped", place_of(large)},
        {"a local variable, stack", (int64_t)paging.argument_start - 256},
    };
    bool is_ascending = true;
    rows_head(&rows);
    for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
        rows_put(&rows, (union rows_cell[]){{.word = things[i].what}, {.number = things[i].address}});
        is_ascending &= i == 0 || things[i - 1].address < things[i].address;
    }
    const bool is_right = put_ends(is_json);
    if (!is_json)
        rows_text(&rows, "\n", 1);
    put_maps(&rows, NULL);
    return is_right && is_ascending;
}

/* --- sbrk ----------------------------------------------------------------------------------------------- */

static void put_step(const struct rows *rows, const char *what, int64_t address, int64_t bytes)
{
    rows_put(rows, (union rows_cell[]){{.word = what}, {.number = address}, {.number = bytes}});
}

/* The program, with a malloc that takes its first piece of the heap by `take_first`. */
static bool raise_and_lower(bool is_json, bool (*take_first)(void))
{
    const struct rows rows = {"sbrk",
                              is_json,
                              3,
                              {{"step", "", -38, ROWS_WORD},
                               {"break", "break", 14, ROWS_ADDRESS},
                               {"bytes", "bytes", 9, ROWS_DISTANCE}}};
    rows_head(&rows);
    const int64_t first = break_now();
    put_step(&rows, "at the start", first, 0);
    const bool is_taken = take_first();
    const int64_t mine = break_now();
    put_step(&rows, "after the first printf, malloc's piece", mine, mine - first);
    const bool is_raised = move_break(MIB) == mine;
    put_step(&rows, "after sbrk(0x100000)", break_now(), break_now() - mine);
    put_maps(&rows, "[heap]");
    const int64_t heap = (int64_t)vk_usage(machine_mm()).break_start;
    put_step(&rows, "the heap, from its start to the break", heap, break_now() - heap);
    const bool is_explained = break_now() - heap == MIB + (mine - first);
    const bool is_lowered = move_break(-MIB) == mine + MIB;
    put_step(&rows, "after sbrk(-0x100000)", break_now(), break_now() - mine - MIB);
    return is_taken && is_raised && is_explained && is_lowered && break_now() == mine;
}

static bool take_as_vmalloc(void)
{
    return allocate(STREAM_BYTES);
}

/* The block with its header, what stays in reserve, and the least chunk behind, in whole pages. */
static bool take_as_glibc(void)
{
    enum { HEADER = 16, TOP_PAD = 128 * KIB, LEAST_CHUNK = 32 };
    const int64_t page = (int64_t)machine_page_bytes();
    const int64_t bytes = STREAM_BYTES + HEADER + TOP_PAD + LEAST_CHUNK;
    return move_break((bytes + page - 1) / page * page) != 0;
}

static bool run_sbrk(bool is_json)
{
    return raise_and_lower(is_json, take_as_vmalloc);
}

static bool run_sbrk_glibc(bool is_json)
{
    return raise_and_lower(is_json, take_as_glibc);
}

const struct demo demos[] = {
    {"threshold", "the heap or a mapping", run_threshold},
    {"rss", "the memory that blocks take", run_rss},
    {"layout", "where everything is, and how the heap ends", run_layout},
    {"sbrk", "a program moves the break itself, under vmalloc", run_sbrk},
    {"sbrk", "the same where malloc takes its first piece by glibc's rule", run_sbrk_glibc},
    {0},
};
