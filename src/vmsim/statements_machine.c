/* SPDX-License-Identifier: MIT */
/* statements_machine.c - machines, the address spaces on them, the programs in these, and the kernel's own frames. */
#include <string.h>
#include "vmsim/image.h"
#include "vmsim/run.h"

bool run_read_options(struct session *session, const struct run_option *options, size_t n_options)
{
    struct scan *const scan = &session->scan;
    while (!scan_is_line_end(scan)) {
        struct scan_word key;
        size_t i = 0;
        if (!scan_word(scan, "an option", &key))
            return false;
        while (i < n_options && strcmp(options[i].key, key.text) != 0)
            i++;
        if (i == n_options)
            return scan_fail_last(scan, "there is no option %s here", key.text);
        if (options[i].flag)
            *options[i].flag = true;
        else if ((!scan_skip(scan, "=") && !scan_fail(scan, "expected =")) ||
                 !session_read_value(session, options[i].value))
            return false;
    }
    return true;
}

/* --- machines ------------------------------------------------------------------------------------------- */

/* An option's value as the kernel takes it; one that is too large for it is too large for every rule there. */
static unsigned narrow(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (unsigned)value;
}

/* 0: those of the layout. */
static bool choose_pages(struct session *session, uint64_t page_bytes)
{
    if (!page_bytes)
        return true;
    if (page_bytes < 4096 || page_bytes > 65536 || (page_bytes & (page_bytes - 1)))
        return scan_fail_last(&session->scan, "pages have 4K to 64K, a power of two");
    vk_preset_resize(&session->preset, (unsigned)__builtin_ctzll(page_bytes));
    return true;
}

static bool run_machine(struct session *session)
{
    struct scan_word name;
    uint64_t ram = 64 << 20, boot = 0, cpus = 1, tlb = 0, ways = 0, batch = 0, high = 0, min_free = 0,
             seed = 0, swap = 0, cma = 0, page = 0;
    bool has_no_lists = false, keeps_stamps = false, is_legacy = false;
    const struct run_option options[] = {
        {"ram", &ram, NULL},
        {"page", &page, NULL},
        {"boot", &boot, NULL},
        {"cpus", &cpus, NULL},
        {"tlb", &tlb, NULL},
        {"ways", &ways, NULL},
        {"batch", &batch, NULL},
        {"high", &high, NULL},
        {"min_free", &min_free, NULL},
        {"swap", &swap, NULL},
        {"cma", &cma, NULL},
        {"seed", &seed, NULL},
        {"nolists", NULL, &has_no_lists},
        {"stamps", NULL, &keeps_stamps},
        {"legacy", NULL, &is_legacy},
    };
    if (!scan_name(&session->scan, "a layout", &name))
        return false;
    if (!vk_preset_find(name.text, &session->preset))
        return scan_fail_last(&session->scan, "there is no layout %s; `vmsim layout all` lists them",
                              name.text);
    if (!run_read_options(session, options, sizeof options / sizeof *options) || !choose_pages(session, page))
        return false;
    session_drop_machine(session);
    const enum vk_layout layout = is_legacy ? VK_BOTTOM_UP : VK_TOP_DOWN;
    if (!session->preset.n_levels) {
        session_note_error(session, session_make_flat(session, ram, layout));
        return true;
    }
    const struct vk_machine_config config = {
        .ram_bytes = ram,
        .boot_bytes = boot,
        .cma_bytes = cma,
        .n_cpus = narrow(cpus),
        .tlb_entries = narrow(tlb),
        .tlb_ways = narrow(ways),
        .cpu_batch = has_no_lists ? VK_NO_CPU_LISTS : narrow(batch),
        .cpu_high = narrow(high),
        .min_free_kib = narrow(min_free >> 10),
        .swap_bytes = swap,
        .keep = keeps_stamps ? VK_KEEP_STAMPS : VK_KEEP_BYTES,
        .layout = layout,
        .seed = seed,
    };
    session_note_error(session, session_make_machine(session, &config));
    return true;
}

static bool run_cpu(struct session *session)
{
    uint64_t cpu;
    if (!session_read_value(session, &cpu) || !scan_end_statement(&session->scan))
        return false;
    session_note_error(session, vk_machine_run_on(session->machine, narrow(cpu)));
    return true;
}

/* --- address spaces ------------------------------------------------------------------------------------- */

