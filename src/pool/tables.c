/* SPDX-License-Identifier: MIT */
/*
 * tables.c - the tables of the page map: megabytes of zeroes, of which a process touches a few pages. They stand alone, as
 * the last in the library's memory, so that its small variables are on few pages, too.
 */
#include "pool/pagemap.h"

VM_ALIGNED(4 * VM_KIB) struct near_map vm_near_map; /* so that its pages can be purged */
struct root_entry vm_pagemap_root[VM_ROOT_ENTRIES];
