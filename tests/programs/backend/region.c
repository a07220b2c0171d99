/* SPDX-License-Identifier: MIT */
/* region.c - see region.h. */
#include "region.h"
#include <stdlib.h>
#include <vmalloc/kernel.h>
#include <vmalloc/sim.h>
#include "expect.h"
#include "tools.h"

enum { N_GIB = 5 };
static const size_t GIB = (size_t)1 << 30;

static struct vk_kernel *kernel; /* NULL: Linux serves */
static struct vm_kernel_backend backend;

/* That there may be more makes tables as long as on Linux, whose memory has no end, either. */
static bool grow(void *context, size_t bytes, struct vk_region *added)
{
    (void)context;
    (void)bytes;
    (void)added;
    return false;
}

/* A kernel over this part of the reservation, none of which has been touched; the start of its break. */
static uintptr_t make_kernel(char *start, char *end, char *reserved)
{
    madvise(reserved, N_GIB * GIB, MADV_DONTNEED);
    const struct vk_region region = {
        .start = start, .bytes = (size_t)(end - start), .contents = VK_CONTENTS_ZERO};
    REQUIRE(vk_create(&(struct vk_config){.hooks.grow = grow}, &region, &kernel) == 0);
    return vk_usage(vk_flat_mm(kernel)).low;
}

static void *reserve(size_t bytes)
{
    void *const start =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(start != MAP_FAILED);
    return start;
}

static void lay_region(void)
{
    const uintptr_t wanted_break = (uintptr_t)sbrk(0);
    char *const first = reserve(4096); /* where Linux's first mapping would be */
    munmap(first, 4096);
    char *const reserved = reserve(N_GIB * GIB);
    char *const all_end = reserved + N_GIB * GIB;
    char *const end = all_end - ((uintptr_t)all_end - (uintptr_t)(first + 4096)) % GIB;
    char *start = reserved;
    for (size_t missing; (missing = (wanted_break - make_kernel(start, end, reserved)) % GIB) != 0;)
        start += missing; /* a smaller kernel's records are smaller: a little is missing again */
}

void vm_kernel_before_start(void)
{
    if (getenv("TEST_ON_SIM") == NULL)
        return;
    lay_region();
    REQUIRE(vm_sim_backend(&backend, kernel) == 0);
    REQUIRE(vm_kernel_install(&backend) == VM_KERNEL_OK);
}

void *region_sbrk(ptrdiff_t bytes)
{
    if (kernel == NULL)
        return sbrk(bytes);
    struct vk_mm *const mm = vk_flat_mm(kernel);
    const vk_va now = vk_brk(mm, 0), wanted = now + (vk_va)bytes;
    return vk_brk(mm, wanted) == wanted ? (void *)now : (void *)-1;
}

bool region_map_at(void *start)
{
    if (kernel == NULL)
        return mmap(start, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
               start;
    const struct vk_map wanted = {.hint = (vk_va)start, .bytes = 4096, .flags = VK_MAP_FIXED_NOREPLACE};
    vk_va at;
    return vk_map(vk_flat_mm(kernel), &wanted, &at) == 0;
}

static void print(void *context, const char *text, size_t length)
{
    (void)context;
    REQUIRE(write(1, text, length) == (ssize_t)length);
}

void region_print_maps(void)
{
    if (kernel != NULL) {
        vk_report_maps(vk_flat_mm(kernel), &(struct vk_writer){.write = print});
        return;
    }
    char text[4096];
    const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n_bytes; (n_bytes = read(file, text, sizeof text)) > 0;)
        print(NULL, text, (size_t)n_bytes);
    close(file);
}
