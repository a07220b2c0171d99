/* SPDX-License-Identifier: MIT */
/*
 * tables.c - the tables of the page map: megabytes of zeroes, of which a process touches a few pages. They stand alone, as
 * the last in the library's memory, so that its small variables are on few pages, too.
 */
#include "pool/pagemap.h"

struct near_map vm_near_map;
struct leaf *vm_pagemap_x_root[VM_ROOT_ENTRIES];
uint32_t vm_pagemap_n_used[VM_ROOT_ENTRIES];
