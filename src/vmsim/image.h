/* SPDX-License-Identifier: MIT */
/* image.h - what a program's file says of where its parts go. */
#ifndef VM_VMSIM_IMAGE_H
#define VM_VMSIM_IMAGE_H

#include "vmalloc/machine.h"

enum { IMAGE_SEGMENTS_MOST = 16 };

struct image {
    struct vk_segment segment[IMAGE_SEGMENTS_MOST];
    unsigned n_segments;
    bool is_movable;
};

/* Reads the file's headers. NULL, or why that cannot be done. */
const char *image_read(const char *path, struct image *image);

#endif
