/* SPDX-License-Identifier: MIT */
/*
 * port.c - vmalloc as the malloc of a WebAssembly module, in place of wasi-libc's. The region begins behind the
 * module's data and stack, and is continued by memory.grow, as far as PORT_BYTES_MAX and what the linker (--max-memory)
 * and the engine allow.
 */
#include <unistd.h>
#include "vmalloc/kernel.h"
#include "vmalloc/sim.h"

#ifndef PORT_BYTES_MAX
#define PORT_BYTES_MAX (64 * 1024 * 1024) /* records are made for so much: 12 bytes for each 4 KiB */
#endif

enum { WASM_PAGE = 65536, AT_FIRST = 16, AT_ONCE = 4 }; /* all but the first: count of these */

extern char __heap_base[]; /* the linker's */
struct vk_kernel *port_kernel;

static void say_what_is_broken(const char *text, size_t length)
{
    write(STDERR_FILENO, text, length);
}

/* Where n pages more begin: they need not follow the last ones, as others grow the memory, too. NULL: refused. */
static char *grow_memory(size_t n_pages)
{
    const size_t n_before = __builtin_wasm_memory_grow(0, n_pages);
    return n_before == SIZE_MAX ? NULL : (char *)(n_before * WASM_PAGE);
}

static bool grow(void *context, size_t bytes, struct vk_region *added)
{
    (void)context;
    const size_t n_least = (bytes - 1) / WASM_PAGE + 1;
    size_t n_pages = n_least < AT_ONCE ? AT_ONCE : n_least;
    char *start = grow_memory(n_pages);
    if (!start && n_least < n_pages)
        start = grow_memory(n_pages = n_least);
    *added = (struct vk_region){.start = start, .bytes = n_pages * WASM_PAGE, .contents = VK_CONTENTS_ZERO};
    return start != NULL;
}

void vm_kernel_before_start(void)
{
    static struct vm_kernel_backend backend;
    const struct vk_config config = {
        .page_bytes = 4096, .n_areas = 1024, .hooks = {.panic = say_what_is_broken, .grow = grow}};
    if (!grow_memory(AT_FIRST))
        return;
    const struct vk_region region = {
        .start = __heap_base,
        .bytes = __builtin_wasm_memory_size(0) * WASM_PAGE - (size_t)__heap_base,
        .bytes_max = PORT_BYTES_MAX,
        .contents = VK_CONTENTS_ZERO,
    };
    if (vk_create(&config, &region, &port_kernel) == 0 && vm_sim_backend(&backend, port_kernel) == 0)
        vm_kernel_install(&backend);
}
