/* SPDX-License-Identifier: MIT */
/*
 * layout.c - where everything lies in an address space, by architecture: a row a preset, and the numbers that follow
 * from it. The numbers are those of Linux's documentation of memory maps, without randomisation; docs/simulation.md
 * names the sources and the versions.
 */
#include "base/bits.h"
#include "sim/machine.h"

enum family { X86_32, X86_64, ARM64, WASM, FLAT };

static const struct row {
    const char *name, *about;
    enum family family;
    unsigned page_shift, va_bits, entry_bytes;
} rows[] = {
    {"x86-32", "3 GiB for programs, 1 GiB for the kernel", X86_32, 12, 32, 4},
    {"x86-32-pae", "the same with entries of 64 bits", X86_32, 12, 32, 8},
    {"x86-64", "four levels, layout of Linux 4", X86_64, 12, 48, 8},
    {"arm64-4k-39", "pages of 4 KiB, layout of Linux 4", ARM64, 12, 39, 8},
    {"arm64-4k-48", "pages of 4 KiB, layout of Linux 4", ARM64, 12, 48, 8},
    {"arm64-16k-47", "pages of 16 KiB, layout of Linux 4", ARM64, 14, 47, 8},
    {"arm64-16k-48", "pages of 16 KiB, layout of Linux 4", ARM64, 14, 48, 8},
    {"arm64-64k-42", "pages of 64 KiB, layout of Linux 4", ARM64, 16, 42, 8},
    {"arm64-64k-48", "pages of 64 KiB, layout of Linux 4", ARM64, 16, 48, 8},
    {"wasm32", "linear memory that grows, no paging", WASM, 16, 32, 0},
    {"flat", "no paging: addresses are those of the memory", FLAT, 12, 0, 0},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static const uint64_t KIB = 1 << 10, MIB = 1 << 20, GIB = 1 << 30, TIB = UINT64_C(1) << 40;

static uint64_t power(unsigned exponent)
{
    return UINT64_C(1) << exponent;
}

static void add_range(struct vk_preset *preset, const char *name, uint64_t start, uint64_t last)
{
    preset->range[preset->n_ranges++] = (struct vk_range){name, start, last};
}

/* --- x86, 32 bits ----------------------------------------------------------------------------------------- */

/* The kernel's gigabyte: as much memory as fits is mapped at its start for good, the rest of the addresses reaches what
   lies beyond that by windows. */
static void fill_x86_32(struct vk_preset *preset)
{
    const uint64_t kernel = 3 * GIB, windows = kernel + 896 * MIB, fixmap_top = 0xfffff000;
    const bool is_pae = preset->entry_bytes == 8;
    const uint64_t kmap = is_pae ? 0xffa00000 : 0xff800000, kmap_bytes = is_pae ? 2 * MIB : 4 * MIB;
    preset->user_end = kernel;
    preset->text_start = 0x08048000;
    preset->pie_start = 0x00400000;
    preset->dma_bytes = 16 * MIB;
    preset->direct_start = kernel;
    preset->direct_bytes = windows - kernel;
    preset->vmalloc_start = windows + 8 * MIB;
    preset->vmalloc_last = kmap - 2 * power(preset->page_shift) - 1;
    preset->has_no_exec = is_pae;
    add_range(preset, "programs", 0, kernel - 1);
    add_range(preset, "direct map", kernel, windows - 1);
    add_range(preset, "hole", windows, preset->vmalloc_start - 1);
    add_range(preset, "vmalloc", preset->vmalloc_start, preset->vmalloc_last);
    add_range(preset, "kmap", kmap, kmap + kmap_bytes - 1);
    add_range(preset, "fixmap", kmap + kmap_bytes, fixmap_top - 1);
    add_range(preset, "guard page", fixmap_top, UINT32_MAX);
}

/* --- x86, 64 bits ----------------------------------------------------------------------------------------- */

static void fill_x86_64(struct vk_preset *preset)
{
    const uint64_t user_end = power(47) - power(preset->page_shift), upper_half = -power(47);
    const uint64_t vmemmap = 0xffffea0000000000, shadow = 0xffffec0000000000, text = 0xffffffff80000000;
    preset->user_end = user_end;
    preset->text_start = 0x400000;
    preset->pie_start = user_end / 3 * 2 & -power(preset->page_shift);
    preset->dma_bytes = 16 * MIB;
    preset->dma32_bytes = 4 * GIB;
    preset->direct_start = upper_half + 8 * TIB;
    preset->direct_bytes = 64 * TIB;
    preset->vmalloc_start = preset->direct_start + preset->direct_bytes + 1 * TIB;
    preset->vmalloc_last = preset->vmalloc_start + 32 * TIB - 1;
    preset->shadow_offset = shadow - (upper_half >> 3);
    preset->has_no_exec = true;
    add_range(preset, "programs", 0, user_end - 1);
    add_range(preset, "no addresses", power(47), upper_half - 1);
    add_range(preset, "hole", upper_half, preset->direct_start - 1);
    add_range(preset, "direct map", preset->direct_start, preset->direct_start + preset->direct_bytes - 1);
    add_range(preset, "vmalloc", preset->vmalloc_start, preset->vmalloc_last);
    add_range(preset, "page descriptors", vmemmap, vmemmap + 1 * TIB - 1);
    add_range(preset, "shadow", shadow, shadow + 16 * TIB - 1);
    add_range(preset, "kernel text", text, text + 512 * MIB - 1);
    add_range(preset, "modules", text + 512 * MIB, 0xffffffffff5fffff);
}

/* --- arm64 ------------------------------------------------------------------------------------------------ */

/* The kernel's half, from its start upwards: shadow, modules, vmalloc; from the linear map in its middle downwards: page
   descriptors, PCI, fixmap. How wide the gap in front of them is depends on what one entry two levels up spans. */
static void fill_arm64(struct vk_preset *preset)
{
    enum { DESCRIPTOR_SHIFT = 6 }; /* 64 bytes for each page of the linear map */
    const unsigned va_bits = preset->va_bits, shift = preset->page_shift;
    const uint64_t start = -power(va_bits), linear = -power(va_bits - 1);
    const uint64_t shadow_end = start + power(va_bits - 3), modules_end = shadow_end + 128 * MIB;
    const uint64_t descriptors = linear - power(va_bits - 1 - shift + DESCRIPTOR_SHIFT);
    const uint64_t pci_end = descriptors - 2 * MIB, pci = pci_end - 16 * MIB;
    const uint64_t fixmap_end = pci - 2 * MIB, fixmap = fixmap_end - 4 * MIB;
    const unsigned upper_shift = shift + (preset->n_levels > 2 ? 2 : 1) * preset->level_bits;
    preset->user_end = power(va_bits);
    preset->text_start = 0x400000;
    preset->pie_start = power(va_bits) / 3 * 2 & -power(shift);
    preset->dma32_bytes = 4 * GIB;
    preset->direct_start = linear;
    preset->direct_bytes = power(va_bits - 1);
    preset->vmalloc_start = modules_end;
    preset->vmalloc_last = descriptors - power(upper_shift) - 64 * KIB - 1;
    preset->shadow_offset = shadow_end - power(64 - 3);
    preset->has_no_exec = true;
    add_range(preset, "programs", 0, preset->user_end - 1);
    add_range(preset, "no addresses", preset->user_end, start - 1);
    add_range(preset, "shadow", start, shadow_end - 1);
    add_range(preset, "modules", shadow_end, modules_end - 1);
    add_range(preset, "vmalloc", preset->vmalloc_start, preset->vmalloc_last);
    add_range(preset, "fixmap", fixmap, fixmap_end - 1);
    add_range(preset, "PCI", pci, pci_end - 1);
    add_range(preset, "page descriptors", descriptors, linear - 1);
    add_range(preset, "direct map", linear, UINT64_MAX);
}

/* --- without paging --------------------------------------------------------------------------------------- */

static void fill_wasm(struct vk_preset *preset)
{
    preset->user_end = power(preset->va_bits);
    preset->direct_bytes = preset->user_end;
    preset->dma_bytes = preset->user_end;
    add_range(preset, "linear memory", 0, preset->user_end - 1);
}

/* --- presets ---------------------------------------------------------------------------------------------- */

static void fill(struct vk_preset *preset, const struct row *row, unsigned page_shift)
{
    *preset = (struct vk_preset){
        .name = row->name,
        .about = row->about,
        .page_shift = page_shift,
        .va_bits = row->va_bits,
        .entry_bytes = row->entry_bytes,
    };
    if (row->entry_bytes) {
        const unsigned page_bits = row->va_bits - page_shift;
        preset->level_bits = page_shift - vm_floor_log2(row->entry_bytes);
        preset->n_levels = (page_bits + preset->level_bits - 1) / preset->level_bits;
        preset->root_bits = page_bits - (preset->n_levels - 1) * preset->level_bits;
    }
    switch (row->family) {
    case X86_32:
        fill_x86_32(preset);
        break;
    case X86_64:
        fill_x86_64(preset);
        break;
    case ARM64:
        fill_arm64(preset);
        break;
    case WASM:
        fill_wasm(preset);
        break;
    case FLAT:
        break; /* all of it is the memory's that is handed over */
    }
}

bool vk_preset_at(unsigned index, struct vk_preset *preset)
{
    if (index >= N_ROWS)
        return false;
    fill(preset, &rows[index], rows[index].page_shift);
    return true;
}

bool vk_same_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool vk_preset_find(const char *name, struct vk_preset *preset)
{
    for (unsigned i = 0; i < N_ROWS; i++)
        if (vk_same_text(rows[i].name, name))
            return vk_preset_at(i, preset);
    return false;
}

void vk_preset_resize(struct vk_preset *preset, unsigned page_shift)
{
    for (unsigned i = 0; i < N_ROWS; i++)
        if (vk_same_text(rows[i].name, preset->name)) {
            fill(preset, &rows[i], page_shift);
            return;
        }
}

uint64_t vk_preset_mmap_base(const struct vk_preset *preset, uint64_t stack_bytes, uint64_t offset)
{
    const uint64_t page = power(preset->page_shift), guard_gap = 256 * page;
    const uint64_t least = 128 * MIB, most = preset->user_end / 6 * 5;
    uint64_t gap = stack_bytes > most - guard_gap ? most : stack_bytes + guard_gap;
    gap = gap < least ? least : gap;
    return (preset->user_end - gap - offset) & -page;
}

uint64_t vk_preset_legacy_base(const struct vk_preset *preset)
{
    const uint64_t page = power(preset->page_shift);
    return (preset->user_end / 3 + page - 1) & -page;
}
