/* SPDX-License-Identifier: MIT */
/*
 * pages.c - linked with a model test, makes the allocator believe in pages of PAGE_SIZE bytes, as kernels
 * for arm64 and others have them: before any constructor, as the allocator asks for the size in its own.
 */
#include "kernel/kernel.h"

static void (*start_with_real_pages)(struct vm_kernel_backend *self);

static void start(struct vm_kernel_backend *self)
{
    start_with_real_pages(self);
    self->page_size = PAGE_SIZE;
}

static void set_up(void)
{
    start_with_real_pages = vm_linux_backend.start;
    vm_linux_backend.start = start;
}

__attribute__((section(".preinit_array"), used)) static void (*const before_constructors)(void) = set_up;