static struct session_process *find_process(struct session *session, const char *name)
{
    for (unsigned i = 0; i < session->n_processes; i++)
        if (strcmp(session->process[i].name.text, name) == 0)
            return &session->process[i];
    return NULL;
}

static bool run_process(struct session *session)
{
    struct scan_word name;
    if (!scan_word(&session->scan, "a name", &name) || !scan_end_statement(&session->scan))
        return false;
    if (find_process(session, name.text))
        return scan_fail_last(&session->scan, "there is a process %s already", name.text);
    if (session->n_processes == SESSION_PROCESSES_MOST)
        return scan_fail_last(&session->scan, "more than %d processes", SESSION_PROCESSES_MOST);
    struct vk_mm *mm;
    session_note_error(session, vk_mm_create(session->machine, &mm));
    if (session->refusal)
        return true;
    session->process[session->n_processes++] = (struct session_process){name, mm};
    session->mm = mm;
    return true;
}

static bool run_use(struct session *session)
{
    struct scan_word name;
    if (!scan_word(&session->scan, "the name of a process", &name))
        return false;
    const struct session_process *const process = find_process(session, name.text);
    if (!process)
        return scan_fail_last(&session->scan, "there is no process %s", name.text);
    session->mm = process->mm;
    return scan_end_statement(&session->scan);
}

static bool run_attach(struct session *session)
{
    session->result = vk_mm_attach(session->mm);
    return scan_end_statement(&session->scan);
}

static bool run_detach(struct session *session)
{
    if (!scan_end_statement(&session->scan))
        return false;
    session->result = vk_mm_detach(session->mm);
    if (session->result)
        return true;
    for (unsigned i = 0; i < session->n_processes; i++)
        if (session->process[i].mm == session->mm)
            session->process[i] = session->process[--session->n_processes];
    session->mm = NULL;
    return true;
}

/* --- programs ------------------------------------------------------------------------------------------- */

enum { TEXT, DATA, N_PARTS };

/* Text, and behind it data and what has no bytes in the file, on pages of their own. Returns how many there are. */
static unsigned make_segments(const struct session *session, struct vk_segment segments[N_PARTS],
                              uint64_t start, uint64_t text, uint64_t data, uint64_t bss)
{
    const uint64_t page = UINT64_C(1) << session->preset.page_shift;
    unsigned n = 0;
    if (text)
        segments[n++] = (struct vk_segment){start, text, text, VK_PROT_READ | VK_PROT_EXEC};
    start += (text + page - 1) & -page;
    if (data || bss)
        segments[n++] = (struct vk_segment){start, data, data + bss, VK_PROT_READ | VK_PROT_WRITE};
    return n;
}

static bool run_library(struct session *session)
{
    struct scan_word name;
    uint64_t text = 0, data = 0;
    const struct run_option options[] = {{"text", &text, NULL}, {"data", &data, NULL}};
    if (session->n_libraries == VK_LIBRARIES_MOST)
        return scan_fail_last(&session->scan, "more than %d libraries", VK_LIBRARIES_MOST);
    if (!scan_name(&session->scan, "a name", &name) || !run_read_options(session, options, 2))
        return false;
    struct session_library *const library = &session->library[session->n_libraries++];
    *library = (struct session_library){.name = name};
    make_segments(session, library->segment, 0, text, data, 0);
    return true;
}

static void exec(struct session *session, const struct vk_image *program, uint64_t argument_bytes)
{
    struct vk_image libraries[VK_LIBRARIES_MOST];
    for (unsigned i = 0; i < session->n_libraries; i++) {
        const struct session_library *const library = &session->library[i];
        const unsigned n = (library->segment[0].bytes ? 1U : 0U) + (library->segment[1].bytes ? 1U : 0U);
        libraries[i] = (struct vk_image){library->name.text, library->segment, n, true};
    }
    const struct vk_exec wanted = {*program, libraries, session->n_libraries, (size_t)argument_bytes};
    session->n_libraries = 0;
    session_note_error(session, vk_exec(session->mm, &wanted));
}

