/* SPDX-License-Identifier: MIT */
/* elf.h - what a program's file says of where its parts go. */
#ifndef VM_VMSIM_ELF_H
#define VM_VMSIM_ELF_H

#include "vmalloc/machine.h"

enum { ELF_SEGMENTS_MOST = 16 };

struct elf_image {
    struct vk_segment segment[ELF_SEGMENTS_MOST];
    unsigned n_segments;
    bool is_movable;
};

/* Reads the file's headers. NULL, or why that cannot be done. */
const char *elf_read(const char *path, struct elf_image *image);

#endif
