/* SPDX-License-Identifier: MIT */
/*
 * port.c - vmalloc as newlib's malloc on a processor without an operating system. All it needs of the machine is an
 * array, and a way to say that something is broken.
 *
 * newlib calls malloc by two names: programs malloc, its own functions _malloc_r, which keeps errno for each of
 * its contexts. The first family is in the library (-DVM_LIBC_NAMES), the second is here.
 */
#include <errno.h>
#include <reent.h>
#include <unistd.h>
#include "vmalloc/kernel.h"
#include "vmalloc/sim.h"
#include "vmalloc/vmalloc.h"

#ifndef PORT_BYTES
#define PORT_BYTES (256 * 1024)
#endif

static _Alignas(1024) char memory[PORT_BYTES];
struct vk_kernel *port_kernel;

static void say_what_is_broken(const char *text, size_t length)
{
    write(STDERR_FILENO, text, length);
}

void vm_kernel_before_start(void)
{
    static struct vm_kernel_backend backend;
    const struct vk_config config = {.page_bytes = 1024, .hooks = {.panic = say_what_is_broken}};
    const struct vk_region region = {.start = memory, .bytes = sizeof memory, .contents = VK_CONTENTS_ZERO};
    if (vk_create(&config, &region, &port_kernel) == 0 && vm_sim_backend(&backend, port_kernel) == 0)
        vm_kernel_install(&backend);
}

/* --- newlib's own names --------------------------------------------------------------------------------- */

static void *with_errno(struct _reent *context, void *block)
{
    if (!block)
        context->_errno = errno;
    return block;
}

void *_malloc_r(struct _reent *context, size_t size)
{
    return with_errno(context, vm_malloc(size));
}

void *_calloc_r(struct _reent *context, size_t count, size_t size)
{
    return with_errno(context, vm_calloc(count, size));
}

void *_realloc_r(struct _reent *context, void *block, size_t size)
{
    void *const resized = vm_realloc(block, size);
    return block && size == 0 ? resized : with_errno(context, resized);
}

void *_memalign_r(struct _reent *context, size_t alignment, size_t size)
{
    return with_errno(context, vm_memalign(alignment, size));
}

void *_valloc_r(struct _reent *context, size_t size)
{
    return with_errno(context, vm_valloc(size));
}

void *_pvalloc_r(struct _reent *context, size_t size)
{
    return with_errno(context, vm_pvalloc(size));
}

void _free_r(struct _reent *context, void *block)
{
    (void)context;
    vm_free(block);
}

size_t _malloc_usable_size_r(struct _reent *context, void *block)
{
    (void)context;
    return vm_malloc_usable_size(block);
}

int _malloc_trim_r(struct _reent *context, size_t pad)
{
    (void)context;
    return vm_malloc_trim(pad);
}

int _mallopt_r(struct _reent *context, int parameter, int value)
{
    (void)context;
    return vm_mallopt(parameter, value);
}
