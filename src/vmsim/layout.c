/* SPDX-License-Identifier: MIT */
/* layout.c - vmsim layout: where everything lies in an address space, and the numbers that follow. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "vmalloc/machine.h"
#include "vmsim/command.h"
#include "vmsim/commands.h"
#include "vmsim/json.h"

static const uint64_t STACK_BYTES = 8 << 20; /* Linux's limit, unless it is set */

/* --- text ----------------------------------------------------------------------------------------------- */

/* "64 TiB", rounded down to three digits. */
static void print_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    for (; bytes >= 10000 || (bytes >= 1024 && bytes % 1024 == 0); unit++)
        bytes /= 1024;
    printf("%4" PRIu64 " %s", bytes, units[unit]);
}

static void print_paging(const struct vk_preset *preset)
{
    printf("  pages of %u KiB, ", 1U << (preset->page_shift - 10));
    if (!preset->n_levels) {
        puts("no page tables");
        return;
    }
    printf("addresses of %u bits: %u levels of tables, %u", preset->va_bits, preset->n_levels,
           preset->root_bits);
    for (unsigned level = 1; level < preset->n_levels; level++)
        printf(" + %u", preset->level_bits);
    printf(" + %u bits; entries of %u bytes\n", preset->page_shift, preset->entry_bytes);
}

static void print_programs(const struct vk_preset *preset)
{
    if (!preset->n_levels)
        return;
    printf("  programs end at        %#" PRIx64 "\n", preset->user_end);
    printf("  programs begin at      %#" PRIx64 ", those that can be moved at %#" PRIx64 "\n",
           preset->text_start, preset->pie_start);
    printf("  mappings begin at      %#" PRIx64 " downwards, in the old layout at %#" PRIx64 " upwards\n",
           vk_preset_mmap_base(preset, STACK_BYTES, 0), vk_preset_legacy_base(preset));
}

static void print_zones(const struct vk_preset *preset)
{
    if (!preset->n_levels)
        return;
    printf("  zones                 ");
    if (preset->dma_bytes)
        printf(" DMA to %" PRIu64 " MiB,", preset->dma_bytes >> 20);
    if (preset->dma32_bytes)
        printf(" DMA32 to %" PRIu64 " MiB,", preset->dma32_bytes >> 20);
    if (preset->va_bits == 32)
        printf(" Normal to %" PRIu64 " MiB, HighMem above\n", preset->direct_bytes >> 20);
    else
        puts(" Normal above");
    if (preset->shadow_offset)
        printf("  shadow                 address / 8 + %#" PRIx64 "\n", preset->shadow_offset);
}

static void print_text(const struct vk_preset *preset)
{
    printf("%s: %s\n", preset->name, preset->about);
    print_paging(preset);
    print_programs(preset);
    print_zones(preset);
    for (unsigned i = 0; i < preset->n_ranges; i++) {
        const struct vk_range *const range = &preset->range[i];
        printf("  %016" PRIx64 "-%016" PRIx64 "  ", range->start, range->last);
        print_bytes(range->last - range->start + 1);
        printf("  %s\n", range->name);
    }
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

static void print_member(const char *name, uint64_t value)
{
    printf(", \"%s\": \"%#" PRIx64 "\"", name, value);
}

static void print_json(const struct vk_preset *preset)
{
    printf("{\"name\": \"%s\", \"about\": \"%s\", \"page_bytes\": %u, \"va_bits\": %u, \"levels\": %u",
           preset->name, preset->about, 1U << preset->page_shift, preset->va_bits, preset->n_levels);
    printf(", \"entry_bytes\": %u, \"level_bits\": %u, \"root_bits\": %u", preset->entry_bytes,
           preset->level_bits, preset->root_bits);
    if (preset->n_levels) {
        print_member("user_end", preset->user_end);
        print_member("text_start", preset->text_start);
        print_member("pie_start", preset->pie_start);
        print_member("mmap_base", vk_preset_mmap_base(preset, STACK_BYTES, 0));
        print_member("legacy_base", vk_preset_legacy_base(preset));
        print_member("dma_bytes", preset->dma_bytes);
        print_member("dma32_bytes", preset->dma32_bytes);
        print_member("direct_bytes", preset->direct_bytes);
        print_member("shadow_offset", preset->shadow_offset);
    }
    printf(", \"ranges\": [");
    for (unsigned i = 0; i < preset->n_ranges; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        json_print_string(preset->range[i].name);
        print_member("start", preset->range[i].start);
        print_member("last", preset->range[i].last);
        putchar('}');
    }
    puts("]}");
}

/* --- the command ---------------------------------------------------------------------------------------- */

static int print_named(const char *name, void (*print)(const struct vk_preset *preset))
{
    struct vk_preset preset;
    if (strcmp(name, "all") != 0) {
        if (!vk_preset_find(name, &preset))
            return vmsim_misused("there is no layout %s", name);
        print(&preset);
        return VMSIM_DONE;
    }
    for (unsigned i = 0; vk_preset_at(i, &preset); i++) {
        if (i > 0 && print == print_text)
            putchar('\n');
        print(&preset);
    }
    return VMSIM_DONE;
}

static int print_help(void)
{
    vmsim_help();
    struct vk_preset preset;
    puts("\nLayouts:\n");
    for (unsigned i = 0; vk_preset_at(i, &preset); i++)
        printf("  %-12s  %s\n", preset.name, preset.about);
    return VMSIM_DONE;
}

static int layout(int argc, char **argv)
{
    static const struct option options[] = {VMSIM_HELP_OPTION, {"json", no_argument, NULL, 'j'}, {0}};
    void (*print)(const struct vk_preset *preset) = print_text;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case 'h':
            return print_help();
        case 'j':
            print = print_json;
            break;
        default:
            return VMSIM_WRONG; /* getopt said why */
        }
    }
    if (argc - optind != 1)
        return vmsim_misused(argc == optind ? "no layout" : "more than one layout");
    return print_named(argv[optind], print);
}

const struct command vmsim_layout = {
    .name = "layout",
    .arguments = "[OPTION...] NAME|all",
    .about = "Where everything lies in the address space of an architecture",
    .help = "  --json  a JSON object a layout, each on a line\n",
    .run = layout,
};