static bool run_exec(struct session *session)
{
    struct scan_word name;
    uint64_t text = 0, data = 0, bss = 0, arguments = 1024;
    bool is_movable = false;
    const struct run_option options[] = {
        {"text", &text, NULL},           {"data", &data, NULL},          {"bss", &bss, NULL},
        {"arguments", &arguments, NULL}, {"movable", NULL, &is_movable},
    };
    if (!scan_name(&session->scan, "a name", &name) ||
        !run_read_options(session, options, sizeof options / sizeof *options))
        return false;
    struct vk_segment segments[N_PARTS];
    const uint64_t start = is_movable ? 0 : session->preset.text_start;
    const unsigned n = make_segments(session, segments, start, text, data, bss);
    exec(session, &(struct vk_image){name.text, segments, n, is_movable}, arguments);
    return true;
}

static bool run_load_elf(struct session *session)
{
    struct scan_word path;
    struct image image;
    uint64_t arguments = 1024;
    const struct run_option options[] = {{"arguments", &arguments, NULL}};
    if (!scan_name(&session->scan, "a path", &path) || !run_read_options(session, options, 1))
        return false;
    const char *const why =
        session->reads_no_files ? "no files are read here" : image_read(path.text, &image);
    if (why)
        return scan_fail_last(&session->scan, "%s: %s", path.text, why);
    exec(session, &(struct vk_image){path.text, image.segment, image.n_segments, image.is_movable},
         arguments);
    return true;
}

/* --- frames --------------------------------------------------------------------------------------------- */

static bool run_alloc(struct session *session)
{
    static const char *const zones[] = {"dma", "dma32", "normal", "highmem"};
    struct scan_word name, zone;
    uint64_t order, frame;
    enum vk_from from = VK_FROM_NORMAL;
    unsigned variable;
    if (!scan_word(&session->scan, "a name", &name) || !session_variable(session, name.text, &variable) ||
        !session_read_value(session, &order))
        return false;
    if (!scan_is_line_end(&session->scan)) {
        if (!scan_word(&session->scan, "a zone", &zone))
            return false;
        for (from = VK_FROM_DMA; from <= VK_FROM_HIGHMEM && strcmp(zones[from], zone.text) != 0;)
            from++;
        if (from > VK_FROM_HIGHMEM)
            return scan_fail_last(&session->scan, "expected dma, dma32, normal or highmem");
    }
    if (!scan_end_statement(&session->scan))
        return false;
    session_note_error(session, vk_frames_take(session->machine, narrow(order), from, &frame));
    if (!session->refusal)
        session->result = session->variable[variable].value = frame;
    return true;
}

static bool run_free(struct session *session)
{
    uint64_t frame;
    if (!session_read_value(session, &frame) || !scan_end_statement(&session->scan))
        return false;
    session_note_error(session, vk_frames_give(session->machine, frame));
    return true;
}

static bool run_drain(struct session *session)
{
    vk_frames_drain(session->machine);
    return scan_end_statement(&session->scan);
}

const struct statement statements_machine[] = {
    {"machine", NEEDS_NOTHING, run_machine,
     "LAYOUT, a new one: [page=BYTES] [ram=BYTES] [boot=BYTES] [cpus=N] [tlb=ENTRIES] [ways=N] [batch=N] "
     "[high=N] "
     "[nolists]\n"
     "                [min_free=BYTES] [swap=BYTES] [cma=BYTES] [seed=N] [stamps] [legacy]"},
    {"cpu", NEEDS_PAGING, run_cpu, "N: the processor that acts from now on"},
    {"process", NEEDS_PAGING, run_process, "NAME: an empty address space, which is used from now on"},
    {"use", NEEDS_PAGING, run_use, "NAME"},
    {"attach", NEEDS_PAGED_MM, run_attach, "one user more; result is how many there are"},
    {"detach", NEEDS_PAGED_MM, run_detach, "one less; with the last one the process is gone"},
    {"library", NEEDS_PAGED_MM, run_library, "NAME [text=BYTES] [data=BYTES]: for the next exec"},
    {"exec", NEEDS_PAGED_MM, run_exec,
     "NAME [text=BYTES] [data=BYTES] [bss=BYTES] [arguments=BYTES] [movable]"},
    {"elf", NEEDS_PAGED_MM, run_load_elf, "PATH [arguments=BYTES]: the program in that file"},
    {"alloc", NEEDS_PAGING, run_alloc,
     "NAME ORDER [dma|dma32|normal|highmem]: frames for the kernel; NAME is the first"},
    {"free", NEEDS_PAGING, run_free, "FRAME"},
    {"drain", NEEDS_PAGING, run_drain, "gives back what is kept for processors"},
    {0},
};
